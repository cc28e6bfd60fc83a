"""The properties of dates, times and durations: `date.year`, `duration.days`, `time.hour`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from .temporal import YearsMonths, ZonedTime, duration_parts, offset_seconds, zone_id
from .values import Value


def properties(value: Value) -> dict[str, Value]:
    """The value's properties by name; none for values that have no parts."""
    for of_type, parts in _PROPERTIES:
        if isinstance(value, of_type):
            return parts(value)
    return {}


def _numbers(**numbers: int) -> dict[str, Value]:
    return {name: Decimal(number) for name, number in numbers.items()}


def _date(value: date) -> dict[str, Value]:
    return _numbers(year=value.year, month=value.month, day=value.day, weekday=value.isoweekday())


def _clock(value: time | datetime) -> dict[str, Value]:
    return _numbers(hour=value.hour, minute=value.minute, second=value.second)


def _place(offset: int | None, zone: str | None) -> dict[str, Value]:
    shown = None if offset is None else timedelta(seconds=offset)
    return {"time offset": shown, "timezone": zone}


def _date_time(value: datetime) -> dict[str, Value]:
    offset = None if value.tzinfo is None else offset_seconds(value)
    return _date(value) | _clock(value) | _place(offset, zone_id(value))


def _local_time(value: time) -> dict[str, Value]:
    return _clock(value) | _place(None, None)


def _zoned_time(value: ZonedTime) -> dict[str, Value]:
    return _clock(value.time) | _place(value.offset, value.zone)


def _days_time(value: timedelta) -> dict[str, Value]:
    days, hours, minutes, seconds = duration_parts(value)
    return _numbers(days=days, hours=hours, minutes=minutes, seconds=seconds)


def _years_months(value: YearsMonths) -> dict[str, Value]:
    return _numbers(years=value.years, months=value.months - value.years * 12)


_PROPERTIES: tuple[tuple[type, Callable[..., dict[str, Value]]], ...] = (
    (datetime, _date_time),  # before date, whose subclass it is
    (date, _date),
    (time, _local_time),
    (ZonedTime, _zoned_time),
    (timedelta, _days_time),
    (YearsMonths, _years_months),
)
