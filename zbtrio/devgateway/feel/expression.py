"""Parsed expressions: evaluated as often as needed, each time with other variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeAlias

import attrs

from .builtins import BUILTINS
from .errors import Crash, FatalFailure, FeelFailure
from .nodes import Node, Reference
from .parser import Parser
from .scope import INPUT, Evaluation, JsonVariables, Scope, Warning
from .values import Value

Clock: TypeAlias = Callable[[], datetime]


@attrs.frozen
class Result:
    """What an evaluation came to.

    Args:
        value: a FEEL value; `to_json_value` makes a variable's value of it.
        warnings: why parts of the expression became null, in Zeebe's words.
        failure: Zeebe's text when the evaluation as a whole failed; then the value is null.
    """

    value: Value
    warnings: list[Warning]
    failure: str | None = None

    def with_warnings(self, message: str) -> str:
        """The message with the warnings behind it, as Zeebe writes incidents."""
        if not self.warnings:
            return message
        lines = "\n".join(f"[{each.type}] {each.message}" for each in self.warnings)
        return f"{message} The evaluation reported the following warnings:\n{lines}"


@attrs.frozen
class Expression:
    """A parsed expression.

    Args:
        text: the expression as it was written, without Zeebe's `=`.
    """

    text: str
    _root: Node

    @property
    def variable_name(self) -> str | None:
        """The variable's name if the expression is nothing but a variable or a path into one."""
        return self._root.name if isinstance(self._root, Reference) else None

    def evaluate(self, context: Mapping[str, object], *, now: Clock) -> Result:
        """Its value with these variables; never raises.

        Args:
            context: variables by name, as parsed JSON; asked only for names that occur.
            now: the time, with zone, for `now()` and `today()`.
        """
        return self._run(Scope(Evaluation(now), JsonVariables(context), BUILTINS))

    def evaluate_values(self, context: Mapping[str, Value], *, now: Clock) -> Result:
        """As `evaluate`, with FEEL values; functions among them can be invoked by their names."""
        return self._run(Scope(Evaluation(now), {}, BUILTINS).within(context))

    def _run(self, scope: Scope) -> Result:
        run = scope.run
        try:
            value = self._root.evaluate(scope)
        except (FeelFailure, FatalFailure) as failure:
            cause = f"failed to evaluate expression '{self.text}': {failure}"
            return Result(None, run.warnings, _assertion(self.text, run) or cause)
        except Crash as crash:
            cause = f"failed to evaluate expression '{self.text}' : {crash}"
            return Result(None, [], cause)
        except RecursionError:
            cause = (
                f"failed to evaluate expression '{self.text}': its functions or values are nested"
                " too deeply. Split it into several expressions"
            )
            return Result(None, run.warnings, cause)
        return Result(value, run.warnings, _assertion(self.text, run))


def _assertion(text: str, run: Evaluation) -> str | None:
    """An assertion that failed anywhere fails the whole expression."""
    for warning in run.warnings:
        if warning.type == "ASSERT_FAILURE":
            return f"Assertion failure on evaluate the expression '{text}': {warning.message}"
    return None


@attrs.frozen
class UnaryTests:
    """Parsed tests of an input value, as in a cell of a decision table."""

    text: str
    _root: Node

    def evaluate(self, value: Value, context: Mapping[str, Value], *, now: Clock) -> Result:
        """True, false or null for the input; never raises.

        Args:
            value: the input, a FEEL value.
            context: variables by name, FEEL values.
            now: the time, with zone.
        """
        inner = Expression(self.text, self._root)
        return inner.evaluate_values({**context, INPUT: value}, now=now)


def parse_expression(text: str) -> Expression:
    """A FEEL expression; raises FeelSyntaxError with Zeebe's text."""
    return Expression(text, Parser(text).parse_expression())


def parse_unary_tests(text: str) -> UnaryTests:
    """FEEL unary tests (`> 3`, `"a", "b"`, `-`); raises FeelSyntaxError with Zeebe's text."""
    return UnaryTests(text, Parser(text).parse_unary_tests())
