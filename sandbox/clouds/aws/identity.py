"""The bastion's identity in the cluster: a certificate for the groups that its role's access entry names."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sandbox.clouds.aws.cluster_access import ClusterDescription

VALID_FOR = timedelta(hours=1)
CLOCK_SKEW = timedelta(minutes=5)


class ClusterIdentities:
    """Signs client certificates with the cluster's own authority and writes kubeconfigs for them."""

    def __init__(self, kubeconfig: Path, pki: Path) -> None:
        """Read the administrator's kubeconfig, for the cluster's address, and `ca.crt` and `ca.key` of `pki`."""
        self._cluster: dict[str, Any] = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]
        self._authority_pem = (pki / "ca.crt").read_bytes()
        self._authority = x509.load_pem_x509_certificate(self._authority_pem)
        key = serialization.load_pem_private_key((pki / "ca.key").read_bytes(), password=None)
        if not isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)):
            raise TypeError(f"{pki / 'ca.key'}: found {type(key).__name__}; allowed: RSA, elliptic curve")
        self._key = key

    def describe(self, name: str) -> ClusterDescription:
        """Return what EKS says of the cluster."""
        return ClusterDescription(
            name=name, endpoint=self._cluster["server"], authority=base64.b64encode(self._authority_pem).decode()
        )

    def kubeconfig(self, user: str, groups: Sequence[str] | None) -> str:
        """Return a kubeconfig for a user in `groups`; with None for a role without an access entry: Unauthorized."""
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [
                    {
                        "name": "cluster",
                        "cluster": {
                            "server": self._cluster["server"],
                            "certificate-authority-data": base64.b64encode(self._authority_pem).decode(),
                        },
                    }
                ],
                "users": [{"name": "bastion", "user": self._credentials(user, groups)}],
                "contexts": [{"name": "bastion", "context": {"cluster": "cluster", "user": "bastion"}}],
                "current-context": "bastion",
            }
        )

    def _credentials(self, user: str, groups: Sequence[str] | None) -> dict[str, str]:
        if groups is None:
            return {"token": "k8s-aws-v1.no-access-entry"}
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(
                x509.Name(
                    [
                        *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups),
                        # X.509 ends a common name at 64 characters; Kubernetes reads longer ones, as EKS' are.
                        x509.NameAttribute(NameOID.COMMON_NAME, user, _validate=False),
                    ]
                )
            )
            .issuer_name(self._authority.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - CLOCK_SKEW)
            .not_valid_after(now + VALID_FOR)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {
            "client-certificate-data": base64.b64encode(certificate.public_bytes(serialization.Encoding.PEM)).decode(),
            "client-key-data": base64.b64encode(private).decode(),
        }
