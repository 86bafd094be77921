"""The page says what the journal and the back ends say, and nothing that is in them can do anything to it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import ClassVar

import httpx
import pytest

from alerting.names import ALERT_TOPIC
from sandbox.console import backends, state
from sandbox.console.application import SECTIONS
from sandbox.console.state import ConsoleState
from sandbox.console.viewmodel import view
from sandbox.journal import Event, Journal, Kind
from tests.console_harness import ROUTE_KEY, ConsoleStage, console_stage, tell_a_story

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onfocus='alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "&lt;b&gt; \u202e\x00\x1b[31m line\nbreak",
    "</template></textarea><svg onload=alert(1)>",
    "x" * 10_000,
)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ConsoleStage]:
    monkeypatch.setattr(backends, "LEAST_SECONDS_BETWEEN", 0.0)
    with console_stage(tmp_path) as running:
        yield running


class Elements(HTMLParser):
    """Keeps the elements and the text of a page."""

    VOID: ClassVar[set[str]] = {"meta", "link", "br", "wbr"}
    INLINE: ClassVar[set[str]] = {"a", "b", "code", "span", "strong", "time", "wbr"}

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.unopened: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.INLINE:
            self.text += "\n"
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()
        else:
            self.unopened.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def words(html: str) -> str:
    """Return what a person reads, in one line."""
    return " ".join(Elements(html).text.split())


def test_with_nothing_fired_every_section_says_so(stage: ConsoleStage) -> None:
    sections = {name: words(html) for name, html in stage.sections().items()}

    assert sections["firing"] == "Nothing fires."
    assert sections["incidents"] == "No incident so far."
    assert sections["repairs"] == "No repair so far."
    assert sections["oncall"] == "Nobody is on call."
    assert sections["messages"] == "No message so far."
    assert sections["refused"] == "No request was refused."
    assert "everything default-receiver Slack #orion-alerts" in sections["routes"]
    assert "0 firing 0 open incidents 0 repairs running time runs 20 times faster" in sections["status"]


def test_an_alert_is_followed_to_its_incident_its_person_and_its_route(stage: ConsoleStage) -> None:
    tell_a_story(stage)

    sections = stage.sections()

    firing = words(sections["firing"])
    assert "critical CriticalLatency CriticalLatency of orders" in firing
    assert "PagerDuty incident 7, triggered; notified: primary@example.com" in firing
    assert "by route pagerduty-critical-orders to PagerDuty orders, SNS orion-alerts" in firing
    assert "suppressed by another alert" in firing
    assert firing.index("Resolved") < firing.index("AuroraHighCPU")
    assert "7 critical CriticalLatency: slow orders triggered" in words(sections["incidents"])
    assert "primary@example.com level 1" in words(sections["incidents"])
    assert "HighMemoryUsage" in words(sections["repairs"])
    assert "orders-1 was replaced" in words(sections["repairs"])
    assert "pod orders-1 deleted" in words(sections["repairs"])
    assert "[FIRING:1] AuroraHighCPU" in words(sections["messages"])
    assert "trading 1 Ada trading-1 Mon 30 Nov" in words(sections["oncall"])
    assert "2 Grace always" in words(sections["oncall"])
    status = words(sections["status"])
    assert "4 firing 1 open incident 0 repairs running" in status
    assert "broken: requests are slow · orders" in status


def test_the_tree_shows_which_route_an_alert_has_taken(stage: ConsoleStage) -> None:
    tell_a_story(stage)

    routes = stage.sections()["routes"]

    taken = [one for one in routes.split("<li ") if "now:" in one]
    assert [one.split('"')[1] for one in taken] == ["route-pagerduty-critical-orders", "route-slack-warning"]
    assert words(taken[1]).split("now:")[1].split()[0] == "KafkaConsumerLag"
    assert "KafkaConsumerLag, PodNotReady" not in words(routes)  # it is suppressed, so no receiver has it
    assert 'severity="critical"' in words(routes)
    assert 'alertname="ServiceDown" suppresses alertname="PodNotReady" of the same service' in words(routes)
    assert 'href="#route-pagerduty-critical-orders"' in stage.sections()["firing"]


def test_an_alert_is_on_its_route_before_anybody_is_told(stage: ConsoleStage) -> None:
    tell_a_story(stage)

    [row] = [row for row in stage.sections()["firing"].split("<tr ") if "KafkaConsumerLag" in row]

    assert "not notified yet, on route slack-warning" in words(row)
    assert 'href="#route-slack-warning"' in row


def test_the_alert_that_holds_another_back_is_named(stage: ConsoleStage) -> None:
    tell_a_story(stage)
    stage.back_ends.alerts[-1]["status"]["inhibitedBy"] = [stage.back_ends.alerts[0]["fingerprint"]]

    assert "suppressed by CriticalLatency" in words(stage.sections()["firing"])


def test_many_alerts_of_a_kind_are_one_row(stage: ConsoleStage) -> None:
    for number in range(200):
        stage.fire("PodNotReady", "orders", "warning", pod=f"orders-{number}")

    firing = words(stage.sections()["firing"])

    assert firing.count("PodNotReady of orders") == 1
    assert "\u00d7200" in firing
    assert "and 170 more" in firing


def test_slacks_messages_about_an_alert_are_told_from_those_about_others(stage: ConsoleStage) -> None:
    for service in ("orders", "gateway"):
        stage.notify(stage.fire("PodNotReady", service, "warning"), "slack-warning", '{}/{severity="warning"}')
    stage.post("#orion-alerts", "[FIRING:1] PodNotReady", "Service: orders")
    stage.post("#elsewhere", "[FIRING:1] PodNotReady", "Service: gateway")

    rows = stage.sections()["firing"].split("<tr ")

    assert ["<li>Slack #orion-alerts</li>" in row for row in rows if "PodNotReady" in row] == [False, True]
    assert [" orders" in words(f"<tr {row}") for row in rows if "<li>Slack #orion-alerts</li>" in row] == [True]


def test_a_thread_is_where_an_alert_went_though_no_webhook_posts_to_its_channel(stage: ConsoleStage) -> None:
    keys = {
        service: stage.notify(stage.fire("Slow", service, "warning"), "slack-warning", '{}/{severity="warning"}')
        for service in ("orders", "gateway")
    }
    stage.post("#threads", "[FIRING:1] Slow", "", ts="1.0", key=f"episode#{keys['orders']}#2")
    stage.edit("#threads", "1.0", "[ACKNOWLEDGED] Slow")

    rows = {name: row for row in stage.sections()["firing"].split("<tr ") for name in keys if name in row}

    assert "<li>Slack #threads</li>" in rows["orders"]
    assert "a thread in Slack #threads" in rows["orders"]
    assert "#threads" not in rows["gateway"]


def test_a_thread_is_shown_by_its_root_message_as_it_was_last_edited(stage: ConsoleStage) -> None:
    stage.post("#orion-alerts", "[FIRING:1] Slow", "orders", ts="1.0")
    stage.post("#orion-alerts", "[FIRING:1] Full", "gateway", ts="2.0")
    stage.post("#orion-alerts", "Acknowledged by ann", "", ts="3.0", thread="1.0")
    stage.post("#orion-alerts", "You may not", "", ts="4.0", only_for="U1")
    stage.edit("#orion-alerts", "1.0", "[RESOLVED] Slow")

    shown = words(stage.sections()["messages"])

    assert "[RESOLVED] Slow" in shown
    assert "[FIRING:1] Full" in shown
    assert not [text for text in ("[FIRING:1] Slow", "Acknowledged", "You may not") if text in shown]


def test_an_incident_is_shown_with_its_alert_even_if_it_was_seen_first(stage: ConsoleStage) -> None:
    alert = {"alertname": "CriticalLatency", "service": "orders", "severity": "critical"}
    key = stage.notify(alert, "pagerduty-critical-orders", ROUTE_KEY)
    stage.page_someone(3, key, service="orders", summary="slow", person="primary@example.com")
    stage.fire("CriticalLatency", "orders")

    assert "PagerDuty incident 3, triggered" in words(stage.sections()["firing"])


def test_the_newest_repairs_come_first_and_the_earlier_are_folded_away(stage: ConsoleStage) -> None:
    for number in range(8):
        stage.repair(f"command-{number}", pod=f"orders-{number}", output=f"output {number}")

    shown, earlier = stage.sections()["repairs"].split('data-key="repairs:earlier"')

    assert [shown.count(f"<p>orders-{number}</p>") for number in range(8)] == [0, 0, 0, 1, 1, 1, 1, 1]
    assert "3 earlier" in words(earlier)
    assert "output 0" in earlier


def test_a_repair_that_runs_or_has_failed_is_told_from_one_that_has_not(stage: ConsoleStage) -> None:
    ids = {"command": "c", "document": "orion-restart-pod"}
    stage.journal.append("aws", Kind.COMMAND_STARTED, ids, parameters={"pod": "orders-1"})

    assert "1 repair running" in words(stage.sections()["status"])
    assert "Running" in words(stage.sections()["repairs"])

    failed = {**ids, "status": "Failed"}
    stage.journal.append("aws", Kind.COMMAND_FINISHED, failed, output="", errors="the pod has changed")

    assert "0 repairs running" in words(stage.sections()["status"])
    assert "the pod has changed" in words(stage.sections()["repairs"])
    assert '<span class="badge critical">Failed' in stage.sections()["repairs"]


def test_who_does_not_answer_is_named_and_what_was_known_stays(stage: ConsoleStage) -> None:
    tell_a_story(stage)
    assert "does not answer" not in "".join(stage.sections().values())

    stage.stop_answering("alertmanager 0")
    one_of_two = {name: words(html) for name, html in stage.sections().items()}
    assert "Alertmanager 0 does not answer" in one_of_two["status"]
    assert "does not answer" not in one_of_two["routes"]

    stage.stop_answering("alertmanager 1", "pagerduty", "prometheus", "slack", "aws")
    sections = {name: words(html) for name, html in stage.sections().items()}
    assert "Alertmanager does not answer. Routes are as they were last read." in sections["routes"]
    assert 'severity="critical"' in sections["routes"]
    assert "PagerDuty does not answer. Who is on call is as it was last said." in sections["oncall"]
    assert "Ada" in sections["oncall"]
    assert "Prometheus does not answer. What fires is as it was last seen." in sections["firing"]
    assert "Slack does not answer" in sections["messages"]
    assert "AWS does not answer" in sections["repairs"]


def test_before_anything_is_up_the_page_says_so(stage: ConsoleStage) -> None:
    stage.addresses.clear()

    sections = {name: words(html) for name, html in stage.sections().items()}

    assert "Its routes are not known." in sections["routes"]
    assert "Who is on call is not known." in sections["oncall"]


def test_who_has_gone_altogether_does_not_answer(stage: ConsoleStage) -> None:
    stage.sections()
    del stage.addresses["prometheus"]

    assert "Prometheus does not answer" in words(stage.sections()["status"])


@pytest.mark.parametrize("hostile", HOSTILE)
def test_text_of_others_stays_text(stage: ConsoleStage, hostile: str) -> None:
    before = {tag for tag, _ in Elements(_filled(stage, "harmless")).tags}

    html = _filled(stage, hostile)

    page = Elements(html)
    assert page.open == page.unopened == []
    shown = hostile.replace("\x00", "\ufffd")
    assert shown.split("\n")[0] in page.text.replace("\x00", "\ufffd")
    assert {tag for tag, _ in page.tags} == before
    names = {name for _, attributes in page.tags for name in attributes}
    assert not {name for name in names if name.startswith("on")}
    addresses = [attributes["href"] or "" for _, attributes in page.tags if "href" in attributes]
    assert all(one.startswith(("#", "/static/", "http://", "https://")) for one in addresses)
    assert [attributes for tag, attributes in page.tags if tag == "script"] == [
        {"src": "/static/console.js", "defer": None}
    ]


def _filled(stage: ConsoleStage, text: str) -> str:
    """Return the page with a text in every place that somebody else fills."""
    labels = stage.fire("A" + text, text, text, pod=text, team=text)
    key = stage.notify(labels, text, ROUTE_KEY)
    annotations = dict.fromkeys(("summary", "description", "runbook_url", "dashboard_url"), text)
    stage.journal.append("prometheus", Kind.ALERT_FIRING, labels, annotations=annotations)
    stage.page_someone(1, key, service=text, summary=text, person=text)
    stage.post(text, text, text, text)
    stage.repair(text, pod=text, output=text, errors=text, status=text)
    stage.journal.append(text, Kind.REQUEST_REFUSED, {}, reason=text)
    stage.journal.append("metrics", Kind.FAULT_STARTED, {"fault": text, "service": text})
    return stage.page()


@pytest.mark.parametrize(
    "message",
    ["", "no JSON", "[]", "null", '{"route": 1}', '{"route": "{}", "notification": {"groupLabels": {"a": 1}}}', "5"],
)
def test_whatever_is_published_to_the_topics_the_page_stays_up(stage: ConsoleStage, message: str) -> None:
    for topic in (ALERT_TOPIC, "orion-notifications"):
        stage.journal.append("aws", Kind.TOPIC_PUBLISHED, {"topic": topic}, subject="x", message=message)

    assert words(stage.sections()["firing"]) == "Nothing fires."


def test_nothing_is_sent_while_nothing_has_changed(stage: ConsoleStage) -> None:
    found = httpx.get(f"{stage.address}/sections").json()
    again = httpx.get(f"{stage.address}/sections", params={"known": found["version"]})
    stage.fire("CriticalLatency", "orders")
    changed = httpx.get(f"{stage.address}/sections", params={"known": found["version"]})

    assert set(found["sections"]) == set(SECTIONS)
    assert again.status_code == 204
    assert changed.status_code == 200
    assert changed.json()["title"].startswith("1 firing")


def test_the_page_loads_nothing_from_elsewhere_and_answers_only_to_its_own_name(stage: ConsoleStage) -> None:
    answer = httpx.get(stage.address)

    assert "default-src 'none'" in answer.headers["content-security-policy"]
    loaded = [
        attributes.get("src") or attributes.get("href")
        for tag, attributes in Elements(answer.text).tags
        if tag in {"script", "link", "img"}
    ]
    assert loaded
    assert all(str(one).startswith("/static/") for one in loaded)
    for path in loaded:
        assert httpx.get(f"{stage.address}{path}").status_code == 200
    assert httpx.get(stage.address, headers={"Host": "elsewhere.example.com"}).status_code == 403


def test_the_pages_parts_are_marked_for_those_who_hear_them(stage: ConsoleStage) -> None:
    tell_a_story(stage)

    tags = Elements(stage.page()).tags

    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    labelled = [attributes["aria-labelledby"] for tag, attributes in tags if tag == "section"]
    assert len(labelled) == 8
    assert set(labelled) <= set(ids)
    assert all(attributes.get("scope") for tag, attributes in tags if tag == "th")
    inner = {
        str(attributes["href"])[1:] for tag, attributes in tags if tag == "a" and str(attributes["href"])[0] == "#"
    }
    assert inner <= set(ids)


def test_a_long_run_does_not_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "KEPT_PASSED", 10)
    journal = Journal(tmp_path / "journal.jsonl")
    seen = ConsoleState()
    for number in range(50):
        ids = {"incident": f"Q{number}", "service": "orders", "dedup_key": "k"}
        for kind in (Kind.INCIDENT_TRIGGERED, Kind.INCIDENT_RESOLVED):
            seen.add(journal.append("pagerduty", kind, ids, number=number))
        alert = {"alertname": "A", "pod": str(number)}
        for kind in (Kind.ALERT_FIRING, Kind.ALERT_RESOLVED):
            seen.add(journal.append("prometheus", kind, alert))

    assert [incident.number for incident in seen.incidents.values()] == list(range(40, 50))
    assert len(seen.alerts) == 10
    assert len(list(seen.incidents_of(state.Group(receiver="", labels={}, dedup_key="k")))) == 10


def test_a_thousand_alerts_are_shown_in_a_moment() -> None:
    seen = ConsoleState()
    for number in range(1000):
        ids = {"alertname": f"A{number % 40}", "service": f"s{number % 40}", "severity": "critical", "pod": str(number)}
        seen.add(Event(time=float(number), source="prometheus", kind=Kind.ALERT_FIRING, ids=ids))
    held = [backends.Held(labels=alert.labels, by="x") for alert in seen.alerts.values()]
    began = time.process_time()

    shown = view(seen, backends.BackendAnswers(active=backends.Active(held=held)))

    assert len(shown.firing) == 40
    assert time.process_time() - began < 1
