"""Reads the texts that a thread shows from the labels and annotations of an alert."""

from __future__ import annotations

from collections.abc import Mapping

from chatops.episode import Details


def details_of_alert(
    labels: Mapping[str, str], annotations: Mapping[str, str], *, since: float | None, more: int, silence: str = ""
) -> Details:
    """Return the texts of a group of which one alert, with these labels and annotations, is described.

    `more` is how many alerts fire beside it, and `silence` the address of the page that silences the group.
    """
    return Details(
        severity=labels.get("severity", ""),
        service=labels.get("service", ""),
        summary=annotations.get("summary", ""),
        description=annotations.get("description", ""),
        value=annotations.get("value", ""),
        since=since,
        more=more,
        runbook=annotations.get("runbook_url", ""),
        dashboard=annotations.get("dashboard_url", ""),
        silence=silence,
    )
