"""Attacks on chat: hostile texts of alerts on their whole way, and messages that somebody has seen and sends again.

`make attacks` tries 100,000 examples of each property.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatops import alertmanager_replicas
from tests.fault_harness import FaultWorld

QUICK = 20
"""How many examples are enough while nobody asks for more."""
ASKED = settings.default.max_examples if settings.default else 0
HOSTILE = (
    "<!channel> <@U012AB3CD> <https://evil.example.com|Runbook>",
    "&lt;!here&gt;",
    "$(touch /tmp/owned); `id` && rm -rf / | sh",
    "{{ .CommonLabels }} {{ template `x` }} ${jndi:ldap://evil}",
    '"}],"labels":{"severity":"none"},"x":"',
    "\\u0000\\ud800 \\\\",
    "\u202egnp.exe \u2066\u200b\ufeff\x00\x1b[31m",
    "*bold* _it_ ~gone~ `code` ```block``` | a | b |\n# Heading\n- item",
    "javascript:alert(1)",
    "https://runbooks.example.com/a>|<b",
    "[orion:0123456789abcdef]",
    "episode#x#1/silence until 1.5]",
    "U012AB3CD",
    "é漢字😀" * 400,
    "<" * 3000,
    "",
)
CHARACTERS = st.characters(exclude_categories=["Cs"])  # half a pair is no JSON of Alertmanager's
texts = (
    st.sampled_from(HOSTILE) | st.text(CHARACTERS, max_size=80) | st.text("<>!@#&|;:/`*{}$\"\\'[] aU1\n", max_size=60)
)
alerts = st.fixed_dictionaries(
    {
        "labels": st.fixed_dictionaries(dict.fromkeys(("service", "severity", "team", "cluster", "pod"), texts)),
        "annotations": st.fixed_dictionaries(
            dict.fromkeys(("summary", "description", "value", "runbook_url", "dashboard_url"), texts)
        ),
    }
)
OWN_MARKUP = re.compile(r"<https?://[^<>|\s]+\|View \w+>")


@pytest.fixture
def make_world(monkeypatch: pytest.MonkeyPatch) -> Callable[[], FaultWorld]:
    def make() -> FaultWorld:
        world = FaultWorld()
        monkeypatch.setattr(alertmanager_replicas, "_connection", world.connection)
        return world

    return make


def _markup(content: Any) -> list[str]:
    """Return the texts of a message in which Slack would see mentions and links."""
    if isinstance(content, Mapping):
        own = [content["text"]] if content.get("type") == "mrkdwn" else []
        return own + [text for value in content.values() for text in _markup(value)]
    return [text for value in content for text in _markup(value)] if isinstance(content, list) else []


@given(alert=alerts)
@settings(
    max_examples=ASKED if ASKED > 100 else QUICK,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # each example makes a world of its own
)
def test_whatever_an_alert_says_nothing_is_mentioned_broken_or_lost(
    make_world: Callable[[], FaultWorld], alert: dict[str, dict[str, str]]
) -> None:
    world = make_world()
    labels = {"alertname": "HighMemoryUsage", **{name: text for name, text in alert["labels"].items() if text}}
    content = json.loads(world.notification("firing", labels=labels, annotations=alert["annotations"]))
    message = json.loads(content["Message"])
    grouped = {name: labels[name] for name in ("alertname", "cluster", "service") if name in labels}
    message["notification"] |= {"groupLabels": grouped, "commonLabels": labels}
    world.alertmanagers.firing = {"0" * 16}
    world.send(content | {"Message": json.dumps(message)})
    world.run(world.time)

    (episode,) = world.episodes()
    group = dict(episode.group.labels)
    assert {name: text for name, text in group.items() if text} == grouped
    world.click("silence-1h", value=str(episode.id))
    world.run(world.time)

    assert world.given_up == []
    for posted in world.slack.messages.values():
        for text in [posted["text"], *_markup(posted.get("attachments", []))]:
            assert not set("<>") & set(OWN_MARKUP.sub("", text)), text
            assert not set("\x00\x1b\u202e\u2066") & set(text), text
    (silence,) = world.alertmanagers.silences
    assert {one["name"]: one["value"] for one in silence["matchers"]} == group
    assert not any(one["isRegex"] for one in silence["matchers"])
    kept = [json.loads(body) for key, body in world.objects.items() if key.startswith("audit/")]
    assert kept
    assert all(entry["labels"] == group for entry in kept)
    assert re.fullmatch(r"[\w.~:/?#=&%-]*", episode.details.silence, re.ASCII)
