"""Dates, times and durations: the classes that Python lacks, their texts, their steps in time.

Python's own types serve for the rest: years 1 to 9999 and microseconds are their bounds. A date
and time has an offset (`datetime.timezone`) or a named zone (`zoneinfo.ZoneInfo`); arithmetic with
a duration goes along the instants, as Java does, not along the wall clock, as Python does.

Two texts exist: FEEL's (`string(...)`, warnings) and Java's toString, which Zeebe writes into
variables: 10:30:00 and 10:30, P1DT12H and PT36H, @Europe/Berlin and +01:00[Europe/Berlin].
"""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import TypeAlias
from zoneinfo import ZoneInfo

import attrs

_SECOND = timedelta(seconds=1)


@attrs.frozen
class YearsMonths:
    """A duration in calendar months; negative when it goes back."""

    months: int

    @property
    def years(self) -> int:
        """Whole years, towards zero."""
        return _truncate(self.months, 12)


@attrs.frozen
class ZonedTime:
    """A time of day with its offset from UTC in seconds and, where it was given, its zone."""

    time: time
    offset: int
    zone: str | None = None

    @property
    def nanos_of_utc_day(self) -> int:
        """The time of day in UTC; negative or beyond a day where the offset leads there."""
        clock = self.time
        seconds = clock.hour * 3600 + clock.minute * 60 + clock.second - self.offset
        return seconds * 1_000_000_000 + clock.microsecond * 1000


Temporal: TypeAlias = date | time | datetime | timedelta | ZonedTime | YearsMonths


def zone_id(value: datetime) -> str | None:
    """The name of a date and time's zone; None when it has an offset only."""
    return value.tzinfo.key if isinstance(value.tzinfo, ZoneInfo) else None


def offset_seconds(value: datetime) -> int:
    """The offset from UTC of a date and time with zone."""
    offset = value.utcoffset()
    return 0 if offset is None else int(offset.total_seconds())


def instant_key(value: datetime) -> tuple[datetime, datetime, str]:
    """What a date and time with zone is ordered by: instant, then local time, then zone."""
    name = zone_id(value) or offset_text(offset_seconds(value))
    return value.astimezone(UTC), value.replace(tzinfo=None), name


def same_date_time(left: datetime, right: datetime) -> bool:
    """Equality as Java has it: local time, offset and zone, not only the instant."""
    if left.tzinfo is None:
        return left == right
    return instant_key(left) == instant_key(right)


def in_zone(local: datetime, zone: tzinfo) -> datetime:
    """A local date and time in a zone; one in a gap of the clock moves on by the gap."""
    return local.replace(tzinfo=zone).astimezone(UTC).astimezone(zone)


def add_months(value: date, months: int) -> date:
    """The same day so many months later, or the last day of a shorter month."""
    year, month = divmod(value.year * 12 + value.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise OverflowError(f"year {year} is out of range")
    day = min(value.day, calendar.monthrange(year, month + 1)[1])
    moved = value.replace(year=year, month=month + 1, day=day)
    if isinstance(moved, datetime) and moved.tzinfo is not None:
        return in_zone(moved.replace(tzinfo=None), moved.tzinfo)
    return moved


def add_time(value: datetime, step: timedelta) -> datetime:
    """So much later: along the instants for a date and time with zone."""
    if value.tzinfo is None:
        return value + step
    return (value.astimezone(UTC) + step).astimezone(value.tzinfo)


def midnight(value: date) -> datetime:
    """The start of a day, without zone."""
    return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - a local date and time


def add_to_date(value: date, step: timedelta) -> date:
    """The day on which the step from its midnight arrives."""
    return (midnight(value) + step).date()


def add_to_clock(value: time, step: timedelta) -> time:
    """The time of day so much later, around the clock."""
    day = timedelta(days=1)
    return (datetime(2000, 1, 2) + (clock_span(value) + step) % day).time()  # noqa: DTZ001


def clock_span(value: time) -> timedelta:
    """The span from midnight."""
    return timedelta(
        hours=value.hour,
        minutes=value.minute,
        seconds=value.second,
        microseconds=value.microsecond,
    )


def whole_seconds(value: timedelta) -> int:
    """A duration's seconds, rounded down, as Java's getSeconds."""
    return value // _SECOND


def _truncate(value: int, divisor: int) -> int:
    return -(-value // divisor) if value < 0 else value // divisor


def duration_parts(value: timedelta) -> tuple[int, int, int, int]:
    """Days, hours, minutes and seconds of a duration; all negative when it goes back."""
    seconds = whole_seconds(value)
    days, hours, minutes = (_truncate(seconds, unit) for unit in (86400, 3600, 60))
    hours_left, minutes_left, seconds_left = (
        hours - _truncate(hours, 24) * 24,
        minutes - _truncate(minutes, 60) * 60,
        seconds - minutes * 60,
    )
    return days, hours_left, minutes_left, seconds_left


def to_text(value: Temporal) -> str:
    """FEEL's own text of a date, time or duration."""
    if isinstance(value, datetime):
        return _date_time_text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, time):
        return _clock_text(value)
    if isinstance(value, ZonedTime):
        return _clock_text(value.time) + _place_text(value.offset, value.zone)
    if isinstance(value, timedelta):
        return _days_text(value)
    return _years_text(value)


def _date_time_text(value: datetime) -> str:
    text = f"{value.date().isoformat()}T{_clock_text(value.time())}"
    if value.tzinfo is None:
        return text
    return text + _place_text(offset_seconds(value), zone_id(value))


def _place_text(offset: int, zone: str | None) -> str:
    return f"@{zone}" if zone else offset_text(offset)


def _clock_text(value: time) -> str:
    fraction = f".{value.microsecond:06d}".rstrip("0") if value.microsecond else ""
    return f"{value:%H:%M:%S}{fraction}"


def offset_text(seconds: int) -> str:
    """An offset as `Z`, `+01:00` or, seldom, `+01:00:30`."""
    if seconds == 0:
        return "Z"
    sign, rest = ("-", -seconds) if seconds < 0 else ("+", seconds)
    text = f"{sign}{rest // 3600:02d}:{rest // 60 % 60:02d}"
    return f"{text}:{rest % 60:02d}" if rest % 60 else text


def _units(*parts: tuple[int, str]) -> str:
    return "".join(f"{number}{unit}" for number, unit in parts if number)


def _days_text(value: timedelta) -> str:
    days, hours, minutes, seconds = parts = duration_parts(value)
    if not any(parts):
        return "P0D"
    if max(parts) <= 0:
        return "-" + _days_text(timedelta(seconds=-whole_seconds(value)))
    clock = _units((hours, "H"), (minutes, "M"), (seconds, "S"))
    return "P" + _units((days, "D")) + (f"T{clock}" if clock else "")


def _years_text(value: YearsMonths) -> str:
    if value.months == 0:
        return "P0Y"
    sign, months = ("-", -value.months) if value.months < 0 else ("", value.months)
    return f"{sign}P" + _units((months // 12, "Y"), (months % 12, "M"))


def to_java_text(value: Temporal) -> str:
    """The text that Zeebe writes into a variable: Java's toString."""
    if isinstance(value, datetime):
        return _java_date_time(value)
    if isinstance(value, time):
        return _java_clock(value)
    if isinstance(value, timedelta):
        return _java_duration(value)
    if isinstance(value, YearsMonths):
        return _java_period(value)
    return to_text(value)


def _java_date_time(value: datetime) -> str:
    text = f"{value.date().isoformat()}T{_java_clock(value.time())}"
    if value.tzinfo is None:
        return text
    zone = zone_id(value)
    return text + offset_text(offset_seconds(value)) + (f"[{zone}]" if zone else "")


def _java_clock(value: time) -> str:
    if value.microsecond:
        return value.isoformat("milliseconds" if value.microsecond % 1000 == 0 else "microseconds")
    return value.isoformat("seconds" if value.second else "minutes")


def _java_duration(value: timedelta) -> str:
    if not value:
        return "PT0S"
    micros = value // timedelta(microseconds=1)
    whole = _truncate(micros, 1_000_000)
    minutes = _truncate(whole, 60)
    hours = _truncate(minutes, 60)
    text = "PT" + _units((hours, "H"), (minutes - hours * 60, "M"))
    seconds, fraction = whole - minutes * 60, abs(micros - whole * 1_000_000)
    if not fraction:
        return text + _units((seconds, "S"))
    sign = "-" if micros < 0 else ""
    return text + f"{sign}{abs(seconds)}.{fraction:06d}".rstrip("0") + "S"


def _java_period(value: YearsMonths) -> str:
    if value.months == 0:
        return "P0D"
    return "P" + _units((value.years, "Y"), (value.months - value.years * 12, "M"))


def fixed_offset(seconds: int) -> timezone:
    """An offset as a zone of `datetime`."""
    return timezone(timedelta(seconds=seconds))
