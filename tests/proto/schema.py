"""What a .proto file says, as plain facts that can be compared."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

Fact = tuple[object, ...]


def compile_proto(source: Path, scratch: Path) -> FileDescriptorProto:
    """Compile one .proto file that imports no other."""
    output = scratch / "descriptors.bin"
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{source.parent}"]
    subprocess.run([*command, f"--descriptor_set_out={output}", source.name], check=True)
    (file,) = FileDescriptorSet.FromString(output.read_bytes()).file
    return file


def facts(file: FileDescriptorProto) -> set[Fact]:
    """Everything that matters on the wire, one tuple for each field, enum value and RPC."""
    found = {fact for message in file.message_type for fact in _message(message, file.package)}
    found |= {fact for enum in file.enum_type for fact in _enum(enum, file.package)}
    for service in file.service:
        for rpc in service.method:
            streams = (rpc.client_streaming, rpc.server_streaming)
            found.add(("rpc", service.name, rpc.name, rpc.input_type, rpc.output_type, *streams))
    return found


def _message(message: DescriptorProto, scope: str) -> Iterator[Fact]:
    name = f"{scope}.{message.name}"
    yield "message", name
    for field in message.field:
        yield _field(field, message, name)
    for nested in message.nested_type:
        yield from _message(nested, name)
    for enum in message.enum_type:
        yield from _enum(enum, name)


def _field(field: FieldDescriptorProto, message: DescriptorProto, scope: str) -> Fact:
    kind = FieldDescriptorProto.Type.Name(field.type)
    label = FieldDescriptorProto.Label.Name(field.label)
    oneof = message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else ""
    presence = "optional" if field.proto3_optional else oneof
    return "field", scope, field.number, field.name, kind, field.type_name, label, presence


def _enum(enum: EnumDescriptorProto, scope: str) -> Iterator[Fact]:
    for value in enum.value:
        yield "enum", f"{scope}.{enum.name}", value.number, value.name
