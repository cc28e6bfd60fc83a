"""The clock, and what a calendar says of a date."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal

from zbtrio.devgateway.feel.scope import Evaluation
from zbtrio.devgateway.feel.values import Value

from .library import Library

temporals = Library()

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


@temporals.define("now()", in_run=True)
def now(run: Evaluation) -> Value:
    return run.now()


@temporals.define("today()", in_run=True)
def today(run: Evaluation) -> Value:
    return run.now().date()


def _of_date(name: str) -> Callable[[Callable[[date], Value]], Callable[[date], Value]]:
    """Declare a function of a date, or of the date in a date and time."""

    def declare(function: Callable[[date], Value]) -> Callable[[date], Value]:
        @temporals.define(f"{name}(date: date | date and time)")
        def of_date(value: date) -> Value:
            return function(value.date() if isinstance(value, datetime) else value)

        return of_date

    return declare


@_of_date("day of year")
def day_of_year(day: date) -> Value:
    return Decimal(day.timetuple().tm_yday)


@_of_date("day of week")
def day_of_week(day: date) -> Value:
    return _DAYS[day.weekday()]


@_of_date("month of year")
def month_of_year(day: date) -> Value:
    return _MONTHS[day.month - 1]


@_of_date("week of year")
def week_of_year(day: date) -> Value:
    return Decimal(day.isocalendar().week)


@_of_date("last day of month")
def last_day_of_month(day: date) -> Value:
    return day.replace(day=monthrange(day.year, day.month)[1])
