"""How a handler gets its arguments: compiled once per handler, then applied to each job.

All parameters that are variables make one generated msgspec Struct, into which the job's JSON text
is decoded in one go: what no parameter names is skipped without becoming a Python object. Only when
a middleware or the handler has asked for `job.variables` is that dict converted instead.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import msgspec

from zbtrio.errors import BindingError, VariablesError
from zbtrio.hooks import Codecs
from zbtrio.variables import loads
from zbtrio.worker.job import Job
from zbtrio.worker.names import Names, python_name
from zbtrio.worker.parameters import Variable, read_parameters, reads_variables, wrong_handler
from zbtrio.worker.tasks import Task

__all__ = ["Binding"]

NO_VARIABLE = "zbtrio:none"
"""Fetched when a handler wants no variables: an empty list would mean all of them."""


class Binding:
    """What one handler wants, and how a job gives it.

    `provided` has the values that are injected by type; `codecs` know types that msgspec doesn't.
    Raises HandlerError for a handler that can't be called with variables.

    Attributes:
        fetch: names of the variables to fetch; None for all.
    """

    def __init__(
        self,
        task: Task,
        *,
        names: Names | None = None,
        provided: Mapping[type, object] | None = None,
        codecs: Codecs | None = None,
    ) -> None:
        self._task = task
        self._names = names
        self._codecs = codecs
        self._dec_hook = dec_hook = None if codecs is None else codecs.decode
        self._wanted = read_parameters(task, names, provided or {})
        for variable in self._wanted.variables:
            self._check_type(variable)
        self._keywords = [variable.parameter for variable in self._wanted.variables]
        self._some_optional = not all(variable.required for variable in self._wanted.variables)
        self._struct = _struct(self._wanted.variables)
        self._decode = msgspec.json.Decoder(self._struct, dec_hook=dec_hook).decode
        self.fetch = self._names_to_fetch()

    def arguments(self, job: Job) -> dict[str, Any]:
        """The keyword arguments for the handler.

        Raises BindingError when the job's variables don't fit: names job type, element, variable.
        """
        wanted = self._wanted
        arguments = self._bound(job) if self._keywords else {}
        if wanted.rest is not None:
            arguments = self._remaining(job) | arguments
        if wanted.injected:
            arguments |= wanted.injected
        for name in wanted.job:
            arguments[name] = job
        return arguments

    def _bound(self, job: Job) -> dict[str, Any]:
        try:
            if job.variables_read or self._wanted.rest is not None:
                values = self._converted(job.variables, self._struct)
            else:
                text = job.message.variables
                values = self._decode("{}" if text in ("", "null") else text)
        except (msgspec.MsgspecError, VariablesError, UnicodeError, RecursionError) as error:
            self._explain(job, error)
        bound = zip(self._keywords, msgspec.structs.astuple(values), strict=True)
        if self._some_optional:
            return {name: value for name, value in bound if value is not msgspec.UNSET}
        return dict(bound)

    def _remaining(self, job: Job) -> dict[str, Any]:
        taken = {variable.name for variable in self._wanted.variables}
        annotation, parameter = self._wanted.rest_type, f"**{self._wanted.rest}"
        return {
            python_name(self._names, name): self._one(job, name, value, annotation, parameter)
            for name, value in job.variables.items()
            if name not in taken
        }

    def _converted(self, value: Any, annotation: Any) -> Any:
        return msgspec.convert(value, annotation, dec_hook=self._dec_hook)

    def _one(self, job: Job, name: str, value: Any, annotation: Any, parameter: str) -> Any:
        if annotation is Any:
            return value
        try:
            return self._converted(value, annotation)
        except msgspec.ValidationError as error:
            raise BindingError(
                f"{_where(job)}: variable {name!r} does not fit parameter {parameter} of "
                f"{self._task.handler_name}: {error}. Correct the variable in the process "
                "(its input mapping), or the annotation."
            ) from None

    def _explain(self, job: Job, error: Exception) -> NoReturn:
        """Name the variable that didn't fit: each is looked at by itself, since speed is over."""
        variables = _readable(job)
        for variable in self._wanted.variables:
            if variable.name in variables:
                value = variables[variable.name]
                self._one(job, variable.name, value, variable.annotation, variable.parameter)
            elif variable.required:
                raise BindingError(
                    f"{_where(job)}: variable {variable.name!r} is missing, and parameter "
                    f"{variable.parameter} of {self._task.handler_name} has no default. Set the "
                    "variable in the process (an input mapping), or give the parameter a default."
                )
        raise BindingError(f"{_where(job)}: its variables can't be used: {error}.")

    # Compilation

    def _check_type(self, variable: Variable) -> None:
        try:
            msgspec.json.Decoder(variable.annotation)
            unknown = [*_unknown_classes(variable.annotation)]
        except (TypeError, NameError) as error:
            raise wrong_handler(self._task, f"parameter {variable.parameter}: {error}.") from None
        for cls in unknown:
            if self._codecs is None or self._codecs.find(cls) is None:
                raise wrong_handler(
                    self._task,
                    f"nothing provides parameter {variable.parameter}: {cls.__qualname__} is no "
                    "type that variables have, and no lifespan or plugin gives one.",
                )

    def _names_to_fetch(self) -> tuple[str, ...] | None:
        task, wanted = self._task, self._wanted
        if task.fetch == "all" or wanted.rest is not None:
            return None
        if wanted.job and reads_variables(task.handler):
            return None
        names = {variable.name for variable in wanted.variables} | set(task.fetch)
        return tuple(sorted(names)) or (NO_VARIABLE,)


def _struct(variables: list[Variable]) -> type[msgspec.Struct]:
    """The class with a field for each variable, required ones first as classes want them."""
    fields: list[Any] = [
        (variable.parameter, variable.annotation)
        if variable.required
        else (variable.parameter, variable.annotation | msgspec.UnsetType, msgspec.UNSET)
        for variable in variables
    ]
    rename = {variable.parameter: variable.name for variable in variables}
    return msgspec.defstruct("Variables", fields, rename=rename)


def _unknown_classes(annotation: Any) -> Iterator[type]:
    """The classes in an annotation that msgspec can't make from JSON."""
    if typing.get_origin(annotation) is typing.Literal:
        return
    arguments = typing.get_args(annotation)
    for argument in arguments:
        yield from _unknown_classes(argument)
    if isinstance(annotation, type) and not arguments:
        found = msgspec.inspect.type_info(annotation)
        if isinstance(found, msgspec.inspect.CustomType):
            yield annotation


def _readable(job: Job) -> dict[str, Any]:
    try:
        return job.variables if job.variables_read else loads(job.message.variables)
    except VariablesError as error:
        raise BindingError(f"{_where(job)}: {error}") from None


def _where(job: Job) -> str:
    return f"Job type {job.type!r}, element {job.element_id!r} of {job.bpmn_process_id!r}"
