"""What a decision does: literal expressions, contexts, lists, relations and invocations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeAlias

import attrs

from zbtrio.devgateway import feel
from zbtrio.devgateway.feel.errors import FunctionFailure

from .errors import DecisionFailure
from .results import EvaluatedDecision, EvaluatedInput, MatchedRule

if TYPE_CHECKING:
    from .graph import KnowledgeModel

Variables: TypeAlias = Mapping[str, feel.Value]


@attrs.define(eq=False)
class Run:
    """One request for a decision: its clock, what is evaluated so far, and, within one decision,
    the inputs and rules of its table."""

    now: Callable[[], datetime]
    evaluated: list[EvaluatedDecision] = attrs.Factory(list[EvaluatedDecision])
    inputs: Sequence[EvaluatedInput] = ()
    rules: Sequence[MatchedRule] = ()

    def trace(self) -> Run:
        """The same request for the next decision."""
        return Run(self.now, self.evaluated)

    def value(self, expression: feel.Expression, variables: Variables) -> feel.Value:
        """An expression's value; raises DecisionFailure when it failed as a whole."""
        return _checked(expression.evaluate_values(variables, now=self.now))

    def test(self, tests: feel.UnaryTests, value: feel.Value, variables: Variables) -> bool:
        """Whether an input's value passes the tests; null is no."""
        return _checked(tests.evaluate(value, variables, now=self.now)) is True


def _checked(result: feel.Result) -> feel.Value:
    if result.failure is not None:
        raise DecisionFailure(result.failure)
    return result.value


class Logic(Protocol):
    """An expression in DMN's sense: a box in a decision."""

    @property
    def type_name(self) -> str:
        """How the gateway names this kind of decision."""
        ...

    def evaluate(self, run: Run, variables: Variables) -> feel.Value:
        """Its value; raises DecisionFailure."""
        ...


@attrs.frozen
class LiteralExpression:
    """A FEEL expression."""

    expression: feel.Expression
    type_name: str = "LITERAL_EXPRESSION"

    def evaluate(self, run: Run, variables: Variables) -> feel.Value:
        return run.value(self.expression, variables)


@attrs.frozen
class ContextLogic:
    """Named entries, each of which sees those before it; an entry without name is the result."""

    entries: Sequence[tuple[str, Logic]]
    result: Logic | None
    type_name: str = "CONTEXT"

    def evaluate(self, run: Run, variables: Variables) -> feel.Value:
        values: dict[str, feel.Value] = {}
        for name, logic in self.entries:
            values[name] = logic.evaluate(run.trace(), {**variables, **values})
        if self.result is None:
            return values
        return self.result.evaluate(run.trace(), {**variables, **values})


@attrs.frozen
class ListLogic:
    """A list of expressions."""

    items: Sequence[Logic]
    type_name: str = "LIST"

    def evaluate(self, run: Run, variables: Variables) -> feel.Value:
        return [item.evaluate(run.trace(), variables) for item in self.items]


@attrs.frozen
class RelationLogic:
    """A table of expressions: a list of contexts."""

    rows: Sequence[Sequence[tuple[str, Logic]]]
    type_name: str = "RELATION"

    def evaluate(self, run: Run, variables: Variables) -> feel.Value:
        return [
            {name: cell.evaluate(run.trace(), variables) for name, cell in row} for row in self.rows
        ]


@attrs.frozen
class FunctionLogic:
    """A function, as an entry of a context."""

    parameters: Sequence[str]
    body: feel.Expression
    type_name: str = "UNKNOWN"

    def evaluate(self, run: Run, variables: Variables) -> feel.Value:
        def invoke(arguments: Sequence[feel.Value], _: object) -> feel.Value:
            names = dict(zip(self.parameters, arguments, strict=True))
            try:
                return run.value(self.body, {**variables, **names})
            except DecisionFailure as failure:
                raise FunctionFailure(str(failure)) from None

        return feel.Function(tuple(self.parameters), invoke)


@attrs.frozen
class Invocation:
    """A business knowledge model with values bound to its parameters."""

    model: KnowledgeModel
    bindings: Sequence[tuple[str, feel.Expression]]
    type_name: str = "INVOCATION"

    def evaluate(self, run: Run, variables: Variables) -> feel.Value:
        bound = {name: run.value(each, variables) for name, each in self.bindings}
        return self.model.invoke(run, {**variables, **bound})
