"""Looking for each option in its four places."""

import os
from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

import attrs

from zbtrio.errors import SettingsError
from zbtrio.settings.convert import (
    ARGUMENTS,
    Place,
    construct,
    convert,
    from_environment,
    refuse_unknown,
)
from zbtrio.settings.file import SettingsFile
from zbtrio.settings.option import OptionField, Variable, options

T = TypeVar("T")


@attrs.frozen
class Resolved(Generic[T]):
    """A settings instance and, by option name, where its value came from.

    An origin is "argument", the environment variable's name, "FILE:LINE" or "default".
    """

    instance: T
    origins: Mapping[str, str]


def load(
    cls: type[T],
    table: str,
    *,
    arguments: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    file: SettingsFile | None = None,
) -> T:
    """The instance of settings class `cls` for `table`; see `resolve`."""
    return resolve(cls, table, arguments=arguments, environ=environ, file=file).instance


def resolve(
    cls: type[T],
    table: str,
    *,
    arguments: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    file: SettingsFile | None = None,
    subtables: Iterable[str] = (),
) -> Resolved[T]:
    """Find every option of `cls` and build it. `environ` is the process's unless given.

    `table` is its dotted name in zbtrio.toml; `subtables` are keys in it that belong to others.
    Raises SettingsError for an unknown key, a wrong type, a refused value, a missing value.
    """
    fields = options(cls)
    path = tuple(table.split("."))
    given = arguments or {}
    refuse_unknown(given, tuple(fields), ARGUMENTS, path)
    in_file: Mapping[str, object] = file.table(table) if file else {}
    if file:
        refuse_unknown(in_file, (*fields, *subtables), Place(file.where), path)
    search = _Search(path, given, os.environ if environ is None else environ, in_file, file)
    values: dict[str, object] = {}
    origins = dict.fromkeys(fields, "default")
    for name, field in fields.items():
        found = search.find(field)
        if found:
            values[name], origins[name] = found
        elif field.required:
            raise SettingsError(search.missing(field))
    return Resolved(construct(cls, values, path, origins), origins)


def variables(table: str, field: OptionField) -> tuple[Variable, ...]:
    """The environment variables of an option, in order: ours, then those it lists."""
    ours = f"ZBTRIO_{table}_{field.name}".upper().replace(".", "_").replace("-", "_")
    return (Variable(ours), *field.about.env)


@attrs.frozen
class _Search:
    path: tuple[str, ...]
    arguments: Mapping[str, object]
    environ: Mapping[str, str]
    in_file: Mapping[str, object]
    file: SettingsFile | None

    def find(self, field: OptionField) -> tuple[object, str] | None:
        """The option's value and its origin, from the first place that has it."""
        path = (*self.path, field.name)
        if field.name in self.arguments:
            return convert(self.arguments[field.name], field, ARGUMENTS, path), "argument"
        for variable in variables(".".join(self.path), field):
            text = self.environ.get(variable.name)
            if text:
                return from_environment(text, variable, field, path), variable.name
        if self.file and field.name in self.in_file:
            place = Place(self.file.where)
            return convert(self.in_file[field.name], field, place, path), place.where(path)
        return None

    def missing(self, field: OptionField) -> str:
        variable = variables(".".join(self.path), field)[0].name
        table = ".".join(self.path)
        where = f"{self.file.path}: " if self.file else ""
        return (
            f"{where}[{table}] {field.name} has no value and no default. "
            f"Set it in zbtrio.toml or as {variable}."
        )
