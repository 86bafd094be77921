"""Teams, shifts and escalation, as the catalog has them and as PagerDuty is given them."""
