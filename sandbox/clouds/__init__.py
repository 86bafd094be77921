"""Stand-ins for the clouds' own APIs: PagerDuty, Slack, and what AWS lacks in moto."""
