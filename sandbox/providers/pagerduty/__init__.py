"""The embedded Pulumi provider `pagerduty`: a table for the core, over PagerDuty's REST API."""
