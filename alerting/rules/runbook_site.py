"""Turns runbooks/ into a site: a page for each alert, action and objective with its own, indexes, the navigation.

An alert's page is the file that its team wrote, with the alert's facts below its title: severity, team, what repairs
it, its expression. Names of other alerts and of actions become links. `cli.site` has a generator make HTML of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from alerting.catalog import Catalog
from alerting.repairs.model import ActionFile
from alerting.rules.model import CompiledRule
from alerting.rules.parts import domain_parts
from alerting.rules.series import SERVICE, SEVERITY, TEAM
from alerting.settings import Settings
from alerting.source.fields import Severity
from alerting.source.markdown import outside_fences

ACTIONS = "actions"
"""The folder of the actions' pages."""
INDEX = "index.md"
BY_SEVERITY = "severities.md"
_NAME = re.compile(r"(?<![\[`])`(\w+)`(?![\]`])")
_NESTED = re.compile(r"^ {2,3}(?=[-*+] |\d+\. )")
_LABEL = re.compile(r"\{\{-?\s*\$labels\.(\w+)[^}]*\}\}")
_TEMPLATE = re.compile(r"\{\{.*?\}\}", re.DOTALL)

Navigation = Mapping[str, "str | Sequence[Navigation]"]
"""An entry of the navigation: its title, and its page or the entries below it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SitePage:
    """A page in Markdown. `path` is that of its file, below the folder of all pages."""

    path: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunbookSite:
    """The pages of the site, and its navigation: the indexes, the alerts of each domain, the actions."""

    pages: tuple[SitePage, ...]
    navigation: tuple[Navigation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Alert:
    """An alert and what its page says of it. `part` names the dashboard that draws it."""

    name: str
    rule: CompiledRule
    part: str

    def label(self, name: str) -> str:
        """Return a label that the rule sets, or where it comes from."""
        return self.rule.rule.labels.get(name, f"label `{name}`")

    @property
    def severity(self) -> Severity:
        """The alert's severity."""
        return Severity(self.rule.rule.labels[SEVERITY])

    @property
    def summary(self) -> str:
        """The alert's summary, with the names of labels in place of their values."""
        return _plain(self.rule.rule.annotations.get("summary", ""))


def runbook_site(catalog: Catalog, settings: Settings) -> RunbookSite:
    """Return the site of a checked catalog. Its links to dashboards are those of the stack's settings."""
    alerts = [
        _Alert(name=rule.rule.alert, rule=rule, part=part.name)
        for part in domain_parts(catalog)
        for group in part.groups
        for rule in group.rules
        if rule.rule.alert is not None
    ]
    named = {one.name for one in alerts}
    objectives = sorted(catalog.objectives.runbooks() - named) if catalog.objectives is not None else []
    actions = [catalog.actions[name] for name in sorted(catalog.actions)]
    pages = (
        SitePage(path=INDEX, text=_index(catalog, alerts)),
        SitePage(path=BY_SEVERITY, text=_by_severity(catalog, alerts)),
        *(SitePage(path=f"{one.name}.md", text=_alert_page(catalog, settings, one)) for one in alerts),
        *(SitePage(path=f"{name}.md", text=_linked(catalog.pages[name].text, catalog, name)) for name in objectives),
        *(SitePage(path=f"{ACTIONS}/{one.name}.md", text=_action_page(catalog, one)) for one in actions),
    )
    return RunbookSite(pages=pages, navigation=tuple(_navigation(alerts, objectives, actions)))


def _navigation(
    alerts: Sequence[_Alert], objectives: Sequence[str], actions: Sequence[ActionFile]
) -> Iterator[Navigation]:
    yield {"Alerts": INDEX}
    yield {"By severity": BY_SEVERITY}
    for domain, members in _domains(alerts):
        yield {domain: [{one.name: f"{one.name}.md"} for one in members]}
    if objectives:
        yield {"Objectives": [{name: f"{name}.md"} for name in objectives]}
    if actions:
        yield {"Actions": [{one.name: f"{ACTIONS}/{one.name}.md"} for one in actions]}


def _domains(alerts: Iterable[_Alert]) -> Iterator[tuple[str, list[_Alert]]]:
    """Yield the title of each domain that has alerts, and its alerts by name."""
    ordered = sorted(alerts, key=lambda one: (one.rule.domain, one.name))
    for domain, members in groupby(ordered, key=lambda one: one.rule.domain):
        yield domain.replace("-", " ").capitalize(), list(members)


def _index(catalog: Catalog, alerts: Sequence[_Alert]) -> str:
    lines = ["# Runbooks", "", "A page for each alert, by domain; or [by severity](severities.md)."]
    for domain, members in _domains(alerts):
        lines += ["", f"## {domain}", "", *_table(catalog, members)]
    return "\n".join(lines) + "\n"


def _by_severity(catalog: Catalog, alerts: Sequence[_Alert]) -> str:
    lines = ["# By severity"]
    for severity in Severity:
        members = sorted((one for one in alerts if one.severity is severity), key=lambda one: one.name)
        if members:
            lines += ["", f"## {severity.value.capitalize()}", "", *_table(catalog, members)]
    return "\n".join(lines) + "\n"


def _table(catalog: Catalog, alerts: Iterable[_Alert]) -> Iterator[str]:
    yield "| alert | severity | says | answered by |"
    yield "|---|---|---|---|"
    for one in alerts:
        summary = one.summary.replace("|", r"\|")
        yield f"| [{one.name}]({one.name}.md) | {one.severity.value} | {summary} | {_answer(catalog, one.name)} |"


def _answer(catalog: Catalog, alert: str) -> str:
    """Return the action that answers an alert, as a link where it has a page."""
    entry = catalog.remediations.get(alert) or catalog.triggers().get(alert)
    if entry is None:
        return "people"
    return _action_link(entry.action) if entry.action in catalog.actions else f"`{entry.action}`"


def _action_link(action: str) -> str:
    return f"[`{action}`]({ACTIONS}/{action}.md)"


def _alert_page(catalog: Catalog, settings: Settings, alert: _Alert) -> str:
    title, _, rest = catalog.pages[alert.name].text.partition("\n")
    rule = alert.rule.rule
    facts = {
        "Severity": alert.severity.value,
        "Team": alert.label(TEAM),
        "Service": alert.label(SERVICE),
        "Fires": f"after {rule.for_}" if rule.for_ else "at once",
        "Answered by": _answer(catalog, alert.name),
        "Dashboard": f"[{alert.part}]({settings.addresses.grafana}/d/{alert.part})",
    }
    header = [
        title,
        "",
        f"*{alert.summary}*",
        "",
        f"| {' | '.join(facts)} |",
        "|---" * len(facts) + "|",
        f"| {' | '.join(facts.values())} |",
        "",
        '??? note "The rule"',
        "",
        *_indented(["```promql", *rule.expr.strip().splitlines(), "```"]),
    ]
    return "\n".join(header) + "\n" + _linked(rest, catalog, alert.name)


def _action_page(catalog: Catalog, action: ActionFile) -> str:
    answered = [alert for alert, entry in sorted(catalog.remediations.items()) if entry.action == action.name]
    lines = [
        f"# {action.name}",
        "",
        f"{action.document.description}.",
        "",
        f"Answers: {', '.join(f'[{alert}](../{alert}.md)' for alert in answered) or 'no alert by itself'}.",
        "Runs only with an approval." if action.approval_only else "",
        f"Systems Manager document `{action.document_name}`, given up after {action.timeout_seconds} s.",
        "",
        "## Parameters",
        "",
        "| parameter | is | from |",
        "|---|---|---|",
    ]
    sources = {name: f"label `{label}`" for name, label in action.parameters_from_labels.items()}
    sources |= {name: f"annotation `{one}`" for name, one in action.parameters_from_annotations.items()}
    for name, parameter in action.document.parameters.items():
        description = parameter.description.replace("|", r"\|")
        lines.append(f"| `{name}` | {description} | {sources.get(name, 'the program')} |")
    lines += ["", "## Rights", ""]
    lines += [f"- `{right.resource}`: {', '.join(right.verbs)}" for right in (*action.rights, *action.cluster_rights)]
    lines += [f"- AWS {right.service}: {', '.join(right.actions)}" for right in action.account_rights]
    lines += ["", "## Script", ""]
    for step in action.document.mainSteps:
        script = [line for text in step.inputs.runCommand for line in text.rstrip().splitlines()]
        lines += [f'??? note "{step.name}"', "", *_indented(["```bash", *script, "```"]), ""]
    return "\n".join(lines)


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"    {line}" if line else "" for line in lines)


def _linked(text: str, catalog: Catalog, own: str) -> str:
    """Return a page's text with links for the names of alerts and actions, and its lists as the generator reads them.

    Its Markdown wants four spaces before an item within an item.
    """

    def link(match: re.Match[str]) -> str:
        name = match[1]
        if name != own and name in catalog.pages:
            return f"[`{name}`]({name}.md)"
        return _action_link(name) if name in catalog.actions else match[0]

    def changed(line: str) -> str:
        return line if line.startswith("#") else _NESTED.sub("    ", _NAME.sub(link, line))

    return outside_fences(text, changed)


def _plain(text: str) -> str:
    """Return a template's text, with the names of labels in place of their values, and dots for what is asked."""
    return _TEMPLATE.sub("…", _LABEL.sub(lambda match: match[1].upper(), text))
