"""Names the open incidents that a change would orphan: the deployed commit's catalog against the one that is here."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from alerting.errors import AlertingError
from alerting.loader import read_catalog
from alerting.routing.orphaned_incidents import Deployment, Labels, Orphan, orphans
from alerting.settings.load import stack_file
from alerting.source.problems import listed
from cli.stack_config import read_settings

DEPLOYED = ("origin/main", "main", "HEAD")
"""Where the deployed configuration is looked for: deploy.yml brings up what is merged."""
FOLDERS = ("catalog", "rules", "runbooks")
TIMEOUT_SECONDS = 10


class NotCompared(AlertingError):
    """The deployed configuration cannot be read; the message says why and what to do."""


def deployed(root: Path, stack: str, reference: str | None) -> tuple[str, Deployment]:
    """Return a commit's catalog and the stack's settings in it, and the commit.

    Raises `NotCompared`.
    """
    git = shutil.which("git")
    if git is None:
        raise NotCompared("git is not on PATH")
    wanted = DEPLOYED if reference is None else (reference,)
    commit = next((found for one in wanted if (found := _commit(git, root, one))), None)
    if commit is None:
        raise NotCompared(f"--deployed: found no commit of {listed(wanted)}. Name the commit that is deployed")
    done = subprocess.run(
        [git, "archive", "--format=tar", commit, *FOLDERS, stack_file(stack)],
        cwd=root,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise NotCompared(f"commit {commit[:12]}: {done.stderr.decode(errors='replace').strip()}")
    with tempfile.TemporaryDirectory(prefix="orion-deployed-") as folder:
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            archive.extractall(folder, filter="data")
        try:
            catalog = read_catalog(Path(folder))
            settings = read_settings(Path(folder), stack)
        except AlertingError as error:
            raise NotCompared(f"commit {commit[:12]} cannot be read by this version: {error}") from error
    return commit[:12], Deployment(catalog=catalog, settings=settings)


def _commit(git: str, root: Path, reference: str) -> str | None:
    """Return the full name of a commit, or None if there is none."""
    arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{reference}^{{commit}}"]
    done = subprocess.run([git, *arguments], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def firing(address: str) -> tuple[Labels, ...]:
    """Return the labels of the alerts that a running Alertmanager has, the suppressed ones too.

    Raises `httpx.HTTPError`.
    """
    answer = httpx.get(f"{address.rstrip('/')}/api/v2/alerts", timeout=TIMEOUT_SECONDS)
    found: list[dict[str, Any]] = answer.raise_for_status().json()
    return tuple(alert["labels"] for alert in found)


def print_orphans(
    root: Path, console: Console, stack: str, after: Deployment, reference: str | None, alertmanager: str | None
) -> bool:
    """Print the incidents that the change to `after` would orphan, and return whether the two could be compared.

    Raises `httpx.HTTPError` if the Alertmanager that is named gives no answer.
    """
    try:
        commit, before = deployed(root, stack, reference)
    except NotCompared as error:
        console.print(f"Open incidents: not compared with what is deployed: {error}", markup=False)
        return False
    found = orphans(before, after, None if alertmanager is None else firing(alertmanager))
    of = "alerts that fire now" if alertmanager is not None else "any alert"
    if not found:
        console.print(f"Open incidents: the change from {commit} orphans none, of {of}.", markup=False)
        return True
    console.print(
        f"Open incidents: the change from {commit} moves these groups of alerts to another route, group key or "
        f"PagerDuty service ({of}). Nothing resolves an incident of theirs that is open at `up`, and an alert that "
        "still fires opens a second one. Bring it up while none is open, or resolve them in PagerDuty by hand "
        "afterwards:",
        markup=False,
    )
    by_place: dict[str, list[Orphan]] = defaultdict(list)
    for orphan in found:
        by_place[_place(orphan)].append(orphan)
    for place, group in by_place.items():
        console.print(f"  {place}:", markup=False)
        for orphan in group:
            console.print(f"    {orphan.group_key}  dedup_key {orphan.deduplication_key}", markup=False)
    return True


def _place(orphan: Orphan) -> str:
    """Return where a group's incident is open and where the next would open."""
    before, after = orphan.before, orphan.after
    if after is None:
        return f"PagerDuty service {before.service}, which these alerts page no longer"
    if (before.service, before.integration) == (after.service, after.integration):
        return f"PagerDuty service {before.service}, under another key"
    if before.service == after.service:
        return f"PagerDuty service {before.service}, whose resolve would use integration {after.integration}"
    return f"PagerDuty service {before.service}, whose resolve would go to service {after.service}"
