"""Chooses the chart that the sandbox installs: the registry's, else a file's, else none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import httpx

from alerting.errors import AlertingError
from alerting.settings import ChartFromFile, ChartFromRepository, CustomResourcesOnly

PROBE_SECONDS = 3.0
FOUND_BESIDE = "shared/charts"
NONE = "none"


class ChartUnusable(AlertingError):
    """The chart that was asked for is not there; the message says what is allowed."""


def choose_chart(root: Path, asked: str | None) -> tuple[Mapping[str, str], str]:
    """Return the program's setting of where its chart comes from, and what to tell a person of it.

    `asked` is a file, or `none`; without it the registry comes first, then a chart in ../shared/charts.
    Raises `ChartUnusable` if the file that was asked for is not there.
    """
    if asked == NONE:
        return _without("as asked")
    if asked is not None:
        path = Path(asked).expanduser().resolve()
        if not path.is_file():
            raise ChartUnusable(f"--chart: found {asked!r}, which is no file; allowed: a chart archive, or {NONE}")
        return _from_file(path)
    registry = ChartFromRepository(source="repository")
    if _answers(f"{registry.repository}/index.yaml"):
        return registry.model_dump(), f"chart: kube-prometheus-stack {registry.version} from {registry.repository}"
    beside = sorted((root.parent / FOUND_BESIDE).glob("kube-prometheus-stack-*.tgz"))
    if beside:
        return _from_file(beside[-1])
    return _without("its registry cannot be reached, and no file was given (--chart FILE)")


def _from_file(path: Path) -> tuple[Mapping[str, str], str]:
    return ChartFromFile(source="file", path=str(path)).model_dump(), f"chart: {path.name}"


def _without(reason: str) -> tuple[Mapping[str, str], str]:
    notice = f"chart: none ({reason}). The operator gets the two custom resources made from the same values instead"
    return CustomResourcesOnly(source="custom-resources").model_dump(), notice


def _answers(address: str) -> bool:
    try:
        return httpx.head(address, timeout=PROBE_SECONDS, follow_redirects=True).is_success
    except httpx.HTTPError:
        return False
