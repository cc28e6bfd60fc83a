"""The parts of an expression that name or build values: literals, references, paths, filters.

A parsed expression is a tree of nodes; each evaluates itself in a scope. Chains such as `a.b.c` or
`1 + 2 + 3` are one node with a list, so that a long one doesn't nest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Protocol

import attrs

from .errors import FatalFailure, FeelFailure
from .properties import properties
from .scala_order import ordered
from .scope import Scope
from .values import Range, Value, entries, kind, to_text


class Node(Protocol):
    """A part of an expression."""

    def evaluate(self, scope: Scope) -> Value:
        """Its value in this scope; raises FeelFailure or FatalFailure when it has none."""
        ...


@attrs.frozen
class Constant:
    """A value that is known when the expression is parsed."""

    value: Value

    def evaluate(self, scope: Scope) -> Value:
        return self.value


@attrs.frozen
class InputSymbol:
    """`?`, the input value of the unary test around it."""

    def evaluate(self, scope: Scope) -> Value:
        return scope.input_symbol()


@attrs.frozen
class ListLiteral:
    """`[1, 2]`."""

    items: Sequence[Node]

    def evaluate(self, scope: Scope) -> Value:
        return [evaluate_part(item, scope) for item in self.items]


@attrs.frozen
class ContextLiteral:
    """`{a: 1, b: a + 1}`: an entry sees those before it."""

    entries: Sequence[tuple[str, Node]]

    def evaluate(self, scope: Scope) -> Value:
        result: dict[str, Value] = {}
        for key, node in self.entries:
            result[key] = evaluate_part(node, scope.within(result.copy()))
        return result


def evaluate_part(node: Node, scope: Scope) -> Value:
    """A part of a list or context, where a fatal failure becomes a usual one."""
    try:
        return node.evaluate(scope)
    except FatalFailure as failure:
        raise FeelFailure(f'fatal error("{failure}")') from None


def evaluate_all(nodes: Iterable[Node], scope: Scope) -> list[Value]:
    """The values of several nodes; when one fails the others are evaluated all the same."""
    values: list[Value] = []
    failure: Exception | None = None
    for node in nodes:
        try:
            values.append(node.evaluate(scope))
        except (FeelFailure, FatalFailure) as caught:
            failure = failure or caught
    if failure is not None:
        raise failure
    return values


@attrs.frozen
class RangeLiteral:
    """`[1..5)`: a value as a function's argument, a test of the input elsewhere."""

    start: Node
    end: Node
    start_closed: bool
    end_closed: bool

    def evaluate(self, scope: Scope) -> Value:
        start, end = evaluate_all([self.start, self.end], scope)
        if kind(start) != kind(end) or kind(start) not in _RANGE_ENDS:
            message = f"Invalid range definition '{to_text(start)}..{to_text(end)}'"
            scope.warn("INVALID_TYPE", message)
            raise FeelFailure(message)
        return Range(start, end, self.start_closed, self.end_closed)


_RANGE_ENDS = frozenset(
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


@attrs.frozen
class Reference:
    """`order.customer.name`: a variable and the path into it."""

    name: str
    path: Sequence[str] = ()

    def evaluate(self, scope: Scope) -> Value:
        try:
            value = scope.find(self.name)
        except KeyError:
            scope.warn("NO_VARIABLE_FOUND", f"No variable found with name '{self.name}'")
            return None
        for key in self.path:
            value = follow(value, key, scope)
        return value


@attrs.frozen
class Path:
    """`f(x).a.b`: a path into any value."""

    base: Node
    path: Sequence[str]

    def evaluate(self, scope: Scope) -> Value:
        value = self.base.evaluate(scope)
        for key in self.path:
            value = follow(value, key, scope)
        return value


def follow(value: Value, key: str, scope: Scope) -> Value:
    """One step of a path: an entry, a property, or the same step for each item of a list."""
    if isinstance(value, dict):
        return _entry(entries(value), key, scope)
    if isinstance(value, list):
        return [follow(item, key, scope) for item in value]
    if value is None:
        _no_entry(key, "The context is null", scope)
        return None
    known = properties(value)
    if key in known:
        return known[key]
    scope.warn(
        "NO_PROPERTY_FOUND",
        f"No property found with name '{key}' of value '{to_text(value)}'."
        f" Available properties: {_quoted(known)}",
    )
    return None


def _entry(context: dict[str, Value], key: str, scope: Scope) -> Value:
    if key in context:
        return context[key]
    keys = _quoted(context)
    _no_entry(key, f"Available keys: {keys}" if keys else "The context is empty", scope)
    return None


def _no_entry(key: str, detail: str, scope: Scope) -> None:
    message = f"No context entry found with key '{key}'. {detail}"
    scope.warn("NO_CONTEXT_ENTRY_FOUND", message)


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(ordered([f"'{name}'" for name in names]))


@attrs.frozen
class Filter:
    """`items[price > 3]`, `items[1]`, `items[-1]`.

    A number is an index. `item` is the item that is looked at, and a context's entries are in
    sight by their names. What isn't certainly a condition is evaluated once without an item, to
    see whether it is an index.
    """

    base: Node
    condition: Node
    is_condition: bool

    def evaluate(self, scope: Scope) -> Value:
        try:
            items = self.base.evaluate(scope)
            if not isinstance(items, list):
                scope.warn("INVALID_TYPE", f"Expected list but found '{to_text(items)}'")
                return None
            return self._pick(items, scope)
        except FeelFailure:
            return None

    def _pick(self, items: list[Value], scope: Scope) -> Value:
        index = None if self.is_condition else self._index(scope)
        return self._matching(items, scope) if index is None else _item_at(items, index)

    def _index(self, scope: Scope) -> Decimal | None:
        try:
            index = self.condition.evaluate(scope)
        except (FeelFailure, FatalFailure):
            return None
        return index if isinstance(index, Decimal) else None

    def _matching(self, items: list[Value], scope: Scope) -> Value:
        found: list[Value] = []
        for number, item in enumerate(items):
            answer = self.condition.evaluate(item_scope(item, scope))
            if number == 0 and isinstance(answer, Decimal):
                return _item_at(items, answer)
            if answer is True:
                found.append(item)
        return found


def item_scope(item: Value, scope: Scope) -> Scope:
    """The names in sight of a filter's condition."""
    inner = scope.within({"item": item})
    return inner.within(item) if isinstance(item, dict) else inner


def _item_at(items: list[Value], index: Decimal) -> Value:
    """Counted from 1, or from the end when negative; null outside the list."""
    position = index - 1 if index > 0 else len(items) + index
    return items[int(position)] if 0 <= position < len(items) else None


def expected(what: str, value: Value) -> str:
    """The text of a warning about a value of the wrong type."""
    return f"Expected {what} but found '{to_text(value)}'"


def same_type(*values: Value) -> bool:
    """Whether all values are of one type."""
    return len({kind(value) for value in values}) == 1
