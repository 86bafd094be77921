"""The pages of the runbooks' site: one for each alert and action, indexes, and a navigation that has each once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from alerting.catalog import Page
from alerting.rules.checks.pages import PAGE_HEADINGS
from alerting.rules.runbook_site import Navigation, RunbookSite, runbook_site
from alerting.settings import RUNBOOK_SECTION
from alerting.source.markdown import anchors, links
from tests.alerting_data import fixture_catalog, settings

CATALOG = fixture_catalog()
SITE = runbook_site(CATALOG, settings())
TEXTS = {page.path: page.text for page in SITE.pages}


def with_text(alert: str, section: str, text: str) -> RunbookSite:
    """Return the site with something more at the end of an alert's page."""
    page = CATALOG.pages[alert]
    pages = {**CATALOG.pages, alert: Page(title=page.title, sections=page.sections, text=page.text + section + text)}
    return runbook_site(replace(CATALOG, pages=pages), settings())


def leaves(entries: tuple[Navigation, ...]) -> Iterator[str]:
    for entry in entries:
        for below in entry.values():
            if isinstance(below, str):
                yield below
            else:
                yield from leaves(tuple(below))


def test_every_alert_and_every_action_has_a_page_that_the_navigation_has_once() -> None:
    pages = {"index.md", "severities.md"}
    pages |= {f"{alert}.md" for alert in CATALOG.rules.alerts}
    pages |= {f"actions/{action}.md" for action in CATALOG.actions}

    assert set(TEXTS) == pages
    assert sorted(leaves(SITE.navigation)) == sorted(pages)
    assert [next(iter(entry)) for entry in SITE.navigation[:3]] == ["Alerts", "By severity", "Alerting"]


@pytest.mark.parametrize("index", ["index.md", "severities.md"])
def test_an_index_links_every_alert_once(index: str) -> None:
    found = [link.text for link in links(TEXTS[index]) if link.text.removesuffix(".md") in CATALOG.rules.alerts]

    assert sorted(found) == sorted(f"{alert}.md" for alert in CATALOG.rules.alerts)


def test_an_alerts_page_begins_with_its_facts_and_has_all_that_its_team_wrote() -> None:
    text = TEXTS["HighMemoryUsage.md"]

    assert text.startswith("# HighMemoryUsage\n\n*Container CONTAINER of POD uses over 90 % of its memory limit*\n")
    assert "| warning | label `team` | label `service` | after 5m | [`restart_pod`](actions/restart_pod.md) |" in text
    assert "(https://grafana.orion.example.com/d/orion-infrastructure)" in text
    assert CATALOG.pages["HighMemoryUsage"].sections["Meaning"] in text
    assert "| people |" in TEXTS["ServiceDown.md"]


def test_names_of_alerts_and_actions_are_links_but_not_in_headings_code_and_links() -> None:
    text = "`HighErrorRate`, `restart_pod`, `ServiceDown`, `nothing`, [`Watchdog`](x.md)\n```\n`HighErrorRate`\n```\n"
    page = {one.path: one.text for one in with_text("ServiceDown", "\n## `Watchdog`\n\n", text).pages}["ServiceDown.md"]

    linked = "[`HighErrorRate`](HighErrorRate.md), [`restart_pod`](actions/restart_pod.md), `ServiceDown`, `nothing`"
    assert page.endswith(f"## `Watchdog`\n\n{linked}, [`Watchdog`](x.md)\n```\n`HighErrorRate`\n```\n")


def test_a_list_within_a_list_has_the_indent_that_the_generator_wants() -> None:
    site = with_text("ServiceDown", "\n", "1. a\n   - b\n     c\n")
    page = next(one.text for one in site.pages if one.path == "ServiceDown.md")

    assert page.endswith("1. a\n    - b\n     c\n")


def test_the_section_that_links_lead_to_is_one_that_every_page_must_have() -> None:
    assert RUNBOOK_SECTION in anchors("\n".join(f"## {heading}" for heading in PAGE_HEADINGS))


def test_an_actions_page_says_what_it_answers_takes_and_may() -> None:
    text = TEXTS["actions/restart_pod.md"]

    assert "Answers: [HighMemoryUsage](../HighMemoryUsage.md)." in text
    assert "| `uid` | The UID of the pod that the alert saw | label `uid` |" in text
    assert "- `pods/eviction`: create" in text
    assert "    ```bash\n" in text
