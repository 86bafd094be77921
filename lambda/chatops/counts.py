"""Names of the metrics of chat."""

from __future__ import annotations

from enum import StrEnum

from orion_common import names


class Count(StrEnum):
    """Counters of chat."""

    HANDLED = "ChatMessagesHandled"
    UNREADABLE = "ChatMessagesUnreadable"
    NOT_OURS = "ChatMessagesNotOurs"
    NOTIFICATIONS = "ChatNotifications"
    CLICKS = "ChatClicks"
    CLICKS_IGNORED = "ChatClicksIgnored"
    """Clicks of another workspace, on a message that is no episode's thread, or on nothing that acts."""
    CLICKS_REFUSED = "ChatClicksRefused"
    """Clicks of people whom the catalog does not allow them, that came too late, or that a state does not take."""
    WEBHOOKS = "ChatWebhooks"
    REPAIRS = "ChatRepairs"
    """Proposals and reports of repairs."""
    EFFECTS_GIVEN_UP = names.EFFECTS_GIVEN_UP
    """Dead letters of episodes: effects that were refused, or were too old to be tried again."""
    REMINDERS = "ChatReminders"
    SILENCES_STALE = "ChatSilencesStale"
    """Silences that have matched nothing for an hour, at each look."""
    REPAIRS_STUCK = "ChatRepairsStuck"
    """Repairs whose state should have ended ten minutes ago and has not, at each look."""
