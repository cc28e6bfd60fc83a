"""Between FEEL values and the JSON values that Zeebe keeps in variables.

Numbers lose what MessagePack can't hold, as Zeebe writes them: a whole number becomes an integer
of 64 bits (larger ones keep their lowest bits), any other a double. A function and a range have no
JSON and become null.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import cast

from .temporal import to_java_text
from .values import Function, Range, Value, entries, from_double


def from_json_value(value: object) -> Value:
    """A parsed JSON value as a FEEL value; infinite numbers and NaN are null."""
    if value is None or isinstance(value, bool | str | Decimal):
        return value
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, float):
        return from_double(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {
            str(key): from_json_value(item)
            for key, item in cast("Mapping[object, object]", value).items()
        }
    if isinstance(value, Sequence):
        return [from_json_value(item) for item in cast("Sequence[object]", value)]
    raise TypeError(f"{type(value).__name__} is no JSON value")


def to_json_value(value: Value) -> object:
    """A FEEL value as the JSON value that Zeebe writes into a variable."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, list):
        return [to_json_value(item) for item in value]
    if isinstance(value, dict):
        return {key: to_json_value(item) for key, item in entries(value).items()}
    if isinstance(value, Function | Range):
        return None
    return to_java_text(value)


def _number(value: Decimal) -> int | float:
    if value != value.to_integral_value():
        return float(value)
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent > 64:
        return 0  # divisible by 2**64
    return (int(value) + 2**63) % 2**64 - 2**63
