"""Keeps one record per incident (an episode), in step with PagerDuty, Slack, Alertmanager and the repairs."""
