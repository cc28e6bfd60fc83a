"""When timers are due: durations, dates and cycles as Zeebe reads them. All instants are epoch ms.

A failure is a ValueError whose text is the one of Zeebe's incident.
"""

from __future__ import annotations

import calendar
import math
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs

from .cron import Cron

INFINITE = -1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_NUMBER = r"[+-]?\d+"
_INTERVAL = re.compile(
    rf"([+-])?P(?=.)(?:({_NUMBER})Y)?(?:({_NUMBER})M)?(?:({_NUMBER})W)?(?:({_NUMBER})D)?"
    rf"(?:T(?=.)(?:({_NUMBER})H)?(?:({_NUMBER})M)?(?:([+-]?\d+(?:\.\d{{0,9}})?)S)?)?"
)


_DATE_TIME = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)(Z|[+-]\d\d:\d\d)(?:\[([^]]+)\])?",
    re.IGNORECASE,
)


@attrs.frozen
class Interval:
    """A span of calendar months and of time."""

    months: int
    span: timedelta

    @classmethod
    def parse(cls, text: str) -> Interval:
        """From ISO 8601, such as `P1DT2H`; raises ValueError."""
        match = _INTERVAL.fullmatch(text)
        if match is None:
            raise ValueError("Text cannot be parsed to a Period")
        sign = -1 if match[1] == "-" else 1
        years, months, weeks, days, hours, minutes = (int(n or 0) for n in match.groups()[1:7])
        try:
            span = timedelta(weeks * 7 + days, float(match[8] or 0), 0, 0, minutes, hours)
        except OverflowError:
            raise ValueError("The interval goes too far") from None
        return cls(sign * (years * 12 + months), sign * span)

    def after(self, instant: int) -> int:
        """The instant so much later."""
        moved = instant + math.floor(self.span / _MILLISECOND)
        return _add_months(moved, self.months) if self.months else moved


def _add_months(instant: int, months: int) -> int:
    moment = from_millis(instant)
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return to_millis(moment.replace(year=year, month=month + 1, day=day))


def from_millis(instant: int) -> datetime:
    """The date and time, in UTC."""
    return _EPOCH + timedelta(milliseconds=instant)


def to_millis(moment: datetime) -> int:
    """The instant of a date and time with zone."""
    return (moment - _EPOCH) // _MILLISECOND


def parse_date_time(text: str) -> datetime:
    """An ISO date and time with an offset, and a zone if one is named; raises ValueError."""
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"Text '{text}' could not be parsed at index {_end_of_date_time(text)}")
    moment = datetime.fromisoformat((match[1] + match[2]).upper())
    if match[3] is None:
        return moment
    try:
        return moment.astimezone(ZoneInfo(match[3]))
    except (ZoneInfoNotFoundError, OSError):
        raise ValueError(f"Unknown time zone '{match[3]}'") from None


def _end_of_date_time(text: str) -> int:
    """How far a text reads as the beginning of a date and time, as Java counts it."""
    known = re.match(r"\d{4}(-\d\d(-\d\d(T\d\d(:\d\d(:\d\d(\.\d{1,9})?)?)?)?)?)?", text)
    return known.end() if known else 0


def is_date_time(text: str) -> bool:
    """Whether the text is a date and time with an offset or zone."""
    try:
        parse_date_time(text)
    except ValueError:
        return False
    return True


@attrs.frozen
class Cycle:
    """Repetitions: at intervals from a start, or by a cron expression.

    Args:
        repetitions: how often; INFINITE for ever.
        start: the first time; None for one interval from now.
    """

    repetitions: int
    step: Interval | Cron
    start: int | None = None

    @classmethod
    def parse(cls, text: str) -> Cycle:
        """From `R3/PT1M`, `R/START/PT1M` or a cron expression; raises ValueError."""
        if not text.startswith("R"):
            return cls(INFINITE, Cron.parse(text))
        repetitions, *rest = text[1:].split("/")
        if not rest:
            raise ValueError("No interval given")
        if not re.fullmatch(r"-?\d{0,9}", repetitions):
            raise ValueError("Cannot parse repetitions count")
        start = to_millis(parse_date_time(rest[0])) if len(rest) == 2 and rest[0] else None
        step = Interval.parse(rest[-1])
        return cls(int(repetitions) if repetitions else INFINITE, step, start)

    def first_due(self, now: int) -> int:
        """When it happens first; a start in the past does not count."""
        if self.start is not None and self.start > now:
            return self.start
        return self.due_after(now, now)

    def due_after(self, previous: int, now: int) -> int:
        """When it happens again after a time that has come."""
        if isinstance(self.step, Cron):
            return to_millis(self.step.after(from_millis(now)))
        return self.step.after(previous)
