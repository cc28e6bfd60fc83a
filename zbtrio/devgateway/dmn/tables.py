"""Decision tables: inputs, rules, and what becomes of several rules that hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import reduce

import attrs

from zbtrio.devgateway import feel
from zbtrio.devgateway.feel.values import NUMBERS, ordered_entries, same

from .errors import DecisionFailure
from .logic import Run, Variables
from .results import EvaluatedInput, EvaluatedOutput, MatchedRule

_Values = Mapping[str, feel.Value]  # a rule's outputs by name


@attrs.frozen
class Input:
    """A column of conditions."""

    id: str
    name: str
    expression: feel.Expression


@attrs.frozen
class Output:
    """A column of results.

    Args:
        label: how answers name it; `name` is its key in the result.
        priorities: its values as texts, the most important first.
        default: what is taken when no rule holds.
    """

    id: str
    label: str
    name: str
    priorities: Sequence[str]
    default: feel.Expression | None


@attrs.frozen
class Rule:
    """A row: it holds when all its tests do (None is a test that always does)."""

    id: str
    index: int
    tests: Sequence[feel.UnaryTests | None]
    values: Sequence[feel.Expression]


@attrs.frozen
class DecisionTable:
    """A decision table.

    Args:
        hit_policy: as DMN writes it, such as `RULE ORDER`.
        aggregation: `SUM`, `MIN`, `MAX`, `COUNT` or empty; for `COLLECT` only.
    """

    inputs: Sequence[Input]
    outputs: Sequence[Output]
    rules: Sequence[Rule]
    hit_policy: str
    aggregation: str
    type_name: str = "DECISION_TABLE"

    def evaluate(self, run: Run, variables: Variables) -> feel.Value:
        values = [run.value(each.expression, variables) for each in self.inputs]
        run.inputs = [
            EvaluatedInput(each.id, each.name, feel.to_json_value(value))
            for each, value in zip(self.inputs, values, strict=True)
        ]
        rules = [rule for rule in self.rules if _holds(rule, values, run, variables)]
        if not rules:
            return self._defaults(run, variables)
        hits = rules[:1] if self.hit_policy == "FIRST" else rules
        outputs = [self._outputs(rule, run, variables) for rule in hits]
        run.rules = [
            self._matched(rule, values) for rule, values in zip(hits, outputs, strict=True)
        ]
        return self._decide(outputs)

    def _defaults(self, run: Run, variables: Variables) -> feel.Value:
        values = {
            output.name: run.value(output.default, variables)
            for output in self.outputs
            if output.default is not None
        }
        return _single(values) if values else None

    def _outputs(self, rule: Rule, run: Run, variables: Variables) -> _Values:
        return {
            output.name: run.value(value, variables)
            for output, value in zip(self.outputs, rule.values, strict=False)
        }

    def _matched(self, rule: Rule, values: _Values) -> MatchedRule:
        outputs = [
            EvaluatedOutput(output.id, output.label, feel.to_json_value(values[output.name]))
            for output in self.outputs
            if output.name in values
        ]
        return MatchedRule(rule.id, rule.index, outputs)

    def _decide(self, hits: Sequence[_Values]) -> feel.Value:
        policy = self.hit_policy
        if policy == "UNIQUE" and len(hits) > 1:
            raise _not_allowed("multiple", policy, hits)
        if policy == "ANY" and len(distinct := _distinct(hits)) > 1:
            raise _not_allowed("different", policy, distinct)
        if policy in ("PRIORITY", "OUTPUT ORDER"):
            hits = sorted(hits, key=self._priority)
        if policy in ("UNIQUE", "FIRST", "ANY", "PRIORITY"):
            return _single(hits[0])
        if self.aggregation:
            return _AGGREGATIONS[self.aggregation](hits)
        return [_single(values) for values in hits]

    def _priority(self, values: _Values) -> str:
        """What hits are sorted by: the places of their values, as text, `_` for no place."""
        places = [
            str(output.priorities.index(text)) if text in output.priorities else "_"
            for output in self.outputs
            for text in [_plain(values.get(output.name))]
        ]
        return "".join(places)


def _holds(rule: Rule, values: Sequence[feel.Value], run: Run, variables: Variables) -> bool:
    return all(
        test is None or run.test(test, value, variables)
        for test, value in zip(rule.tests, values, strict=False)
    )


def _plain(value: feel.Value) -> str:
    """A string or a number as a list of output values writes it; others have no priority."""
    if isinstance(value, str):
        return value
    return feel.to_text(value) if isinstance(value, Decimal) else ""


def _single(values: _Values) -> feel.Value:
    """One output's value, or a context of several."""
    return next(iter(values.values())) if len(values) == 1 else dict(values)


def _distinct(hits: Sequence[_Values]) -> list[_Values]:
    found: list[_Values] = []
    for hit in hits:
        if not any(same(dict(hit), dict(other)) for other in found):
            found.append(hit)
    return found


def _not_allowed(what: str, policy: str, hits: Sequence[_Values]) -> DecisionFailure:
    shown = ", ".join(map(_shown, hits))
    return DecisionFailure(
        f"{what} values aren't allowed for {policy} hit policy. found: 'List({shown})'"
    )


def _shown(values: _Values) -> str:
    """A rule's outputs as Scala shows a map."""
    pairs = [f"{name} -> {feel.to_text(value)}" for name, value in ordered_entries(values)]
    return f"{'Map' if len(pairs) <= 4 else 'HashMap'}({', '.join(pairs)})"


def _numbers(hits: Sequence[_Values]) -> list[Decimal]:
    """The values to aggregate: each must be a number."""
    values = [_single(hit) for hit in hits]
    for value in values:
        if not isinstance(value, Decimal):
            raise DecisionFailure(f"expected number but found '{feel.to_text(value)}'")
    return [value for value in values if isinstance(value, Decimal)]


_AGGREGATIONS: dict[str, Callable[[Sequence[_Values]], Decimal]] = {
    "SUM": lambda hits: reduce(NUMBERS.add, _numbers(hits), Decimal(0)),
    "MIN": lambda hits: min(_numbers(hits)),
    "MAX": lambda hits: max(_numbers(hits)),
    "COUNT": lambda hits: Decimal(len(hits)),
}
