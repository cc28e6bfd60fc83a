"""`if`, `for`, `some` and `every`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import product

import attrs

from .errors import FeelFailure
from .nodes import Node, expected
from .operators import fold_truth
from .scope import Scope
from .values import Value

# Zeebe would work itself to death on more; an expression for a development gateway is refused.
_MOST_STEPS = 1_000_000


@attrs.frozen
class If:
    """`if a then b else if c then d else e`: every branch by its condition, and the last one."""

    branches: Sequence[tuple[Node, Node]]
    otherwise: Node

    def evaluate(self, scope: Scope) -> Value:
        for condition, branch in self.branches:
            try:
                if _holds(condition, scope):
                    return branch.evaluate(scope)
            except FeelFailure:
                continue  # a branch that fails gives way to the next, as in Zeebe
        return self.otherwise.evaluate(scope)


def _holds(condition: Node, scope: Scope) -> bool:
    value = condition.evaluate(scope)
    if isinstance(value, bool):
        return value
    scope.warn("INVALID_TYPE", expected("boolean", value))
    return False


@attrs.frozen
class Steps:
    """`1..n` in an iteration: whole steps up or down."""

    start: Node
    end: Node

    def evaluate(self, scope: Scope) -> Value:
        start, end = self.start.evaluate(scope), self.end.evaluate(scope)
        for value in (start, end):
            if not isinstance(value, Decimal):
                message = expected("number", value)
                scope.warn("INVALID_TYPE", message)
                raise FeelFailure(message)
        assert isinstance(start, Decimal)
        assert isinstance(end, Decimal)
        count = abs(end - start) // 1 + 1
        if count > _MOST_STEPS:
            message = f"Expected at most {_MOST_STEPS} steps in a range but found {count}"
            scope.warn("UNKNOWN", message)
            raise FeelFailure(message)
        step = 1 if start < end else -1
        return [start + step * number for number in range(int(count))]


@attrs.frozen
class Iterators:
    """`x in xs, y in ys`: every combination, the last one varying first."""

    names: Sequence[tuple[str, Node]]

    def combinations(self, scope: Scope) -> Iterator[dict[str, Value]]:
        """Raises FeelFailure, with a warning, when one of them is no list."""
        values = [node.evaluate(scope) for _, node in self.names]
        lists = [value for value in values if isinstance(value, list)]
        if len(lists) < len(values):
            self._refuse(values, scope)
        names = [name for name, _ in self.names]
        return (dict(zip(names, items, strict=True)) for items in product(*lists))

    @staticmethod
    def _refuse(values: Sequence[Value], scope: Scope) -> None:
        messages = [expected("list", value) for value in values if not isinstance(value, list)]
        for message in messages:
            scope.warn("INVALID_TYPE", message)
        raise FeelFailure(messages[0])


class _Turn(dict[str, Value]):
    """One turn's names; `partial`, the results so far, is copied only when it is read."""

    def __init__(self, names: dict[str, Value], results: list[Value]) -> None:
        super().__init__(names)
        self._results = results

    def __missing__(self, name: str) -> Value:
        if name == "partial":
            return list(self._results)
        raise KeyError(name)


@attrs.frozen
class For:
    """`for x in xs return x * 2`; `partial` is the list of results so far."""

    iterators: Iterators
    body: Node

    def evaluate(self, scope: Scope) -> Value:
        results: list[Value] = []
        try:
            for names in self.iterators.combinations(scope):
                inner = scope.inner(_Turn(names, results))
                results.append(_evaluated(self.body, inner))
        except FeelFailure:
            return None
        return results


def _evaluated(node: Node, scope: Scope) -> Value:
    try:
        return node.evaluate(scope)
    except FeelFailure:
        return None


@attrs.frozen
class Quantified:
    """`some x in xs satisfies x > 3` (true decides), `every ...` (false decides)."""

    decisive: bool
    iterators: Iterators
    condition: Node

    def evaluate(self, scope: Scope) -> Value:
        state: bool | None = not self.decisive
        try:
            for names in self.iterators.combinations(scope):
                inner = scope.inner(names)
                state = fold_truth(state, self.condition.evaluate, inner, decisive=self.decisive)
        except FeelFailure:
            return None
        return state
