"""How a language writes dates, times, numbers and lists (Unicode CLDR, UTS 35)."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

TIME: Final = re.compile(r"(\b20\d\d-[01]\d-[0-3]\d [0-2]\d:[0-5]\d UTC\b)")  # as the core writes times in sentences


class Formats(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The formats of one language; `months` are the short names that stand in a date.

    `day`, `clock`, `moment` and the lists are templates: a day has {year} {month} {day}, a time {hour} {minute}, a
    moment {day} {time}, a list {0} {1}. Numbers below `grouped_from` have no marks between their thousands.
    """

    months: tuple[str, ...]
    day: str
    clock: str
    moment: str
    decimal: str
    group: str
    grouped_from: int
    pair: str
    start: str
    middle: str
    end: str

    def date(self, at: datetime) -> str:
        """Return the day of a time in UTC."""
        utc = at.astimezone(UTC)
        return self.day.format(year=utc.year, month=self.months[utc.month - 1], day=utc.day)

    def date_time(self, at: datetime) -> str:
        """Return a time in UTC, to the minute, and the name of that zone."""
        utc = at.astimezone(UTC)
        clock = self.clock.format(hour=utc.hour, minute=utc.minute)
        return f"{self.moment.format(day=self.date(utc), time=clock)} UTC"

    def dated(self, text: str) -> str:
        """Return a text with its times written as in this language; what only looks like a time stays."""

        def write(found: re.Match[str]) -> str:
            try:
                return self.date_time(datetime.fromisoformat(found[0].replace(" UTC", "+00:00")))
            except ValueError:
                return found[0]

        return TIME.sub(write, text)

    def number(self, amount: float) -> str:
        """Return a number with the marks of the language."""
        marks = str.maketrans({",": self.group if abs(amount) >= self.grouped_from else "", ".": self.decimal})
        return f"{amount:,.10g}".translate(marks)

    def listing(self, items: Sequence[str]) -> str:
        """Join items to a list that ends in "and"."""
        if len(items) < 2:
            return "".join(items)
        if len(items) == 2:
            return self.pair.format(*items)
        text = self.end.format(items[-2], items[-1])
        for item in reversed(items[1:-2]):
            text = self.middle.format(item, text)
        return self.start.format(items[0], text)


# As this service writes English: days as in Great Britain, thousands by narrow spaces (SI).
ENGLISH_FORMATS: Final = Formats(
    months=("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    day="{day} {month} {year}",
    clock="{hour:02}:{minute:02}",
    moment="{day}, {time}",
    decimal=".",
    group="\u202f",
    grouped_from=1000,
    pair="{0} and {1}",
    start="{0}, {1}",
    middle="{0}, {1}",
    end="{0} and {1}",
)
