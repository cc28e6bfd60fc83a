"""JSON text of variables, written and read with nothing changed in silence.

msgspec does the work and is fast because it is lenient: it writes NaN as null, sets as arrays,
bytes as base64, keys that are numbers as strings, and integers that no broker can hold. So a value
is checked first. The check of the common case, dicts and lists of plain scalars, costs about as
much as the writing (a microsecond for five variables). Whatever it doesn't settle goes through
`_Guard`, which knows the rules below, the path to each value, and hands msgspec either the same
object or a plain copy of it.

| in Python | in JSON |
|---|---|
| None, bool, str, list, tuple, dict or another Mapping with str keys | as they are |
| int | from -2**63 to 2**64 - 1; a broker holds no others |
| float | finite ones |
| Decimal | a number; refused when a 64-bit float, which is what a broker keeps, would change it |
| datetime, date, time | ISO 8601 text, as FEEL reads it: with the offset when there is one |
| timedelta | ISO 8601 text of a duration, as FEEL reads it |
| UUID | text |
| Enum | its value |
| dataclass, attrs class | an object of its fields, those that begin with an underscore left out |
| TypedDict | a dict |
| msgspec.Struct | as msgspec writes it (renamed, tagged, defaults omitted) |
| msgspec.Raw | JSON text already: passed on untouched and unread |

Everything else is refused with the path to it, unless `enc_hook` turns it into one of these.
Half a surrogate pair is refused too: a broker would keep "?" in its place. Reading takes the last
of two equal keys, as the broker does.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from math import isfinite
from operator import is_
from typing import Any, NoReturn
from uuid import UUID

import attrs
import msgspec

from zbtrio.errors import VariablesError

MAX_DEPTH = 200
"""How deep lists and objects may be nested. (A Zeebe 8.6.0 took a variable of 1,100 levels and
never gave out the job that had it.)"""

MIN_INT, MAX_INT = -(2**63), 2**64 - 1

EncodeHook = Callable[[Any], Any]
"""Turns a value that JSON doesn't know into one that it does, or raises NotImplementedError."""

_type: Callable[[object], type] = type  # type() of an Any is unknown to the type checker
_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode

_NOTHING = frozenset({"", b"", "null", b"null"})

_LONE_SURROGATE = re.compile(
    r"\\u[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F].."
)


def dumps(value: Any, *, enc_hook: EncodeHook | None = None) -> str:
    """The JSON text of `value`, whose root must become an object; None is `{}`.

    `enc_hook` is asked first about every value that isn't None, bool, int, float, str, list, tuple
    or dict. Raises VariablesError with the path to what can't be sent.
    """
    kind = _type(value)
    if kind is not dict or not _plain_dict(value, MAX_DEPTH):
        value = _guarded(value, enc_hook)
    try:
        text = _encode(value).decode()
    except UnicodeEncodeError:
        _guarded(value, enc_hook)  # names the path
        raise
    if not text.lstrip().startswith("{"):
        raise VariablesError(
            f"they must be a JSON object, from a dict or a class with fields, not {_name(value)}."
        )
    return text


def loads(text: str | bytes) -> dict[str, Any]:
    """The variables in a JSON text; an empty text and `null` are no variables.

    Raises VariablesError when the text is no JSON, or no object.
    """
    if text in _NOTHING:
        return {}
    try:
        return _decode(text)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise VariablesError(_why_unreadable(text, error)) from error
    except RecursionError:
        raise VariablesError("the JSON text is nested too deep to be read.") from None


def _plain_dict(value: dict[Any, Any], depth: int) -> bool:
    for key in value:
        if type(key) is not str:
            return False
    return _plain(value.values(), depth)


def _plain(values: Iterable[Any], depth: int) -> bool:
    """Whether all are what JSON has, at no more than `depth` levels; False may also mean unsure."""
    for value in values:
        kind = _type(value)
        if kind is str or value is None or kind is bool:
            continue
        if kind is int:
            if not MIN_INT <= value <= MAX_INT:
                return False
        elif kind is float:
            if not isfinite(value):
                return False
        elif depth <= 1:
            return False
        elif kind is dict:
            if not _plain_dict(value, depth - 1):
                return False
        elif kind is not list or not _plain(value, depth - 1):
            return False
    return True


def _guarded(value: Any, enc_hook: EncodeHook | None) -> Any:
    if value is None:
        return {}
    try:
        return _Guard(enc_hook).check(value)
    except RecursionError:
        raise VariablesError("they are nested too deep.") from None


class _Guard:
    """Walks a value by the rules above, knowing where it is.

    Each method returns the value itself, or what stands for it where msgspec would write it
    otherwise than the rules say.
    """

    def __init__(self, enc_hook: EncodeHook | None) -> None:
        self._hook = enc_hook
        self._path: list[str | int] = []

    def check(self, value: Any) -> Any:
        if value is None:
            return value
        kind = _type(value)
        rule = _EXACT.get(kind)
        if rule is not None:
            return rule(self, value)
        if self._hook is not None:
            try:
                return self.check(self._hook(value))
            except NotImplementedError:
                pass
        return self._other(value)

    def _other(self, value: Any) -> Any:
        for kind, rule in _RULES:
            if isinstance(value, kind):
                return rule(self, value)
        cls = _type(value)
        if attrs.has(cls):
            return self._fields(value, [field.name for field in attrs.fields(cls)])
        if dataclasses.is_dataclass(cls):
            return self._fields(value, [field.name for field in dataclasses.fields(cls)])
        return self.refuse(value)

    def _at(self, step: str | int, value: Any) -> Any:
        self._path.append(step)
        checked = self.check(value)
        self._path.pop()
        return checked

    def same(self, value: Any) -> Any:
        return value

    def text(self, value: str) -> str:
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError as error:
                self._fail(
                    f"character {error.start} of the text is half a surrogate pair, which is no "
                    "Unicode: repair the text where it comes from."
                )
        return value

    def integer(self, value: int) -> int:
        if not MIN_INT <= value <= MAX_INT:
            self._fail(
                f"an integer of {value.bit_length()} bits is outside -2**63 to 2**64 - 1, which is "
                "what a broker holds: send it as text."
            )
        return value

    def floating(self, value: float) -> float:
        if not isfinite(value):
            self._not_finite(value)
        return value

    def decimal(self, value: Decimal) -> Decimal | int:
        if not value.is_finite():
            self._not_finite(value)
        if value.as_tuple().exponent == 0:
            return self.integer(int(value))
        if Decimal(repr(float(value))) != value:
            self._fail(
                f"a broker keeps numbers as 64-bit floats, which would change {value}: "
                "round it, or send str(value)."
            )
        return value

    def datetime(self, value: datetime) -> datetime:
        offset = value.utcoffset()
        if offset is None or offset % timedelta(minutes=1) == timedelta():
            return value
        return value.astimezone(UTC)  # ISO 8601 has no seconds in an offset

    def array(self, value: list[Any] | tuple[Any, ...]) -> Any:
        self._check_depth()
        checked = [self._at(index, item) for index, item in enumerate(value)]
        return value if all(map(is_, checked, value)) else checked

    def object(self, value: Mapping[Any, Any]) -> Any:
        self._check_depth()
        checked = {self._key(key): self._at(key, item) for key, item in value.items()}
        untouched = all(map(is_, checked, value)) and all(
            map(is_, checked.values(), value.values())
        )
        return value if untouched and isinstance(value, dict) else checked

    def struct(self, value: msgspec.Struct) -> msgspec.Struct:
        changes: dict[str, Any] = {}
        for name in value.__struct_fields__:
            item = getattr(value, name)
            if item is msgspec.UNSET:
                continue
            checked = self._at(name, item)
            if checked is not item:
                changes[name] = checked
        return msgspec.structs.replace(value, **changes) if changes else value

    def _fields(self, value: Any, names: Iterable[str]) -> dict[str, Any]:
        shown = {name: getattr(value, name) for name in names if not name.startswith("_")}
        return self.object({n: item for n, item in shown.items() if item is not msgspec.UNSET})

    def _key(self, key: Any) -> str:
        if not isinstance(key, str):
            self._fail(f"the key {key!r} is of type {_name(key)}, JSON's keys are text: use str.")
        return self.text(str.__str__(key))

    def _check_depth(self) -> None:
        if len(self._path) >= MAX_DEPTH:
            raise VariablesError(f"they are nested more than {MAX_DEPTH} deep.", self._where())

    def refuse(self, value: Any) -> NoReturn:
        kind = _type(value)
        advice = _ADVICE.get(kind, "send what JSON has (dict, list, str, number, bool)")
        self._fail(f"JSON has no {_name(value)}: {advice}, or name a codec for the type.")

    def _not_finite(self, value: float | Decimal) -> NoReturn:
        self._fail(f"JSON has no {value}: send null, a text, or leave it out.")

    def _fail(self, problem: str) -> NoReturn:
        raise VariablesError(problem, self._where())

    def _where(self) -> str:
        return "".join(map(_step, self._path)).removeprefix(".")


_Rule = Callable[[_Guard, Any], Any]

_EXACT: dict[type, _Rule] = {
    bool: _Guard.same,
    str: _Guard.text,
    int: _Guard.integer,
    float: _Guard.floating,
    list: _Guard.array,
    tuple: _Guard.array,
    dict: _Guard.object,
}

# In this order: an Enum may also be a str, a datetime is also a date.
_RULES: tuple[tuple[type | tuple[type, ...], _Rule], ...] = (
    (Enum, lambda guard, value: guard.check(value.value)),
    (str, lambda guard, value: guard.text(str.__str__(value))),
    (int, lambda guard, value: guard.integer(int(value))),
    (float, lambda guard, value: guard.floating(float(value))),
    (Mapping, _Guard.object),
    ((list, tuple), _Guard.array),
    (Decimal, _Guard.decimal),
    (datetime, _Guard.datetime),
    ((date, time, timedelta, UUID, msgspec.Raw), _Guard.same),
    (msgspec.Struct, _Guard.struct),
)

_ADVICE: dict[type, str] = {
    set: "send a list",
    frozenset: "send a list",
    bytes: "send text, for instance base64",
    bytearray: "send text, for instance base64",
    memoryview: "send text, for instance base64",
}


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if step.isidentifier() else f"[{step!r}]"


def _name(value: object) -> str:
    return type(value).__qualname__


def _why_unreadable(text: str | bytes, error: Exception) -> str:
    if isinstance(error, msgspec.ValidationError):
        return f"the JSON text must hold an object: {error}."
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    if isinstance(error, UnicodeError) or _LONE_SURROGATE.search(text):
        return "the JSON text holds half a surrogate pair or other broken Unicode."
    return f"the text is no valid JSON: {error}."
