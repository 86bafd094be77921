"""PagerDuty's official clients, which refuse plain http addresses but for here."""

from __future__ import annotations

import pagerduty


class PlainHttp(pagerduty.RestApiV2Client):
    """The client of the REST API."""

    @property
    def url(self) -> str:
        return self._url

    @url.setter
    def url(self, new_base_url: str) -> None:
        self._url = new_base_url


class PlainHttpEvents(pagerduty.EventsApiV2Client):
    """The client of the Events API."""

    @property
    def url(self) -> str:
        return self._url

    @url.setter
    def url(self, new_base_url: str) -> None:
        self._url = new_base_url
