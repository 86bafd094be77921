"""`aws:iam/getPolicyDocument`: IAM policies from data. It asks nobody, and answers as pulumi-aws does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any, cast

from sandbox.providers.provider_core import Invoke, Properties, Property, ProviderFailed

VERSION = "2012-10-17"
_VERSIONS = (VERSION, "2008-10-17")
_EFFECTS = ("Allow", "Deny")
_STATEMENT_NAMES = frozenset(
    {
        "actions",
        "conditions",
        "effect",
        "notActions",
        "notPrincipals",
        "notResources",
        "principals",
        "resources",
        "sid",
    }
)


def policy_document(arguments: Properties) -> Properties:
    """Return the document. Raises `ProviderFailed` for what IAM has no word for, and for two statements of one sid.

    Documents are merged as pulumi-aws merges them: `sourcePolicyDocuments`, then `statements`, then
    `overridePolicyDocuments`, of which a statement takes the place of one with the same sid.
    """
    version = arguments.get("version", VERSION)
    if version not in _VERSIONS:
        raise ProviderFailed(f"version: found {version!r}; allowed: {', '.join(_VERSIONS)}")
    policy_id = arguments.get("policyId", "")
    statements: list[Properties] = []
    for place, text in enumerate(arguments.get("sourcePolicyDocuments", [])):
        source = _parsed("sourcePolicyDocuments", place, text)
        policy_id = policy_id or source.get("Id", "")
        _append_all(statements, _listed(source.get("Statement", [])), override=False)
    own = [_statement(place, one, version) for place, one in enumerate(arguments.get("statements", []))]
    _refuse_twins(own)
    _append_all(statements, own, override=True)
    for place, text in enumerate(arguments.get("overridePolicyDocuments", [])):
        override = _parsed("overridePolicyDocuments", place, text)
        policy_id = override.get("Id", "") or policy_id
        _append_all(statements, _listed(override.get("Statement", [])), override=True)

    document: Properties = {"Version": version}
    if policy_id:
        document["Id"] = policy_id
    document["Statement"] = statements
    written = json.dumps(document, indent=2)
    return {
        **arguments,
        "id": str(int(hashlib.sha256(written.encode()).hexdigest()[:8], 16)),
        "json": written,
        "minifiedJson": json.dumps(document, separators=(",", ":")),
        "version": version,
    }


def _parsed(name: str, place: int, text: str) -> Properties:
    if not text:
        return {}
    try:
        return cast("Properties", json.loads(text))
    except json.JSONDecodeError as error:
        raise ProviderFailed(f"{name}[{place}]: not JSON: {error}") from error


def _refuse_twins(statements: Iterable[Properties]) -> None:
    seen: set[str] = set()
    for one in statements:
        sid = one.get("Sid", "")
        if sid and sid in seen:
            raise ProviderFailed(f"statements: two have the sid {sid!r}; a sid is given once, or left out")
        seen.add(sid)


def _append_all(statements: list[Properties], more: Iterable[Properties], *, override: bool) -> None:
    for one in more:
        places = [place for place, there in enumerate(statements) if one.get("Sid") and there.get("Sid") == one["Sid"]]
        if not places:
            statements.append(one)
        elif override:
            statements[places[0]] = one
        else:
            raise ProviderFailed(f"sourcePolicyDocuments: two statements have the sid {one['Sid']!r}")


def _statement(place: int, said: Properties, version: str) -> Properties:
    where = f"statements[{place}]"
    for name in said.keys() - _STATEMENT_NAMES:
        raise ProviderFailed(f"{where}: found {name}; allowed: {', '.join(sorted(_STATEMENT_NAMES))}")
    effect = said.get("effect", "Allow")
    if effect not in _EFFECTS:
        raise ProviderFailed(f"{where}.effect: found {effect!r}; allowed: {', '.join(_EFFECTS)}")
    for one, other in (("actions", "notActions"), ("resources", "notResources"), ("principals", "notPrincipals")):
        if said.get(one) and said.get(other):
            raise ProviderFailed(f"{where}: found {one} and {other}; allowed: one of them")

    statement: Properties = {"Sid": said["sid"]} if said.get("sid") else {}
    statement["Effect"] = effect
    for name, there in (
        ("actions", "Action"),
        ("notActions", "NotAction"),
        ("resources", "Resource"),
        ("notResources", "NotResource"),
    ):
        values = said.get(name)
        if values:
            texts = [_variables(text, version) for text in values] if "esource" in name else list(values)
            statement[there] = _one_or_sorted(texts)
    for name, there in (("principals", "Principal"), ("notPrincipals", "NotPrincipal")):
        if said.get(name):
            statement[there] = _principals(said[name])
    if said.get("conditions"):
        statement["Condition"] = _conditions(said["conditions"], version)
    return statement


def _variables(text: str, version: str) -> str:
    """`&{aws:username}` stands for IAM's `${aws:username}`, which only the newer version of the language has."""
    if version == VERSION:
        return text.replace("&{", "${")
    if "&{" in text:
        raise ProviderFailed(f"found {text!r}; policy variables are allowed with version {VERSION} only")
    return text


def _one_or_sorted(texts: Iterable[str]) -> Any:
    unique = sorted(set(texts), reverse=True)
    return unique[0] if len(unique) == 1 else unique


def _principals(said: Iterable[Properties]) -> Any:
    by_type: dict[str, list[str]] = {}
    for one in said:
        by_type.setdefault(one["type"], []).extend(one["identifiers"])
    if by_type == {"*": ["*"]}:
        return "*"
    return {kind: _one_or_sorted(identifiers) for kind, identifiers in by_type.items()}


def _conditions(said: Iterable[Properties], version: str) -> Properties:
    conditions: dict[str, dict[str, list[str]]] = {}
    for one in said:
        values = [_variables(value, version) for value in one["values"]]
        conditions.setdefault(one["test"], {}).setdefault(one["variable"], []).extend(values)
    return {
        test: {variable: values[0] if len(values) == 1 else values for variable, values in variables.items()}
        for test, variables in conditions.items()
    }


def _listed(statements: Any) -> list[Properties]:
    return [statements] if isinstance(statements, dict) else statements


POLICY_DOCUMENT = Invoke(
    token="aws:iam/getPolicyDocument:getPolicyDocument",  # noqa: S106 - a function's token
    arguments={
        name: Property()
        for name in ("overridePolicyDocuments", "policyId", "sourcePolicyDocuments", "statements", "version")
    },
    call=policy_document,
)
