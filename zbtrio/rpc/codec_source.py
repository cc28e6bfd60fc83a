"""The Python source of a message class's encoder and decoder.

An encoder is one block per field, in the order of the class, and a join. `bytes(message)` skips
what is None or equals the default, so this does too:

    value = message.job_key
    if value != 0 and value is not None:
        parts.append(b"\\x08" + varint(value))

A decoder keeps the fields in local variables and makes them a new object's `__dict__` at the end.
Encoders write fields in the order of their numbers, so the blocks stand in that order, and each
reads the next tag behind its value: one pass through the chain decodes a message. Fields out of
order only take another pass. A pass without progress has met a field that the class doesn't know.

    while pos != end:
        start = pos
        if tag == 8:
            value = data[pos + 1]
            pos += 2
            if value > 127:
                value, pos = read_varint(data, pos - 1)
                value = value if value < 2**63 else (value + 2**63) % 2**64 - 2**63
            v1 = value
            tag = data[pos]
        ...

A zero byte is put behind the data: at the end of a sound message it is read as a tag that no field
has, and whatever reads on raises IndexError, so that no block need look for the end.

Stricter than betterproto2 0.10, which takes some broken bytes for good ones: data that ends inside
a field, groups, field number 0, and tags written longer than need be are refused. A known field
with the wrong wire type counts as unknown, and the last field read of a oneof clears the others, as
the protobuf specification has it.

Classes with what no message here has (repeated numbers, floating point, fixed size or zigzag
numbers, maps, wrappers, recursion, pydantic, deprecation) are left to betterproto2.
"""

import dataclasses
import sys
from collections.abc import Iterable
from textwrap import indent
from typing import Any, get_args, get_type_hints

import attrs
from betterproto2 import FieldMetadata, Message

_SIZED = {"bytes": b"", "message": None, "string": ""}
_NUMBERS = {"bool": False, "enum": 0, "int32": 0, "int64": 0, "uint32": 0, "uint64": 0}
_DEFAULTS = _SIZED | _NUMBERS


@attrs.frozen
class Field:
    """What a message class says about one of its fields."""

    name: str
    meta: FieldMetadata
    type: Any  # of a message or an enum: its class
    rivals: tuple[int, ...]  # numbers of the other fields of its oneof

    @property
    def number(self) -> int:
        return self.meta.number

    @property
    def kind(self) -> str:
        """Protobuf's name of the type, without which enum or message it is."""
        return self.meta.proto_type

    @property
    def tag(self) -> int:
        return self.number << 3 | (2 if self.kind in _SIZED else 0)

    @property
    def tag_bytes(self) -> bytes:
        low, high = self.tag & 127, self.tag >> 7
        return bytes((low | 128, high)) if high else bytes((low,))

    @property
    def default(self) -> object:
        return None if self.meta.optional or self.meta.group else _DEFAULTS[self.kind]


def _metadata(cls: Any) -> dict[str, FieldMetadata]:
    return {field.name: field.metadata["betterproto"] for field in dataclasses.fields(cls)}


def _type_of(hint: Any) -> Any:
    """`X` of the hints `X`, `X | None` and `list[X]`."""
    return (*get_args(hint), hint)[0]


def fields_of(cls: type[Message]) -> list[Field]:
    """Return the fields of a class that can be compiled, in the order of the class."""
    hints = get_type_hints(cls, vars(sys.modules[cls.__module__]), {})
    metadata = _metadata(cls)
    fields: list[Field] = []
    for name, meta in metadata.items():
        group = [other for other in metadata.values() if other.group == meta.group is not None]
        rivals = tuple(other.number for other in group if other.number != meta.number)
        fields.append(Field(name, meta, _type_of(hints[name]), rivals))
    return fields


def can_compile(cls: type[Message], inside: tuple[type, ...] = ()) -> bool:
    """Tell whether the class, and those that its fields hold, have only what is compiled here."""
    special = "__is_pydantic_dataclass__" in vars(cls) or "__post_init__" in vars(cls)
    if special or cls in inside or not all(map(_is_plain, _metadata(cls).values())):
        return False
    held = [field.type for field in fields_of(cls) if field.kind == "message"]
    return all(can_compile(each, (*inside, cls)) for each in held)


def _is_plain(meta: FieldMetadata) -> bool:
    kinds = _SIZED if meta.repeated else _DEFAULTS
    return meta.proto_type in kinds and meta.unwrap is None and meta.number < 2048


# ---- Encoder ----


def encoder_source(fields: Iterable[Field]) -> str:
    """Return the source of `function(message) -> bytes`."""
    lines = ["def function(message):", "    parts = []"]
    for field in fields:
        lines += [f"    {line}" for line in _encode_field(field)]
    lines += ["    if message._unknown_fields:", "        parts.append(message._unknown_fields)"]
    lines += ["    return b''.join(parts)", ""]
    return "\n".join(lines)


def _encode_field(field: Field) -> list[str]:
    if field.meta.repeated:
        head = [f"items = message.{field.name}", "for value in () if items is None else items:"]
    elif field.default is None:
        head = [f"value = message.{field.name}", "if value is not None:"]
    else:
        condition = f"if value != {field.default!r} and value is not None:"
        head = [f"value = message.{field.name}", condition]
    return head + [f"    {line}" for line in _encode_value(field)]


def _encode_value(field: Field) -> list[str]:
    if field.kind not in _SIZED:
        return [f"parts.append({field.tag_bytes!r} + varint(value))"]
    convert = {
        "bytes": [],
        "message": [f"value = encode{field.number}(value)"],
        "string": ["value = value.encode()"],
    }[field.kind]
    return [
        *convert,
        f"parts.append({field.tag_bytes!r} + varint(len(value)))",
        "parts.append(value)",
    ]


# ---- Decoder ----

_DECODER = """\
def function(data):
    end = len(data)
    data = data + b"\\0"
    unknown = b""
    pos = 0
{defaults}
    try:
        tag = data[0]
        while pos != end:
            start = pos
{blocks}
            if pos == start:
                pos = skip_field(data, pos, known)
                unknown += data[start:pos]
                tag = data[pos]
    except (IndexError, UnicodeDecodeError) as error:
        raise refusal(cls, error) from error
    message = new(cls)
    message.__dict__ = {{{values}"_unknown_fields": unknown}}
    return message
"""

_NUMBER = """\
value = data[pos + {width}]
pos += {width} + 1
if value > 127:
    value, pos = read_varint(data, pos - 1)
    value = {fold}
"""

_SIZED_VALUE = """\
size = data[pos + {width}]
pos += {width} + 1
if size > 127:
    size, pos = read_varint(data, pos - 1)
value = data[pos : pos + size]
pos += size
"""

# What of a varint too large for the type counts, as protobuf has it.
_SIGNED_32 = "(value + 2**31) % 2**32 - 2**31"
_FOLDS = {
    "bool": "value",
    "enum": _SIGNED_32,
    "int32": _SIGNED_32,
    "int64": "value if value < 2**63 else (value + 2**63) % 2**64 - 2**63",
    "uint32": "value % 2**32",
    "uint64": "value % 2**64",
}

_CONVERSIONS = {
    "bool": "value > 0",
    "enum": "members{number}[value]",
    "message": "decode{number}(value)",
    "string": "value.decode()",
}


def decoder_source(fields: Iterable[Field]) -> str:
    """Return the source of `function(data) -> message`."""
    fields = list(fields)
    blocks = [_decode_field(field) for field in sorted(fields, key=lambda field: field.number)]
    return _DECODER.format(
        defaults=indent("".join(map(_default, fields)), " " * 4),
        blocks=indent("".join(blocks), " " * 12),
        values="".join(f"{field.name!r}: v{field.number}, " for field in fields),
    )


def _default(field: Field) -> str:
    if field.meta.repeated:
        return f"v{field.number} = []\n"
    if field.kind == "enum" and field.default is not None:
        return f"v{field.number} = members{field.number}[0]\n"
    return f"v{field.number} = {field.default!r}\n"


def _decode_field(field: Field) -> str:
    width = len(field.tag_bytes)
    if field.kind in _SIZED:
        body = _SIZED_VALUE.format(width=width)
    else:
        body = _NUMBER.format(width=width, fold=_FOLDS[field.kind])
    body += _store(field)
    loop = "while" if field.meta.repeated else "if"
    return f"{loop} {_is_next(field)}:\n{indent(body, ' ' * 4)}    tag = data[pos]\n"


def _is_next(field: Field) -> str:
    first, *second = field.tag_bytes
    return f"tag == {first}" + "".join(f" and data[pos + 1] == {byte}" for byte in second)


def _store(field: Field) -> str:
    value = _CONVERSIONS.get(field.kind, "value").format(number=field.number)
    if field.meta.repeated:
        return f"v{field.number}.append({value})\n"
    clear = "".join(f"v{number} = None\n" for number in field.rivals)
    return f"{clear}v{field.number} = {value}\n"
