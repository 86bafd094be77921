"""The real engine on a provider whose resources are files: previews, runs, secrets, kills and Ctrl-C."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path

import psutil
import pytest
from pulumi.automation import CommandError

from sandbox.engine import DeploymentFailed, Interrupted
from tests.integration.file_harness import SECRET, STACK, Files
from tests.waiting import until

pytestmark = pytest.mark.integration


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_preview_makes_nothing_up_makes_it_and_a_second_up_changes_nothing(files: Files) -> None:
    files.program("""
        first = File("first", name="a.txt", text="hello")
        File("second", name="b.txt", text=first.path)
        pulumi.export("path", first.path)
        pulumi.export("port", config.require_object("nested"))
    """)
    engine = files.engine()
    engine.configure({"nested": {"port": 9090}})

    preview = engine.preview()
    before = files.there()
    up = engine.up()
    made = files.there()
    again = engine.up()
    steps = [(step.operation, step.name, step.stage) for step in files.steps]

    assert preview.changes["create"] == 3
    assert before == {}
    assert made == {"a.txt": "hello", "b.txt": str(files.folder / "a.txt")}
    assert up.outputs == {"path": str(files.folder / "a.txt"), "port": {"kept": 1, "port": 9090}}
    assert again.changes == {"same": 3}
    assert not again.changed
    assert ("create", "first", "began") in steps
    assert ("create", "first", "done") in steps

    engine.destroy()

    assert files.there() == {}
    assert engine.state().get("resources", []) == []


def test_project_files_stay_as_they_are(files: Files) -> None:
    files.program("pulumi.export('secret', config.require_secret('token'))")
    engine = files.engine()
    engine.configure({}, secret={"token": SECRET})
    engine.up()

    assert (files.project / "Pulumi.sandbox.yaml").read_text() == STACK
    assert sorted(path.name for path in files.project.iterdir()) == [
        "Pulumi.sandbox.yaml",
        "Pulumi.yaml",
        "__main__.py",
    ]
    assert files.engine().outputs() == {"secret": SECRET}


def test_secrets_are_nowhere_in_the_state_in_plain_text(files: Files) -> None:
    files.program("""
        webhooks = config.require_secret_object("webhooks")
        made = File("made", name="a.txt", text=webhooks["#orders"])
        File("other", name="b.txt", text=made.path.apply(lambda path: "plain"))
        keys = config.require_secret_object("signingKeys")
        File("keys", name="c.txt", text=keys.apply(lambda keys: "/".join(keys)))
    """)
    engine = files.engine()
    engine.configure({}, secret={"webhooks": {"#orders": SECRET}, "signingKeys": [SECRET, f"{SECRET}-before"]})
    engine.preview()
    engine.up()
    kept = [path for path in files.engine_folder.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]

    assert files.there() == {"a.txt": SECRET, "b.txt": "plain", "c.txt": f"{SECRET}/{SECRET}-before"}
    assert kept == []
    assert engine.up().changes == {"same": 4}


def test_a_saved_plan_holds_no_secret_and_what_is_not_in_it_is_not_done(files: Files, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    planned = "File('made', name='a.txt', text=config.require_secret('webhook'))"
    files.program(planned)
    engine = files.engine()
    engine.configure({}, secret={"webhook": SECRET})
    stack = engine._stack  # pyright: ignore[reportPrivateUsage]  the sandbox itself saves no plan
    stack.preview(plan=str(plan), color="never")
    text = plan.read_text()

    assert "urn:pulumi:" in text
    assert SECRET not in text
    files.program("File('other', name='b.txt', text='two')")
    with pytest.raises(CommandError, match="plan"):
        stack.up(plan=str(plan), color="never")
    assert files.there() == {}
    files.program(planned)
    stack.up(plan=str(plan), color="never")
    assert files.there() == {"a.txt": SECRET}


def test_names_are_made_up_and_kept_and_a_changed_default_name_is_a_new_file(files: Files) -> None:
    files.program("File('made', text='one')")
    engine = files.engine()
    engine.up()
    (first,) = files.there()
    files.program("File('made', text='two')")
    changed = engine.up()
    (second,) = files.there()
    files.program("File('made', text='two', kind='other')")
    replaced = engine.up()
    (third,) = files.there()

    assert first.startswith("made-")
    assert second == first
    assert changed.changes == {"same": 1, "update": 1}
    assert changed.changed == ("update files:index:File made (text)",)
    assert replaced.changes == {"same": 1, "replace": 1}
    assert third != first


def test_fixed_name_is_deleted_before_it_is_replaced(files: Files) -> None:
    files.program("File('made', name='a.txt', text='one')")
    engine = files.engine()
    engine.up()
    files.program("File('made', name='a.txt', text='one', kind='other')")

    assert engine.preview().changes == {"same": 1, "replace": 1}
    assert engine.up().changes == {"same": 1, "replace": 1}
    assert files.there() == {"a.txt": "one"}


def test_what_means_the_same_is_no_change(files: Files) -> None:
    files.program("""File('made', name='a.txt', labels='{"a": 1, "b": 2}')""")
    engine = files.engine()
    engine.up()
    files.program("""File('made', name='a.txt', labels='{"b":2,"a":1}')""")

    assert engine.up().changes == {"same": 2}


def test_an_asset_is_compared_by_its_contents(files: Files, tmp_path: Path) -> None:
    source = tmp_path / "source.txt"
    source.write_text("one")
    files.program(f"File('made', name='a.txt', source=pulumi.FileAsset({str(source)!r}))")
    engine = files.engine()
    engine.up()
    again = engine.up()
    source.write_text("two")
    changed = engine.up()

    assert again.changes == {"same": 2}
    assert changed.changes == {"same": 1, "update": 1}
    assert files.there() == {"a.txt": "two"}

    engine.destroy()

    assert files.there() == {}


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("File('made', txt='hello')", ["files:index:File made", "txt", "allowed: kind, labels, name, source, text"]),
        (
            "pulumi.CustomResource('files:index:Folder', 'made', {})",
            ["files:index:Folder", "allowed: files:index:File"],
        ),
        ("File('made', text='x' * 101)", ["made", "100 characters"]),
        ("pulumi.runtime.invoke('files:index:find', {})", ["files:index:find", "allowed: files:index:list"]),
        ("pulumi.runtime.invoke('files:index:list', {'end': 'x'})", ["end", "allowed: ending"]),
        ("raise ValueError('the catalog is wrong')", ["the catalog is wrong"]),
    ],
)
def test_what_is_not_in_the_table_is_refused_in_preview_by_name(files: Files, program: str, words: list[str]) -> None:
    files.program(program)

    with pytest.raises(DeploymentFailed) as raised:
        files.engine().preview()

    for word in words:
        assert word in str(raised.value)
    assert "Traceback" not in str(raised.value)
    assert 'File "' not in str(raised.value)


def test_a_failure_names_the_resource_and_the_reason_and_the_next_run_goes_on(files: Files) -> None:
    (files.folder / "a.txt").write_text("someone else's")
    files.program("File('made', name='a.txt'); File('other', name='b.txt')")
    engine = files.engine()

    with pytest.raises(DeploymentFailed) as raised:
        engine.up()

    assert "files:index:File made: " in str(raised.value)
    assert "a.txt: a file of that name already exists" in str(raised.value)
    assert "Traceback" not in str(raised.value)

    (files.folder / "a.txt").unlink()
    engine.up()

    assert set(files.there()) == {"a.txt", "b.txt"}


def test_what_was_made_incompletely_is_kept_and_put_right(files: Files) -> None:
    files.program("File('made', name='a.txt', text='incomplete')")
    engine = files.engine()

    with pytest.raises(DeploymentFailed, match="made, but incomplete"):
        engine.up()

    files.program("File('made', name='a.txt', text='whole')")

    assert engine.up().changes == {"same": 1, "update": 1}
    assert files.there() == {"a.txt": "whole"}


def test_what_failed_to_prove_itself_fails_again_in_the_next_run(files: Files) -> None:
    """The bastion's proof: an update in place would wait for nothing, and the second `up` would succeed."""
    files.program(
        "File('proof', name='a.txt', text='incomplete', "
        "opts=pulumi.ResourceOptions(replace_on_changes=['*'], delete_before_replace=True))"
    )
    engine = files.engine()

    for _ in range(2):
        with pytest.raises(DeploymentFailed, match="made, but incomplete"):
            engine.up()


def test_refresh_sees_what_was_changed_or_deleted_behind_the_programs_back(files: Files) -> None:
    files.program("File('made', name='a.txt', text='one'); File('other', name='b.txt', text='one')")
    engine = files.engine()
    engine.up()
    (files.folder / "a.txt").write_text("two")
    (files.folder / "b.txt").unlink()
    engine.refresh()

    assert engine.up().changes == {"same": 1, "update": 1, "create": 1}
    assert files.there() == {"a.txt": "one", "b.txt": "one"}


def test_invokes_answer_in_preview_too(files: Files) -> None:
    (files.folder / "x.csv").touch()
    files.program("pulumi.export('names', files('.csv'))")

    assert files.engine().up().outputs == {"names": {"names": ["x.csv"]}}


def test_after_an_interrupt_the_next_run_goes_on(files: Files) -> None:
    files.program("""
        first = File("first", name="a.txt", text="one")
        second = File("second", name="b.txt", text=first.path)
        File("third", name="c.txt", text=second.path)
    """)
    (files.folder / "b.txt.gate").touch()
    engine = files.engine()
    seen: list[type[BaseException]] = []

    def run() -> None:
        try:
            engine.up()
        except Interrupted as error:
            seen.append(type(error))

    thread = threading.Thread(target=run)
    thread.start()
    until("the second file is being made", (files.folder / "b.txt.started").exists)
    engine.interrupt()
    thread.join(30)
    after = set(files.there())
    (files.folder / "b.txt.gate").unlink()
    result = engine.up()

    assert seen == [Interrupted]
    assert after == {"a.txt", "b.txt", "b.txt.gate"}
    assert result.changes == {"same": 3, "create": 1}


def test_after_ctrl_c_nothing_is_locked_and_the_next_run_goes_on(files: Files) -> None:
    files.program("""
        first = File("first", name="a.txt", text="one")
        second = File("second", name="b.txt", text=first.path)
        File("third", name="c.txt", text=second.path)
    """)
    (files.folder / "b.txt.gate").touch()
    stopped = files.start_elsewhere()
    until("the second file is being made", (files.folder / "b.txt.started").exists)
    stopped.send_signal(signal.SIGINT)
    code = stopped.wait(30)
    locks = list(files.engine_folder.glob("state/.pulumi/locks/**/*.json"))
    (files.folder / "b.txt.gate").unlink()

    assert code != 0
    assert locks == []
    assert files.engine().up().changes == {"same": 3, "create": 1}


def test_after_a_kill_the_next_run_goes_on_and_nothing_is_left_running(files: Files) -> None:
    files.program("""
        first = File("first", name="a.txt", text="one")
        File("second", name="b.txt", text=first.path)
    """)
    (files.folder / "b.txt.gate").touch()
    killed = files.start_elsewhere()
    until("the second file is being made", (files.folder / "b.txt.started").exists)
    children = psutil.Process(killed.pid).children(recursive=True)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    gone, left = psutil.wait_procs(children, timeout=10)
    locks = list(files.engine_folder.glob("state/.pulumi/locks/**/*.json"))
    (files.folder / "b.txt.gate").unlink()
    (files.folder / "b.txt.started").unlink()

    assert gone
    assert left == []
    assert locks
    assert set(files.there()) == {"a.txt"}
    assert files.engine().up().changes == {"same": 2, "create": 1}
    assert set(files.there()) == {"a.txt", "b.txt"}


def test_providers_see_nothing_of_this_process_accounts(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("PULUMI_ACCESS_TOKEN", "token")
    monkeypatch.setenv("KUBECONFIG", "/production")
    files.program("pulumi.export('done', True)")
    environment = files.engine().environment

    assert {"AWS_PROFILE", "PULUMI_ACCESS_TOKEN", "KUBECONFIG"}.isdisjoint(environment)
    assert json.dumps(environment["NO_PROXY"]).count("127.0.0.1") == 1


def test_what_another_machine_encrypted_is_left_out_and_its_key_too(files: Files) -> None:
    stack = {
        "secretsprovider": "awskms://alias/orion",
        "encryptedkey": "abc",
        "config": {"demo:token": {"secure": "v1:abc"}, "demo:nested": {"kept": 1, "hidden": {"secure": "v1:d"}}},
    }
    (files.project / "Pulumi.sandbox.yaml").write_text(json.dumps(stack))
    files.program(
        "pulumi.export('nested', config.require_object('nested')); pulumi.export('t', str(config.get('token')))"
    )

    assert files.engine().up().outputs == {"nested": {"kept": 1}, "t": "None"}
