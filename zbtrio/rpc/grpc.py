"""gRPC's own rules over HTTP/2: message frames, timeouts, metadata, status.

Source: gRPC's protocol description "gRPC over HTTP2". Values (Status, GRPCError, metadata encoding)
are grpclib's, so that people who know it know these.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from math import ceil
from typing import Any

from attrs import frozen
from grpclib.const import Status
from grpclib.exceptions import GRPCError
from grpclib.metadata import decode_bin_value, decode_grpc_message, encode_metadata

from zbtrio.rpc.frames import ErrorCode
from zbtrio.rpc.header_memo import HeaderSet, literal

Metadata = Sequence[tuple[str, str | bytes]]

_RESERVED = (b":", b"grpc-", b"te", b"content-type", b"user-agent")
_BY_CODE = {status.value: status for status in Status}
_BY_HTTP = {
    400: Status.INTERNAL,
    401: Status.UNAUTHENTICATED,
    403: Status.PERMISSION_DENIED,
    404: Status.UNIMPLEMENTED,
    429: Status.UNAVAILABLE,
    502: Status.UNAVAILABLE,
    503: Status.UNAVAILABLE,
    504: Status.UNAVAILABLE,
}
_BY_RESET = {
    ErrorCode.REFUSED_STREAM: Status.UNAVAILABLE,
    ErrorCode.CANCEL: Status.CANCELLED,
    ErrorCode.ENHANCE_YOUR_CALM: Status.RESOURCE_EXHAUSTED,
    ErrorCode.INADEQUATE_SECURITY: Status.PERMISSION_DENIED,
}


@frozen
class Method:
    """One RPC: its route ("/package.Service/Name") and message classes."""

    route: str
    request_type: type[Any]
    response_type: type[Any]

    @property
    def name(self) -> str:
        """The RPC's own name, as in CompleteJob."""
        return self.route.rpartition("/")[2]


class RpcError(GRPCError):
    """A call that did not end with status OK.

    Attributes:
        status, message, details: as in grpclib.
        received: the server sent this as a grpc-status, or an HTTP status that refuses the call
            (400 to 404); otherwise it was made on this side (connection lost, deadline passed) or
            says nothing about the call (a stream reset, a proxy's 504).
        unprocessed: surely no code of the server saw the call, so it may be sent again whatever it
            does (never sent, REFUSED_STREAM, above GOAWAY's last stream).
        trailers: what else the server said.

    Neither received nor unprocessed means that the call's outcome is unknown.
    """

    def __init__(
        self,
        status: Status,
        message: str | None = None,
        *,
        received: bool = False,
        unprocessed: bool = False,
        trailers: Metadata = (),
    ) -> None:
        super().__init__(status, message)
        self.received = received
        self.unprocessed = unprocessed
        self.trailers = trailers

    def __str__(self) -> str:
        return f"{self.status.name}: {self.message}" if self.message else self.status.name


# Messages


def frame_message(message: bytes) -> bytes:
    """Return a message with gRPC's prefix: not compressed, length."""
    return b"\x00" + len(message).to_bytes(4, "big") + message


class MessageReader:
    """Cuts a stream's bytes into messages.

    Args:
        limit: the largest message, in bytes, also after decompression.
    """

    __slots__ = ("_buffer", "_limit", "_needed", "encoding")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._needed = 5
        self.encoding = b"identity"

    @property
    def incomplete(self) -> int:
        """Bytes held of a message that is not yet whole."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes, return the messages they complete; raise RpcError for an unusable one."""
        if (
            not self._buffer
            and len(data) >= 5
            and not data[0]
            and int.from_bytes(data[1:5], "big") == len(data) - 5 <= self._limit
        ):
            return [data[5:]]
        self._buffer += data
        messages: list[bytes] = []
        while len(self._buffer) >= self._needed:
            size = int.from_bytes(self._buffer[1:5], "big")
            self._check_size(size)
            if len(self._buffer) < size + 5:
                self._needed = size + 5
                break
            payload = bytes(memoryview(self._buffer)[5 : size + 5])
            messages.append(self._inflate(payload) if self._buffer[0] else payload)
            del self._buffer[: size + 5]
            self._needed = 5
        return messages

    def _check_size(self, size: int) -> None:
        if size > self._limit:
            raise RpcError(
                Status.RESOURCE_EXHAUSTED,
                f"a message of {size} bytes was sent, the limit is {self._limit}: "
                "raise max_message_size or fetch less",
            )

    def _inflate(self, payload: bytes) -> bytes:
        if self.encoding != b"gzip":
            encoding = self.encoding.decode("latin-1")
            raise RpcError(
                Status.INTERNAL, f"a compressed message, though grpc-encoding is {encoding}"
            )
        inflater = zlib.decompressobj(wbits=31)
        try:
            data = inflater.decompress(payload, self._limit + 1)
        except zlib.error as error:
            raise RpcError(Status.INTERNAL, f"a gzip message that is damaged: {error}") from error
        self._check_size(len(data))
        if not inflater.eof:
            raise RpcError(Status.INTERNAL, "a gzip message that is cut off")
        return data


# Timeouts


def encode_timeout(seconds: float) -> bytes:
    """Return the grpc-timeout value, never shorter than asked: at most eight digits and a unit."""
    if seconds < 0.1:
        return b"%du" % max(1, ceil(seconds * 1e6))
    if seconds < 99_999:
        return b"%dm" % ceil(seconds * 1e3)
    return b"%dS" % min(ceil(seconds), 99_999_999)


_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


def decode_timeout(value: bytes) -> float:
    """Return the seconds of a grpc-timeout value; raise ValueError if it is none."""
    text = value.decode("latin-1")
    digits, unit = text[:-1], text[-1:]
    if not (1 <= len(digits) <= 8 and digits.isascii() and digits.isdigit() and unit in _UNITS):
        raise ValueError(f"{text!r} is no grpc-timeout")
    return int(digits) * _UNITS[unit]


# Metadata


@frozen
class CallHeaders:
    """What a call's metadata adds to its request headers.

    Attributes:
        token: the value of `authorization`, which is the same for many calls.
        literals: the other fields, encoded.
    """

    token: bytes | None
    literals: bytes


def read_call_metadata(metadata: Metadata) -> CallHeaders:
    """Encode a call's metadata; raise ValueError or TypeError for a key or value gRPC forbids."""
    token: bytes | None = None
    literals: list[bytes] = []
    for name, value in encode_metadata(metadata):
        if name == "authorization":
            token = value.encode()
        else:
            literals.append(literal(name.encode(), value.encode()))
    return CallHeaders(token, b"".join(literals))


def decode_metadata(headers: HeaderSet) -> Metadata:
    """Return the application's fields of a header set; names ending in -bin give bytes."""
    found: list[tuple[str, str | bytes]] = []
    for name, value in headers.fields:
        if name.startswith(_RESERVED[:2]) or name in _RESERVED:
            continue
        key = name.decode("latin-1")
        if not key.endswith("-bin"):
            found.append((key, value.decode("latin-1")))
        else:
            found += [(key, _decode_bin(part)) for part in value.split(b",")]
    return found


def _decode_bin(value: bytes) -> bytes:
    try:
        return decode_bin_value(value)
    except ValueError:
        return b""


# Status


@frozen
class ResponseHead:
    """What a response's first header block says. `error`: the call has already failed by it."""

    encoding: bytes
    metadata: Metadata
    error: RpcError | None


def read_response(headers: HeaderSet) -> ResponseHead:
    """Interpret a response's first header block, once per remembered block."""
    if not isinstance(headers.meaning, ResponseHead):
        headers.meaning = ResponseHead(
            headers.get(b"grpc-encoding") or b"identity",
            decode_metadata(headers),
            _error_of_response(headers),
        )
    return headers.meaning


def _error_of_response(headers: HeaderSet) -> RpcError | None:
    if headers.get(b"grpc-status") is not None:
        return None  # a response of trailers only: its status decides
    status = headers.get(b":status") or b""
    http = int(status) if status.isdigit() else 0
    content_type = (headers.get(b"content-type") or b"").decode("latin-1")
    if http != 200:
        text = f"HTTP status {http}: is this address a Zeebe gateway, or a proxy in front of it?"
        return RpcError(_BY_HTTP.get(http, Status.UNKNOWN), text, received=400 <= http <= 404)
    if not content_type.startswith("application/grpc"):
        text = f"content type {content_type!r}: this address does not answer as a gRPC server"
        return RpcError(Status.UNKNOWN, text)
    return None


_OK = object()


def read_trailers(headers: HeaderSet) -> RpcError | None:
    """Return the error that trailers tell, None for status OK."""
    if headers.meaning is _OK:
        return None
    code = headers.get(b"grpc-status")
    if code == b"0":
        if len(headers.fields) == 1:
            headers.meaning = _OK
        return None
    metadata = decode_metadata(headers)
    if code is None:
        text = "the server ended the call without a status"
        return RpcError(Status.UNKNOWN, text, trailers=metadata)
    status = _BY_CODE.get(int(code) if len(code) < 3 and code.isdigit() else -1, Status.UNKNOWN)
    text = decode_grpc_message((headers.get(b"grpc-message") or b"").decode("latin-1"))
    return RpcError(status, text, received=True, trailers=metadata)


def error_of_reset(code: int, fault: str | None) -> RpcError:
    """Return the error of a stream that ended by RST_STREAM, the server's or (`fault`) our own."""
    if fault is not None:
        return RpcError(Status.INTERNAL, f"the server broke HTTP/2: {fault}")
    known = ErrorCode(code) if code in _RESET_CODES else None
    status = _BY_RESET.get(known, Status.INTERNAL) if known is not None else Status.UNKNOWN
    name = known.name if known is not None else f"code {code}"
    refused = known is ErrorCode.REFUSED_STREAM
    return RpcError(
        status,
        f"the server reset the call's stream ({name})",
        unprocessed=refused,
    )


_RESET_CODES = frozenset(ErrorCode)
