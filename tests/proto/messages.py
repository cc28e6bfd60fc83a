"""Every generated message class, hypothesis strategies for them, and Google's view of the same."""

import dataclasses
import inspect
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args, get_type_hints

from betterproto2 import FieldMetadata, Message
from google.protobuf import descriptor_pool, message_factory
from google.protobuf import message as google
from hypothesis import strategies as st

from tests.proto.schema import compile_proto
from zbtrio._proto import gateway_protocol
from zbtrio._proto.grpc.health import v1 as health

PROTOS = Path(__file__).parents[2] / "protos"

CLASSES: list[type[Message]] = [
    cls
    for module in (gateway_protocol, health)
    for _, cls in inspect.getmembers(module, inspect.isclass)
    if issubclass(cls, Message)
]

INT32 = st.integers(-(2**31), 2**31 - 1)
INT64 = st.integers(-(2**63), 2**63 - 1)
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "bytes": st.binary(max_size=20),
    "int32": INT32,
    "int64": INT64 | st.sampled_from([2251799813685249, 127, 128, 2**49 - 1, 2**49, 2**56]),
    "string": st.text(max_size=5) | st.sampled_from(["x" * 127, "é" * 64, "x" * 20_000]),
    "uint64": st.integers(0, 2**64 - 1),
}


def field_types(cls: type[Message]) -> dict[str, tuple[FieldMetadata, Any]]:
    """Each field's metadata and, for a message or an enum, its class."""
    hints = get_type_hints(cls, vars(sys.modules[cls.__module__]), {})
    return {
        field.name: (FieldMetadata.get(field), (*get_args(hints[field.name]), hints[field.name])[0])
        for field in dataclasses.fields(cls)
    }


@cache
def messages(cls: type[Message]) -> st.SearchStrategy[Message]:
    """Messages of this class with any values; of a oneof, at most one."""
    values: dict[str, st.SearchStrategy[Any]] = {}
    groups: dict[str, dict[str, st.SearchStrategy[Any]]] = {}
    for name, (meta, type_) in field_types(cls).items():
        if meta.group:
            groups.setdefault(meta.group, {})[name] = _value(meta, type_)
        elif meta.repeated:
            values[name] = st.lists(_value(meta, type_), max_size=3)
        elif meta.optional or meta.proto_type == "message":
            values[name] = st.none() | _value(meta, type_)
        else:
            values[name] = _value(meta, type_)
    oneofs = st.tuples(*(_one_of(group) for group in groups.values()))
    unknown = st.sampled_from([b"", b"\xfa\xff\x03\x02hi", b"\xf8\xff\x03\x96\x01"])
    return st.builds(
        _build, st.just(cls), st.fixed_dictionaries({}, optional=values), oneofs, unknown
    )


def _one_of(group: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    chosen = [st.fixed_dictionaries({name: value}) for name, value in group.items()]
    return st.one_of(st.just({}), *chosen)


def _value(meta: FieldMetadata, type_: Any) -> st.SearchStrategy[Any]:
    if meta.proto_type == "message":
        return messages(type_)
    if meta.proto_type == "enum":
        return st.builds(type_, st.sampled_from(list(type_)) | INT32)
    return SCALARS[meta.proto_type]


def _build(cls: Any, values: dict[str, Any], oneofs: Any, unknown: bytes) -> Message:
    message = cls(**values)
    for chosen in oneofs:
        for name, value in chosen.items():
            setattr(message, name, value)
    message._unknown_fields = unknown
    return message


def contents(value: Any) -> Any:
    """All that a message holds, as plain values: `==` of messages leaves unknown fields out."""
    if isinstance(value, Message):
        fields = {name: contents(each) for name, each in vars(value).items()}
        return type(value), fields
    if isinstance(value, list):
        return [contents(each) for each in value]
    return type(value), value


@cache
def _google_pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    with TemporaryDirectory() as scratch:
        for name in ("gateway.proto", "health.proto"):
            file = compile_proto(PROTOS / name, Path(scratch))
            pool.AddSerializedFile(file.SerializeToString())
    return pool


@cache
def google_class(cls: type[Message]) -> type[google.Message]:
    """The class that Google's library makes of the same message."""
    registered = cls.__module__.removeprefix("zbtrio._proto.")
    pool = sys.modules["zbtrio._proto.message_pool"].default_message_pool
    name = pool.type_to_url[cls].removeprefix("type.googleapis.com/")
    assert name.startswith(registered)
    return message_factory.GetMessageClass(_google_pool().FindMessageTypeByName(name))
