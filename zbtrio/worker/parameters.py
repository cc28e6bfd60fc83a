"""What the parameters of a handler ask for, read once from its signature.

Each parameter is one of
    injected    by its annotation: `Job`, or a type that the worker has a value for
    a variable  everything else, by its name or by `Annotated[..., Var("name")]`
    the rest    `**variables`: all variables that no other parameter takes
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

import attrs

from zbtrio.errors import HandlerError
from zbtrio.worker.job import Job
from zbtrio.worker.names import Names, variable_name
from zbtrio.worker.tasks import Task, unwrapped

__all__ = [
    "Parameters",
    "Var",
    "Variable",
    "read_parameters",
    "reads_variables",
    "wrong_handler",
]

_EMPTY = inspect.Parameter.empty


@attrs.frozen
class Var:
    """`Annotated[str, Var("order-id")]`: the process variable that a parameter is bound to."""

    name: str


@attrs.frozen
class Variable:
    """A parameter that is bound to a process variable."""

    parameter: str
    name: str
    annotation: Any
    required: bool


@attrs.define
class Parameters:
    """A handler's parameters, sorted by where their values come from."""

    job: list[str] = attrs.field(factory=list[str])
    injected: dict[str, object] = attrs.field(factory=dict[str, object])
    variables: list[Variable] = attrs.field(factory=list[Variable])
    rest: str | None = None
    rest_type: Any = Any


def read_parameters(task: Task, names: Names | None, provided: Mapping[type, object]) -> Parameters:
    """Sort the parameters of a task's handler; HandlerError for one that can't be bound."""
    reader = _Reader(task, names, provided)
    for parameter in _signature(task):
        reader.take(parameter)
    reader.found.variables.sort(key=lambda variable: not variable.required)
    return reader.found


def wrong_handler(task: Task, problem: str) -> HandlerError:
    """The error for a handler that can't be called as it is declared."""
    return HandlerError(f"{task.handler_name} for {task.type!r}: {problem}")


@attrs.frozen
class _Reader:
    task: Task
    names: Names | None
    provided: Mapping[type, object]
    found: Parameters = attrs.field(factory=Parameters)

    def take(self, parameter: inspect.Parameter) -> None:
        name = parameter.name
        if parameter.kind is parameter.VAR_POSITIONAL:
            raise wrong_handler(self.task, f"*{name} can't be bound: variables have names.")
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise wrong_handler(self.task, f"{name} is positional only: variables have names.")
        if parameter.kind is parameter.VAR_KEYWORD:
            self._take_rest(parameter)
        elif not self._inject(name, parameter.annotation):
            self._take_variable(name, parameter.annotation, parameter.default is _EMPTY)

    def _inject(self, name: str, annotation: Any) -> bool:
        if annotation is Job:
            self.found.job.append(name)
        elif isinstance(annotation, type) and annotation in self.provided:
            self.found.injected[name] = self.provided[annotation]
        else:
            return False
        return True

    def _take_variable(self, name: str, annotation: Any, required: bool) -> None:
        annotation, var = _split(annotation)
        variable = variable_name(self.names, name) if var is None else var.name
        self.found.variables.append(Variable(name, variable, annotation, required))

    def _take_rest(self, parameter: inspect.Parameter) -> None:
        if typing.get_origin(parameter.annotation) is not typing.Unpack:
            self.found.rest, self.found.rest_type = parameter.name, parameter.annotation
            return
        payload = typing.get_args(parameter.annotation)[0]
        for name, annotation in typing.get_type_hints(payload, include_extras=True).items():
            self._take_variable(name, annotation, name in payload.__required_keys__)


def _signature(task: Task) -> Iterator[inspect.Parameter]:
    try:
        signature = inspect.signature(task.handler)
    except (TypeError, ValueError) as error:
        raise wrong_handler(task, f"its parameters can't be read: {error}.") from None
    for parameter in signature.parameters.values():
        yield parameter.replace(annotation=_resolved(task, parameter))


def _resolved(task: Task, parameter: inspect.Parameter) -> Any:
    """A parameter's annotation; text, as with `from __future__ import annotations`, evaluated."""
    if parameter.annotation is _EMPTY:
        return Any
    holder = types.SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
    names_in_module: dict[str, Any] = getattr(unwrapped(task.handler), "__globals__", {})
    names_beside: dict[str, Any] = dict(task.namespace or {})
    try:
        hints = typing.get_type_hints(holder, names_in_module, names_beside, include_extras=True)
    except NameError as error:
        raise wrong_handler(
            task,
            f"the annotation of parameter {parameter.name} names {error.name!r}, which doesn't "
            "exist at run time: import it outside of `if TYPE_CHECKING:`.",
        ) from None
    return hints[parameter.name]


def _split(annotation: Any) -> tuple[Any, Var | None]:
    """An annotation without Var, Required and NotRequired, and the Var that was in it."""
    origin = typing.get_origin(annotation)
    if origin in (typing.Required, typing.NotRequired):
        return _split(typing.get_args(annotation)[0])
    if origin is not Annotated:
        return annotation, None
    inner, *extras = typing.get_args(annotation)
    var = next((extra for extra in extras if isinstance(extra, Var)), None)
    for extra in extras:
        if not isinstance(extra, Var):
            inner = Annotated[inner, extra]
    return inner, var


def reads_variables(handler: Callable[..., Any]) -> bool:
    """Whether a handler's own code, inner functions included, asks for something's `.variables`."""
    code = getattr(unwrapped(handler), "__code__", None)
    return code is not None and any("variables" in each.co_names for each in _all_code(code))


def _all_code(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _all_code(constant)
