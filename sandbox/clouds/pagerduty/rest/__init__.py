"""PagerDuty's REST API, version 2, as far as the program manages it and people read it."""
