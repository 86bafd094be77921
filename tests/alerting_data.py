"""Shared data of the model's tests: settings, a copy of the repository's data, and rendered files."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

import pytest
import yaml

from alerting.build import load_catalog
from alerting.catalog import Catalog
from alerting.platform import AlertmanagerFiles, Platform
from alerting.rules.render import rules_text
from alerting.settings import (
    Addresses,
    AwsSettings,
    BastionSettings,
    ClusterSettings,
    Endpoints,
    Environment,
    NetworkSettings,
    Settings,
)
from alerting.source.problems import CatalogError

ROOT = Path(__file__).parent.parent
DATA = ROOT / "tests" / "fixture"
"""The catalog, rules and runbooks that tests read: `tests/fixture/README.md`."""
IMAGE = "ami-0123456789abcdef0"


def settings(environment: Environment = Environment.PROD, *, time_scale: float = 1, paging: bool = True) -> Settings:
    """Return settings as a stack has them."""
    in_sandbox = environment is Environment.SANDBOX
    return Settings(
        environment=environment,
        aws=AwsSettings(account_id="123456789012", region="us-east-1"),
        cluster=ClusterSettings(name="orion"),
        network=NetworkSettings(vpc_id="vpc-1", subnet_ids=("subnet-1",)),
        bastion=BastionSettings(image=IMAGE),
        addresses=Addresses(
            alertmanager="https://alertmanager.orion.example.com", prometheus="https://prometheus.orion.example.com"
        ),
        endpoints=Endpoints(sns="http://127.0.0.1:1/sns", pagerduty_events="http://127.0.0.1:1/v2/enqueue")
        if in_sandbox
        else Endpoints(),
        time_scale=time_scale,
        paging=paging,
    )


@cache
def fixture_catalog() -> Catalog:
    """Return the fixture's catalog, loaded once for all tests that only read it."""
    return load_catalog(DATA)


def copied_root(folder: Path) -> Path:
    """Copy the fixture's data to `folder`."""
    for name in ("catalog", "rules", "runbooks"):
        shutil.copytree(DATA / name, folder / name, copy_function=shutil.copyfile)
    return folder


@cache
def program_folder() -> Path:
    """Return a folder with the program, its settings and the fixture's data. It is removed when the tests end."""
    folder = Path(tempfile.mkdtemp(prefix="orion-program-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    copied_root(folder)
    shutil.copytree(ROOT / "lambda", folder / "lambda")
    for path in [ROOT / "__main__.py", *ROOT.glob("Pulumi*.yaml")]:
        shutil.copy(path, folder)
    return folder


def changed(folder: Path, file: str, old: str, new: str) -> Path:
    """Copy the fixture's data and change one place of one file."""
    root = copied_root(folder)
    path = root / file
    text = path.read_text()
    assert old in text, f"{file} no longer holds {old!r}"
    path.write_text(text.replace(old, new, 1))
    return root


def problems(root: Path) -> list[str]:
    """Return what is wrong with the data; that nothing is fails the test."""
    with pytest.raises(CatalogError) as raised:
        load_catalog(root)
    return [str(problem) for problem in raised.value.problems]


def line_of(root: Path, file: str, text: str) -> int:
    """Return the first line of a file that holds `text`."""
    lines = (root / file).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def write_rules(platform: Platform, folder: Path) -> list[Path]:
    """Write rendered rules as Prometheus reads them: DOMAIN.yaml."""
    paths: list[Path] = []
    for file in platform.rules:
        path = folder / f"{file.name.removeprefix('orion-')}.yaml"
        path.write_text(rules_text(file))
        paths.append(path)
    return paths


def write_alertmanager(files: AlertmanagerFiles, folder: Path) -> Path:
    """Write a configuration, its templates and secrets below `folder` and return the configuration's path.

    The folder takes the place of /etc/alertmanager.
    """
    templates = folder / "configmaps" / files.template_config_map
    templates.mkdir(parents=True)
    for name, text in files.templates.items():
        (templates / name).write_text(text)
    for secret in files.secret_files:
        path = folder / "secrets" / secret.secret / secret.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("0123456789abcdef0123456789abcdef")
    text = json.dumps(files.configuration, ensure_ascii=False).replace("/etc/alertmanager", str(folder))
    path = folder / "alertmanager.yaml"
    path.write_text(yaml.safe_dump(json.loads(text), sort_keys=False))
    return path


def assert_told(root: Path, file: str, where: str, message: str) -> None:
    """Hold that a problem is told at the line of a file that has `where` in it.

    Where `where` is empty, `message` begins with its own place.
    """
    found = problems(root)
    place = f"{file}:{line_of(root, file, where)}: " if where else ""
    assert any(problem.startswith(place + message) for problem in found), found
