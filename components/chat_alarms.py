"""Describes the alarms of chat's functions: what an alarm says, and where to read on."""

from __future__ import annotations

from components.function_alarms import ErrorsAlarm, QueueAlarms

PAGES_GO_ON = "Pages do not depend on it; Slack's threads do."
CHAT_QUEUE_ALARMS = QueueAlarms(
    given_up=(
        "Notifications, clicks or webhooks could not be handled by chat, and wait in this queue. "
        f'{PAGES_GO_ON} docs/episodes.md, "When chat fails"'
    ),
    waiting=f'Nothing takes messages out of chat\'s queue. {PAGES_GO_ON} docs/episodes.md, "When chat fails"',
)
CHAT_ERRORS_ALARM = ErrorsAlarm(
    description=f'The function of chat fails again and again. {PAGES_GO_ON} docs/episodes.md, "When chat fails"',
    # A message of the schedule comes every minute, so that three failures are two minutes apart.
    minutes=5,
)
GIVEN_UP = (
    "Chat could not show a message, or acknowledge, silence or escalate an incident, and does not try again: "
    'docs/episodes.md, "When chat fails"'
)
INGRESS_ERRORS_ALARM = ErrorsAlarm(
    description=(
        "The function that Slack and PagerDuty call fails again and again: buttons do nothing. "
        f'{PAGES_GO_ON} docs/episodes.md, "When chat fails"'
    ),
    minutes=10,
)
ACCESS_ERRORS_ALARM = ErrorsAlarm(
    description=(
        "The function that asks Alertmanager for chat fails again and again: no episode ends, and no silence is set. "
        f'{PAGES_GO_ON} docs/episodes.md, "When chat fails"'
    ),
    minutes=10,
)
