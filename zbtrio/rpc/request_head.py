"""What a request's header block says, read by a server once per remembered block."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from attrs import frozen
from grpclib.const import Cardinality, Handler, Status

from zbtrio.rpc.codec import decoder_for, encoder_for
from zbtrio.rpc.grpc import Metadata, decode_metadata, decode_timeout
from zbtrio.rpc.header_memo import HeaderSet

ENCODINGS = (b"identity", b"gzip")


class Servable(Protocol):
    """A service: betterproto2's and grpclib's server stubs are such."""

    def __mapping__(self) -> Mapping[str, Handler]: ...


@frozen
class Route:
    """One RPC of a service, ready to be called.

    A message class of `bytes` in the handler's mapping means that it takes or gives messages as
    they stand on the wire.
    """

    name: str
    handle: Callable[[Any], Awaitable[None]]
    streams_requests: bool
    streams_responses: bool
    decode: Callable[[bytes], Any]
    encode: Callable[[Any], bytes]


@frozen
class Refusal:
    """Why a request is no call here."""

    http: int
    status: Status
    message: str


@frozen
class RequestHead:
    """A request's first header block. Without a route it has a refusal.

    Attributes:
        timeout: seconds, None without grpc-timeout.
        encoding: what compressed messages are compressed with.
    """

    route: Route | None
    refusal: Refusal | None
    timeout: float | None
    encoding: bytes
    metadata: Metadata


def read_routes(services: Sequence[Servable]) -> dict[bytes, Route]:
    """Return the RPCs of services by their path."""
    routes: dict[bytes, Route] = {}
    for service in services:
        for path, handler in service.__mapping__().items():
            if path.encode() in routes:
                raise ValueError(f"two services serve {path}")
            routes[path.encode()] = _route(path, handler)
    return routes


def _route(path: str, handler: Any) -> Route:
    cardinality: Cardinality = handler.cardinality
    return Route(
        path,
        handler.func,
        cardinality in (Cardinality.STREAM_UNARY, Cardinality.STREAM_STREAM),
        cardinality in (Cardinality.UNARY_STREAM, Cardinality.STREAM_STREAM),
        _as_it_is if handler.request_type is bytes else decoder_for(handler.request_type),
        _as_it_is if handler.reply_type is bytes else encoder_for(handler.reply_type),
    )


def _as_it_is(data: bytes) -> bytes:
    return data


def read_request(headers: HeaderSet, routes: Mapping[bytes, Route]) -> RequestHead:
    """Interpret a request's header block."""
    if not isinstance(headers.meaning, RequestHead):
        headers.meaning = _read(headers, routes)
    return headers.meaning


def _read(headers: HeaderSet, routes: Mapping[bytes, Route]) -> RequestHead:
    fields = dict(headers.fields)
    try:
        timeout = decode_timeout(fields[b"grpc-timeout"]) if b"grpc-timeout" in fields else None
        refusal = _refusal(fields, routes)
    except ValueError as error:
        timeout, refusal = None, Refusal(200, Status.INTERNAL, str(error))
    return RequestHead(
        routes.get(fields[b":path"]) if refusal is None else None,
        refusal,
        timeout,
        fields.get(b"grpc-encoding", b"identity"),
        decode_metadata(headers),
    )


def _refusal(fields: Mapping[bytes, bytes], routes: Mapping[bytes, Route]) -> Refusal | None:
    if fields[b":method"] != b"POST":
        return Refusal(405, Status.INTERNAL, "gRPC calls are POST requests")
    content_type = fields.get(b"content-type", b"")
    if not content_type.startswith(b"application/grpc") or content_type[16:17] not in b"+;":
        text = f"content type {content_type.decode('latin-1')!r}: this is a gRPC server"
        return Refusal(415, Status.INTERNAL, text)
    if fields[b":path"] not in routes:
        text = f"no RPC {fields[b':path'].decode('latin-1')} here"
        return Refusal(200, Status.UNIMPLEMENTED, text)
    encoding = fields.get(b"grpc-encoding", b"identity")
    if encoding not in ENCODINGS:
        text = f"messages compressed with {encoding.decode('latin-1')!r}: identity or gzip, please"
        return Refusal(200, Status.UNIMPLEMENTED, text)
    return None
