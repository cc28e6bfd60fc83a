"""Values from texts and from parts: `date`, `time`, `date and time`, `duration`, `number`,
`string`."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation

from zbtrio.devgateway.feel.errors import Crash, FunctionFailure
from zbtrio.devgateway.feel.temporal import (
    YearsMonths,
    ZonedTime,
    fixed_offset,
    in_zone,
    offset_seconds,
    to_java_text,
    whole_seconds,
    zone_id,
)
from zbtrio.devgateway.feel.temporal_parsing import (
    find_zone,
    is_date,
    is_days_time,
    is_local_date_time,
    is_years_months,
    is_zoned_time,
    parse_date,
    parse_date_time,
    parse_duration,
    parse_time,
    zone_or_offset,
)
from zbtrio.devgateway.feel.values import Value, java_int, number_text, to_text

from .library import Library, illegal

conversions = Library()


@conversions.define("date(from: string | date | date and time)")
def date_from(value: str | date) -> Value:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    return _found(parse_date(value), "date", value)


def _found(parsed: Value, what: str, text: str) -> Value:
    if parsed is None:
        raise FunctionFailure(f"Failed to parse {what} from '{text}'")
    return parsed


@conversions.define("date(year: number, month: number, day: number)")
def date_of(year: Decimal, month: Decimal, day: Decimal) -> Value:
    try:
        return date(java_int(year), java_int(month), java_int(day))
    except (ValueError, OverflowError):
        parts = f"year={number_text(year)}, month={number_text(month)}, day={number_text(day)}"
        raise FunctionFailure(f"Failed to parse date from: {parts}") from None


@conversions.define("date and time(from: string)")
def date_time_from(text: str) -> Value:
    if is_date(text):
        what = "date(-time)"
    else:
        what = "local-date-time" if is_local_date_time(text) else "date-time"
    return _found(parse_date_time(text), what, text)


@conversions.define(
    "date and time(date: date | date and time, time: time | string)",
)
def date_time_of(day: date, clock: time | ZonedTime | str) -> Value:
    if isinstance(clock, str):
        return _placed(day, clock)
    day = day.date() if isinstance(day, datetime) else day
    if isinstance(clock, time):
        return datetime.combine(day, clock)
    local = datetime.combine(day, clock.time)
    zone = find_zone(clock.zone) if clock.zone else fixed_offset(clock.offset)
    return None if zone is None else in_zone(local, zone)


def _placed(value: date, zone_name: str) -> Value:
    """A date and time put into a zone: the same clock without zone, the same instant with one."""
    if not isinstance(value, datetime):
        raise illegal(value, zone_name)
    zone = zone_or_offset(zone_name)
    if zone is None:
        raise Crash(f"java.time.zone.ZoneRulesException: Unknown time-zone ID: {zone_name}")
    return in_zone(value, zone) if value.tzinfo is None else value.astimezone(zone)


@conversions.define("time(from: string | date | date and time)")
def time_from(value: str | date) -> Value:
    if isinstance(value, str):
        return _found(parse_time(value), "time" if is_zoned_time(value) else "local-time", value)
    if not isinstance(value, datetime):
        return ZonedTime(time(), 0)
    if value.tzinfo is None:
        return value.time()
    return ZonedTime(value.time(), offset_seconds(value), zone_id(value))


@conversions.define("time(hour: number, minute: number, second: number)")
def time_of(hour: Decimal, minute: Decimal, second: Decimal) -> Value:
    micros = int((second - int(second)) * 1_000_000)
    return _local_time(hour, minute, second, micros)


def _clock(hour: Decimal, minute: Decimal, second: Decimal, micros: int) -> time:
    return time(java_int(hour), java_int(minute), java_int(second), micros)


def _local_time(hour: Decimal, minute: Decimal, second: Decimal, micros: int) -> time:
    try:
        return _clock(hour, minute, second, micros)
    except ValueError:
        parts = _parts(hour, minute, second)
        raise FunctionFailure(f"Failed to parse local-time from: {parts}") from None


def _parts(hour: Decimal, minute: Decimal, second: Decimal) -> str:
    return f"hour={number_text(hour)}, minute={number_text(minute)}, second={number_text(second)}"


@conversions.define(
    "time(hour: number, minute: number, second: number, offset: days and time duration | null)"
)
def time_with_offset(
    hour: Decimal, minute: Decimal, second: Decimal, offset: timedelta | None
) -> Value:
    if offset is None:
        return _local_time(hour, minute, second, 0)
    micros = int((second - int(second)) * 1_000_000)
    seconds = whole_seconds(offset)
    try:
        if abs(seconds) > 18 * 3600:
            raise ValueError(seconds)
        return ZonedTime(_clock(hour, minute, second, micros), seconds)
    except ValueError:
        parts = f"{_parts(hour, minute, second)}, offset={to_java_text(offset)}"
        raise FunctionFailure(f"Failed to parse time from: {parts}") from None


@conversions.define("duration(from: string)")
def duration_from(text: str) -> Value:
    if is_years_months(text):
        what = "year-month-duration"
    else:
        what = "day-time-duration" if is_days_time(text) else "duration"
    return _found(parse_duration(text), what, text)


@conversions.define(
    "years and months duration(from: date | date and time, to: date | date and time)"
)
def years_and_months(start: date, end: date) -> Value:
    months = (end.year - start.year) * 12 + end.month - start.month
    if months > 0 and end.day < start.day:
        months -= 1
    elif months < 0 and end.day > start.day:
        months += 1
    return YearsMonths(months)


_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def _number(text: str) -> Value:
    try:
        if _NUMBER.fullmatch(text):
            return Decimal(text)
    except InvalidOperation:
        pass
    raise FunctionFailure(f"Can't parse '{text}' as a number")


@conversions.define("number(from: string)")
def number_from(text: str) -> Value:
    return _number(text)


@conversions.define("number(from: string, grouping separator: string)")
def number_grouped(text: str, grouping: str) -> Value:
    if grouping not in (" ", ",", "."):
        raise FunctionFailure("illegal argument for grouping. Must be one of ' ', ',' or '.'")
    return _number(text.replace(grouping, ""))


@conversions.define(
    "number(from: string, grouping separator: string | null, decimal separator: string | null)"
)
def number_separated(text: str, grouping: str | None, decimal: str | None) -> Value:
    if grouping is None and decimal is None:
        raise illegal(text, grouping, decimal)
    if (
        grouping not in (None, " ", ",", ".")
        or decimal not in (None, ",", ".")
        or grouping == decimal
    ):
        if grouping is None or decimal is None:
            raise illegal(text, grouping, decimal)
        raise FunctionFailure(
            "illegal arguments for grouping or decimal."
            " Must be one of ' ' (grouping only), ',' or '.'"
        )
    without = text.replace(grouping, "") if grouping else text
    return _number(without.replace(decimal, ".") if decimal else without)


@conversions.define("string(from: any)")
def string_from(value: Value) -> Value:
    return value if value is None or isinstance(value, str) else to_text(value)
