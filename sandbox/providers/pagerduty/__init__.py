"""The embedded Pulumi provider `pagerduty`: a table for the machine, over PagerDuty's REST API."""
