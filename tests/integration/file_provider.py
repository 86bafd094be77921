"""A provider for the tests of machine and engine: its one type of resource is a file in $FILES_FOLDER."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from sandbox.providers.provider_server import serve
from sandbox.providers.provider_table import (
    Created,
    Incomplete,
    Invoke,
    Property,
    ProviderFailed,
    Request,
    ResourceType,
    Setting,
    Table,
    by_token,
)
from sandbox.providers.provider_values import Asset, Properties

TOKEN = "files:index:File"


def folder() -> Path:
    return Path(os.environ["FILES_FOLDER"])


def _short(text: object) -> str | None:
    return None if isinstance(text, str) and len(text) <= 100 else f"text: found {text!r}; allowed: 100 characters"


def _same_json(old: str, new: str) -> bool:
    return json.loads(old) == json.loads(new)


def _text(inputs: Properties) -> str:
    source = inputs.get("source")
    return source.read().decode() if isinstance(source, Asset) else str(inputs.get("text", ""))


def _outputs(path: Path) -> Properties:
    return {"path": str(path), "size": path.stat().st_size, "inode": str(path.stat().st_ino)}


def create(request: Request) -> Created:
    path = folder() / request.inputs["name"]
    if path.exists():
        raise ProviderFailed(f"{path.name}: a file of that name already exists")
    (folder() / f"{path.name}.started").touch()
    gate = folder() / f"{path.name}.gate"
    while gate.exists() and not request.cancelled.is_set():
        time.sleep(0.02)
    path.write_text(_text(request.inputs))
    (folder() / f"{path.name}.started").unlink(missing_ok=True)
    if request.inputs.get("text") == "incomplete":
        raise Incomplete(f"{path.name}: made, but incomplete", id=path.name, outputs=_outputs(path))
    return Created(id=path.name, outputs=_outputs(path))


def read(request: Request) -> Properties | None:
    path = folder() / request.id
    if not path.exists():
        return None
    return {"kind": "plain", **request.state, "name": path.name, "text": path.read_text(), **_outputs(path)}


def update(request: Request) -> Properties:
    path = folder() / request.id
    path.write_text(_text(request.inputs))
    return _outputs(path)


def delete(request: Request) -> None:
    (folder() / request.id).unlink(missing_ok=True)


FILE = ResourceType(
    token=TOKEN,
    properties={
        "name": Property(replaces=True),
        "text": Property(check=_short),
        "labels": Property(same=_same_json),
        "kind": Property(default="plain", replaces=True),
        "source": Property(),
    },
    name_property="name",
    computed=("path", "size", "inode"),
    create=create,
    read=read,
    update=update,
    delete=delete,
)
LIST = Invoke(
    token="files:index:list",
    arguments={"ending": Property(required=True)},
    call=lambda arguments: {"names": sorted(path.name for path in folder().glob(f"*{arguments['ending']}"))},
)
TABLE = Table(
    name="files",
    version="1.0.0",
    resources=by_token(FILE),
    invokes=by_token(LIST),
    settings={"mode": Setting(), "tags": Setting(is_json=True)},
    expected_errors=(OSError,),
)


def main() -> None:
    """Be the provider."""
    serve(TABLE)


if __name__ == "__main__":
    main()
