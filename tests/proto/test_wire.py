"""Our protocol says what Zeebe's published ones say: each field, number, type and label."""

from pathlib import Path
from zipfile import ZipFile

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from tests.proto.schema import Fact, compile_proto, facts
from zbtrio.broker import fetch

PROTOS = Path(__file__).parents[2] / "protos"


@pytest.fixture
def ours(tmp_path: Path) -> set[Fact]:
    return facts(compile_proto(PROTOS / "gateway.proto", tmp_path))


def published_in_python() -> FileDescriptorProto:
    from zeebe_grpc import gateway_pb2

    return FileDescriptorProto.FromString(gateway_pb2.DESCRIPTOR.serialized_pb)


def published_with_broker(distribution: Path, scratch: Path) -> FileDescriptorProto:
    (jar,) = distribution.glob("lib/zeebe-gateway-protocol-impl-*.jar")
    with ZipFile(jar) as archive:
        return compile_proto(Path(archive.extract("gateway.proto", scratch)), scratch)


def test_everything_in_the_python_package_is_ours_too(ours: set[Fact]) -> None:
    theirs = facts(published_in_python())
    assert len(theirs) > 150
    assert theirs - ours == set()


@pytest.mark.broker
def test_everything_in_the_broker_is_ours_too(ours: set[Fact], tmp_path: Path) -> None:
    theirs = facts(published_with_broker(fetch("8.6.0"), tmp_path))
    assert len(theirs) > 200
    assert theirs - ours == set()


def test_health_is_grpcs_own(tmp_path: Path) -> None:
    """Names and numbers as gRPC's health checking protocol (v1) documents them."""
    health = facts(compile_proto(PROTOS / "health.proto", tmp_path))
    scope = "grpc.health.v1"
    request, response = f".{scope}.HealthCheckRequest", f".{scope}.HealthCheckResponse"
    status = f"{scope}.HealthCheckResponse.ServingStatus"
    label = "LABEL_OPTIONAL"
    assert health == {
        ("message", request[1:]),
        ("message", response[1:]),
        ("field", request[1:], 1, "service", "TYPE_STRING", "", label, ""),
        ("field", response[1:], 1, "status", "TYPE_ENUM", f".{status}", label, ""),
        ("enum", status, 0, "UNKNOWN"),
        ("enum", status, 1, "SERVING"),
        ("enum", status, 2, "NOT_SERVING"),
        ("enum", status, 3, "SERVICE_UNKNOWN"),
        ("rpc", "Health", "Check", request, response, False, False),
        ("rpc", "Health", "Watch", request, response, False, True),
    }
