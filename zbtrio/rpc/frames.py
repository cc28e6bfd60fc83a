"""HTTP/2's numbers, frames as bytes, and the events that a connection reports (RFC 9113)."""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zbtrio.rpc.header_memo import HeaderSet
    from zbtrio.rpc.http2 import Stream

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MAX_WINDOW = 2**31 - 1
DEFAULT_WINDOW = 65_535
MIN_FRAME_SIZE = 16_384
MAX_FRAME_SIZE = 2**24 - 1

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = 0, 1, 2, 3, 4
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 5, 6, 7, 8, 9

END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
WITH_PRIORITY = 0x20

FRAME_HEADER = Struct(">HBBBL")  # length's upper 16 bits, its lower 8, type, flags, stream
_SETTING = Struct(">HL")
_LONG = Struct(">L")
_TWO_LONGS = Struct(">LL")


class ErrorCode(IntEnum):
    """Why a stream or a connection ended (RFC 9113 section 7)."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


def error_name(code: int) -> str:
    """Return the name of an error code, also of one that nobody has registered."""
    try:
        return ErrorCode(code).name
    except ValueError:
        return f"error code {code}"


class Setting(IntEnum):
    """What a SETTINGS frame may carry (RFC 9113 section 6.5.2)."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


class LocalProtocolError(Exception):
    """Our side asked the connection for what the protocol does not allow: a defect of ours."""


class RemoteProtocolError(Exception):
    """The peer broke the protocol; `code` is what it gets to hear, as GOAWAY or RST_STREAM."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """Return one whole frame."""
    size = len(payload)
    return FRAME_HEADER.pack(size >> 8, size & 255, kind, flags, stream_id) + payload


def settings_frame(settings: dict[Setting, int]) -> bytes:
    """Return a SETTINGS frame; an empty one asks for nothing but the peer's acknowledgement."""
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(*item) for item in settings.items()))


def window_update(stream_id: int, increment: int) -> bytes:
    """Return a WINDOW_UPDATE frame that gives back `increment` bytes."""
    return frame(WINDOW_UPDATE, 0, stream_id, _LONG.pack(increment))


def rst_stream(stream_id: int, code: ErrorCode) -> bytes:
    """Return a RST_STREAM frame."""
    return frame(RST_STREAM, 0, stream_id, _LONG.pack(code))


def goaway(last_stream_id: int, code: ErrorCode, debug: bytes) -> bytes:
    """Return a GOAWAY frame."""
    return frame(GOAWAY, 0, 0, _TWO_LONGS.pack(last_stream_id, code) + debug)


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """Return the checked (identifier, value) pairs of a SETTINGS frame (RFC 9113, 6.5.2)."""
    if len(payload) % 6:
        raise RemoteProtocolError(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS of an odd size")
    pairs: list[tuple[int, int]] = list(_SETTING.iter_unpack(payload))
    for name, value in pairs:
        if name == Setting.INITIAL_WINDOW_SIZE and value > MAX_WINDOW:
            raise RemoteProtocolError(ErrorCode.FLOW_CONTROL_ERROR, "initial window above 2^31-1")
        if name == Setting.MAX_FRAME_SIZE and not MIN_FRAME_SIZE <= value <= MAX_FRAME_SIZE:
            raise RemoteProtocolError(ErrorCode.PROTOCOL_ERROR, f"maximum frame size {value}")
        if name == Setting.ENABLE_PUSH and value > 1:
            raise RemoteProtocolError(ErrorCode.PROTOCOL_ERROR, f"ENABLE_PUSH is {value}")
    return pairs


def read_long(payload: bytes, what: str) -> int:
    """Return the 32-bit number that is the whole payload."""
    if len(payload) != 4:
        raise RemoteProtocolError(ErrorCode.FRAME_SIZE_ERROR, f"{what} of {len(payload)} bytes")
    return int(_LONG.unpack(payload)[0])


def read_goaway(payload: bytes) -> tuple[int, int, bytes]:
    """Return last stream id, error code and debug data."""
    if len(payload) < 8:
        raise RemoteProtocolError(ErrorCode.FRAME_SIZE_ERROR, f"GOAWAY of {len(payload)} bytes")
    last, code = _TWO_LONGS.unpack_from(payload)
    return last & MAX_WINDOW, code, payload[8:]


def unpad(payload: bytes) -> bytes:
    """Return a padded frame's payload without its padding (RFC 9113 section 6.1)."""
    if not payload or payload[0] >= len(payload):
        raise RemoteProtocolError(ErrorCode.PROTOCOL_ERROR, "padding longer than its frame")
    return payload[1 : len(payload) - payload[0]]


class Event:
    """Something that the peer did."""

    __slots__ = ()


class HeadersReceived(Event):
    """A header block: a request, a response or trailers. `ended`: the peer sends no more."""

    __slots__ = ("ended", "headers", "stream")

    def __init__(self, stream: Stream, headers: HeaderSet, ended: bool) -> None:
        self.stream = stream
        self.headers = headers
        self.ended = ended


class DataReceived(Event):
    """Bytes of a body. `size` counts against the windows (padding included)."""

    __slots__ = ("data", "ended", "size", "stream")

    def __init__(self, stream: Stream, data: bytes, size: int, ended: bool) -> None:
        self.stream = stream
        self.data = data
        self.size = size
        self.ended = ended


class StreamReset(Event):
    """A stream ended before its time: by the peer's RST_STREAM, or (`fault`) because what it sent
    was malformed.
    """

    __slots__ = ("code", "fault", "stream")

    def __init__(self, stream: Stream, code: int, fault: str | None = None) -> None:
        self.stream = stream
        self.code = code
        self.fault = fault


class StreamWritable(Event):
    """All that was waiting for the peer's windows on this stream has been sent."""

    __slots__ = ("stream",)

    def __init__(self, stream: Stream) -> None:
        self.stream = stream


class SettingsReceived(Event):
    """The peer's settings are in force; calls may start after the first of these."""

    __slots__ = ()


class SettingsAcked(Event):
    """The peer has read all that was sent before the settings with this ticket."""

    __slots__ = ("ticket",)

    def __init__(self, ticket: int) -> None:
        self.ticket = ticket


class PingReceived(Event):
    """The peer sent a PING; its answer is on its way."""

    __slots__ = ()


class PingAcked(Event):
    """The answer to a PING of ours."""

    __slots__ = ("payload",)

    def __init__(self, payload: bytes) -> None:
        self.payload = payload


class GoAwayReceived(Event):
    """The peer takes no more streams; those above `last_stream_id` it has not looked at."""

    __slots__ = ("code", "debug", "last_stream_id")

    def __init__(self, last_stream_id: int, code: int, debug: bytes) -> None:
        self.last_stream_id = last_stream_id
        self.code = code
        self.debug = debug


class ConnectionFailed(Event):
    """The peer broke the protocol; GOAWAY is queued, nothing after it is read."""

    __slots__ = ("error",)

    def __init__(self, error: RemoteProtocolError) -> None:
        self.error = error
