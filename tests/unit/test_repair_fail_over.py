"""The document that fails Aurora over, against moto's RDS by a stand-in of the AWS CLI: it acts once, or not at all."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import jmespath
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.rds.models import rds_backends

from sandbox.clouds.aws.ssm_agent import StepResult
from tests.lambda_harness import ACCOUNT, REGION, SESSION
from tests.repair_scripts import run_script

CLUSTER, WRITER, READER, OTHER_READER = "orion-aurora", "orion-aurora-1", "orion-aurora-2", "orion-aurora-3"
NO_KUBECTL = "#!/bin/bash\necho it was asked\nexit 1\n"
AWS_CLI = f"""#!{sys.executable} -IS
import json, sys, urllib.request
request = urllib.request.Request("ADDRESS", json.dumps(sys.argv[1:]).encode())
output, errors = json.load(urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open(request))
sys.stdout.write(output)
sys.exit(errors or 0)
"""
"""The stand-in hands its arguments to the test, and prints what that answers."""
Answer = tuple[str, str]
"""The output and the errors of a command. One with errors has failed."""


class AwsCli:
    """`aws rds OPERATION --NAME VALUE ... --query Q --region R --output text`, as the AWS CLI's reference has it.

    Without a query the output is `json`, and is diagnostics. `instead` is what answers in place of an operation with a
    query. `asked` are the operations in their order.
    """

    def __init__(self, rds: Any) -> None:
        self._rds = rds
        self.instead: dict[str, Callable[[list[str]], Answer]] = {}
        self.asked: list[str] = []

    def answer(self, arguments: list[str]) -> Answer:
        """Return what the command would write."""
        operation = arguments[1]
        self.asked.append(operation if "--query" in arguments else f"{operation} before")
        if "--query" not in arguments:
            return f"all of {operation}\n", ""
        instead = self.instead.get(operation)
        return self.run(arguments) if instead is None else instead(arguments)

    def run(self, arguments: list[str]) -> Answer:
        """Have moto carry the command out."""
        service, operation, *rest = arguments
        options = dict(zip(rest[::2], rest[1::2], strict=True))
        query, region, form = (options.pop(name) for name in ("--query", "--region", "--output"))
        assert (service, region, form) == ("rds", REGION, "text")
        method = operation.replace("-", "_")
        shape = self._rds.meta.service_model.operation_model(self._rds.meta.method_to_api_mapping[method]).input_shape
        names = {"--" + xform_name(name, "-"): name for name in shape.members}
        given: dict[str, Any] = {names[option]: value for option, value in options.items()}
        if "Filters" in given:
            name, value = (part.partition("=")[2] for part in given["Filters"].split(",", 1))
            given["Filters"] = [{"Name": name, "Values": [value]}]
        try:
            found: Any = jmespath.search(query, getattr(self._rds, method)(**given))
        except ClientError as error:
            return "", f"\n{error}"
        rows: list[Any] = found if isinstance(found, list) else [found]
        lines: list[Any] = rows if rows and isinstance(rows[0], list) else [rows]
        return "".join("\t".join(str(value) for value in line) + "\n" for line in lines), ""


@pytest.fixture
def rds() -> Iterator[Any]:
    """A cluster with a writer and two readers."""
    with mock_aws():
        client = SESSION.client("rds")
        client.create_db_cluster(
            DBClusterIdentifier=CLUSTER, Engine="aurora-postgresql", MasterUsername="u", MasterUserPassword="a-password"
        )
        for name in (WRITER, READER, OTHER_READER):
            client.create_db_instance(
                DBInstanceIdentifier=name,
                DBClusterIdentifier=CLUSTER,
                Engine="aurora-postgresql",
                DBInstanceClass="db.r6g.large",
            )
        yield client


@pytest.fixture
def cli(rds: Any) -> AwsCli:
    return AwsCli(rds)


def fail_over(directory: Path, cli: AwsCli, instance: str = WRITER) -> StepResult:
    """Run the script with the stand-in as `aws`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.dumps(cli.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object, **__: object) -> None:
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        aws = AWS_CLI.replace("ADDRESS", f"http://127.0.0.1:{server.server_port}")
        return run_script(directory, "fail_over_aurora", NO_KUBECTL, {"instance": instance}, aws=aws)
    finally:
        server.shutdown()
        server.server_close()


def writer(rds: Any) -> str:
    (cluster,) = rds.describe_db_clusters(DBClusterIdentifier=CLUSTER)["DBClusters"]
    (name,) = (one["DBInstanceIdentifier"] for one in cluster["DBClusterMembers"] if one["IsClusterWriter"])
    return name


def test_the_cluster_fails_over_to_a_reader_and_run_again_nothing_is_done(
    tmp_path: Path, cli: AwsCli, rds: Any
) -> None:
    done = fail_over(tmp_path, cli)

    assert (done.status, done.errors) == ("Success", "")
    last = done.output.splitlines()[-1]
    assert last == f"failed over: cluster {CLUSTER} from {WRITER} to {READER}, which is its writer"
    assert writer(rds) == READER
    assert cli.asked.index("describe-db-clusters before") < cli.asked.index("failover-db-cluster")
    assert "=== before: cluster\nall of describe-db-clusters\n" in done.output
    assert "=== before: instances\nall of describe-db-instances\n" in done.output
    again = fail_over(tmp_path, cli)
    assert again.output.startswith(f"nothing done: instance {WRITER} is not the writer of cluster {CLUSTER} any more: ")
    assert writer(rds) == READER


def test_a_reader_is_not_failed_over(tmp_path: Path, cli: AwsCli, rds: Any) -> None:
    done = fail_over(tmp_path, cli, READER)

    assert done.output.startswith(f"nothing done: instance {READER} is not the writer")
    assert writer(rds) == WRITER


def test_an_instance_that_is_gone_is_said_to_be(tmp_path: Path, cli: AwsCli) -> None:
    done = fail_over(tmp_path, cli, "orion-aurora-9")

    assert (done.output, done.errors) == ("gone: instance orion-aurora-9 is not there any more\n", "")


def test_an_instance_without_a_cluster_is_refused(tmp_path: Path, cli: AwsCli, rds: Any) -> None:
    rds.create_db_instance(
        DBInstanceIdentifier="alone",
        Engine="postgres",
        DBInstanceClass="db.r6g.large",
        AllocatedStorage=20,
        MasterUsername="u",
        MasterUserPassword="a-password",
    )

    assert fail_over(tmp_path, cli, "alone").errors == "refused: instance alone belongs to no cluster\n"


def _is_failing_over(backend: Any) -> None:
    backend.clusters[CLUSTER].status = "failing-over"


def _has_no_reader(backend: Any) -> None:
    for name in (READER, OTHER_READER):
        backend.databases[name].status = "rebooting"


@pytest.mark.parametrize(
    ("change", "reason"),
    [(_is_failing_over, "is failing-over"), (_has_no_reader, "has no reader that is available")],
)
def test_a_cluster_that_cannot_fail_over_is_refused(
    tmp_path: Path, cli: AwsCli, rds: Any, change: Callable[[Any], None], reason: str
) -> None:
    change(rds_backends[ACCOUNT][REGION])

    done = fail_over(tmp_path, cli)

    assert done.errors == f"refused: instance {WRITER} is left alone: its cluster {CLUSTER} {reason}\n"
    assert writer(rds) == WRITER


def test_a_failover_that_aws_refuses_has_failed(tmp_path: Path, cli: AwsCli, rds: Any) -> None:
    cli.instead["failover-db-cluster"] = lambda _: ("", "An error occurred (AccessDenied): no")

    done = fail_over(tmp_path, cli)

    assert (done.status, done.errors) == ("Failed", "An error occurred (AccessDenied): no\n")
    assert done.output.startswith("=== before: cluster\n")
    assert writer(rds) == WRITER


def test_a_failover_whose_answer_is_lost_is_not_said_to_be_nothing(tmp_path: Path, cli: AwsCli) -> None:
    def lost(arguments: list[str]) -> Answer:
        cli.run(arguments)
        return "", "Read timeout on endpoint URL"

    cli.instead["failover-db-cluster"] = lost

    done = fail_over(tmp_path, cli)

    assert (done.status, done.output.splitlines()[0]) == ("Failed", "=== before: cluster")
    assert done.errors.splitlines()[-1] == (
        f"failed: cluster {CLUSTER} may have been failed over: it is available, its writer is {READER}"
    )
