"""Comparisons, `and`, `or`, `not` and `instance of`, with null as the third truth value."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence

import attrs

from .errors import FeelFailure
from .nodes import Node, evaluate_all, expected, same_type
from .scope import Scope
from .values import Value, compare, equal, is_comparable, to_text, type_name

_ORDERS: dict[str, Callable[[int, int], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def ordering(sign: str, left: Value, right: Value, scope: Scope) -> bool | None:
    """`<`, `<=`, `>` or `>=`; null with a warning for values that have no common order."""
    if not (same_type(left, right) and is_comparable(left) and is_comparable(right)):
        not_comparable(left, right, scope)
        return None
    return _ORDERS[sign](compare(left, right), 0)


def equality(left: Value, right: Value, scope: Scope) -> bool | None:
    """`=`; null with a warning for values of different types, neither of them null."""
    answer = equal(left, right)
    if answer is None:
        not_comparable(left, right, scope)
    return answer


def not_comparable(left: Value, right: Value, scope: Scope) -> None:
    """The warning that two values can't be compared."""
    scope.warn("NOT_COMPARABLE", f"Can't compare '{to_text(left)}' with '{to_text(right)}'")


def truth(node: Node, scope: Scope) -> bool | None:
    """The node's value if it is a boolean; else null with a warning."""
    try:
        value = node.evaluate(scope)
    except FeelFailure:
        return None
    return checked_truth(value, scope)


def checked_truth(value: Value, scope: Scope) -> bool | None:
    """The value if it is a boolean; else null with a warning."""
    if isinstance(value, bool):
        return value
    scope.warn("INVALID_TYPE", expected("boolean", value))
    return None


@attrs.frozen
class Ordering:
    """`a < b` and its kin."""

    sign: str
    left: Node
    right: Node

    def evaluate(self, scope: Scope) -> Value:
        left, right = evaluate_all([self.left, self.right], scope)
        return ordering(self.sign, left, right, scope)


@attrs.frozen
class Equality:
    """`a = b`."""

    left: Node
    right: Node

    def evaluate(self, scope: Scope) -> Value:
        left, right = evaluate_all([self.left, self.right], scope)
        return equality(left, right, scope)


@attrs.frozen
class Not:
    """`a != b`, and `not(...)` around unary tests."""

    operand: Node

    def evaluate(self, scope: Scope) -> Value:
        value = truth(self.operand, scope)
        return None if value is None else not value


@attrs.frozen
class Logic:
    """`a and b and c`, where false decides, or `a or b or c`, where true does.

    An undecided pair gives null, and a further operand then warns about that null: Zeebe goes from
    pair to pair.
    """

    decisive: bool
    operands: Sequence[Node]

    def evaluate(self, scope: Scope) -> Value:
        state = truth(self.operands[0], scope)
        for number, operand in enumerate(self.operands[1:]):
            if number > 0:
                state = checked_truth(state, scope)
            state = fold_truth(state, operand.evaluate, scope, decisive=self.decisive)
        return state


@attrs.frozen
class AnyOf:
    """Several unary tests: one must hold."""

    tests: Sequence[Node]

    def evaluate(self, scope: Scope) -> Value:
        state: bool | None = False
        for test in self.tests:
            state = fold_truth(state, test.evaluate, scope, decisive=True)
        return state


def fold_truth(
    state: bool | None,
    evaluate: Callable[[Scope], Value],
    scope: Scope,
    *,
    decisive: bool,
) -> bool | None:
    """One more operand of `and`, `or`, `every` or `some`; not evaluated once it is decided."""
    if state is decisive:
        return state
    try:
        value = evaluate(scope)
    except FeelFailure:
        return None
    if state is None:
        return decisive if value is decisive else None
    return checked_truth(value, scope)


_TYPE_ALIASES = {
    "date time": "date and time",
    "year-month-duration": "years and months duration",
    "day-time-duration": "days and time duration",
}


@attrs.frozen
class InstanceOf:
    """`x instance of number`."""

    operand: Node
    type: str

    def evaluate(self, scope: Scope) -> Value:
        value = self.operand.evaluate(scope)
        if self.type == "Any":
            return value is not None
        return type_name(value) == _TYPE_ALIASES.get(self.type, self.type)
