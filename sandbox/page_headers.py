"""Headers of the sandbox's pages for browsers."""

from __future__ import annotations


def page_headers(content_security_policy: str, *, referrer_policy: str = "no-referrer") -> dict[str, str]:
    """Return the headers of pages that a browser neither stores nor guesses the type of."""
    return {
        "Content-Security-Policy": content_security_policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": referrer_policy,
        "Cache-Control": "no-store",
    }
