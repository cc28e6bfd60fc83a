"""`cycle`, with which Zeebe extends FEEL: repetitions for timers."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from ..temporal import YearsMonths, to_java_text
from ..values import Value, java_int
from .library import Library

cycles = Library()

_INTERVAL = "interval: years and months duration | days and time duration"


@cycles.define(f"cycle({_INTERVAL})")
def cycle(interval: YearsMonths | timedelta) -> Value:
    return f"R/{to_java_text(interval)}"


@cycles.define(f"cycle(repetitions: number | null, {_INTERVAL})")
def cycle_repeated(repetitions: Decimal | None, interval: YearsMonths | timedelta) -> Value:
    times = "" if repetitions is None else java_int(repetitions)
    return f"R{times}/{to_java_text(interval)}"
