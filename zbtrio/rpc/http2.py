"""One HTTP/2 connection without I/O, for a client or a server (RFC 9113).

Theory of operation. Bytes from the peer go into `receive_data`, which returns events; intents
(`open_stream`, `send_data`, `reset_stream`, ...) queue bytes, which `data_to_send` hands over
once. Nothing here waits, reads a clock or knows gRPC.

A stream is in `streams` from its first frame until both sides have ended it or one has reset it;
`owner` is a place for whoever uses the stream. A stream that we reset with `linger=True` stays
and goes on reporting what was on its way until `forget` (a worker that stops must not lose the
jobs that were).

Flow control, receiving. The connection's credit goes back as soon as bytes arrive, so one slow
reader never stops the others. A stream's credit goes back when its owner says so (`give_credit`):
memory is bounded by the streams' windows. Credit is gathered and returned when half a window is
due. Flow control, sending. What a window does not let through waits on its stream; each
connection credit serves the waiting streams in turns, a frame each, and `StreamWritable` tells
when a stream has sent everything.

A fault of the peer ends the stream (RST_STREAM, `StreamReset.fault`) or the connection (GOAWAY,
`ConnectionFailed`), as the RFC says for it. A fault of ours raises LocalProtocolError and changes
nothing.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Any

from hpack import HPACKError, OversizedHeaderListError

from zbtrio.rpc import frames
from zbtrio.rpc.frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    FRAME_HEADER,
    MAX_WINDOW,
    ErrorCode,
    Event,
    LocalProtocolError,
    RemoteProtocolError,
    Setting,
)
from zbtrio.rpc.header_memo import FieldList, HeaderDecoder, HeaderEncoder, HeaderSet
from zbtrio.rpc.header_rules import fault_in_request, fault_in_response, fault_in_trailers

MAX_REPLIES_QUEUED = 1000  # pings, settings and resets answered before the peer has read any
MAX_EMPTY_FRAMES = 200  # DATA without a byte, in a row
MAX_RESETS_REMEMBERED = 4096
MAX_CONTINUATIONS = 32

PROTOCOL_ERROR = ErrorCode.PROTOCOL_ERROR
STREAM_CLOSED = ErrorCode.STREAM_CLOSED
FLOW_CONTROL_ERROR = ErrorCode.FLOW_CONTROL_ERROR
FRAME_SIZE_ERROR = ErrorCode.FRAME_SIZE_ERROR
ENHANCE_YOUR_CALM = ErrorCode.ENHANCE_YOUR_CALM


class Stream:
    """One stream: which sides are open, what each may still send, and whose it is."""

    __slots__ = (
        "body_left",
        "credit_due",
        "end_waiting",
        "headers_received",
        "id",
        "local_open",
        "owner",
        "receive_window",
        "remote_open",
        "reset_sent",
        "send_window",
        "waiting",
    )

    def __init__(self, stream_id: int, send_window: int, receive_window: int) -> None:
        self.id = stream_id
        self.send_window = send_window
        self.receive_window = receive_window
        self.credit_due = 0
        self.body_left: int | None = None  # what a content-length promised and has not come
        self.local_open = True
        self.remote_open = True
        self.reset_sent = False
        self.headers_received = False
        self.waiting: deque[memoryview] | None = None
        self.end_waiting = False
        self.owner: Any = None

    def __repr__(self) -> str:
        return f"<Stream {self.id}>"


class Http2Connection:
    """One side of an HTTP/2 connection.

    Args:
        client: which side.
        stream_window: bytes that the peer may send on one stream before credit is given.
        connection_window: the same over all streams.
        max_concurrent_streams: streams that a client may have open on this server.
        max_header_list_size: bytes of one decoded header list (RFC 9113 section 10.5.1).
    """

    def __init__(
        self,
        *,
        client: bool,
        stream_window: int = 256 * 1024,
        connection_window: int = 4 * 1024 * 1024,
        max_concurrent_streams: int = 2**31 - 1,
        max_header_list_size: int = 64 * 1024,
    ) -> None:
        self.client = client
        self.streams: dict[int, Stream] = {}
        self.remote_max_streams = MAX_WINDOW
        self.settings_received = False
        self.going_away = False  # GOAWAY was received
        self.failed = False  # the peer broke the protocol, nothing more is read
        self.resets_received = 0
        self._stream_window = stream_window
        # A peer that has not read our settings yet may use HTTP/2's default window.
        self._stream_room = max(stream_window, frames.DEFAULT_WINDOW)
        self._max_concurrent_streams = max_concurrent_streams
        self._max_header_block = max_header_list_size
        self._encoder = HeaderEncoder()
        self._decoder = HeaderDecoder(max_header_list_size)
        self._out: list[bytes | memoryview] = []
        self._buffer = b""
        self._preface_left = b"" if client else frames.PREFACE
        self._next_id = 1 if client else 2
        self._last_peer_id = 0
        self._accept_up_to = MAX_WINDOW
        self._replies_queued = 0
        self._empty_frames = 0
        self._send_window = frames.DEFAULT_WINDOW
        self._peer_stream_window = frames.DEFAULT_WINDOW
        self._peer_frame_size = frames.MIN_FRAME_SIZE
        self._connection_window = max(connection_window, frames.DEFAULT_WINDOW)
        self._receive_window = self._connection_window
        self._credit_due = 0
        self._blocked: OrderedDict[int, Stream] = OrderedDict()
        self._reset_ids: OrderedDict[int, None] = OrderedDict()
        self._newest_forgotten_reset = 0
        self._settings_sent = 0
        self._settings_acked = 0
        self._partial: _PartialHeaders | None = None
        self._handlers = (
            self._on_data,
            self._on_headers,
            self._on_priority,
            self._on_rst_stream,
            self._on_settings,
            self._on_push_promise,
            self._on_ping,
            self._on_goaway,
            self._on_window_update,
            self._on_continuation,
        )
        self._start(max_header_list_size)

    def _start(self, max_header_list_size: int) -> None:
        settings = {
            Setting.INITIAL_WINDOW_SIZE: self._stream_window,
            Setting.MAX_HEADER_LIST_SIZE: max_header_list_size,
        }
        if self.client:
            self._out.append(frames.PREFACE)
            settings[Setting.ENABLE_PUSH] = 0
        else:
            settings[Setting.MAX_CONCURRENT_STREAMS] = self._max_concurrent_streams
        self.send_settings(settings)
        if self._connection_window > frames.DEFAULT_WINDOW:
            more = self._connection_window - frames.DEFAULT_WINDOW
            self._out.append(frames.window_update(0, more))

    # Sending

    def data_to_send(self) -> bytes:
        """Return all bytes queued since the last call; they must go out in this order."""
        if not self._out:
            return b""
        data = b"".join(self._out)
        self._out.clear()
        self._replies_queued = 0
        return data

    @property
    def has_data_to_send(self) -> bool:
        """Whether `data_to_send` would return anything."""
        return bool(self._out)

    @property
    def streams_left(self) -> int:
        """How many more streams the peer lets this client open now."""
        if self.going_away or self.failed or not self.settings_received:
            return 0
        if self.ids_used_up:
            return 0
        return self.remote_max_streams - len(self.streams)

    @property
    def ids_used_up(self) -> bool:
        """Whether this client must go to a new connection (RFC 9113 section 5.1.1)."""
        return self._next_id > MAX_WINDOW

    def open_stream(self, headers: FieldList, literals: bytes = b"") -> Stream:
        """Start a request (client). `literals` are fields already encoded by
        `header_memo.literal`.
        """
        if self.streams_left <= 0:
            raise LocalProtocolError("no stream can be opened here now")
        stream = self._new_stream(self._next_id)
        self._next_id += 2
        self.send_headers(stream, headers, literals)
        return stream

    def send_headers(
        self, stream: Stream, headers: FieldList, literals: bytes = b"", end_stream: bool = False
    ) -> None:
        """Send a header block: request, response or trailers (which end the stream)."""
        self._check_open(stream)
        if stream.waiting:
            raise LocalProtocolError("trailers before the body has gone out")
        block = self._encoder.encode(headers) + literals
        flags = END_HEADERS | (END_STREAM if end_stream else 0)
        if len(block) <= self._peer_frame_size:
            size = len(block)
            head = FRAME_HEADER.pack(size >> 8, size & 255, frames.HEADERS, flags, stream.id)
            self._out.append(head + block)
        else:
            self._send_long_block(stream.id, block, end_stream)
        if end_stream:
            self._end_local(stream)

    def _send_long_block(self, stream_id: int, block: bytes, end_stream: bool) -> None:
        kind, flags = frames.HEADERS, END_STREAM if end_stream else 0
        for start in range(0, len(block), self._peer_frame_size):
            piece = block[start : start + self._peer_frame_size]
            last = END_HEADERS if start + len(piece) == len(block) else 0
            self._out.append(frames.frame(kind, flags | last, stream_id, piece))
            kind, flags = frames.CONTINUATION, 0

    def send_data(self, stream: Stream, data: bytes, end_stream: bool = False) -> bool:
        """Send body bytes; False if some wait for the peer's windows (StreamWritable follows)."""
        self._check_open(stream)
        size = len(data)
        if (
            size <= stream.send_window
            and size <= self._send_window
            and size <= self._peer_frame_size
            and not stream.waiting
        ):
            flags = END_STREAM if end_stream else 0
            self._out.append(
                FRAME_HEADER.pack(size >> 8, size & 255, frames.DATA, flags, stream.id) + data
            )
            stream.send_window -= size
            self._send_window -= size
            if end_stream:
                self._end_local(stream)
            return True
        if stream.waiting is None:
            stream.waiting = deque()
        stream.waiting.append(memoryview(data))
        stream.end_waiting = end_stream
        self._blocked[stream.id] = stream
        return self._flush(stream)

    def _check_open(self, stream: Stream) -> None:
        if not stream.local_open or stream.end_waiting:
            raise LocalProtocolError(f"{stream!r} is already ended on this side")

    def _flush(self, stream: Stream) -> bool:
        while stream.waiting:
            if not self._send_piece(stream):
                return False
        self._blocked.pop(stream.id, None)
        return True

    def _send_piece(self, stream: Stream) -> bool:
        """Send at most one frame of what waits on the stream; False if the windows are shut."""
        waiting = stream.waiting
        assert waiting
        piece = waiting[0]
        size = min(len(piece), stream.send_window, self._send_window, self._peer_frame_size)
        if size <= 0:  # a window may be negative; an empty frame needs none
            if len(piece):
                return False
            size = 0
        if size == len(piece):
            waiting.popleft()
        else:
            waiting[0] = piece[size:]
        stream.send_window -= size
        self._send_window -= size
        ends = stream.end_waiting and not waiting
        flags = END_STREAM if ends else 0
        self._out.append(FRAME_HEADER.pack(size >> 8, size & 255, frames.DATA, flags, stream.id))
        self._out.append(piece[:size])
        if ends:
            stream.end_waiting = False
            self._end_local(stream)
        return True

    def _serve_blocked(self, events: list[Event]) -> None:
        """New connection credit: a frame for each waiting stream in turns."""
        progress = True
        while progress and self._blocked:
            progress = False
            for stream in list(self._blocked.values()):
                if self._send_piece(stream):
                    progress = True
                    if stream.waiting:
                        self._blocked.move_to_end(stream.id)
                    else:
                        del self._blocked[stream.id]
                        events.append(frames.StreamWritable(stream))

    def give_credit(self, stream: Stream, size: int) -> None:
        """Let the peer send `size` more bytes on the stream: the owner has room for them."""
        if not stream.remote_open or stream.reset_sent:
            return
        stream.credit_due += size
        if stream.credit_due * 2 >= self._stream_window:
            self._out.append(frames.window_update(stream.id, stream.credit_due))
            stream.receive_window += stream.credit_due
            stream.credit_due = 0

    def reset_stream(
        self, stream: Stream, code: ErrorCode = ErrorCode.CANCEL, *, linger: bool = False
    ) -> None:
        """End a stream at once. With `linger`, what is still on its way is reported until
        `forget`.
        """
        if stream.id not in self.streams or stream.reset_sent:
            return
        self._out.append(frames.rst_stream(stream.id, code))
        stream.reset_sent = True
        self._stop_sending(stream)
        if not linger:
            self.forget(stream)

    def forget(self, stream: Stream) -> None:
        """Stop reporting a stream that was reset with `linger`, or that the peer will not look at
        (GOAWAY).
        """
        if self.streams.pop(stream.id, None) is not None:
            self._stop_sending(stream)
            self._ignore(stream.id)

    def _stop_sending(self, stream: Stream) -> None:
        stream.local_open = False
        stream.waiting = None
        self._blocked.pop(stream.id, None)

    def _ignore(self, stream_id: int) -> None:
        """Remember that frames of this stream may still come and mean nothing."""
        self._reset_ids[stream_id] = None
        if len(self._reset_ids) > MAX_RESETS_REMEMBERED:
            forgotten, _ = self._reset_ids.popitem(last=False)
            self._newest_forgotten_reset = max(self._newest_forgotten_reset, forgotten)

    def send_settings(self, settings: dict[Setting, int]) -> int:
        """Send SETTINGS and return a ticket: SettingsAcked brings it back once the peer has read
        it.
        """
        self._out.append(frames.settings_frame(settings))
        self._settings_sent += 1
        return self._settings_sent

    def send_ping(self, payload: bytes) -> None:
        """Send a PING with eight bytes of payload."""
        self._out.append(frames.frame(frames.PING, 0, 0, payload))

    def send_goaway(
        self,
        code: ErrorCode = ErrorCode.NO_ERROR,
        debug: bytes = b"",
        last_stream_id: int | None = None,
    ) -> None:
        """Announce the end; the peer's streams above `last_stream_id` (all that came) are not
        looked at.
        """
        last = self._last_peer_id if last_stream_id is None else last_stream_id
        self._accept_up_to = last
        self._out.append(frames.goaway(last, code, debug))

    # Receiving

    def receive_data(self, data: bytes) -> list[Event]:
        """Take bytes from the peer, in any cut, and return what they mean."""
        events: list[Event] = []
        if self.failed:
            return events
        if self._buffer:
            data = self._buffer + data
        try:
            start = self._read_preface(data) if self._preface_left else 0
            position = self._read_frames(data, start, events)
            self._buffer = data[position:]
        except RemoteProtocolError as error:
            self.failed = True
            self._buffer = b""
            self.send_goaway(error.code, str(error).encode()[:256])
            events.append(frames.ConnectionFailed(error))
        return events

    def _read_preface(self, data: bytes) -> int:
        expected = self._preface_left
        size = min(len(data), len(expected))
        if data[:size] != expected[:size]:
            raise RemoteProtocolError(PROTOCOL_ERROR, "no HTTP/2 preface: this port speaks gRPC")
        if size < len(expected):
            return 0
        self._preface_left = b""
        return size

    def _read_frames(self, data: bytes, position: int, events: list[Event]) -> int:
        if self._preface_left:
            return 0
        end = len(data)
        while end - position >= 9:
            high, low, kind, flags, stream_id = FRAME_HEADER.unpack_from(data, position)
            size = high << 8 | low
            if size > frames.MIN_FRAME_SIZE:
                raise RemoteProtocolError(FRAME_SIZE_ERROR, f"a frame of {size} bytes")
            stop = position + 9 + size
            if stop > end:
                break
            payload = data[position + 9 : stop]
            position = stop
            if self._partial is not None and kind != frames.CONTINUATION:
                raise RemoteProtocolError(PROTOCOL_ERROR, "a header block was interrupted")
            if not self.settings_received and (kind != frames.SETTINGS or flags & ACK):
                raise RemoteProtocolError(PROTOCOL_ERROR, "the first frame is not SETTINGS")
            if kind < 10:
                self._handlers[kind](stream_id & MAX_WINDOW, flags, payload, events)
        return position

    def _on_data(self, stream_id: int, flags: int, payload: bytes, events: list[Event]) -> None:
        size = len(payload)
        self._account(size)
        stream = self.streams.get(stream_id)
        if flags & frames.PADDED:
            payload = frames.unpad(payload)
        if stream is None or not stream.remote_open:
            self._frame_on_closed(stream_id, stream, "DATA", events)
            return
        if not stream.headers_received:
            self._fail_stream(stream, PROTOCOL_ERROR, "DATA before HEADERS", events)
            return
        stream.receive_window -= size
        if stream.receive_window < 0:
            self._fail_stream(stream, FLOW_CONTROL_ERROR, "more DATA than its window", events)
            return
        ended = bool(flags & END_STREAM)
        if stream.body_left is not None and not _fits(stream, len(payload), ended):
            self._fail_stream(stream, PROTOCOL_ERROR, "a body unlike its content-length", events)
            return
        if not payload and not ended:
            self._count_empty_frame()
            if size:
                self.give_credit(stream, size)
            return
        self._empty_frames = 0
        if ended:
            self._end_remote(stream)
        events.append(frames.DataReceived(stream, payload, size, ended))

    def _account(self, size: int) -> None:
        """Connection-level flow control: checked, and given back on arrival."""
        self._receive_window -= size
        if self._receive_window < 0:
            raise RemoteProtocolError(FLOW_CONTROL_ERROR, "more DATA than the connection's window")
        self._credit_due += size
        if self._credit_due * 2 >= self._connection_window:
            self._out.append(frames.window_update(0, self._credit_due))
            self._receive_window += self._credit_due
            self._credit_due = 0

    def _count_empty_frame(self) -> None:
        self._empty_frames += 1
        if self._empty_frames > MAX_EMPTY_FRAMES:
            raise RemoteProtocolError(ENHANCE_YOUR_CALM, "a flood of empty DATA frames")

    def _on_headers(self, stream_id: int, flags: int, payload: bytes, events: list[Event]) -> None:
        if not stream_id:
            raise RemoteProtocolError(PROTOCOL_ERROR, "HEADERS on stream 0")
        if flags & frames.PADDED:
            payload = frames.unpad(payload)
        depends_on_itself = False
        if flags & frames.WITH_PRIORITY:
            if len(payload) < 5:
                raise RemoteProtocolError(FRAME_SIZE_ERROR, "HEADERS too short for its priority")
            depends_on_itself = int.from_bytes(payload[:4], "big") & MAX_WINDOW == stream_id
            payload = payload[5:]
        partial = _PartialHeaders(stream_id, bool(flags & END_STREAM), depends_on_itself)
        partial.add(payload, self._max_header_block)
        if flags & END_HEADERS:
            self._headers_complete(partial, events)
        else:
            self._partial = partial

    def _on_continuation(
        self, stream_id: int, flags: int, payload: bytes, events: list[Event]
    ) -> None:
        partial = self._partial
        if partial is None or partial.stream_id != stream_id:
            raise RemoteProtocolError(PROTOCOL_ERROR, "CONTINUATION of no header block")
        partial.add(payload, self._max_header_block)
        if flags & END_HEADERS:
            self._partial = None
            self._headers_complete(partial, events)

    def _headers_complete(self, partial: _PartialHeaders, events: list[Event]) -> None:
        """Decode, always: a block left out would put the two header tables out of step."""
        try:
            headers = self._decoder.decode(partial.block())
        except OversizedHeaderListError as error:
            raise RemoteProtocolError(ENHANCE_YOUR_CALM, str(error)) from error
        except HPACKError as error:
            # hpack's own text has addresses of memory in it
            text = f"a header block that does not decode ({type(error).__name__})"
            raise RemoteProtocolError(ErrorCode.COMPRESSION_ERROR, text) from error
        stream = self.streams.get(partial.stream_id)
        if stream is None and not self.client:
            stream = self._accept_stream(partial)
        if stream is None or not stream.remote_open:
            self._frame_on_closed(partial.stream_id, stream, "HEADERS", events)
            return
        fault = self._fault_in(headers, stream, partial)
        if fault is not None:
            self._fail_stream(stream, PROTOCOL_ERROR, fault, events)
            return
        if not stream.headers_received:
            if self.client and _is_informational(headers):
                return
            stream.headers_received = True
            if headers.content_length is not None:
                stream.body_left = headers.content_length
        if partial.ended:
            self._end_remote(stream)
        events.append(frames.HeadersReceived(stream, headers, partial.ended))

    def _fault_in(self, headers: HeaderSet, stream: Stream, partial: _PartialHeaders) -> str | None:
        if partial.depends_on_itself:
            return "a stream that depends on itself"
        if stream.headers_received:
            if not partial.ended:
                return "a second header block that does not end the stream"
            return fault_in_trailers(headers) or _fault_in_end(stream.body_left)
        fault = fault_in_response(headers) if self.client else fault_in_request(headers)
        if fault is None and partial.ended:
            if self.client and _is_informational(headers):
                return "an informational response that ends the stream"
            return _fault_in_end(headers.content_length)
        return fault

    def _accept_stream(self, partial: _PartialHeaders) -> Stream | None:
        stream_id = partial.stream_id
        if stream_id % 2 == 0:
            raise RemoteProtocolError(PROTOCOL_ERROR, f"a client opened stream {stream_id}")
        if stream_id <= self._last_peer_id:
            return None
        if stream_id > self._accept_up_to:
            self._ignore(stream_id)
            return None
        self._last_peer_id = stream_id
        if len(self.streams) >= self._max_concurrent_streams:
            self._reply(frames.rst_stream(stream_id, ErrorCode.REFUSED_STREAM))
            self._ignore(stream_id)
            return None
        return self._new_stream(stream_id)

    def _on_priority(self, stream_id: int, flags: int, payload: bytes, events: list[Event]) -> None:
        """Deprecated (RFC 9113 section 5.3.2): checked, without effect."""
        if not stream_id:
            raise RemoteProtocolError(PROTOCOL_ERROR, "PRIORITY on stream 0")
        stream = self.streams.get(stream_id)
        if len(payload) != 5:
            if stream is None:
                raise RemoteProtocolError(FRAME_SIZE_ERROR, "PRIORITY of a wrong size")
            self._fail_stream(stream, FRAME_SIZE_ERROR, "PRIORITY of a wrong size", events)
        elif int.from_bytes(payload[:4], "big") & MAX_WINDOW == stream_id and stream is not None:
            self._fail_stream(stream, PROTOCOL_ERROR, "a stream that depends on itself", events)

    def _on_rst_stream(
        self, stream_id: int, flags: int, payload: bytes, events: list[Event]
    ) -> None:
        code = frames.read_long(payload, "RST_STREAM")
        self._refuse_idle(stream_id, "RST_STREAM")
        self.resets_received += 1
        stream = self.streams.pop(stream_id, None)
        if stream is not None:
            stream.remote_open = False
            self._stop_sending(stream)
            events.append(frames.StreamReset(stream, code))

    def _on_settings(self, stream_id: int, flags: int, payload: bytes, events: list[Event]) -> None:
        if stream_id:
            raise RemoteProtocolError(PROTOCOL_ERROR, f"SETTINGS on stream {stream_id}")
        if flags & ACK:
            self._on_settings_ack(payload, events)
            return
        settings = dict(frames.read_settings(payload))  # of several values the last one counts
        # The peer may hold us to the old ones until it has this, so it goes before any DATA.
        self._reply(frames.frame(frames.SETTINGS, ACK, 0))
        for name, value in settings.items():
            self._apply(name, value, events)
        self.settings_received = True
        events.append(frames.SettingsReceived())

    def _on_settings_ack(self, payload: bytes, events: list[Event]) -> None:
        if payload:
            raise RemoteProtocolError(FRAME_SIZE_ERROR, "a SETTINGS acknowledgement with payload")
        if self._settings_acked == self._settings_sent:
            raise RemoteProtocolError(PROTOCOL_ERROR, "an acknowledgement of no SETTINGS")
        self._settings_acked += 1
        events.append(frames.SettingsAcked(self._settings_acked))

    def _apply(self, name: int, value: int, events: list[Event]) -> None:
        if name == Setting.INITIAL_WINDOW_SIZE:
            self._resize_send_windows(value, events)
        elif name == Setting.MAX_CONCURRENT_STREAMS:
            self.remote_max_streams = value
        elif name == Setting.MAX_FRAME_SIZE:
            self._peer_frame_size = value
        elif name == Setting.HEADER_TABLE_SIZE:
            self._encoder.resize(value)
        elif name == Setting.ENABLE_PUSH and self.client and value:
            raise RemoteProtocolError(PROTOCOL_ERROR, "a server that asks for server push")

    def _resize_send_windows(self, value: int, events: list[Event]) -> None:
        delta = value - self._peer_stream_window
        self._peer_stream_window = value
        for stream in self.streams.values():
            stream.send_window += delta
            if stream.send_window > MAX_WINDOW:
                raise RemoteProtocolError(FLOW_CONTROL_ERROR, "a window above 2^31-1")
        if delta > 0:
            self._serve_blocked(events)

    def _on_push_promise(
        self, stream_id: int, flags: int, payload: bytes, events: list[Event]
    ) -> None:
        raise RemoteProtocolError(PROTOCOL_ERROR, "PUSH_PROMISE, though push is off")

    def _on_ping(self, stream_id: int, flags: int, payload: bytes, events: list[Event]) -> None:
        if stream_id:
            raise RemoteProtocolError(PROTOCOL_ERROR, f"PING on stream {stream_id}")
        if len(payload) != 8:
            raise RemoteProtocolError(FRAME_SIZE_ERROR, f"PING of {len(payload)} bytes")
        if flags & ACK:
            events.append(frames.PingAcked(payload))
        else:
            self._reply(frames.frame(frames.PING, ACK, 0, payload))
            events.append(frames.PingReceived())

    def _on_goaway(self, stream_id: int, flags: int, payload: bytes, events: list[Event]) -> None:
        if stream_id:
            raise RemoteProtocolError(PROTOCOL_ERROR, f"GOAWAY on stream {stream_id}")
        last, code, debug = frames.read_goaway(payload)
        self.going_away = True
        events.append(frames.GoAwayReceived(last, code, debug))

    def _on_window_update(
        self, stream_id: int, flags: int, payload: bytes, events: list[Event]
    ) -> None:
        increment = frames.read_long(payload, "WINDOW_UPDATE") & MAX_WINDOW
        if not stream_id:
            self._add_connection_credit(increment, events)
            return
        self._refuse_idle(stream_id, "WINDOW_UPDATE")
        stream = self.streams.get(stream_id)
        if stream is None:
            return
        if not increment:
            self._fail_stream(stream, PROTOCOL_ERROR, "WINDOW_UPDATE by 0", events)
        elif stream.send_window + increment > MAX_WINDOW:
            self._fail_stream(stream, FLOW_CONTROL_ERROR, "a window above 2^31-1", events)
        else:
            stream.send_window += increment
            if stream.waiting and self._flush(stream):
                events.append(frames.StreamWritable(stream))

    def _add_connection_credit(self, increment: int, events: list[Event]) -> None:
        if not increment:
            raise RemoteProtocolError(PROTOCOL_ERROR, "WINDOW_UPDATE by 0 on the connection")
        self._send_window += increment
        if self._send_window > MAX_WINDOW:
            raise RemoteProtocolError(FLOW_CONTROL_ERROR, "a connection window above 2^31-1")
        if self._blocked:
            self._serve_blocked(events)

    # Streams

    def _new_stream(self, stream_id: int) -> Stream:
        stream = Stream(stream_id, self._peer_stream_window, self._stream_room)
        self.streams[stream_id] = stream
        return stream

    def _end_local(self, stream: Stream) -> None:
        stream.local_open = False
        if not stream.remote_open:
            self.streams.pop(stream.id, None)

    def _end_remote(self, stream: Stream) -> None:
        stream.remote_open = False
        if not stream.local_open:
            self.streams.pop(stream.id, None)

    def _fail_stream(
        self, stream: Stream, code: ErrorCode, fault: str, events: list[Event]
    ) -> None:
        """The peer broke a rule of one stream only: reset it, the connection goes on."""
        if not stream.reset_sent:
            self._reply(frames.rst_stream(stream.id, code))
        stream.reset_sent = True
        stream.remote_open = False
        self.forget(stream)
        events.append(frames.StreamReset(stream, code, fault))

    def _frame_on_closed(
        self, stream_id: int, stream: Stream | None, what: str, events: list[Event]
    ) -> None:
        """A frame after the peer's end of a stream: harmless after our own reset, else its fault
        (RFC 9113 section 5.1).
        """
        if stream is not None:
            self._fail_stream(stream, STREAM_CLOSED, f"{what} after the end", events)
            return
        if stream_id in self._reset_ids:
            return
        self._refuse_idle(stream_id, what)
        if stream_id <= self._newest_forgotten_reset:
            return  # may have been reset by us so long ago that it is forgotten
        raise RemoteProtocolError(STREAM_CLOSED, f"{what} on stream {stream_id}, which has ended")

    def _refuse_idle(self, stream_id: int, what: str) -> None:
        ours = stream_id % 2 == (1 if self.client else 0)
        newest = self._next_id - 2 if ours else self._last_peer_id
        if stream_id in self._reset_ids:
            return
        if not stream_id or stream_id > newest:
            raise RemoteProtocolError(PROTOCOL_ERROR, f"{what} on idle stream {stream_id}")

    def _reply(self, data: bytes) -> None:
        """Queue an answer that the peer forced; one that never reads and goes on asking is cut
        off.
        """
        self._replies_queued += 1
        if self._replies_queued > MAX_REPLIES_QUEUED:
            raise RemoteProtocolError(ENHANCE_YOUR_CALM, "a flood of frames that want an answer")
        self._out.append(data)


class _PartialHeaders:
    """A header block on its way, bounded in bytes and in frames (CONTINUATION flood)."""

    __slots__ = ("_pieces", "_size", "depends_on_itself", "ended", "stream_id")

    def __init__(self, stream_id: int, ended: bool, depends_on_itself: bool) -> None:
        self.stream_id = stream_id
        self.ended = ended
        self.depends_on_itself = depends_on_itself
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, piece: bytes, limit: int) -> None:
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > limit or len(self._pieces) > MAX_CONTINUATIONS:
            raise RemoteProtocolError(ENHANCE_YOUR_CALM, "a header block without end")

    def block(self) -> bytes:
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)


def _fits(stream: Stream, size: int, ended: bool) -> bool:
    """Whether a piece of a body agrees with its content-length (RFC 9113 section 8.1.1)."""
    assert stream.body_left is not None
    stream.body_left -= size
    return stream.body_left == 0 if ended else stream.body_left >= 0


def _fault_in_end(body_left: int | None) -> str | None:
    return "a body shorter than its content-length" if body_left else None


def _is_informational(headers: HeaderSet) -> bool:
    """A 1xx answer comes before the real one (RFC 9113 section 8.1)."""
    return headers.fields[0][1][:1] == b"1"
