"""FEEL's values as Python values, their types, their text, their equality and order.

A number is a Decimal, a context a dict, a date and time a datetime (with or without zone): what
Python has is used. Only a time with an offset, a duration in years and months, a range and a
function need classes of their own. Since datetime is a date for isinstance, every decision about
a type goes through `kind`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Context, Decimal
from typing import TYPE_CHECKING, TypeAlias, Union, cast

import attrs

from . import temporal
from .errors import Crash
from .scala_order import ordered
from .temporal import YearsMonths, ZonedTime

if TYPE_CHECKING:
    from .scope import Evaluation

# 34 digits, half even: what BigDecimal calculates with by default in Scala.
NUMBERS = Context(prec=34, Emax=2_147_483_647, Emin=-2_147_483_647)

Value: TypeAlias = Union[
    bool,
    Decimal,
    str,
    date,
    time,
    datetime,
    timedelta,
    ZonedTime,
    YearsMonths,
    "list[Value]",
    "dict[str, Value]",
    "Range",
    "Function",
    None,
]


@attrs.frozen
class Range:
    """The values between two ends; an end belongs to the range when it is closed."""

    start: Value
    end: Value
    start_closed: bool = True
    end_closed: bool = True


@attrs.frozen(eq=False)
class Function:
    """A built-in function or a function definition with the names that it closes over."""

    parameters: tuple[str, ...]
    invoke: Callable[[Sequence[Value], Evaluation], Value]
    varargs: bool = False

    def takes(self, count: int) -> bool:
        """Whether it can be invoked with so many positional arguments."""
        return count == len(self.parameters) or (self.varargs and count > len(self.parameters))

    def takes_named(self, names: set[str]) -> bool:
        """Whether all these names are parameters; a parameter without argument is null."""
        return names <= set(self.parameters)


_KINDS: dict[type, str] = {
    type(None): "null",
    bool: "boolean",
    Decimal: "number",
    str: "string",
    date: "date",
    time: "local time",
    ZonedTime: "time",
    YearsMonths: "years and months duration",
    timedelta: "days and time duration",
    list: "list",
    dict: "context",
    Range: "range",
    Function: "function",
}

_FEEL_TYPES = {"local time": "time", "local date and time": "date and time"}

_COMPARABLE = frozenset(
    {
        "number",
        "string",
        "date",
        "local time",
        "time",
        "local date and time",
        "date and time",
        "years and months duration",
        "days and time duration",
    }
)


def kind(value: Value) -> str:
    """The value's type; times and dates without zone are `local`, a type of their own."""
    if isinstance(value, datetime):
        return "local date and time" if value.tzinfo is None else "date and time"
    return _KINDS[type(value)]


def type_name(value: Value) -> str:
    """The value's type as FEEL names it in `instance of` and in warnings."""
    name = kind(value)
    return _FEEL_TYPES.get(name, name)


def entries(context: Mapping[str, Value]) -> dict[str, Value]:
    """A context's variables: functions in it can be invoked but are no entries."""
    return {key: value for key, value in context.items() if not isinstance(value, Function)}


def ordered_entries(context: Mapping[str, Value]) -> list[tuple[str, Value]]:
    """A context's variables in the order in which Zeebe goes through them."""
    variables = entries(context)
    return [(key, variables[key]) for key in ordered(variables)]


def is_comparable(value: Value) -> bool:
    """Whether `<` is defined: for a list when its items are of one comparable type."""
    if isinstance(value, list):
        first = {kind(item) for item in value}
        return len(first) == 1 and is_comparable(value[0])
    return kind(value) in _COMPARABLE


def compare(left: Value, right: Value) -> int:
    """-1, 0 or 1 for two comparable values of one kind."""
    if isinstance(left, list):  # comparable by its items' types, but then Zeebe breaks off
        shown = f"{to_text(left)} can not be compared to {to_text(right)}"
        raise Crash(f"java.lang.IllegalArgumentException: {shown}")
    a, b = cast(Decimal, _sort_key(left)), cast(Decimal, _sort_key(right))
    return (a > b) - (a < b)


def _sort_key(value: Value) -> object:
    if isinstance(value, str):
        return value.encode("utf-16-be")  # Java compares UTF-16 units, not code points
    if isinstance(value, ZonedTime):
        return value.nanos_of_utc_day
    if isinstance(value, YearsMonths):
        return value.months
    if isinstance(value, datetime) and value.tzinfo is not None:
        return temporal.instant_key(value)
    return value


def equal(left: Value, right: Value) -> bool | None:
    """Whether two values are equal; None for values that can't be compared."""
    if left is None or right is None:
        return left is right
    if kind(left) != kind(right):
        return None
    if isinstance(left, list):
        return _equal_lists(left, cast("list[Value]", right))
    if isinstance(left, dict):
        return _equal_contexts(entries(left), entries(cast("dict[str, Value]", right)))
    if isinstance(left, datetime):
        return temporal.same_date_time(left, cast(datetime, right))
    if isinstance(left, Range | Function):
        return None
    return left == right


def _equal_lists(left: Sequence[Value], right: Sequence[Value]) -> bool:
    return len(left) == len(right) and all(
        equal(x, y) is True for x, y in zip(left, right, strict=True)
    )


def _equal_contexts(left: Mapping[str, Value], right: Mapping[str, Value]) -> bool:
    return left.keys() == right.keys() and all(
        equal(value, right[key]) is True for key, value in left.items()
    )


def same(left: Value, right: Value) -> bool:
    """Whether two values are the same, as lists look for an item: never unknown."""
    if isinstance(left, Range) and isinstance(right, Range):
        return left == right
    if isinstance(left, Function):
        return left is right
    return equal(left, right) is True


def to_text(value: Value) -> str:
    """The value as FEEL's `string` and warnings show it; a string stands in quotes."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, Decimal):
        return number_text(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(to_text, value)) + "]"
    if isinstance(value, dict):
        pairs = ordered_entries(value)
        return "{" + ", ".join(f"{key}:{to_text(item)}" for key, item in pairs) + "}"
    if isinstance(value, Range):
        return _range_text(value)
    if isinstance(value, Function):
        return f"function({', '.join(value.parameters)})"
    return temporal.to_text(value)


def from_double(value: float) -> Decimal:
    """A double as Scala makes a BigDecimal of it: by Java's text, 16.0 or 1.0E7."""
    number = Decimal(repr(value))
    if value and not 1e-3 <= abs(value) < 1e7:
        sign, digits, _ = number.normalize().as_tuple()
        kept = digits if len(digits) > 1 else (*digits, 0)
        return Decimal((sign, kept, number.adjusted() - len(kept) + 1))
    return number


def java_int(value: Decimal) -> int:
    """The number without its fraction, as 32 bits: what Java's intValue makes of it."""
    return (int(value) + 2**31) % 2**32 - 2**31


def number_text(value: Decimal) -> str:
    """A number with its trailing zeros, as BigDecimal writes it (never a negative zero)."""
    return str(value if value else value.copy_abs())


def _range_text(value: Range) -> str:
    opening, closing = "[" if value.start_closed else "(", "]" if value.end_closed else ")"
    return f"{opening}{to_text(value.start)}..{to_text(value.end)}{closing}"
