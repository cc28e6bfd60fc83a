"""Tests of an input value: `> 3`, `[1..5]`, `"a"`, `? > 3`; in decision tables and behind `in`."""

from __future__ import annotations

import attrs

from .errors import FatalFailure, FeelFailure
from .nodes import Node, RangeLiteral, same_type
from .operators import equality, ordering
from .scope import INPUT, INPUT_SYMBOL, Scope
from .values import Value, compare, is_comparable, same, to_text


@attrs.frozen
class In:
    """`x in (1, 2)`, `x in [1..5]`, `x in xs`."""

    operand: Node
    test: Node

    def evaluate(self, scope: Scope) -> Value:
        value = self.operand.evaluate(scope)
        return self.test.evaluate(scope.within({INPUT: value}))


@attrs.frozen
class InputEquals:
    """`true` or `false` as a test."""

    operand: Node

    def evaluate(self, scope: Scope) -> Value:
        return equality(scope.input_value(), self.operand.evaluate(scope), scope)


@attrs.frozen
class InputOrdering:
    """`< 3` and its kin."""

    sign: str
    operand: Node

    def evaluate(self, scope: Scope) -> Value:
        return ordering(self.sign, scope.input_value(), self.operand.evaluate(scope), scope)


@attrs.frozen
class InputInRange:
    """`[1..5]`: whether the input lies between the ends."""

    range: RangeLiteral

    def evaluate(self, scope: Scope) -> Value:
        start, end = self.range.start.evaluate(scope), self.range.end.evaluate(scope)
        value = scope.input_value()
        comparable = all(is_comparable(each) for each in (value, start, end))
        if not comparable or not same_type(value, start, end):
            shown = to_text(scope.input_value())
            scope.warn(
                "NOT_COMPARABLE",
                f"Can't compare '{shown}' with '{to_text(start)}' and '{to_text(end)}'",
            )
            return None
        after = compare(value, start) > (-1 if self.range.start_closed else 0)
        before = compare(value, end) < (1 if self.range.end_closed else 0)
        return after and before


@attrs.frozen
class TestExpression:
    """Any expression as a test: it holds when it is true, is the input, or lists the input.

    `?` has a value only if the expression can't do without one: it is then evaluated again.
    """

    expression: Node

    def evaluate(self, scope: Scope) -> Value:
        value = scope.input_value()
        try:
            answer = self.expression.evaluate(scope)
        except FatalFailure:
            return self._about(value, scope)
        except FeelFailure:
            return False
        return _accepts(answer, value, scope)

    def _about(self, value: Value, scope: Scope) -> bool | None:
        try:
            answer = self.expression.evaluate(scope.inner({INPUT_SYMBOL: value}))
        except FeelFailure:
            return None
        return answer if isinstance(answer, bool) else None


def _accepts(answer: Value, value: Value, scope: Scope) -> bool | None:
    if answer is True:
        return True
    if isinstance(answer, list) and any(same(item, value) for item in answer):
        return True
    is_input = equality(value, answer, scope)
    return False if is_input is None and isinstance(answer, list) else is_input
