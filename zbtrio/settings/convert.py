"""Values from files, environment and arguments into the types that options declare."""

import collections.abc
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import attrs
import msgspec

from zbtrio.errors import SettingsError
from zbtrio.settings.option import OptionField, Variable, options
from zbtrio.suggest import suggest

_SEQUENCES = (list, tuple, set, frozenset, collections.abc.Sequence)
_MAPPINGS = (dict, collections.abc.Mapping)
_HIDDEN = "this value can't be used (it is secret, so not shown)"


@attrs.frozen
class Place:
    """One of the places where values are found."""

    where: Callable[[tuple[str, ...]], str]  # a path of keys -> what a person looks for
    is_text: bool = False  # the environment: numbers and booleans are read from text


ARGUMENTS = Place(lambda path: "argument")


def convert(value: object, field: OptionField, place: Place, path: tuple[str, ...]) -> object:
    """The value as the option's type. Raises SettingsError that names the place and the path."""
    try:
        converted = _convert(value, field.annotation, place, path)
        _check_choice(converted, field)
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        raise _refused(error, field, place, path) from None
    return converted


def from_environment(
    text: str, variable: Variable, field: OptionField, path: tuple[str, ...]
) -> object:
    """The text of an environment variable as the option's type, as `convert`."""
    place = Place(lambda path: f"environment variable {variable.name}", is_text=True)
    try:
        value = variable.read(text) if variable.read else _from_text(text, field.annotation)
    except (msgspec.MsgspecError, ValueError) as error:
        raise _refused(error, field, place, path) from None
    return convert(value, field, place, path)


def _from_text(text: str, annotation: Any) -> object:
    """Lists and tables as plain data; numbers and booleans stay text, msgspec reads them."""
    kind = _without_none(annotation)
    origin = typing.get_origin(kind) or kind
    if origin in _SEQUENCES:
        return [part.strip() for part in text.split(",") if part.strip()]
    if origin in _MAPPINGS or attrs.has(origin):
        return msgspec.json.decode(text)
    return text


def construct(
    cls: type[Any], values: Mapping[str, object], path: tuple[str, ...], where: Mapping[str, str]
) -> Any:
    """Call the settings class; what its validators refuse becomes a SettingsError.

    `where` tells, by option, the place that its value came from.
    """
    try:
        return cls(**values)
    except (ValueError, TypeError) as error:
        name = _refused_option(cls, values)
        place = f"{where[name]}: " if name in where else ""
        about = f" {name}" if name else ""
        reason = error.args[0] if error.args else error  # attrs adds the whole attribute
        if name and options(cls)[name].about.secret:
            reason = _HIDDEN
        raise SettingsError(f"{place}[{'.'.join(path)}]{about}: {reason}") from None


def _refused_option(cls: type[Any], values: Mapping[str, object]) -> str:
    """The option whose validator refuses its value, found by asking each once more."""
    for field in attrs.fields(cls):
        try:
            if field.validator and field.alias in values:
                field.validator(None, field, values[field.alias])
        except (ValueError, TypeError):
            return field.alias
    return ""


def refuse_unknown(
    given: Mapping[str, object], known: Sequence[str], place: Place, path: tuple[str, ...]
) -> None:
    """Raise SettingsError for the first key that is no option, with the nearest that is."""
    for key in given:
        if key not in known:
            table = ".".join(path)
            raise SettingsError(
                f"{place.where((*path, key))}: [{table}] has no setting {key!r}. "
                f"{suggest(key, known)}"
            )


def _convert(value: object, annotation: Any, place: Place, path: tuple[str, ...]) -> object:
    kind = _without_none(annotation)
    if value is None and kind is not annotation:
        return None
    if attrs.has(kind):
        return value if isinstance(value, kind) else _table(kind, value, place, path)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in _MAPPINGS and isinstance(value, Mapping) and attrs.has(arguments[1]):
        entries = cast(Mapping[str, object], value)
        return {k: _convert(v, arguments[1], place, (*path, k)) for k, v in entries.items()}
    return msgspec.convert(value, annotation, strict=not place.is_text, dec_hook=_decode)


def _table(cls: type[Any], value: object, place: Place, path: tuple[str, ...]) -> object:
    if not isinstance(value, Mapping):
        raise TypeError(f"Expected a table, got `{type(value).__name__}`")
    entries = cast(Mapping[str, object], value)
    fields = options(cls)
    refuse_unknown(entries, tuple(fields), place, path)
    for name, field in fields.items():
        if field.required and name not in entries:
            raise TypeError(f"{name!r} is missing")
    converted = {k: convert(v, fields[k], place, (*path, k)) for k, v in entries.items()}
    where = {name: place.where((*path, name)) for name in converted}
    return construct(cls, converted, path, where)


def _without_none(annotation: Any) -> Any:
    if typing.get_origin(annotation) not in (typing.Union, types.UnionType):
        return annotation
    others = [arm for arm in typing.get_args(annotation) if arm is not type(None)]
    return others[0] if len(others) == 1 else annotation


def _decode(annotation: type[Any], value: object) -> object:
    """msgspec's hook for types that it doesn't know: a path is written as text."""
    if annotation is Path and isinstance(value, str):
        return Path(value).expanduser()
    return value


def _check_choice(value: object, field: OptionField) -> None:
    choices = field.about.choices
    if choices is not None and value not in choices:
        raise ValueError(f"must be one of {', '.join(map(repr, choices))}, not {value!r}")


def _refused(
    error: Exception, field: OptionField, place: Place, path: tuple[str, ...]
) -> SettingsError:
    reason = _HIDDEN if field.about.secret else str(error)
    return SettingsError(f"{place.where(path)}: [{'.'.join(path[:-1])}] {path[-1]}: {reason}")
