"""The post-incident draft of an episode that has ended, as Markdown.

Texts of alerts and of people are code spans, so that they mention nobody, link nowhere and break no table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from chatops.effects import Effect, Note, Reply
from chatops.episode import Episode, EpisodeId
from chatops.slack_text import at_time, is_address, named, plain
from chatops.timeline import (
    Kind,
    seconds_to_acknowledge,
    seconds_to_act,
    seconds_to_resolve,
)
from orion_common.names import POST_INCIDENT_PREFIX

TEXT_LIMIT = 2000
ADDRESS_LIMIT = 3000
BUDGET = "Not known: this platform is not told what an episode spends of an error budget. Look at the dashboard."
QUESTIONS: Mapping[Kind, str] = {
    Kind.UNACKNOWLEDGED: "An acknowledgement ended before this resolved. Who worked on it then?",
    Kind.ESCALATED: "It was escalated. What did the first person lack?",
    Kind.REPAIR_FAILED: "A repair failed, or did not help. Why?",
    Kind.REPAIR_EXPIRED: "A repair expired before it was run. Who should have approved it?",
    Kind.SILENCED: "The alert was silenced while it fired. Why, and does it fire when it should?",
    Kind.NOT_DONE: "Something that was asked for was not done: the timeline says what. What became of it?",
}
_IN_CODE = str.maketrans({"`": "'", "|": "¦"})

NameOf = Callable[[str], str]


def draft_key(id_: EpisodeId) -> str:
    """Return the key of the draft of an episode: always the same one."""
    return f"{POST_INCIDENT_PREFIX}{id_.group}/{id_.number}.md"


def draft_written(episode: Episode, address: str) -> tuple[Episode, tuple[Effect, ...]]:
    """Return the episode after its draft was written. The first time, the thread and the incident get its address."""
    if episode.draft is not None:
        return episode, ()
    text = f"Post-incident draft: {address}"
    note = () if episode.incident is None else (Note(text),)
    return replace(episode, draft=address), (Reply(text), *note)


def draft_of(episode: Episode, name_of: NameOf) -> str:
    """Return the draft. `name_of` returns the name under which a Slack user is known."""

    def said(text: str) -> str:
        return code(named(text, name_of))

    return "\n".join(
        [
            f"# Post-incident draft: {code(episode.group.title)}",
            "",
            f"Written from the record of {code(str(episode.id))}. Times are UTC. Complete it, and keep it where",
            "your team keeps such documents: this one is removed after 90 days.",
            "",
            "| | |",
            "|---|---|",
            *(f"| {name} | {value} |" for name, value in _facts(episode, said)),
            "",
            "## What fired",
            "",
            *_what_fired(episode),
            "",
            "## Who did what, and when",
            "",
            "| time | what | who | |",
            "|---|---|---|---|",
            *_rows(episode, said),
            *_left_out(episode),
            "",
            "## What was spent of the error budget",
            "",
            BUDGET,
            "",
            "## Links",
            "",
            *(list(_links(episode)) or ["None is known."]),
            "",
            "## Open questions",
            "",
            *(f"- {question}" for question in open_questions(episode)),
            "",
        ]
    )


def code(text: str) -> str:
    """Return a text in one line as a code span, in which nothing is markup."""
    shown = plain(text, TEXT_LIMIT).translate(_IN_CODE).strip()
    return f"`{shown}`" if shown else "-"


def duration(seconds: float | None, never: str) -> str:
    """Return a duration as people read it, such as `1 h 4 min`, or `never` where there is none."""
    if seconds is None:
        return never
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _facts(episode: Episode, said: NameOf) -> Iterator[tuple[str, str]]:
    details, opened_at, timeline = episode.details, episode.opened_at, episode.timeline
    yield "Severity", code(details.severity)
    yield "Service", code(details.service)
    yield "Opened", at_time(opened_at)
    if episode.ended_at is not None:
        yield "Resolved", at_time(episode.ended_at)
    yield "Time to acknowledge", duration(seconds_to_acknowledge(timeline, opened_at), "nobody acknowledged")
    yield "Time to act", duration(seconds_to_act(timeline, opened_at), "nothing was done from here")
    yield "Time to resolve", duration(seconds_to_resolve(opened_at, episode.ended_at), "not resolved")
    answer = episode.needed_human
    told = "not answered" if answer is None else f"{'yes' if answer.needed else 'no'}, says {said(answer.by)}"
    yield "Needed a human", told


def _what_fired(episode: Episode) -> Iterator[str]:
    details = episode.details
    yield f"- Labels: {code(', '.join(f'{name}={value}' for name, value in episode.group.labels))}"
    texts = {"Summary": details.summary, "Description": details.description, "Value": details.value}
    yield from (f"- {name}: {code(text)}" for name, text in texts.items() if text.strip())


def _rows(episode: Episode, said: NameOf) -> Iterator[str]:
    for entry in episode.timeline:
        yield f"| {at_time(entry.at)} | {entry.kind.value} | {said(entry.actor)} | {said(entry.text)} |"


def _left_out(episode: Episode) -> Iterator[str]:
    timeline = episode.timeline
    missing = timeline[-1].number - len(timeline) if timeline else 0
    if missing > 0:
        yield ""
        yield f"{missing} more are not in the record any more. The audit record has them."


def _links(episode: Episode) -> Iterator[str]:
    details, incident = episode.details, episode.incident
    links = {
        "Runbook": details.runbook,
        "Dashboard": details.dashboard,
        "Incident": "" if incident is None else incident.url,
    }
    yield from (f"- {name}: <{address}>" for name, address in links.items() if is_address(address, ADDRESS_LIMIT))


def open_questions(episode: Episode) -> Iterator[str]:
    """Yield what a person has to find out."""
    kinds = {entry.kind for entry in episode.timeline}
    paged = episode.incident is not None
    if paged and Kind.ACKNOWLEDGED not in kinds:
        yield "Nobody acknowledged the page. Did it reach anybody, and was it needed?"
    yield from (question for kind, question in QUESTIONS.items() if kind in kinds)
    if not is_address(episode.details.runbook, ADDRESS_LIMIT):
        yield "There is no runbook. What would it say?"
    answer = episode.needed_human
    if answer is None:
        yield "Did this need a human? The buttons of the thread's first message take the answer."
    elif paged and not answer.needed:
        yield "It paged, and needed no human. Could it wait, be repaired automatically, or not fire?"
    yield "What caused it, and what keeps it from happening again?"
