"""The rest of an episode: its draft in S3 and the thread, the note, the audit record, and the people's answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given

from chatops.archive_client import ArchiveClient
from chatops.audit import content_of, key_of
from chatops.clients import Unavailable
from chatops.counts import Count
from chatops.episode import Episode, HumanAnswer, Phase
from chatops.post_incident import draft_of as draft
from chatops.post_incident import duration, open_questions
from chatops.timeline import Kind, extended
from tests.chat_data import EPISODE, NOW, episodes
from tests.chat_harness import AUDIT_BUCKET, FINGERPRINT, KEY, ChatWorld, chat_world
from tests.lambda_harness import SESSION

ENDED = replace(EPISODE, phase=Phase.ENDED, ended_at=NOW + 3600)
CODE = re.compile(r"`[^`]*`")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ChatWorld]:
    with chat_world(tmp_path) as world:
        yield world


@pytest.fixture
def resolved(world: ChatWorld) -> ChatWorld:
    """Return the world in which Ann was paged, and silenced the group, which has resolved since."""
    world.page()
    world.click("silence-1h")
    world.alertmanagers.firing = set()
    world.time += 60
    world.notify("resolved", sent="2026-11-24T10:47:03.859Z")
    return world


def _told(kind: Kind) -> Episode:
    return replace(ENDED, timeline=extended((), [(kind, "U1", "")], 0, NOW))


def test_an_episode_that_has_ended_leaves_a_draft_a_reply_and_a_note(resolved: ChatWorld) -> None:
    (text,) = resolved.drafts()
    (reply,) = [reply for reply in resolved.slack.replies() if reply.startswith("Post-incident draft: ")]
    incident = resolved.pagerduty.incidents()[0]["id"]
    notes = resolved.pagerduty.client.get(f"/incidents/{incident}/notes").json()["notes"]

    assert f"post-incident%2F{KEY}%2F1.md" in reply
    assert not [reply for reply in resolved.slack.replies() if reply.startswith("Assigned to")]
    assert [note for note in notes if note["content"].startswith("Post-incident draft: ")]
    assert "# Post-incident draft: `HighMemoryUsage`" in text
    assert "| silenced | `ann@example.com` |" in text
    assert "| Time to acknowledge | nobody acknowledged |" in text
    assert "| Time to resolve | 1 min 0 s |" in text
    assert "Not known: this platform is not told" in text


def test_what_people_and_the_platform_did_is_in_the_audit_record_once(resolved: ChatWorld) -> None:
    actions = resolved.audited()
    kinds = [action["kind"] for action in actions]
    (silenced,) = [action for action in actions if action["kind"] == "silenced"]

    assert [action["number"] for action in actions] == list(range(1, len(actions) + 1))
    assert kinds[0] == "opened"
    assert kinds[-1] == "resolved"
    assert silenced["actor"] == "U012ABCD1"
    assert (silenced["title"], silenced["service"]) == ("HighMemoryUsage", "positions")
    assert resolved.count(Count.EFFECTS_GIVEN_UP) == 0


def test_the_answer_is_kept_and_shown_and_may_be_changed(resolved: ChatWorld) -> None:
    resolved.click("needed-a-human")
    resolved.time += 1
    resolved.click("needed-no-human", person="U012ABCD2")

    (episode,) = resolved.episodes()
    assert episode.needed_human == HumanAnswer(needed=False, by="U012ABCD2", at=resolved.time)
    (root,) = resolved.slack.roots()
    assert "*Needed a human:* no, says bob@example.com" in str(root["attachments"])
    assert "| Needed a human | no, says `bob@example.com` |" in resolved.drafts()[0]
    answers = [(action["actor"], action["text"]) for action in resolved.audited() if action["kind"] == "needed a human"]
    assert answers == [("U012ABCD1", "yes"), ("U012ABCD2", "no")]
    assert len([reply for reply in resolved.slack.replies() if "Post-incident draft" in reply]) == 1


def test_the_answer_of_a_stranger_and_one_that_comes_too_early_are_refused(world: ChatWorld) -> None:
    world.alertmanagers.firing = {FINGERPRINT}
    world.notify()

    world.click("needed-a-human")
    world.click("needed-no-human", person="U999ZZZZZ")

    assert world.episodes()[0].needed_human is None
    assert [text for _, text in world.slack.whispers] == [
        "This has not resolved yet",
        "The catalog does not allow you to do this",
    ]


def test_an_entry_that_is_kept_twice_has_one_version(world: ChatWorld) -> None:
    archive = world.chat.clients.archive
    (entry,) = extended((), [(Kind.OPENED, "Alertmanager", "it fires")], 0, NOW)
    key = key_of(EPISODE.id, entry)

    for _ in range(2):
        archive.keep(key, content_of(EPISODE, entry))

    versions = SESSION.client("s3").list_object_versions(Bucket=AUDIT_BUCKET)["Versions"]
    assert [version.get("Key") for version in versions] == [key]
    assert key == f"actions/2026-11-24/{EPISODE.id.group}/1/00001-20261124T104011Z.json"


def test_a_bucket_that_may_not_be_written_is_tried_again(world: ChatWorld) -> None:
    archive = replace(cast("ArchiveClient", world.chat.clients.archive), audit_bucket="a-b-c", drafts_bucket="a-b-c")

    with pytest.raises(Unavailable, match="NoSuchBucket"):
        archive.keep("actions/a", "{}")
    with pytest.raises(Unavailable, match="NoSuchBucket"):
        archive.write_draft("post-incident/a", "")


@pytest.mark.parametrize(
    ("episode", "question"),
    [
        (ENDED, "Nobody acknowledged the page"),
        (_told(Kind.REPAIR_FAILED), "A repair failed"),
        (_told(Kind.SILENCED), "silenced while it fired"),
        (_told(Kind.NOT_DONE), "was not done"),
        (_told(Kind.ESCALATED), "It was escalated"),
        (replace(ENDED, details=replace(ENDED.details, runbook="")), "There is no runbook"),
        (ENDED, "Did this need a human?"),
        (replace(ENDED, needed_human=HumanAnswer(needed=False, by="U1", at=NOW)), "It paged, and needed no human"),
    ],
)
def test_the_draft_asks_what_is_open(episode: Episode, question: str) -> None:
    assert question in "\n".join(open_questions(episode))


def test_the_draft_does_not_ask_what_is_answered() -> None:
    answered = replace(_told(Kind.ACKNOWLEDGED), needed_human=HumanAnswer(needed=True, by="U1", at=NOW))

    assert list(open_questions(answered)) == ["What caused it, and what keeps it from happening again?"]


@given(episode=episodes)
def test_whatever_an_alert_says_is_code_in_the_draft(episode: Episode) -> None:
    hostile = replace(
        episode,
        group=replace(episode.group, title="`</td>` | # @here [x](https://evil.example.com)\n## Links"),
        details=replace(episode.details, summary="<!channel> `rm -rf /` | a\n# b", runbook="javascript:alert(1)"),
    )

    text = draft(hostile, str)

    outside = CODE.sub("", text)
    assert not re.search(r"@here|evil|<!channel|rm -rf|javascript", outside)
    assert text.count("\n## Links\n") == 1
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} <= {3, 5}


@pytest.mark.parametrize(("seconds", "said"), [(None, "never"), (0.4, "0 s"), (61, "1 min 1 s"), (7500, "2 h 5 min")])
def test_a_duration_is_said_as_people_say_it(seconds: float | None, said: str) -> None:
    assert duration(seconds, "never") == said
