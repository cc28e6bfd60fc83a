"""Invocations of functions, built in or defined in an expression, and such definitions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import attrs

from .errors import FeelFailure, FunctionFailure
from .nodes import Constant, Node, evaluate_all, expected
from .scope import Evaluation, Scope
from .values import Function, Value

_NOTHING = Constant(None)


@attrs.frozen
class Arguments:
    """The arguments of an invocation, by place or by name."""

    placed: Sequence[Node] = ()
    named: Sequence[tuple[str, Node]] = ()

    def find(self, scope: Scope, name: str) -> Function | None:
        """The first function of that name that takes these arguments."""
        names = {key for key, _ in self.named}
        for function in scope.find_functions(name):
            fits = function.takes_named(names) if names else function.takes(len(self.placed))
            if fits:
                return function
        return None

    def describe(self) -> str:
        """For a warning that no function takes them."""
        if self.named:
            return "parameters: " + ",".join(dict.fromkeys(key for key, _ in self.named))
        return f"{len(self.placed)} parameters"

    def evaluate(self, function: Function, scope: Scope) -> list[Value]:
        """One value per parameter; the arguments that a last one gathers are one list."""
        if self.named:
            return self._by_name(function, scope)
        values = evaluate_all(self.placed, scope)
        if not function.varargs:
            return values
        fixed = len(function.parameters) - 1
        rest = values[fixed:]
        if fixed == 0 and len(rest) == 1 and isinstance(rest[0], list):
            rest = rest[0]
        return [*values[:fixed], rest]

    def _by_name(self, function: Function, scope: Scope) -> list[Value]:
        nodes = dict(self.named)
        given = [nodes.get(name, _NOTHING) for name in function.parameters]
        return evaluate_all(given, scope)


def _found(arguments: Arguments, functions: Scope, name: str, scope: Scope) -> Function:
    function = arguments.find(functions, name)
    if function is None:
        message = f"No function found with name '{name}' and {arguments.describe()}"
        scope.warn("NO_FUNCTION_FOUND", message)
        raise FeelFailure(message)
    return function


@attrs.frozen
class Call:
    """`contains(name, "x")`, `append(list: xs, items: 1)`."""

    name: str
    arguments: Arguments

    def evaluate(self, scope: Scope) -> Value:
        try:
            function = _found(self.arguments, scope, self.name, scope)
        except FeelFailure:
            return None
        try:
            return function.invoke(self.arguments.evaluate(function, scope), scope.run)
        except (FeelFailure, FunctionFailure) as failure:
            self._report(failure, scope)
            return None

    def _report(self, failure: Exception, scope: Scope) -> None:
        if self.name == "assert":
            scope.warn("ASSERT_FAILURE", str(failure))
            return
        message = f"Failed to invoke function '{self.name}': {failure}"
        scope.warn("FUNCTION_INVOCATION_FAILURE", message)


@attrs.frozen
class QualifiedCall:
    """`helpers.double(3)`: a function in a context; without it the expression fails."""

    owner: Node
    name: str
    arguments: Arguments

    def evaluate(self, scope: Scope) -> Value:
        owner = self.owner.evaluate(scope)
        if not isinstance(owner, dict):
            message = expected("context", owner)
            scope.warn("INVALID_TYPE", message)
            raise FeelFailure(message)
        functions = Scope(scope.run, {}, {}).within(owner)
        function = _found(self.arguments, functions, self.name, scope)
        try:
            return function.invoke(self.arguments.evaluate(function, scope), scope.run)
        except FunctionFailure as failure:
            raise FeelFailure(str(failure)) from None


@attrs.frozen
class FunctionDefinition:
    """`function(x, y) x + y`: closes over the names in sight where it stands."""

    parameters: Sequence[str]
    body: Node

    def evaluate(self, scope: Scope) -> Value:
        def invoke(arguments: Sequence[Value], run: Evaluation) -> Value:
            names = dict(zip(self.parameters, arguments, strict=True))
            return self.body.evaluate(scope.inner(names))

        return Function(tuple(self.parameters), invoke)


Invocation: TypeAlias = Call | QualifiedCall
