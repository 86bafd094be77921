"""Addresses that a notification links to: what is refused in rules, in settings, and in the templates."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from alerting.build import load_catalog
from alerting.settings import Addresses
from alerting.source.addresses import LINK_PATTERN, is_link
from tests.alerting_data import ROOT, changed, problems

RULES = "rules/latency.yaml"
SUMMARY = '          summary: "P99 latency of {{ $labels.service }} exceeds 2 seconds"\n'
REFUSED = (
    "",
    "see the wiki",
    "wiki.example.com/x",
    "/runbooks/X.md",
    "//wiki.example.com/x",
    "javascript:alert(1)",
    "ftp://wiki.example.com/x",
    "https://",
    "https://wiki.example.com/a b",
    "https://wiki.example.com/x\n",
    "https://ann@wiki.example.com/x",
    "https://wiki.example.com/<!channel>",
    "https://wiki.example.com/a|b",
    "https://wiki.example.com/ünï",
)


def root_with(folder: Path, name: str, text: str) -> Path:
    written = yaml.safe_dump(text, default_style='"', allow_unicode=True)
    return changed(folder, RULES, SUMMARY, f"{SUMMARY}          {name}: {written}")


@pytest.mark.parametrize("text", REFUSED)
@pytest.mark.parametrize("name", ["runbook_url", "dashboard_url", "other_url"])
def test_an_annotation_that_is_no_web_address_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (problem,) = problems(root_with(tmp_path / "root", name, text))

    assert f"annotations.{name}: found " in problem
    assert "allowed: http:// or https://, a host, and a path" in problem


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("https://wiki.example.com/{{ $labels.service }}", "values that are percent-encoded"),
        ("https://wiki.example.com/{{ $labels.service | urlquery }}/{{ $value }}", "values that are percent-encoded"),
        ("https://{{ $labels.service | urlquery }}/x", "a host that is written out"),
        ("https://wiki.{{ $labels.service | urlquery }}.example.com", "a host that is written out"),
        ("{{ $labels.service | urlquery }}", "http:// or https://"),
    ],
)
def test_an_address_that_a_label_could_leave_is_refused(tmp_path: Path, text: str, allowed: str) -> None:
    (problem,) = problems(root_with(tmp_path / "root", "runbook_url", text))

    assert f"allowed: {allowed}" in problem


@pytest.mark.parametrize(
    "text",
    [
        "https://wiki.example.com",
        "http://wiki.example.com:8080/a_b/~c?d=e&f=%20#g",
        "https://wiki.example.com/{{ $labels.service | urlquery }}?at={{- $value | urlquery -}}",
    ],
)
def test_a_whole_address_is_taken(tmp_path: Path, text: str) -> None:
    catalog = load_catalog(root_with(tmp_path / "root", "runbook_url", text))

    assert text in {alert.rule.annotations.get("runbook_url") for alert in catalog.rules.alerts.values()}


@pytest.mark.parametrize("text", [text for text in REFUSED if text])
def test_the_settings_addresses_are_held_to_the_same(text: str) -> None:
    with pytest.raises(ValueError, match="String should match pattern"):
        Addresses(alertmanager=text, prometheus="https://prometheus.example.com")


@pytest.mark.parametrize("name", ["links.tmpl", "slack.tmpl"])
def test_the_templates_take_the_same_addresses(name: str) -> None:
    text = (ROOT / "alerting" / "routing" / "templates" / name).read_text()
    patterns = re.findall(r"match `\^(.*?)\$`", text)

    assert patterns
    assert set(patterns) == {LINK_PATTERN}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_refused_is_no_link(text: str) -> None:
    assert not is_link(text)
