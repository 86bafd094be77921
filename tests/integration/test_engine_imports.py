"""The real engine on what is there already: refused with a command, and taken over by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.engine import DeploymentFailed
from tests.integration.file_harness import Files

pytestmark = pytest.mark.integration


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


LEFT = """
    from pathlib import Path
    from components.protection import kept
    from tests.alerting_data import settings
    from alerting.settings import Imports, RetainedResource

    def is_there():
        return Path(FOLDER, "monitoring").exists()

    properties = {"name": "monitoring", "text": "left", "kind": "plain"}
    class Kept(pulumi.CustomResource):
        def __init__(self, imports, look_up, keep_data=True, **changes):
            stack = settings().model_copy(update={"imports": imports})
            stack = stack.model_copy(update={"aws": stack.aws.model_copy(update={"keep_data": keep_data})})
            held = kept(stack, RetainedResource.NAMESPACE, found_as="monitoring", look_up=look_up)
            options = pulumi.ResourceOptions.merge(held, pulumi.ResourceOptions(delete_before_replace=True))
            super().__init__("files:index:File", "namespace", properties | changes, options)
    Kept(ARGUMENTS)
"""


@pytest.mark.parametrize(("look_up", "refusing"), [("is_there", "preview"), ("None", "up")])
def test_a_resource_that_was_left_in_the_account_is_taken_over_by_the_command_that_the_error_names(
    files: Files, look_up: str, refusing: str
) -> None:
    program = LEFT.replace("FOLDER", repr(str(files.folder)))
    (files.folder / "monitoring").write_text("left")
    engine = files.engine()

    files.program(program.replace("ARGUMENTS", f"Imports(), {look_up}"))
    with pytest.raises(DeploymentFailed) as raised:
        getattr(engine, refusing)()
    files.program(program.replace("ARGUMENTS", f"Imports(namespace='monitoring'), {look_up}"))
    taken_over = engine.up()
    again = engine.up()

    command = "pulumi config set --stack sandbox --path 'orion-alerting:imports.namespace' monitoring"
    assert command in str(raised.value)
    assert str(raised.value).count(command) == 1
    assert files.there() == {"monitoring": "left"}
    assert taken_over.changes.get("import") == 1
    assert not again.changed
    # It is kept like one that the program made.
    (resource,) = [one for one in engine.state()["resources"] if one["type"] == "files:index:File"]
    assert (resource["protect"], resource["retainOnDelete"]) == (True, True)


def test_a_resource_that_the_stack_made_itself_is_not_taken_for_one_that_was_left(files: Files) -> None:
    """Neither when nothing changes, nor when it is replaced, which the engine allows where nothing is kept."""
    program = LEFT.replace("FOLDER", repr(str(files.folder)))
    engine = files.engine()
    files.program(program.replace("ARGUMENTS", "Imports(), is_there"))
    made = engine.up()
    again = engine.preview()
    files.program(program.replace("ARGUMENTS", "Imports(), is_there, keep_data=False"))
    engine.up()
    files.program(program.replace("ARGUMENTS", "Imports(), is_there, keep_data=False, kind='link'"))
    replaced = engine.up()

    assert made.changes.get("create") == 2
    assert not again.changed
    assert replaced.changes.get("replace") == 1
