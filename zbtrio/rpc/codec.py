"""Protobuf encoding by functions compiled for each message class.

betterproto2 interprets a class's field metadata for each field of each message, which costs more
than all the rest of a call. Here two functions are written from it once per class, when the class
is first used; codec_source.py tells what they look like and where they are stricter than
betterproto2.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import betterproto2

from zbtrio.rpc.codec_source import can_compile, decoder_source, encoder_source, fields_of
from zbtrio.rpc.varint import DecodeError, read_varint, skip_field, varint

__all__ = ["DecodeError", "decode", "decoder_for", "encode", "encoder_for"]

M = TypeVar("M", bound=betterproto2.Message)


def encode(message: betterproto2.Message) -> bytes:
    """Serialise a message; equals `bytes(message)`."""
    return encoder_for(type(message))(message)


def decode(cls: type[M], data: bytes) -> M:
    """Parse a message; equals `cls.parse(data)`.

    Raises DecodeError where the data is no such message.
    """
    return decoder_for(cls)(data)


@cache
def encoder_for(cls: type[M]) -> Callable[[M], bytes]:
    """Return the function that serialises messages of this class."""
    if not can_compile(cls):
        return bytes
    fields = fields_of(cls)
    namespace: dict[str, Any] = {"varint": varint}
    for field in fields:
        if field.kind == "message":
            namespace[f"encode{field.number}"] = encoder_for(field.type)
    return _compile(cls, encoder_source(fields), namespace)


@cache
def decoder_for(cls: type[M]) -> Callable[[bytes], M]:
    """Return the function that parses messages of this class."""
    if not can_compile(cls):
        return _interpreter(cls)
    fields = fields_of(cls)
    namespace: dict[str, Any] = {
        "cls": cls,
        "known": frozenset(field.tag for field in fields),
        "new": cls.__new__,
        "read_varint": read_varint,
        "refusal": _refusal,
        "skip_field": skip_field,
    }
    for field in fields:
        if field.kind == "message":
            namespace[f"decode{field.number}"] = decoder_for(field.type)
        elif field.kind == "enum":
            namespace[f"members{field.number}"] = _Members(field.type)
    return _compile(cls, decoder_source(fields), namespace)


def _compile(cls: type, source: str, namespace: dict[str, Any]) -> Any:
    # The source is made of field names and numbers that the generated classes state.
    exec(compile(source, f"<codec of {cls.__name__}>", "exec"), namespace)  # noqa: S102
    return namespace["function"]


def _interpreter(cls: type[M]) -> Callable[[bytes], M]:
    def parse(data: bytes) -> M:
        try:
            return cls.parse(data)
        except (EOFError, ValueError) as error:
            raise DecodeError(f"{cls.__name__}: {error}") from error

    return parse


def _refusal(cls: type, error: Exception) -> DecodeError:
    problem = "the data ends inside a field" if isinstance(error, IndexError) else error
    return DecodeError(f"{cls.__name__}: {problem}")


class _Members(dict[int, Any]):
    """An enum's members by number; a number it doesn't know gives an unnamed member."""

    def __init__(self, enum: type[betterproto2.Enum]) -> None:
        super().__init__({member.value: member for member in enum})
        self._enum = enum

    def __missing__(self, number: int) -> betterproto2.Enum:
        return self._enum(number)
