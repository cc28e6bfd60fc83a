"""A server's HTTP/2 connection on a trio stream: one reader, one writer, a task for each handler.

The writer takes from the core all that was queued since it last did and sends it at once; nobody
else sends. Memory is bounded on both sides: a handler waits in `send_message` while the client
grants no window or the writer is behind, and the reader stops reading while it is, so that a client
that asks and asks without reading the answers is stopped by its own transport.

How it ends. `_read` returns when the client has left, broke the protocol or was too much, or when
the connection was retired and its last call has ended. Then handlers are cancelled, and what is
queued (a GOAWAY, last answers) may still go out for a moment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import trio
from attrs import frozen

from zbtrio.rpc import frames
from zbtrio.rpc.frames import ErrorCode, Event
from zbtrio.rpc.header_memo import FieldList, literal
from zbtrio.rpc.http2 import Http2Connection, Stream
from zbtrio.rpc.patience import Patience, PingStrikes
from zbtrio.rpc.request_head import Refusal, Route, read_request
from zbtrio.rpc.server_call import TRAILERS_ONLY, ServerCall, status_message

READ_SIZE = 64 * 1024
MAX_QUEUED = 256 * 1024  # bytes that wait for the writer before handlers and reader do
HANDSHAKE_WITHIN = 20.0  # seconds from the connection to the client's SETTINGS, TLS included
GOODBYE_WITHIN = 1.0  # seconds for last words
RESETS_AT_ONCE, RESETS_PER_SECOND = 1000, 100.0


_HTTP_ONLY = {code: FieldList((b":status", b"%d" % code)) for code in (405, 415)}


@frozen
class Limits:
    """What a server lets one client do; see Server."""

    max_concurrent_streams: int
    max_message_size: int
    max_header_list_size: int
    min_ping_interval: float | None
    debug: bool


class ServerConnection:
    """One client's connection.

    Args:
        transport: a connected byte stream; TLS may still have to shake hands.
        routes: the RPCs by path.
        limits: what the client may do.
    """

    def __init__(
        self, transport: trio.abc.Stream, routes: Mapping[bytes, Route], limits: Limits
    ) -> None:
        self.peer = _peer_of(transport)
        self._transport = transport
        self._routes = routes
        self._limits = limits
        self._core = Http2Connection(
            client=False,
            max_concurrent_streams=limits.max_concurrent_streams,
            max_header_list_size=limits.max_header_list_size,
        )
        self._pings = PingStrikes(limits.min_ping_interval)
        self._patience = Patience(RESETS_AT_ONCE, RESETS_PER_SECOND)
        self._scope = trio.CancelScope()
        self._reading = trio.CancelScope()
        self._calls: trio.Nursery | None = None
        self._running = 0
        self._queued = 0
        self._idle = trio.lowlevel.ParkingLot()  # the writer, when nothing is queued
        self._writer_idle = False
        self._taken = trio.lowlevel.ParkingLot()  # who waits until the writer has caught up
        self._over = False  # nothing more is read
        self._lost = False  # nothing more can be sent
        self._leaving = False  # nothing more will be queued
        self._retired = False
        self._on: dict[type[Event], Callable[[Any], None]] = {
            frames.HeadersReceived: self._on_headers,
            frames.DataReceived: self._on_data,
            frames.StreamReset: self._on_reset,
            frames.StreamWritable: self._on_writable,
            frames.SettingsReceived: self._on_settings,
            frames.PingReceived: self._on_ping,
            frames.ConnectionFailed: self._on_failed,
        }

    # Life

    async def run(self) -> None:
        """Serve the client until the connection ends."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write)
                    await self._serve_calls()
                    if self._lost:
                        nursery.cancel_scope.cancel()
                    nursery.cancel_scope.deadline = trio.current_time() + GOODBYE_WITHIN
                    self._leaving = True
                    self.wake_writer()
        finally:
            await trio.aclose_forcefully(self._transport)

    async def _serve_calls(self) -> None:
        async with trio.open_nursery() as self._calls:
            with self._reading:
                await self._read()
            self._calls.cancel_scope.cancel()

    def retire(self) -> None:
        """Take no new calls, and end when those that run have ended."""
        if not self._retired:
            self._retired = True
            self._core.send_goaway()
            self.wake_writer()
            self._end_if_idle()

    def abort(self) -> None:
        """End at once."""
        self._scope.cancel()

    def _end_if_idle(self) -> None:
        if self._retired and not self._running and not self._core.streams:
            self._end()

    def _end(self) -> None:
        self._over = True
        self._reading.cancel()

    # Reading

    async def _read(self) -> None:
        with trio.move_on_after(HANDSHAKE_WITHIN):
            while not self._over and not self._core.settings_received:
                await self._read_once()
        while not self._over and self._core.settings_received:
            await self._read_once()

    async def _read_once(self) -> None:
        try:
            data = await self._transport.receive_some(READ_SIZE)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            data = b""
        if not data:
            self._lost = self._over = True
            return
        for event in self._core.receive_data(bytes(data)):
            handler = self._on.get(type(event))
            if handler is not None:
                handler(event)
        if self._core.has_data_to_send:
            self.wake_writer()
        await self.room()

    def _on_headers(self, event: frames.HeadersReceived) -> None:
        stream = event.stream
        if stream.owner is not None:
            stream.owner.requests_end()  # the client's trailers
            return
        head = read_request(event.headers, self._routes)
        if head.route is None:
            assert head.refusal is not None
            self._refuse(stream, head.refusal)
        elif self._running >= self._limits.max_concurrent_streams:
            self._core.reset_stream(stream, ErrorCode.REFUSED_STREAM)  # reset calls still end
        else:
            call = ServerCall(self, stream, head, head.route, self._limits.max_message_size)
            stream.owner = call
            call.headers_complete(event.ended)

    def _refuse(self, stream: Stream, refusal: Refusal) -> None:
        literals = literal(b"grpc-message", status_message(refusal.message))
        if refusal.http == 200:
            self.end_stream(stream, TRAILERS_ONLY[refusal.status], literals)
        else:
            self.end_stream(stream, _HTTP_ONLY[refusal.http], literals)

    def _on_data(self, event: frames.DataReceived) -> None:
        if event.stream.owner is not None:
            event.stream.owner.data_received(event.data, event.size, event.ended)

    def _on_reset(self, event: frames.StreamReset) -> None:
        if event.stream.owner is not None:
            event.stream.owner.abandon()
        self._spend_patience("too many resets")
        self._end_if_idle()

    def _on_writable(self, event: frames.StreamWritable) -> None:
        if event.stream.owner is not None:
            event.stream.owner.writable()

    def _on_settings(self, event: frames.SettingsReceived) -> None:
        self._spend_patience("too many changes of settings")

    def _on_ping(self, event: frames.PingReceived) -> None:
        if not self._pings.accept(trio.current_time(), bool(self._core.streams)):
            self._throw_out(b"too_many_pings")

    def _on_failed(self, event: frames.ConnectionFailed) -> None:
        self._over = True  # the core has queued the GOAWAY

    def _spend_patience(self, reason: str) -> None:
        if not self._patience.spend(trio.current_time()):
            self._throw_out(reason.encode())

    def _throw_out(self, reason: bytes) -> None:
        self._core.send_goaway(ErrorCode.ENHANCE_YOUR_CALM, reason)
        self._over = True

    # Calls

    def start_handler(self, call: ServerCall) -> None:
        """Run a call's handler in a task of its own."""
        assert self._calls is not None
        self._running += 1
        self._calls.start_soon(self._handle, call, name=call.route)

    async def _handle(self, call: ServerCall) -> None:
        try:
            await call.run()
        finally:
            self._running -= 1
            self._end_if_idle()

    def describe(self, error: Exception) -> str:
        """What a client is told of a handler's failure."""
        return repr(error) if self._limits.debug else "the server's handler failed, see its log"

    # Sending, for calls

    async def room(self) -> None:
        """Wait until the writer has caught up."""
        while self._queued > MAX_QUEUED and not self._lost:
            await self._taken.park()

    def send_headers(self, stream: Stream, headers: FieldList, literals: bytes) -> None:
        """Send a response's headers."""
        self._core.send_headers(stream, headers, literals)
        self._note_sent(64 + len(literals))

    def send_data(self, stream: Stream, data: bytes) -> bool:
        """Send body bytes; False if some wait for the client's windows."""
        sent = self._core.send_data(stream, data)
        self._note_sent(len(data))
        return sent

    def end_stream(self, stream: Stream, headers: FieldList, literals: bytes) -> None:
        """Send trailers, or what stands for a whole response, and forget the stream.

        A client that doesn't read what goes before them, and one that is still sending its request,
        is told by a reset.
        """
        if stream.waiting:
            self._core.reset_stream(stream, ErrorCode.CANCEL)
        elif stream.local_open:
            self._core.send_headers(stream, headers, literals, end_stream=True)
            if stream.remote_open:
                self._core.reset_stream(stream, ErrorCode.NO_ERROR)
            self._note_sent(64 + len(literals))
        stream.owner = None
        self.wake_writer()
        self._end_if_idle()

    def give_credit(self, stream: Stream, size: int) -> None:
        """Let the client send as much more on a stream."""
        self._core.give_credit(stream, size)
        if self._core.has_data_to_send:
            self.wake_writer()

    def _note_sent(self, size: int) -> None:
        self._queued += size
        self._pings.forgive()
        self.wake_writer()

    def wake_writer(self) -> None:
        """There is something to send."""
        if self._writer_idle:
            self._writer_idle = False
            self._idle.unpark()

    async def _write(self) -> None:
        core, send_all = self._core, self._transport.send_all
        while core.has_data_to_send or not self._leaving:
            if not core.has_data_to_send:
                self._writer_idle = True
                await self._idle.park()
                continue
            data = core.data_to_send()
            self._queued = 0
            self._taken.unpark_all()
            try:
                await send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self._lost = True
                self._taken.unpark_all()
                self._end()
                return
        await self._hang_up()

    async def _hang_up(self) -> None:
        """Let the client read our last words: a socket closed with input unread would discard
        them.
        """
        try:
            if isinstance(self._transport, trio.abc.HalfCloseableStream):
                await self._transport.send_eof()
            while await self._transport.receive_some(READ_SIZE):
                pass
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass


def _peer_of(transport: trio.abc.Stream) -> str:
    if isinstance(transport, trio.SSLStream):
        transport = cast("trio.SSLStream[trio.abc.Stream]", transport).transport_stream
    if not isinstance(transport, trio.SocketStream):
        return "memory"
    try:
        name: Any = transport.socket.getpeername()
    except OSError:
        return "a peer that has left"
    if not isinstance(name, tuple):
        return "a local socket"
    host, port = cast("tuple[str, int]", name[:2])
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
