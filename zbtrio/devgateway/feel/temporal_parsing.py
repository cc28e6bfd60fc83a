"""Texts of dates, times and durations to values, by the formats that Zeebe's FEEL accepts.

Every function gives None for a text that isn't one; the caller decides whether that is null
(literals) or a failure with a message (functions).
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .temporal import (
    Temporal,
    YearsMonths,
    ZonedTime,
    fixed_offset,
    in_zone,
    midnight,
    offset_seconds,
)

_DATE = r"-?(?:[1-9]\d{0,4})?\d{4}-[01][0-9]-[0-3]\d"
_CLOCK = r"T[0-2][0-9]:[0-5][0-9](?::[0-5][0-9])?(?:\.\d{1,9})?"
_IS_DATE = re.compile(_DATE, re.ASCII)
_IS_LOCAL_DATE_TIME = re.compile(_DATE + _CLOCK, re.ASCII)
_IS_DATE_TIME = re.compile(
    rf"(?P<date>{_DATE})(?P<clock>{_CLOCK})"
    r"(?:(?P<offset>[+-][01][0-9]:[0-5][0-9]|Z)|@(?P<at>.*))",
    re.ASCII,
)
_TIME = re.compile(
    r"T?(?P<hour>\d{2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?(?:\.(?P<fraction>\d{1,9}))?",
    re.ASCII,
)
_IS_ZONED_TIME = re.compile(
    r"(?P<clock>T?\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?)(?:(?P<offset>[+-]\d{2}:\d{2}|Z)|@(?P<at>.*))",
    re.ASCII,
)
_IS_YEARS_MONTHS = re.compile(r"-?P-?(\d+Y)?-?(\d+M)?", re.ASCII)
_IS_DAYS_TIME = re.compile(r"-?P(-?(\d+D)?(T-?(\d+H)?-?(\d+M)?-?(\d+(.\d*)?S)?)?)", re.ASCII)
_PERIOD = re.compile(r"(?P<sign>-?)P(?:(?P<years>-?\d+)Y)?(?:(?P<months>-?\d+)M)?", re.ASCII)
_DURATION = re.compile(
    r"(?P<sign>-?)P(?:(?P<days>-?\d+)D)?(?:T(?:(?P<hours>-?\d+)H)?(?:(?P<minutes>-?\d+)M)?"
    r"(?:(?P<seconds>-?\d+)(?:[.,](?P<fraction>\d{0,9}))?S)?)?",
    re.ASCII,
)


def is_date(text: str) -> bool:
    """Whether the text has the form of a date, be there such a day or not."""
    return _IS_DATE.fullmatch(text) is not None


def is_zoned_time(text: str) -> bool:
    """Whether the text has the form of a time with offset or zone."""
    return _IS_ZONED_TIME.fullmatch(text) is not None


def is_zoned_date_time(text: str) -> bool:
    """Whether the text has the form of a date and time with offset or zone."""
    return _IS_DATE_TIME.fullmatch(text) is not None


def is_local_date_time(text: str) -> bool:
    """Whether the text has the form of a date and time without zone."""
    return _IS_LOCAL_DATE_TIME.fullmatch(text) is not None


def is_years_months(text: str) -> bool:
    """Whether the text has the form of a duration in years and months."""
    return _IS_YEARS_MONTHS.fullmatch(text) is not None


def is_days_time(text: str) -> bool:
    """Whether the text has the form of a duration in days, hours, minutes and seconds."""
    return _IS_DAYS_TIME.fullmatch(text) is not None


def parse_date(text: str) -> date | None:
    """`2024-03-10`."""
    if not is_date(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def parse_local_time(text: str) -> time | None:
    """`10:30`, `10:30:00`, `T10:30:00.123`."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    micros = int((match["fraction"] or "").ljust(6, "0")[:6])
    hour, minute, second = int(match["hour"]), int(match["minute"]), int(match["second"] or 0)
    if (hour, minute, second, micros) == (24, 0, 0, 0):
        hour = 0  # the end of a day is the start of the next
    try:
        return time(hour, minute, second, micros)
    except ValueError:
        return None


def parse_zoned_time(text: str) -> ZonedTime | None:
    """`10:30:00Z`, `10:30:00+01:00`, `10:30:00@Europe/Berlin` (by the zone's standard offset)."""
    match = _IS_ZONED_TIME.fullmatch(text)
    clock = match and parse_local_time(match["clock"])
    if match is None or clock is None:
        return None
    if match["at"] is None:
        offset = parse_offset(match["offset"])
        return None if offset is None else ZonedTime(clock, offset)
    zone = find_zone(match["at"])
    if zone is None:
        return None
    return ZonedTime(clock, _standard_offset(zone), match["at"])


def _standard_offset(zone: ZoneInfo) -> int:
    """The zone's offset in seconds without daylight saving time, by the rules of 2024."""
    local = datetime(2024, 1, 1, tzinfo=UTC).astimezone(zone)
    return offset_seconds(local) - int((local.dst() or timedelta()).total_seconds())


def parse_local_date_time(text: str) -> datetime | None:
    """`2024-03-10T10:30:00`."""
    if not is_local_date_time(text):
        return None
    day, _, clock = text.partition("T")
    parsed_day, parsed_clock = parse_date(day), parse_local_time(clock)
    if parsed_day is None or parsed_clock is None or clock.startswith("24"):
        return None
    return datetime.combine(parsed_day, parsed_clock)


def parse_zoned_date_time(text: str) -> datetime | None:
    """`2024-03-10T10:30:00Z`, `...+01:00`, `...@Europe/Berlin`."""
    match = _IS_DATE_TIME.fullmatch(text)
    local = match and parse_local_date_time(match["date"] + match["clock"])
    if match is None or local is None:
        return None
    if match["at"] is not None:
        zone = find_zone(match["at"])
        return None if zone is None else in_zone(local, zone)
    offset = parse_offset(match["offset"])
    return None if offset is None else local.replace(tzinfo=fixed_offset(offset))


def parse_date_time(text: str) -> datetime | None:
    """A date and time with or without zone; a date alone is its midnight."""
    if is_date(text):
        day = parse_date(text)
        return None if day is None else midnight(day)
    return parse_zoned_date_time(text) if is_zoned_date_time(text) else parse_local_date_time(text)


def parse_time(text: str) -> time | ZonedTime | None:
    """A time with or without zone."""
    return parse_zoned_time(text) if is_zoned_time(text) else parse_local_time(text)


def parse_offset(text: str) -> int | None:
    """`Z` or `+01:00` in seconds; at most 18 hours, as Java has it."""
    if text == "Z":
        return 0
    seconds = int(text[1:3]) * 3600 + int(text[4:6]) * 60
    if seconds > 18 * 3600 or int(text[4:6]) > 59:
        return None
    return -seconds if text[0] == "-" else seconds


def find_zone(name: str) -> ZoneInfo | None:
    """The zone of that name, None when this machine knows none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def zone_or_offset(name: str) -> tzinfo | None:
    """A zone by its name or its offset, as Java's ZoneId.of."""
    if re.fullmatch(r"Z|[+-]\d{2}:\d{2}", name, re.ASCII):
        offset = parse_offset(name)
        return None if offset is None else fixed_offset(offset)
    return find_zone(name)


def parse_years_months(text: str) -> YearsMonths | None:
    """`P1Y2M`, `-P1Y`, `P-3M`."""
    match = _PERIOD.fullmatch(text)
    if match is None or match["years"] is match["months"] is None:
        return None
    months = int(match["years"] or 0) * 12 + int(match["months"] or 0)
    return YearsMonths(-months if match["sign"] else months)


def parse_days_time(text: str) -> timedelta | None:
    """`P1D`, `PT90M`, `-P1DT2H`, `PT0.5S`."""
    match = _DURATION.fullmatch(text)
    if match is None or text.endswith(("P", "T")):
        return None
    names = ("days", "hours", "minutes", "seconds")
    try:
        whole = timedelta(**{name: int(match[name] or 0) for name in names})
    except OverflowError:
        return None
    micros = int((match["fraction"] or "").ljust(6, "0")[:6])
    fraction = timedelta(microseconds=micros)
    total = whole - fraction if (match["seconds"] or "").startswith("-") else whole + fraction
    return -total if match["sign"] else total


def parse_duration(text: str) -> YearsMonths | timedelta | None:
    """A duration of either kind; `P1Y2D` is none."""
    if is_years_months(text):
        return parse_years_months(text)
    return parse_days_time(text) if is_days_time(text) else None


def parse_literal(text: str) -> Temporal | None:
    """What stands behind an @: the first form that fits decides."""
    if is_date(text):
        return parse_date(text)
    if is_zoned_time(text):
        return parse_zoned_time(text)
    if is_zoned_date_time(text):
        return parse_zoned_date_time(text)
    if is_local_date_time(text):
        return parse_local_date_time(text)
    if is_years_months(text) or is_days_time(text):
        return parse_duration(text)
    return parse_local_time(text)
