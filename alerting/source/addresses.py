"""Addresses that notifications link to: what Slack and PagerDuty accept, as one pattern for checks and templates.

Slack refuses a whole message for one button whose address is not an absolute http or https address, and a browser runs
`javascript:`. The pattern takes the characters of RFC 3986 only, so that an address can leave neither a link of Slack's
nor one of Markdown. It takes no user name before the host, which can make an address look like another host's.
"""

from __future__ import annotations

import re

LINK_PATTERN = r"https?://[A-Za-z0-9._-]+(:[0-9]+)?([/?#][A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*)?"
"""Both Python and Go (RE2) read it alike. `templates/links.tmpl` and `templates/slack.tmpl` repeat it."""
LINK_IS = "http:// or https://, a host, and a path of letters, digits and -._~:/?#[]@!$&'()*+,;=%"

_LINK = re.compile(LINK_PATTERN)


def is_link(text: str) -> bool:
    """Return whether a text is an address that a notification may link to."""
    return _LINK.fullmatch(text) is not None
