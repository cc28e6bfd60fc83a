"""How a built-in function is declared: by its signature as FEEL would write it.

`@strings.define("contains(string: string, match: string)")` gives the name, the parameters and
their types. `number | string` is one of several, `any` is anything, `items...` gathers the rest of
the arguments in a list. Arguments of other types are refused before the function is asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

import attrs

from zbtrio.devgateway.feel.errors import FunctionFailure
from zbtrio.devgateway.feel.scope import Evaluation
from zbtrio.devgateway.feel.values import Function, Value, to_text, type_name

# Declared functions take the types of their signatures: the check is done before the call.
F = TypeVar("F", bound=Callable[..., Value])

_SIGNATURE = re.compile(r"(?P<name>[a-z0-9 ]+)\((?P<parameters>.*)\)")


@attrs.frozen
class _Parameter:
    name: str
    types: frozenset[str]

    def accepts(self, value: Value) -> bool:
        return "any" in self.types or type_name(value) in self.types


class Library:
    """Functions by name; several of one name differ in their parameters."""

    def __init__(self) -> None:
        self.functions: dict[str, list[Function]] = {}

    def define(self, *signatures: str, in_run: bool = False) -> Callable[[F], F]:
        """Declare a function.

        Args:
            signatures: see above; further ones are other names, or other names of parameters.
            in_run: the function takes the Evaluation first: it needs its clock, or invokes.
        """

        def declare(implementation: F) -> F:
            for signature in signatures:
                self._add(signature, implementation, in_run)
            return implementation

        return declare

    def _add(self, signature: str, implementation: Callable[..., Value], in_run: bool) -> None:
        name, parameters, varargs = _parse(signature)

        def invoke(arguments: Sequence[Value], run: Evaluation) -> Value:
            check(arguments, parameters)
            return implementation(run, *arguments) if in_run else implementation(*arguments)

        names = tuple(parameter.name for parameter in parameters)
        self.functions.setdefault(name, []).append(Function(names, invoke, varargs))


def check(arguments: Sequence[Value], parameters: Sequence[_Parameter]) -> None:
    """Refuse arguments that are not of the declared types."""
    if not all(p.accepts(a) for p, a in zip(parameters, arguments, strict=True)):
        raise illegal(*arguments)


def illegal(*arguments: Value) -> FunctionFailure:
    """The refusal of arguments of types that the function doesn't take."""
    shown = ", ".join(f"'{to_text(argument)}'" for argument in arguments)
    return FunctionFailure(f"Illegal arguments: {shown}")


def _parse(signature: str) -> tuple[str, list[_Parameter], bool]:
    match = _SIGNATURE.fullmatch(signature)
    assert match, signature
    texts = [text.strip() for text in match["parameters"].split(",") if text]
    varargs = any(text.endswith("...") for text in texts)
    return match["name"], [_parse_parameter(text) for text in texts], varargs


def _parse_parameter(text: str) -> _Parameter:
    if text.endswith("..."):
        return _Parameter(text[:-3], frozenset({"list"}))
    name, _, types = text.partition(":")
    return _Parameter(name.strip(), frozenset(each.strip() for each in types.split("|")))


def merged(*libraries: Library) -> dict[str, list[Function]]:
    """All functions of several libraries; no name is in two of them."""
    functions: dict[str, list[Function]] = {}
    for library in libraries:
        functions.update(library.functions)
    return functions
