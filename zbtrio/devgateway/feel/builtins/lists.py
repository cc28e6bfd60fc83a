"""Lists. Positions count from 1, or from the end when negative."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cmp_to_key, reduce

from zbtrio.devgateway.feel.errors import Crash, FunctionFailure
from zbtrio.devgateway.feel.scope import Evaluation
from zbtrio.devgateway.feel.values import (
    NUMBERS,
    Function,
    Value,
    compare,
    from_double,
    is_comparable,
    java_int,
    same,
    to_text,
)

from .library import Library, illegal

lists = Library()


@lists.define("list contains(list: list, element: any)")
def list_contains(items: list[Value], element: Value) -> Value:
    return any(same(item, element) for item in items)


@lists.define("count(list: list)")
def count(items: list[Value]) -> Value:
    return Decimal(len(items))


@lists.define("is empty(list: list)")
def is_empty(items: list[Value]) -> Value:
    return not items


@lists.define("min(list...)")
def smallest(items: list[Value]) -> Value:
    return _extreme(items, lambda order: order <= 0)


@lists.define("max(list...)")
def largest(items: list[Value]) -> Value:
    return _extreme(items, lambda order: order >= 0)


def _extreme(items: list[Value], keeps: Callable[[int], bool]) -> Value:
    if not items:
        return None
    if not is_comparable(items):
        raise FunctionFailure(f"{to_text(items)} is not comparable")
    return reduce(lambda best, item: best if keeps(compare(best, item)) else item, items)


def _numbers(items: list[Value]) -> list[Decimal]:
    found = [item for item in items if isinstance(item, Decimal)]
    if len(found) < len(items):
        other = next(item for item in items if not isinstance(item, Decimal))
        raise FunctionFailure(f"expected number but found '{to_text(other)}'")
    return found


def _total(numbers: Sequence[Decimal]) -> Decimal:
    return reduce(NUMBERS.add, numbers, Decimal(0))


@lists.define("sum(list...)")
def total(items: list[Value]) -> Value:
    return _total(_numbers(items)) if items else None


@lists.define("product(list...)")
def product(items: list[Value]) -> Value:
    return reduce(NUMBERS.multiply, _numbers(items), Decimal(1)) if items else None


@lists.define("mean(list...)")
def mean(items: list[Value]) -> Value:
    return NUMBERS.divide(_total(_numbers(items)), Decimal(len(items))) if items else None


@lists.define("median(list...)")
def median(items: list[Value]) -> Value:
    if not items:
        return None
    numbers = sorted(_numbers(items))
    middle = len(numbers) // 2
    if len(numbers) % 2:
        return numbers[middle]
    return NUMBERS.divide(NUMBERS.add(numbers[middle - 1], numbers[middle]), Decimal(2))


@lists.define("stddev(list...)")
def standard_deviation(items: list[Value]) -> Value:
    if not items:
        return None
    numbers = _numbers(items)
    if len(numbers) == 1:
        raise Crash("java.lang.ArithmeticException: Division undefined")
    average = NUMBERS.divide(_total(numbers), Decimal(len(numbers)))
    distances = [NUMBERS.subtract(number, average) for number in numbers]
    squares = _total([NUMBERS.multiply(distance, distance) for distance in distances])
    return from_double(math.sqrt(float(NUMBERS.divide(squares, Decimal(len(numbers) - 1)))))


@lists.define("mode(list...)")
def mode(items: list[Value]) -> Value:
    counts: dict[Decimal, int] = {}
    for number in _numbers(items):
        counts[number] = counts.get(number, 0) + 1
    most = max(counts.values(), default=0)
    return [*sorted(number for number, times in counts.items() if times == most)]


@lists.define(
    "and(list...)",
    "all(list...)",
)
def all_true(items: list[Value]) -> Value:
    return _folded(items, decisive=False)


@lists.define(
    "or(list...)",
    "any(list...)",
)
def any_true(items: list[Value]) -> Value:
    return _folded(items, decisive=True)


def _folded(items: list[Value], *, decisive: bool) -> bool | None:
    """The deciding value if there is one, else null if one isn't a boolean."""
    if any(item is decisive for item in items):
        return decisive
    return not decisive if all(isinstance(item, bool) for item in items) else None


def _index(items: Sequence[Value], position: int) -> int:
    """Where a list is cut before that position."""
    return max(position - 1 if position > 0 else len(items) + position, 0)


@lists.define("sublist(list: list, start: number)")
def sublist(items: list[Value], start: Decimal) -> Value:
    return items[_index(items, java_int(start)) :]


@lists.define("sublist(list: list, start: number, length: number)")
def sublist_of_length(items: list[Value], start: Decimal, length: Decimal) -> Value:
    position = java_int(start)
    first = position - 1 if position > 0 else len(items) + position
    return items[max(first, 0) : max(first + java_int(length), 0)]


@lists.define("append(list: list, items...)")
def append(items: list[Value], more: list[Value]) -> Value:
    return [*items, *more]


@lists.define("concatenate(lists...)")
def concatenate(parts: list[Value]) -> Value:
    return [item for part in parts for item in (part if isinstance(part, list) else [part])]


@lists.define("insert before(list: list, position: number, newItem: any)")
def insert_before(items: list[Value], position: Decimal, item: Value) -> Value:
    index = _index(items, java_int(position))
    return [*items[:index], item, *items[index:]]


@lists.define("remove(list: list, position: number)")
def remove(items: list[Value], position: Decimal) -> Value:
    number = java_int(position)
    return items[: _index(items, number)] + items[_index(items, number + 1) :]


@lists.define("reverse(list: list)")
def reverse(items: list[Value]) -> Value:
    return items[::-1]


@lists.define("index of(list: list, match: any)")
def index_of(items: list[Value], match: Value) -> Value:
    return [Decimal(at) for at, item in enumerate(items, 1) if same(item, match)]


def _distinct(items: Sequence[Value]) -> list[Value]:
    """Each value once, where it comes first."""
    if all(isinstance(item, str | Decimal) for item in items):
        return list(dict.fromkeys(items))  # equal as same() has it, and quick
    found: list[Value] = []
    for item in items:
        if not any(same(item, other) for other in found):
            found.append(item)
    return found


@lists.define("union(lists...)")
def union(parts: list[Value]) -> Value:
    return _distinct([i for part in parts for i in (part if isinstance(part, list) else [part])])


@lists.define("distinct values(list: list)")
def distinct_values(items: list[Value]) -> Value:
    return [*_distinct(items)]


@lists.define("duplicate values(list: list)")
def duplicate_values(items: list[Value]) -> Value:
    repeated = [item for item in items if sum(1 for other in items if same(item, other)) > 1]
    return [*_distinct(repeated)]


@lists.define("flatten(list: list)")
def flatten(items: list[Value]) -> Value:
    return [*_flat(items)]


def _flat(items: list[Value]) -> list[Value]:
    return [i for item in items for i in (_flat(item) if isinstance(item, list) else [item])]


_UNSORTED = "fail to sort list by given precedes function"


@lists.define("sort(list: list, precedes: function)", in_run=True)
def sort(run: Evaluation, items: list[Value], precedes: Function) -> Value:
    if len(precedes.parameters) != 2:
        raise FunctionFailure(
            f"expect boolean function with 2 arguments, but found '{len(precedes.parameters)}'"
        )
    try:
        return sorted(items, key=cmp_to_key(_order(precedes, run)))
    except Crash as crash:
        raise FunctionFailure(f"{_UNSORTED}: {str(crash).partition(': ')[2]}") from None


def _order(precedes: Function, run: Evaluation) -> Callable[[Value, Value], int]:
    def before(x: Value, y: Value) -> bool:
        answer = precedes.invoke([x, y], run)
        if isinstance(answer, bool):
            return answer
        raise FunctionFailure(f"{_UNSORTED}: expected boolean but found '{to_text(answer)}'")

    return lambda x, y: -1 if before(x, y) else int(before(y, x))


@lists.define("string join(list: list)")
def string_join(items: list[Value]) -> Value:
    return _joined(items, "")


@lists.define("string join(list: list, delimiter: string | null)")
def string_join_by(items: list[Value], delimiter: str | None) -> Value:
    return _joined(items, delimiter or "")


_OPTIONAL = "string | null"


@lists.define(
    f"string join(list: list, delimiter: {_OPTIONAL}, prefix: {_OPTIONAL}, suffix: {_OPTIONAL})"
)
def string_join_within(
    items: list[Value], delimiter: str | None, prefix: str | None, suffix: str | None
) -> Value:
    if (prefix is None) is not (suffix is None):
        raise illegal(items, delimiter, prefix, suffix)
    return f"{prefix or ''}{_joined(items, delimiter or '')}{suffix or ''}"


def _joined(items: list[Value], delimiter: str) -> str:
    if any(item is not None and not isinstance(item, str) for item in items):
        shown = ", ".join(map(to_text, items))
        raise FunctionFailure(f"expected a list of strings but found 'List({shown})'")
    return delimiter.join(item for item in items if isinstance(item, str))
