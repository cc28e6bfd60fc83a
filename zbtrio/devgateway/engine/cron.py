"""Cron expressions of six fields, as Zeebe takes them for a timer's cycle (Spring's dialect).

Fields: second, minute, hour, day of month, month, day of week. Each may have `*`, `?`, lists,
ranges, steps and names; days also `L` (the last), `15W` (the nearest working day) and `MON#2` (the
second Monday). `@daily` and its like are short for whole expressions. Time is UTC.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import TypeAlias

import attrs

_MACROS = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}
_MONTHS = {name.upper(): str(number) for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {
    name: str(number)
    for number, name in enumerate(["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"])
}
_SEARCH_YEARS = 30  # a 29th of February that is a certain weekday comes within 28 years

DayTest: TypeAlias = Callable[[date], bool]


@attrs.frozen
class Cron:
    """A parsed cron expression."""

    seconds: list[int]
    minutes: list[int]
    hours: list[int]
    day: DayTest
    months: frozenset[int]
    weekday: DayTest

    @classmethod
    def parse(cls, text: str) -> Cron:
        """Raises ValueError with the text of Zeebe's incident."""
        if not text.strip():
            raise ValueError("Empty expression!")
        fields = _MACROS.get(text.strip().lower(), text).upper().split()
        if len(fields) != 6:
            count = f"Cron expression contains {len(fields)} parts"
            raise ValueError(f"{count} but we expect one of [6]")
        try:
            second, minute, hour, day, month, weekday = fields
            return cls(
                seconds=sorted(_numbers(second, 0, 59)),
                minutes=sorted(_numbers(minute, 0, 59)),
                hours=sorted(_numbers(hour, 0, 23)),
                day=_day_of_month(day),
                months=_numbers(_named(month, _MONTHS), 1, 12),
                weekday=_day_of_week(_named(weekday, _DAYS)),
            )
        except ValueError as error:
            raise ValueError(f"Failed to parse cron expression. {error}") from None

    def after(self, moment: datetime) -> datetime:
        """The first time later than the moment."""
        start = moment.replace(microsecond=0) + timedelta(seconds=1)
        clock = self._clock_from(start.hour, start.minute, start.second)
        day = start
        for _ in range(366 * _SEARCH_YEARS):
            if clock and self._fits(day.date()):
                hour, minute, second = clock
                return day.replace(hour=hour, minute=minute, second=second)
            day += timedelta(days=1)
            clock = (self.hours[0], self.minutes[0], self.seconds[0])
        raise ValueError("The cron expression never happens")

    def _fits(self, day: date) -> bool:
        return day.month in self.months and self.day(day) and self.weekday(day)

    def _clock_from(self, hour: int, minute: int, second: int) -> tuple[int, int, int] | None:
        """The first time of day, not before the given one, that fits."""
        for h in self.hours:
            for m in self.minutes if h >= hour else ():
                for s in self.seconds if (h, m) >= (hour, minute) else ():
                    if (h, m, s) >= (hour, minute, second):
                        return h, m, s
        return None


def _named(field: str, names: dict[str, str]) -> str:
    return re.sub(r"[A-Z]{3}", lambda match: names.get(match[0], match[0]), field)


def _numbers(field: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        first, last = _span(span, low, high, open_end=bool(slash))
        found.update(range(first, last + 1, _number(step, 1, high) if slash else 1))
    return frozenset(found)


def _span(text: str, low: int, high: int, *, open_end: bool) -> tuple[int, int]:
    if text in ("*", "?"):
        return low, high
    first, dash, last = text.partition("-")
    begin = _number(first, low, high)
    if dash:
        end = _number(last, low, high)
        if begin > end:
            raise ValueError(f"Invalid range! [{begin},{end}]")
        return begin, end
    return begin, high if open_end else begin


def _number(text: str, low: int, high: int) -> int:
    if not re.fullmatch(r"\d+", text):
        raise ValueError(f"Invalid chars in expression! Expression: {text}")
    if not low <= int(text) <= high:
        raise ValueError(f"Value {int(text)} not in range [{low}, {high}]")
    return int(text)


def _last_day(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _day_of_month(field: str) -> DayTest:
    if field == "L":
        return lambda day: day.day == _last_day(day)
    if field == "LW":
        return lambda day: day == _nearest_weekday(day.replace(day=_last_day(day)))
    if match := re.fullmatch(r"L-(\d+)", field):
        before = _number(match[1], 0, 30)
        return lambda day: day.day == _last_day(day) - before
    if match := re.fullmatch(r"(\d+)W", field):
        wanted = _number(match[1], 1, 31)
        return lambda day: (
            wanted <= _last_day(day) and day == _nearest_weekday(day.replace(day=wanted))
        )
    days = _numbers(field, 1, 31)
    return lambda day: day.day in days


def _nearest_weekday(day: date) -> date:
    """The working day nearest to a day, in the same month."""
    if day.weekday() == 5:
        return day - timedelta(days=1) if day.day > 1 else day + timedelta(days=2)
    if day.weekday() == 6:
        return day + timedelta(days=1) if day.day < _last_day(day) else day - timedelta(days=2)
    return day


def _day_of_week(field: str) -> DayTest:
    if match := re.fullmatch(r"(\d)#(\d)", field):
        weekday, nth = _number(match[1], 0, 7) % 7, _number(match[2], 1, 5)
        return lambda day: _weekday(day) == weekday and (day.day - 1) // 7 + 1 == nth
    if match := re.fullmatch(r"(\d)L", field):
        weekday = _number(match[1], 0, 7) % 7
        return lambda day: _weekday(day) == weekday and day.day > _last_day(day) - 7
    days = {number % 7 for number in _numbers(field, 0, 7)}
    return lambda day: _weekday(day) in days


def _weekday(day: date) -> int:
    """Sunday is 0, as cron counts."""
    return day.isoweekday() % 7
