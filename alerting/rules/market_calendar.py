"""Model of catalog/market.yaml: the hours and the holidays of the market."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from alerting.source.clock_fields import Time, TimeZone, Weekday
from alerting.source.fields import ClosedModel, require_known_year

MARKET_FILE = "catalog/market.yaml"

NOTICE_DAYS = 60
"""How long before the end of the last year that is listed it is said: as long as the alert MarketCalendarEnds has."""


def _a_date(text: str) -> str:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise ValueError("a date such as 2026-12-25 is allowed") from None
    if found.isoformat() != text:
        raise ValueError("a date such as 2026-12-25 is allowed")
    require_known_year(found.year)
    return text


Date = Annotated[str, AfterValidator(_a_date)]


class MarketFile(ClosedModel):
    """catalog/market.yaml: hours by the exchange's own clock, days on which it is closed or closes early."""

    time_zone: TimeZone
    days: tuple[Weekday, ...] = Field(min_length=1)
    opens: Time
    closes: Time
    holidays: Mapping[Date, str] = Field(min_length=1)
    early_closes: Mapping[Date, Time] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.closes <= self.opens:
            raise ValueError(f"closes {self.closes} is not after opens {self.opens}; allowed: a later time of that day")
        for day, closes in self.early_closes.items():
            if not self.opens < closes < self.closes:
                message = f"early_closes {day}: {closes} is not between {self.opens} and {self.closes}"
                raise ValueError(message)
            if day in self.holidays:
                raise ValueError(f"early_closes {day}: it is a holiday too. Remove one of them")
        return self

    def last_date(self) -> date:
        """Return the end of the last year that is listed: what comes after has no holidays here."""
        return date(max(date.fromisoformat(day).year for day in self.holidays), 12, 31)

    def notice(self, today: date) -> str | None:
        """Return a sentence where the last year that is listed ends in `NOTICE_DAYS` or has ended, else None."""
        last = self.last_date()
        if today + timedelta(days=NOTICE_DAYS) <= last:
            return None
        return (
            f"holidays: the last is of {last.year}, and none are known after {last}; on those days alerts would take "
            f"the market for open. Add those of {last.year + 1}, as the exchange publishes them"
        )
