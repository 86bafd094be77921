"""`python -m sandbox.clouds.aws --port N`: AWS on a loopback port, until SIGTERM."""

from __future__ import annotations

import argparse
import os
import signal
import threading
from pathlib import Path

from sandbox.clouds.aws.server import AwsServer
from sandbox.clouds.serving import clock_from_environment
from sandbox.credentials import ACCOUNT_ID, ACCOUNT_VARIABLE, REGION, Credentials
from sandbox.garbage import search_rarely
from sandbox.journal import Journal
from tools.paths import tool


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.clouds.aws", description="AWS on a loopback port")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--region", default=REGION, help="the region that the cluster is in")
    parser.add_argument("--cluster-name", help="the name that EKS knows the sandbox's cluster by")
    parser.add_argument("--cluster-kubeconfig", type=Path, help="the administrator's kubeconfig of that cluster")
    parser.add_argument("--pki", type=Path, help="the folder with that cluster's ca.crt and ca.key")
    parser.add_argument("--network", nargs="+", metavar="ID", help="a VPC to make, and its subnets")
    parser.add_argument("--function-runtime", help="the address of what runs functions and serves their URLs")
    arguments = parser.parse_args()
    given = [arguments.cluster_name, arguments.cluster_kubeconfig, arguments.pki]
    if any(given) and not all(given):
        parser.error("--cluster-name, --cluster-kubeconfig and --pki belong together")
    os.environ.setdefault("MOTO_LOG_LEVEL", "WARNING")
    os.environ.setdefault("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")  # AWS has its own policies from the start
    server = AwsServer(
        port=arguments.port,
        account_id=os.environ.get(ACCOUNT_VARIABLE, ACCOUNT_ID),
        region=arguments.region,
        journal=Journal.from_environment(),
        credentials=Credentials.from_environment(),
        cluster=(arguments.cluster_name, arguments.cluster_kubeconfig, arguments.pki) if all(given) else None,
        kubectl=tool("kubectl") if all(given) else None,
        network=arguments.network or (),
        clock=clock_from_environment(),
        function_runtime=arguments.function_runtime,
    )
    ended = threading.Event()

    def end(*_: object) -> None:
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    search_rarely()
    server.start()
    ended.wait()
    server.stop()


main()
