"""Helpers for tests of the HTTP/2 core: two cores face to face, and one fed by hand."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen
from hpack import Decoder, Encoder

from zbtrio.rpc import frames
from zbtrio.rpc.frames import ErrorCode, Event, Setting
from zbtrio.rpc.header_memo import FieldList, Fields
from zbtrio.rpc.http2 import Http2Connection

REQUEST_FIELDS: Fields = (
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/service/Method"),
    (b":authority", b"localhost"),
    (b"te", b"trailers"),
    (b"content-type", b"application/grpc"),
)
RESPONSE_FIELDS: Fields = ((b":status", b"200"), (b"content-type", b"application/grpc"))
TRAILER_FIELDS: Fields = ((b"grpc-status", b"0"),)

REQUEST = FieldList(*REQUEST_FIELDS)
RESPONSE = FieldList(*RESPONSE_FIELDS)
TRAILERS = FieldList(*TRAILER_FIELDS)

HEADERS_ONLY = frames.END_HEADERS
WHOLE = frames.END_HEADERS | frames.END_STREAM


@frozen
class Frame:
    """A frame that a core has sent."""

    kind: int
    flags: int
    stream_id: int
    payload: bytes

    @property
    def code(self) -> ErrorCode:
        """The error code of a RST_STREAM or GOAWAY."""
        start = 4 if self.kind == frames.GOAWAY else 0
        return ErrorCode(int.from_bytes(self.payload[start : start + 4], "big"))

    @property
    def number(self) -> int:
        """The first 32 bits: a WINDOW_UPDATE's increment, a GOAWAY's last stream."""
        return int.from_bytes(self.payload[:4], "big")


def parse(data: bytes) -> Iterator[Frame]:
    """Cut bytes into frames; they must be whole."""
    while data:
        size, kind, flags = int.from_bytes(data[:3], "big"), data[3], data[4]
        payload = data[9 : 9 + size]
        assert len(payload) == size, "a frame was cut off"
        yield Frame(kind, flags, int.from_bytes(data[5:9], "big"), payload)
        data = data[9 + size :]


def names(events: list[Event]) -> list[str]:
    """Return what kinds of events these are."""
    return [type(event).__name__ for event in events]


class Duet:
    """A client core and a server core, connected; `step` bytes at a time go over."""

    def __init__(self, step: int | None = None, **server_options: int) -> None:
        self.client = Http2Connection(client=True)
        self.server = Http2Connection(client=False, **server_options)
        self._step = step
        self.pump()

    def pump(self) -> tuple[list[Event], list[Event]]:
        """Carry bytes until both are silent; return the client's and the server's events."""
        to_client: list[Event] = []
        to_server: list[Event] = []
        while self.client.has_data_to_send or self.server.has_data_to_send:
            to_server += self._carry(self.client, self.server)
            to_client += self._carry(self.server, self.client)
        return to_client, to_server

    def _carry(self, source: Http2Connection, target: Http2Connection) -> list[Event]:
        data = source.data_to_send()
        step = self._step or max(1, len(data))
        pieces = [data[start : start + step] for start in range(0, len(data), step)]
        return [event for piece in pieces for event in target.receive_data(piece)]


class Probe:
    """A core whose peer is a test that writes frames by hand.

    Args:
        client: the core's role.
        settings: what the peer's first SETTINGS frame says.
        handshake: whether the peer has sent its preface already.
    """

    def __init__(
        self,
        *,
        client: bool = False,
        settings: dict[Setting, int] | None = None,
        handshake: bool = True,
        **options: int,
    ) -> None:
        self.core = Http2Connection(client=client, **options)
        self.greeting = self.core.data_to_send()
        self.encoder = Encoder()
        self.decoder = Decoder()
        if handshake:
            preface = b"" if client else frames.PREFACE
            self.core.receive_data(preface + frames.settings_frame(settings or {}))
            self.core.data_to_send()

    def send(self, *data: bytes) -> list[Event]:
        """Give frames to the core and return what it makes of them."""
        return self.core.receive_data(b"".join(data))

    def sent(self) -> list[Frame]:
        """Return the frames that the core has queued."""
        return list(parse(self.core.data_to_send()))

    def block(self, fields: Fields) -> bytes:
        """Encode fields as the peer's encoder does."""
        return self.encoder.encode(list(fields))

    def headers(
        self, stream_id: int = 1, fields: Fields | None = None, flags: int = HEADERS_ONLY
    ) -> bytes:
        """Return a HEADERS frame: a request or a response, as the role asks for."""
        if fields is None:
            fields = RESPONSE_FIELDS if self.core.client else REQUEST_FIELDS
        return frames.frame(frames.HEADERS, flags, stream_id, self.block(fields))


def data(stream_id: int, payload: bytes = b"", *, end: bool = False) -> bytes:
    """Return a DATA frame."""
    return frames.frame(frames.DATA, frames.END_STREAM if end else 0, stream_id, payload)
