"""`cycle`, with which Zeebe extends FEEL: repetitions for timers."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from zbtrio.devgateway.feel.errors import FunctionFailure
from zbtrio.devgateway.feel.temporal import YearsMonths, to_text
from zbtrio.devgateway.feel.values import Value, java_int
from zbtrio.devgateway.feel.values import to_text as value_text

from .library import Library

cycles = Library()


@cycles.define("cycle(interval: any)")
def cycle(interval: Value) -> Value:
    if not isinstance(interval, YearsMonths | timedelta):
        raise _unexpected("an interval (duration) parameter", interval)
    return f"R/{to_text(interval)}"


@cycles.define("cycle(repetitions: any, interval: any)")
def cycle_repeated(repetitions: Value, interval: Value) -> Value:
    if not isinstance(repetitions, Decimal | None) or not isinstance(
        interval, YearsMonths | timedelta
    ):
        wanted = "a repetitions (number) and an interval (duration) parameter"
        raise _unexpected(wanted, [repetitions, interval])
    times = "" if repetitions is None else java_int(repetitions)
    return f"R{times}/{to_text(interval)}"


def _unexpected(wanted: str, found: Value) -> FunctionFailure:
    return FunctionFailure(f"cycle function expected {wanted}, but found '{value_text(found)}'")
