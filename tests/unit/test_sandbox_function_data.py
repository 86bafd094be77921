"""The data of a deployed function as a drill changes it: one file of its zip, and no other."""

from __future__ import annotations

import io
import json
import zipfile

from sandbox.drills.function_data import with_file


def test_one_file_of_a_zip_is_changed_and_all_others_stay() -> None:
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("chat.json", json.dumps({"routes": {}, "silences": {}}))
        archive.writestr("chatops/handler.py", "code")

    changed = with_file(package.getvalue(), "chat.json", lambda data: {**data, "silences": {"a": 1}})

    with zipfile.ZipFile(io.BytesIO(changed)) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    assert json.loads(contents.pop("chat.json")) == {"routes": {}, "silences": {"a": 1}}
    assert contents == {"chatops/handler.py": b"code"}
