"""Decisions, what they require, and how a request for one is answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import attrs

from zbtrio.devgateway import feel
from zbtrio.devgateway.feel.errors import FunctionFailure
from zbtrio.devgateway.feel.values import type_name

from .errors import DecisionFailure
from .logic import Logic, Run, Variables
from .results import DecisionResult, EvaluatedDecision

# A decision is evaluated for each one that requires it: layers of them multiply.
_MOST_EVALUATIONS = 10_000

_TYPES = {
    "string": "string",
    "number": "number",
    "boolean": "boolean",
    "time": "time",
    "date": "date",
    "dateTime": "date and time",
    "dayTimeDuration": "days and time duration",
    "yearMonthDuration": "years and months duration",
}


def check_type(value: feel.Value, declared: str) -> None:
    """Raise DecisionFailure for a value that isn't null and not of the declared type."""
    wanted = declared.removeprefix("feel:")
    if value is None or wanted not in _TYPES or type_name(value) == _TYPES[wanted]:
        return
    raise DecisionFailure(f"expected '{wanted}' but found '{feel.to_text(value)}'")


@attrs.frozen(eq=False)
class KnowledgeModel:
    """A business knowledge model: logic with parameters, to be called or invoked by its name.

    Args:
        parameters: names and declared types, empty where none is declared.
    """

    id: str
    name: str
    parameters: Sequence[tuple[str, str]]
    logic: Logic
    requires: Sequence[KnowledgeModel]

    def as_function(self, run: Run, variables: Variables) -> feel.Function:
        """The model as a function for FEEL; a failure in it is the function's."""
        names = tuple(name for name, _ in self.parameters)

        def invoke(arguments: Sequence[feel.Value], _: object) -> feel.Value:
            try:
                return self.invoke(run, {**variables, **dict(zip(names, arguments, strict=True))})
            except DecisionFailure as failure:
                raise FunctionFailure(str(failure)) from None

        return feel.Function(names, invoke)

    def invoke(self, run: Run, variables: Variables) -> feel.Value:
        """The model's value for these arguments and whatever else is in sight."""
        for name, declared in self.parameters:
            if name not in variables:
                raise DecisionFailure(f"no parameter found with name '{name}'")
            check_type(variables[name], declared)
        known = {**variables, **functions(self.requires, run, variables)}
        return audited(self, run, known)


@attrs.frozen(eq=False)
class Decision:
    """A decision.

    Args:
        variable: under which name decisions that require this one see its output.
        declared: the declared type of the output, empty where none is.
    """

    id: str
    name: str
    variable: str
    declared: str
    logic: Logic
    requires: Sequence[Decision]
    knowledge: Sequence[KnowledgeModel]

    def evaluate(self, run: Run, variables: Variables) -> feel.Value:
        """The output, after those of the required decisions; raises DecisionFailure."""
        outputs = {each.variable: each.evaluate(run, variables) for each in self.requires}
        known = {**variables, **outputs, **functions(self.knowledge, run, variables)}
        value = audited(self, run, known)
        check_type(value, self.declared)
        return value


def functions(
    models: Sequence[KnowledgeModel], run: Run, variables: Variables
) -> dict[str, feel.Value]:
    """Knowledge models as functions by their names."""
    return {model.name: model.as_function(run, variables) for model in models}


def audited(element: Decision | KnowledgeModel, run: Run, variables: Variables) -> feel.Value:
    """Evaluate the element's logic and note how it came about, be it a failure."""
    if len(run.evaluated) >= _MOST_EVALUATIONS:
        raise DecisionFailure(f"more than {_MOST_EVALUATIONS} decisions would be evaluated for it")
    trace = run.trace()
    value: feel.Value = None
    try:
        value = element.logic.evaluate(trace, variables)
        return value
    finally:
        run.evaluated.append(
            EvaluatedDecision(
                element.id,
                element.name,
                element.logic.type_name,
                feel.to_json_value(value),
                trace.inputs,
                trace.rules,
            )
        )


@attrs.frozen(eq=False)
class DecisionRequirements:
    """All decisions of one file.

    Args:
        decisions: in the file's order.
    """

    id: str
    name: str
    namespace: str
    decisions: Sequence[Decision]

    def evaluate(
        self, decision_id: str, variables: Mapping[str, object], *, now: Callable[[], datetime]
    ) -> DecisionResult:
        """Evaluate a decision and those that it requires; never raises.

        Args:
            decision_id: the decision's id in the file.
            variables: by name, as parsed JSON.
            now: the time, with zone, for FEEL's `now()`.
        """
        decision = next((each for each in self.decisions if each.id == decision_id), None)
        if decision is None:
            reason = f"no decision found with id '{decision_id}'"
            return _failed(decision_id, decision_id, reason, [])
        run = Run(now)
        values = {name: feel.from_json_value(value) for name, value in variables.items()}
        try:
            output = decision.evaluate(run, values)
        except DecisionFailure as failure:
            return _failed(decision_id, run.evaluated[-1].decision_id, str(failure), run.evaluated)
        except RecursionError:
            reason = "it requires other decisions through too many steps"
            return _failed(decision_id, decision_id, reason, [])
        return DecisionResult(feel.to_json_value(output), run.evaluated)


def _failed(
    asked: str, failed: str, reason: str, evaluated: Sequence[EvaluatedDecision]
) -> DecisionResult:
    message = f"Expected to evaluate decision '{asked}', but {reason}"
    return DecisionResult(None, evaluated, failed, message)
