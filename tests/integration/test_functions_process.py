"""A function's process: what it sees, what it answers, and what happens when it fails or takes too long."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.credentials import Credentials
from sandbox.functions.event_source import EventSource, Mapped
from sandbox.functions.process import FunctionFailed, FunctionProcess, FunctionVersion, runtime_libraries
from sandbox.functions.schedules import UnknownSchedule, rate_seconds
from sandbox.journal import Journal

Make = Callable[..., FunctionProcess]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[FunctionProcess] = []
    libraries = runtime_libraries(tmp_path)

    def make(code: str, *, timeout_seconds: int = 10) -> FunctionProcess:
        root = tmp_path / f"code-{len(made)}"  # as the runtime has a folder for each version: Python compiles it once
        root.mkdir()
        (root / "app.py").write_text(code)
        function = FunctionVersion(
            name="f",
            arn="arn:aws:lambda:us-east-1:123456789012:function:f",
            handler="app.handler",
            runtime="python3.13",
            timeout_seconds=timeout_seconds,
            memory_megabytes=256,
            environment=(("REPAIR_MODE", "on"),),
            code=(),
        )
        process = FunctionProcess(
            function,
            task_root=root,
            libraries=libraries,
            log=tmp_path / "f.log",
            endpoint="http://127.0.0.1:1",
            credentials=Credentials.new(),
        )
        made.append(process)
        return process

    yield make
    for process in made:
        process.stop()


def test_a_process_stays_warm_and_prints_into_its_log(make: Make, tmp_path: Path) -> None:
    process = make("n = 0\ndef handler(event, context):\n    global n\n    n += 1\n    print('said', n)\n    return n")

    assert [process.invoke({}) for _ in range(3)] == [1, 2, 3]
    assert (tmp_path / "f.log").read_text() == "said 1\nsaid 2\nsaid 3\n"


def test_a_function_sees_its_environment_and_nothing_of_this_machines(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_MACHINE", "x")
    process = make("import os\ndef handler(event, context):\n    return dict(os.environ)")

    environment = process.invoke({})

    assert environment["REPAIR_MODE"] == "on"
    assert environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == "f"
    assert "SECRET_OF_THE_MACHINE" not in environment


def test_a_library_that_is_neither_in_the_zip_nor_in_the_runtime_is_not_there(make: Make) -> None:
    make("import boto3\ndef handler(event, context):\n    return 1").invoke({})

    with pytest.raises(FunctionFailed, match="No module named 'httpx'"):
        make("import httpx\ndef handler(event, context):\n    return 1").invoke({})


def test_the_context_tells_what_lambdas_does(make: Make) -> None:
    process = make(
        "def handler(event, context):\n"
        "    return [context.function_name, context.get_remaining_time_in_millis(), context.aws_request_id]"
    )

    name, remaining, request_id = process.invoke({})

    assert name == "f"
    assert 5_000 < remaining <= 10_000
    assert len(request_id) == 36


def test_a_function_that_raises_fails_and_goes_on(make: Make) -> None:
    process = make("def handler(event, context):\n    return 1 / event['by']")

    with pytest.raises(FunctionFailed, match="ZeroDivisionError"):
        process.invoke({"by": 0})
    assert process.invoke({"by": 1}) == 1


def test_a_function_that_takes_too_long_is_killed_and_started_again(make: Make) -> None:
    process = make(
        "import time\ndef handler(event, context):\n    time.sleep(event['seconds'])\n    return 'done'",
        timeout_seconds=1,
    )
    process.invoke({"seconds": 0})
    started = time.monotonic()

    with pytest.raises(FunctionFailed, match="timed out after 1 seconds"):
        process.invoke({"seconds": 60})

    assert time.monotonic() - started < 10
    assert process.invoke({"seconds": 0}) == "done"


def test_a_function_that_ends_its_process_fails_and_is_started_again(make: Make) -> None:
    process = make("import os\ndef handler(event, context):\n    os._exit(3) if event else None\n    return 'done'")

    with pytest.raises(FunctionFailed, match="Runtime exited with code 3"):
        process.invoke({"end": True})
    assert process.invoke({}) == "done"


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        (None, set[str]()),
        ({}, set[str]()),
        ({"batchItemFailures": None}, set[str]()),
        ({"batchItemFailures": [{"itemIdentifier": "b"}]}, {"b"}),
        ({"batchItemFailures": [{"itemIdentifier": "unknown"}]}, {"a", "b"}),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, {"a", "b"}),
        ({"batchItemFailures": [{}]}, {"a", "b"}),
        ({"batchItemFailures": "b"}, {"a", "b"}),
        ("done", {"a", "b"}),
    ],
)
def test_answers_are_understood_as_lambda_does(tmp_path: Path, answer: Any, failed: set[str]) -> None:
    mapped = Mapped(
        uuid="u",
        function="f",
        queue_arn="arn:aws:sqs:us-east-1:123456789012:q",
        queue_url="",
        batch_size=10,
        window_seconds=0,
        visibility_seconds=10,
        concurrency=2,
        reports_failures=True,
    )
    unused: Any = None
    source = EventSource(mapped, sqs=unused, cloudwatch=unused, process=unused, journal=Journal(tmp_path / "journal"))

    assert source._failed(answer, [{"MessageId": "a"}, {"MessageId": "b"}]) == failed  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize(
    ("expression", "seconds"), [("rate(1 minute)", 60), ("rate(5 minutes)", 300), ("rate(2 hours)", 7200)]
)
def test_rates_are_read(expression: str, seconds: int) -> None:
    assert rate_seconds(expression) == seconds


@pytest.mark.parametrize(
    "expression", ["rate(1 minutes)", "rate(5 minute)", "rate(0 minutes)", "cron(0 12 * * ? *)", ""]
)
def test_other_schedules_are_refused(expression: str) -> None:
    with pytest.raises(UnknownSchedule):
        rate_seconds(expression)
