"""How points and ranges lie to each other, by the rules of DMN 1.3, table 78."""

from __future__ import annotations

from zbtrio.devgateway.feel.errors import Crash
from zbtrio.devgateway.feel.values import Range, Value, compare, kind, to_text

from .library import Library, illegal

ranges = Library()

_POINTS = frozenset(
    {
        "number",
        "date",
        "time",
        "local time",
        "date and time",
        "local date and time",
        "years and months duration",
        "days and time duration",
    }
)


def _match_error(left: Value, right: Value) -> Crash:
    pair = f"({to_text(left)},{to_text(right)})"
    return Crash(f"scala.MatchError: {pair} (of class scala.Tuple2)")


def _check(left: Value, right: Value) -> None:
    """Both must be points, or ranges between points, of one type."""
    kinds = {kind(each.start if isinstance(each, Range) else each) for each in (left, right)}
    if len(kinds) > 1 or not kinds <= _POINTS:
        raise illegal(left, right)


def _ranges(left: Value, right: Value) -> tuple[Range, Range]:
    _check(left, right)
    if not isinstance(left, Range) or not isinstance(right, Range):
        raise _match_error(left, right)
    return left, right


def _ends_before(left: Range, right: Range) -> bool:
    order = compare(left.end, right.start)
    return order < 0 or (order == 0 and not (left.end_closed and right.start_closed))


def _as_range(value: Value) -> Range:
    """A point is the range that holds only itself."""
    return value if isinstance(value, Range) else Range(value, value)


@ranges.define(
    "before(point1: any, point2: any)",
    "before(point: any, range: any)",
    "before(range: any, point: any)",
    "before(range1: any, range2: any)",
)
def before(left: Value, right: Value) -> Value:
    _check(left, right)
    return _ends_before(_as_range(left), _as_range(right))


@ranges.define(
    "after(point1: any, point2: any)",
    "after(point: any, range: any)",
    "after(range: any, point: any)",
    "after(range1: any, range2: any)",
)
def after(left: Value, right: Value) -> Value:
    _check(left, right)
    return _ends_before(_as_range(right), _as_range(left))


def _meets(left: Range, right: Range) -> bool:
    return left.end_closed and right.start_closed and compare(left.end, right.start) == 0


@ranges.define("meets(range1: any, range2: any)")
def meets(left: Value, right: Value) -> Value:
    return _meets(*_ranges(left, right))


@ranges.define("met by(range1: any, range2: any)")
def met_by(left: Value, right: Value) -> Value:
    first, second = _ranges(left, right)
    return _meets(second, first)


@ranges.define("overlaps(range1: any, range2: any)")
def overlaps(left: Value, right: Value) -> Value:
    first, second = _ranges(left, right)
    return not _ends_before(first, second) and not _ends_before(second, first)


def _starts_no_later(left: Range, right: Range) -> bool:
    """Strictly before, or at the same point and closed where the other is open."""
    order = compare(left.start, right.start)
    return order < 0 or (order == 0 and left.start_closed and not right.start_closed)


def _ends_no_later(left: Range, right: Range) -> bool:
    order = compare(left.end, right.end)
    return order < 0 or (order == 0 and (not left.end_closed or right.end_closed))


@ranges.define("overlaps before(range1: any, range2: any)")
def overlaps_before(left: Value, right: Value) -> Value:
    first, second = _ranges(left, right)
    return (
        _starts_no_later(first, second)
        and not _ends_before(first, second)
        and _ends_no_later(first, second)
    )


@ranges.define("overlaps after(range1: any, range2: any)")
def overlaps_after(left: Value, right: Value) -> Value:
    first, second = _ranges(left, right)
    order = compare(second.end, first.end)
    return (
        _starts_after(first, second)
        and not _ends_before(second, first)
        and (order < 0 or (order == 0 and (first.end_closed or not second.end_closed)))
    )


def _starts_after(left: Range, right: Range) -> bool:
    order = compare(left.start, right.start)
    return order > 0 or (order == 0 and not left.start_closed and right.start_closed)


def _finishes(left: Value, right: Range) -> bool:
    if not isinstance(left, Range):
        return right.end_closed and compare(left, right.end) == 0
    if compare(left.end, right.end) != 0 or left.end_closed != right.end_closed:
        return False
    order = compare(left.start, right.start)
    return order > 0 or (order == 0 and (not left.start_closed or right.start_closed))


def _starts(left: Value, right: Range) -> bool:
    if not isinstance(left, Range):
        return right.start_closed and compare(left, right.start) == 0
    if compare(left.start, right.start) != 0 or left.start_closed != right.start_closed:
        return False
    order = compare(left.end, right.end)
    return order < 0 or (order == 0 and (not left.end_closed or right.end_closed))


def _holds(outer: Range, point: Value) -> bool:
    start, end = compare(outer.start, point), compare(point, outer.end)
    return (
        (start < 0 and end < 0)
        or (start == 0 and outer.start_closed)
        or (end == 0 and outer.end_closed)
    )


def _includes(outer: Range, inner: Value) -> bool:
    if not isinstance(inner, Range):
        return _holds(outer, inner)
    start, end = compare(outer.start, inner.start), compare(inner.end, outer.end)
    return (start < 0 or (start == 0 and (outer.start_closed or not inner.start_closed))) and (
        end < 0 or (end == 0 and (outer.end_closed or not inner.end_closed))
    )


def _outer(value: Value, left: Value, right: Value) -> Range:
    _check(left, right)
    if not isinstance(value, Range):
        raise _match_error(left, right)
    return value


@ranges.define(
    "finishes(point: any, range: any)",
    "finishes(range1: any, range2: any)",
)
def finishes(left: Value, right: Value) -> Value:
    return _finishes(left, _outer(right, left, right))


@ranges.define(
    "finished by(point: any, range: any)",
    "finished by(range1: any, range2: any)",
)
def finished_by(left: Value, right: Value) -> Value:
    return _finishes(right, _outer(left, left, right))


@ranges.define(
    "includes(range: any, point: any)",
    "includes(range1: any, range2: any)",
)
def includes(left: Value, right: Value) -> Value:
    return _includes(_outer(left, left, right), right)


@ranges.define(
    "during(point: any, range: any)",
    "during(range1: any, range2: any)",
)
def during(left: Value, right: Value) -> Value:
    return _includes(_outer(right, left, right), left)


@ranges.define(
    "starts(point: any, range: any)",
    "starts(range1: any, range2: any)",
)
def starts(left: Value, right: Value) -> Value:
    return _starts(left, _outer(right, left, right))


@ranges.define(
    "started by(range: any, point: any)",
    "started by(range1: any, range2: any)",
)
def started_by(left: Value, right: Value) -> Value:
    return _starts(right, _outer(left, left, right))


@ranges.define(
    "coincides(point1: any, point2: any)",
    "coincides(range1: any, range2: any)",
)
def coincides(left: Value, right: Value) -> Value:
    _check(left, right)
    first, second = _as_range(left), _as_range(right)
    return (
        isinstance(left, Range) is isinstance(right, Range)
        and compare(first.start, second.start) == 0
        and compare(first.end, second.end) == 0
        and (first.start_closed, first.end_closed) == (second.start_closed, second.end_closed)
    )
