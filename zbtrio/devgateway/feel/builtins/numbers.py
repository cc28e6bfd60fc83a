"""Rounding, roots, remainders."""

from __future__ import annotations

import math
import random
from datetime import timedelta
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Context,
    Decimal,
)

from zbtrio.devgateway.feel.arithmetic import no_number
from zbtrio.devgateway.feel.errors import Crash, FunctionFailure
from zbtrio.devgateway.feel.temporal import YearsMonths
from zbtrio.devgateway.feel.values import NUMBERS, Value, from_double

from .library import Library

numbers = Library()

# In the order in which Zeebe lists them.
_MODES = {
    "UP": ROUND_UP,
    "DOWN": ROUND_DOWN,
    "CEILING": ROUND_CEILING,
    "FLOOR": ROUND_FLOOR,
    "HALF_UP": ROUND_HALF_UP,
    "HALF_DOWN": ROUND_HALF_DOWN,
    "HALF_EVEN": ROUND_HALF_EVEN,
    "UNNECESSARY": None,
}
_LARGEST_SCALE = 6144  # more digits than any number has a use for
_WIDE = Context(prec=20_000, Emax=999_999_999, Emin=-999_999_999)


def _rounded(number: Decimal, scale: Decimal, mode: str) -> Decimal:
    places = int(scale)
    if abs(places) > _LARGEST_SCALE or abs(number.adjusted()) > _LARGEST_SCALE:
        raise FunctionFailure(f"Failed to apply rounding mode '{mode}': Overflow")
    unit = Decimal(1).scaleb(-places)
    rounding = _MODES[mode]
    result = number.quantize(unit, rounding or ROUND_HALF_EVEN, _WIDE)
    if rounding is None and result != number:
        raise FunctionFailure(f"Failed to apply rounding mode '{mode}': Rounding necessary")
    return result


@numbers.define("decimal(n: number, scale: number)")
def decimal(n: Decimal, scale: Decimal) -> Value:
    return _rounded(n, scale, "HALF_EVEN")


@numbers.define("decimal(n: number, scale: number, mode: string)")
def decimal_by_mode(n: Decimal, scale: Decimal, mode: str) -> Value:
    if mode.upper() not in _MODES:
        raise FunctionFailure(
            f"Illegal argument '{mode}' for rounding mode. Must be one of: {', '.join(_MODES)}"
        )
    return _rounded(n, scale, mode.upper())


@numbers.define("floor(n: number)")
def floor(n: Decimal) -> Value:
    return _rounded(n, Decimal(0), "FLOOR")


@numbers.define("floor(n: number, scala: number)")
def floor_to_scale(n: Decimal, scale: Decimal) -> Value:
    return _rounded(n, scale, "FLOOR")


@numbers.define("ceiling(n: number)")
def ceiling(n: Decimal) -> Value:
    return _rounded(n, Decimal(0), "CEILING")


@numbers.define("ceiling(n: number, scale: number)")
def ceiling_to_scale(n: Decimal, scale: Decimal) -> Value:
    return _rounded(n, scale, "CEILING")


@numbers.define("round up(n: number, scale: number)")
def round_up(n: Decimal, scale: Decimal) -> Value:
    return _rounded(n, scale, "UP")


@numbers.define("round down(n: number, scale: number)")
def round_down(n: Decimal, scale: Decimal) -> Value:
    return _rounded(n, scale, "DOWN")


@numbers.define("round half up(n: number, scale: number)")
def round_half_up(n: Decimal, scale: Decimal) -> Value:
    return _rounded(n, scale, "HALF_UP")


@numbers.define("round half down(n: number, scala: number)")
def round_half_down(n: Decimal, scale: Decimal) -> Value:
    return _rounded(n, scale, "HALF_DOWN")


_SIZES = "number | years and months duration | days and time duration"


@numbers.define(
    f"abs(number: {_SIZES})",
    f"abs(n: {_SIZES})",
)
def absolute(number: Decimal | YearsMonths | timedelta) -> Value:
    if isinstance(number, YearsMonths):
        return YearsMonths(abs(number.months))
    return number.copy_abs() if isinstance(number, Decimal) else abs(number)


@numbers.define("modulo(dividend: number, divisor: number)")
def modulo(dividend: Decimal, divisor: Decimal) -> Value:
    if divisor == 0:
        raise Crash("java.lang.ArithmeticException: Division by zero")
    remainder = NUMBERS.remainder(dividend, divisor)
    return NUMBERS.remainder(NUMBERS.add(remainder, divisor), divisor)


@numbers.define("sqrt(number: number)")
def sqrt(number: Decimal) -> Value:
    return None if number < 0 else from_double(math.sqrt(float(number)))


@numbers.define("log(number: number)")
def log(number: Decimal) -> Value:
    if number <= 0:
        raise no_number("N" if number else "I")
    return from_double(math.log(float(number)))


@numbers.define("exp(number: number)")
def exp(number: Decimal) -> Value:
    try:
        return from_double(math.exp(float(number)))
    except OverflowError:
        raise no_number("I") from None


@numbers.define("odd(number: number)")
def odd(number: Decimal) -> Value:
    return NUMBERS.remainder(number.copy_abs(), Decimal(2)) == 1


@numbers.define("even(number: number)")
def even(number: Decimal) -> Value:
    return NUMBERS.remainder(number, Decimal(2)) == 0


@numbers.define("random number()")
def random_number() -> Value:
    return from_double(random.random())
