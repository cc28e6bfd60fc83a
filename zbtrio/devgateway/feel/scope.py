"""What an evaluation knows: the names in sight, the clock, and the warnings given so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

import attrs

from .errors import FatalFailure
from .json_values import from_json_value
from .values import Function, Value

INPUT = "cellInput"  # the input value of unary tests, as feel-scala names it
INPUT_SYMBOL = "?"


@attrs.frozen
class Warning:
    """Why a part of an expression became null.

    Args:
        type: Zeebe's name of the kind, such as `NO_VARIABLE_FOUND`.
        message: Zeebe's text.
    """

    type: str
    message: str


@attrs.define(eq=False)
class Evaluation:
    """One run of one expression: its clock and its warnings, in the order they came up."""

    now: Callable[[], datetime]
    warnings: list[Warning] = attrs.Factory(list[Warning])

    def warn(self, type: str, message: str) -> None:
        """Note why a value is null."""
        self.warnings.append(Warning(type, message))


class Scope:
    """Names of one level, over those of the levels around it.

    Functions are invoked, variables are read: a function that came as a parameter is a variable
    and can't be invoked by its name, a function in a context can only be invoked.
    """

    __slots__ = ("functions", "parent", "run", "variables")

    def __init__(
        self,
        run: Evaluation,
        variables: Mapping[str, Value],
        functions: Mapping[str, list[Function]],
        parent: Scope | None = None,
    ) -> None:
        self.run = run
        self.variables = variables
        self.functions = functions
        self.parent = parent

    def inner(self, variables: Mapping[str, Value]) -> Scope:
        """A level with these variables."""
        return Scope(self.run, variables, {}, self)

    def within(self, context: Mapping[str, Value]) -> Scope:
        """A level with a context's entries and functions."""
        functions = {key: [value] for key, value in context.items() if isinstance(value, Function)}
        if not functions:
            return Scope(self.run, context, {}, self)
        variables = {key: value for key, value in context.items() if key not in functions}
        return Scope(self.run, variables, functions, self)

    def find(self, name: str) -> Value:
        """The variable's value; raises KeyError when no level has it."""
        scope: Scope | None = self
        while scope is not None:
            try:
                return scope.variables[name]
            except KeyError:
                scope = scope.parent
        raise KeyError(name)

    def find_functions(self, name: str) -> Iterator[Function]:
        """The functions of that name, innermost first."""
        scope: Scope | None = self
        while scope is not None:
            yield from scope.functions.get(name, ())
            scope = scope.parent

    def warn(self, type: str, message: str) -> None:
        """Note why a value is null."""
        self.run.warn(type, message)

    def input_value(self) -> Value:
        """What a unary test such as `> 3` is about."""
        try:
            return self.find(INPUT)
        except KeyError:
            self.warn("NO_VARIABLE_FOUND", "No input value found.")
            return None

    def input_symbol(self) -> Value:
        """What `?` stands for; only a unary test gives it a value."""
        try:
            return self.find(INPUT_SYMBOL)
        except KeyError:
            message = (
                "No input value available. '?' can only be used inside an unary-test expression."
            )
            raise FatalFailure(message) from None


class JsonVariables(Mapping[str, Value]):
    """Process variables as FEEL values, each converted when it is first read."""

    def __init__(self, variables: Mapping[str, object]) -> None:
        self._variables = variables
        self._values: dict[str, Value] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._variables

    def __getitem__(self, name: str) -> Value:
        if name not in self._values:
            self._values[name] = from_json_value(self._variables[name])
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)
