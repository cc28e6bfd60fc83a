"""`+ - * / **` on numbers, texts, dates, times and durations.

What an operator does depends on the types of both operands: one table per operator. A pair that is
not in the table, a division by zero and a result out of range give null and a warning.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, DecimalException
from typing import Any, TypeAlias

import attrs

from .errors import Crash, FeelFailure
from .nodes import Constant, Node, evaluate_all, expected
from .scope import Scope
from .temporal import (
    YearsMonths,
    ZonedTime,
    add_months,
    add_time,
    add_to_clock,
    add_to_date,
    clock_span,
    midnight,
)
from .values import NUMBERS, Value, from_double, java_int, kind, to_text

# The table has looked at the types: its functions may rely on them.
Operation: TypeAlias = Callable[[Any, Any], Value]
_Table: TypeAlias = dict[tuple[str, str], Operation]

_NUMBER, _STRING = "number", "string"
_DATE, _LOCAL_TIME, _TIME = "date", "local time", "time"
_LOCAL, _ZONED = "local date and time", "date and time"
_YEARS, _DAYS = "years and months duration", "days and time duration"


@attrs.frozen
class Arithmetic:
    """`a + b - c`: operators of one rank, from left to right."""

    first: Node
    rest: Sequence[tuple[str, Node]]

    def evaluate(self, scope: Scope) -> Value:
        left = self.first
        for operator, right in self.rest:
            left = Constant(_step(operator, left, right, scope))
        return left.evaluate(scope)


def _step(operator: str, left: Node, right: Node, scope: Scope) -> Value:
    try:
        x, y = evaluate_all([left, right], scope)
    except FeelFailure:
        return None
    return calculate(operator, x, y, scope)


@attrs.frozen
class Negation:
    """`-x` of a number."""

    operand: Node

    def evaluate(self, scope: Scope) -> Value:
        try:
            value = self.operand.evaluate(scope)
        except FeelFailure:
            return None
        if isinstance(value, Decimal):
            return NUMBERS.minus(value)
        scope.warn("INVALID_TYPE", expected("number", value))
        return None


def calculate(operator: str, left: Value, right: Value, scope: Scope) -> Value:
    """One step of arithmetic; null with a warning where it isn't defined."""
    if operator == "**":
        return _power(left, right, scope)
    operation = _TABLES[operator].get((kind(left), kind(right)))
    if operation is not None:
        try:
            return operation(left, right)
        except (DecimalException, ZeroDivisionError, OverflowError):
            pass
    scope.warn("INVALID_TYPE", _refusal(operator, left, right))
    return None


def _refusal(operator: str, left: Value, right: Value) -> str:
    x, y = to_text(left), to_text(right)
    return {
        "+": f"Can't add '{y}' to '{x}'",
        "-": f"Can't subtract '{y}' from '{x}'",
        "*": f"Can't multiply '{x}' by '{y}'",
        "/": f"Can't divide '{x}' by '{y}'",
    }[operator]


def _power(base: Value, exponent: Value, scope: Scope) -> Value:
    for value in (base, exponent):
        if not isinstance(value, Decimal):
            scope.warn("INVALID_TYPE", expected("number", value))
            return None
    assert isinstance(base, Decimal)
    assert isinstance(exponent, Decimal)
    if exponent == exponent.to_integral_value():
        return _whole_power(base, java_int(exponent))
    try:
        return from_double(math.pow(float(base), float(exponent)))
    except ValueError:
        raise no_number("N") from None
    except OverflowError:
        raise no_number("I") from None


def _whole_power(base: Decimal, exponent: int) -> Decimal:
    if exponent == 0:
        return Decimal(1)
    if abs(exponent) > 999_999_999:
        raise Crash("java.lang.ArithmeticException: Invalid operation")
    if base == 0 and exponent < 0:
        raise Crash("java.lang.ArithmeticException: Division by zero")
    try:
        return NUMBERS.power(base, exponent)
    except DecimalException:
        raise Crash("java.lang.ArithmeticException: Overflow") from None


def no_number(letter: str) -> Crash:
    """A calculation with doubles that ended in NaN or Infinity, whose first letter is given."""
    return Crash(
        f"java.lang.NumberFormatException: Character {letter} is neither a decimal digit number,"
        ' decimal point, nor "e" notation exponential mark.'
    )


def _times_period(period: YearsMonths, factor: Decimal) -> YearsMonths:
    return YearsMonths(period.months * int(factor))


def _times_duration(duration: timedelta, factor: Decimal) -> timedelta:
    return duration * int(factor)


def _millis(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)


def _shift_zoned(value: ZonedTime, step: timedelta) -> ZonedTime:
    return attrs.evolve(value, time=add_to_clock(value.time, step))


def _between_zoned(x: ZonedTime, y: ZonedTime) -> timedelta:
    return timedelta(microseconds=abs(x.nanos_of_utc_day - y.nanos_of_utc_day) // 1000)


def _between_instants(x: datetime, y: datetime) -> timedelta:
    return x.astimezone(UTC) - y.astimezone(UTC)


def _quotient(x: int, y: int) -> Decimal:
    """Whole, towards zero: durations are divided as Java divides integers."""
    return Decimal(int(NUMBERS.divide_int(Decimal(x), Decimal(y))))


def _swapped(table: _Table) -> _Table:
    def swap(operation: Operation) -> Operation:
        return lambda x, y: operation(y, x)

    return {(y, x): swap(operation) for (x, y), operation in table.items() if x != y}


_SHIFTS: _Table = {
    (_LOCAL_TIME, _DAYS): add_to_clock,
    (_TIME, _DAYS): _shift_zoned,
    (_DATE, _DAYS): add_to_date,
    (_LOCAL, _DAYS): add_time,
    (_ZONED, _DAYS): add_time,
    (_DATE, _YEARS): lambda x, y: add_months(x, y.months),
    (_LOCAL, _YEARS): lambda x, y: add_months(x, y.months),
    (_ZONED, _YEARS): lambda x, y: add_months(x, y.months),
}

_PRODUCTS: _Table = {(_YEARS, _NUMBER): _times_period, (_DAYS, _NUMBER): _times_duration}

_TABLES: dict[str, _Table] = {
    "+": {
        (_NUMBER, _NUMBER): NUMBERS.add,
        (_STRING, _STRING): lambda x, y: x + y,
        (_YEARS, _YEARS): lambda x, y: YearsMonths(x.months + y.months),
        (_DAYS, _DAYS): lambda x, y: x + y,
        **_SHIFTS,
        **_swapped(_SHIFTS),
    },
    "-": {
        (_NUMBER, _NUMBER): NUMBERS.subtract,
        (_LOCAL_TIME, _LOCAL_TIME): lambda x, y: clock_span(x) - clock_span(y),
        (_TIME, _TIME): _between_zoned,
        (_DATE, _DATE): lambda x, y: midnight(x) - midnight(y),
        (_LOCAL, _LOCAL): lambda x, y: x - y,
        (_ZONED, _ZONED): _between_instants,
        (_YEARS, _YEARS): lambda x, y: YearsMonths(x.months - y.months),
        (_DAYS, _DAYS): lambda x, y: x - y,
        (_LOCAL_TIME, _DAYS): lambda x, y: add_to_clock(x, -y),
        (_TIME, _DAYS): lambda x, y: _shift_zoned(x, -y),
        (_DATE, _DAYS): lambda x, y: add_to_date(x, -y),
        (_LOCAL, _DAYS): lambda x, y: add_time(x, -y),
        (_ZONED, _DAYS): lambda x, y: add_time(x, -y),
        (_DATE, _YEARS): lambda x, y: add_months(x, -y.months),
        (_LOCAL, _YEARS): lambda x, y: add_months(x, -y.months),
        (_ZONED, _YEARS): lambda x, y: add_months(x, -y.months),
    },
    "*": {(_NUMBER, _NUMBER): NUMBERS.multiply, **_PRODUCTS, **_swapped(_PRODUCTS)},
    "/": {
        (_NUMBER, _NUMBER): NUMBERS.divide,
        (_YEARS, _NUMBER): lambda x, y: YearsMonths(int(NUMBERS.divide(Decimal(x.months), y))),
        (_YEARS, _YEARS): lambda x, y: _quotient(x.months, y.months),
        (_DAYS, _NUMBER): lambda x, y: timedelta(
            milliseconds=int(NUMBERS.divide(Decimal(_millis(x)), y))
        ),
        (_DAYS, _DAYS): lambda x, y: _quotient(_millis(x), _millis(y)),
    },
}
