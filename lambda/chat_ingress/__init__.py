"""Takes what Slack and PagerDuty send, and puts it on chat's queue."""
