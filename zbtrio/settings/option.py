"""`option()` makes an attrs field a setting; `options()` reads them back."""

import typing
from collections.abc import Callable, Iterable
from typing import Any

import attrs

_METADATA = "zbtrio.settings"


@attrs.frozen
class Variable:
    """An environment variable of an option. `read` makes a value of its text (default: by type)."""

    name: str
    read: Callable[[str], object] | None = None


def milliseconds(name: str) -> Variable:
    """An environment variable in milliseconds, for an option in seconds."""
    return Variable(name, lambda text: float(text) / 1000)


@attrs.frozen
class Option:
    """What a field tells about itself as a setting."""

    env: tuple[Variable, ...] = ()
    help: str = ""
    secret: bool = False
    choices: tuple[object, ...] | None = None


@attrs.frozen
class OptionField:
    """An option of a settings class, as it is looked for."""

    name: str
    annotation: Any
    required: bool
    default: object
    about: Option


def option(
    default: Any = attrs.NOTHING,
    *,
    factory: Callable[[], object] | None = None,
    env: str | Variable | Iterable[str | Variable] = (),
    help: str = "",
    secret: bool = False,
    choices: Iterable[object] | None = None,
    validator: Any = None,
) -> Any:
    """An attrs field that is a setting. Without default or factory it must be set somewhere.

    `env` lists further environment variables in order of preference. A secret's value is masked
    in repr and left out of error messages. A validator is attrs' own.
    """
    names = (env,) if isinstance(env, str | Variable) else env
    about = Option(
        env=tuple(Variable(name) if isinstance(name, str) else name for name in names),
        help=help,
        secret=secret,
        choices=None if choices is None else tuple(choices),
    )
    return attrs.field(
        default=default if factory is None else attrs.Factory(factory),
        kw_only=True,
        repr=_masked if secret else True,
        validator=validator,
        metadata={_METADATA: about},
    )


def _masked(value: object) -> str:
    return "None" if value is None else "***"


def options(cls: type) -> dict[str, OptionField]:
    """The options of a settings class by name: every field that its constructor takes."""
    hints = typing.get_type_hints(cls)
    fields = (_as_option(field, hints) for field in attrs.fields(cls) if field.init)
    return {field.name: field for field in fields}


def _as_option(field: "attrs.Attribute[Any]", hints: dict[str, Any]) -> OptionField:
    return OptionField(
        name=field.alias or field.name,
        annotation=hints.get(field.name, Any),
        required=field.default is attrs.NOTHING,
        default=field.default,
        about=field.metadata.get(_METADATA, Option()),
    )
