"""A client's HTTP/2 connection on a trio stream: one reader, one writer, a watch on silence.

The reader finishes calls where it stands, without a task switch. The writer takes from the core all
that a scheduler tick has queued and sends it at once; nobody else sends. The connection ends when
either of them fails, when nothing answers a keepalive ping, or when it is retired and idle.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio
from attrs import frozen
from grpclib.const import Status

from zbtrio.rpc import frames
from zbtrio.rpc.call import Call, ServerStream
from zbtrio.rpc.frames import ErrorCode, Event
from zbtrio.rpc.grpc import RpcError, encode_timeout
from zbtrio.rpc.header_memo import FieldList, literal
from zbtrio.rpc.http2 import Http2Connection, Stream

if TYPE_CHECKING:
    from zbtrio.rpc.channel import Channel

READ_SIZE = 256 * 1024
PING_ANSWER_WITHIN = 20.0  # seconds
MAX_REMEMBERED_HEADERS = 256


@frozen
class Endpoint:
    """What a connection's request headers say of the server."""

    scheme: bytes
    authority: bytes
    user_agent: bytes


class Connection:
    """One live connection of a channel.

    Args:
        channel: where calls go back to.
        transport: a connected byte stream, TLS done.
        endpoint: for the request headers.
        keepalive: seconds of silence, with a call open, before a ping asks; None: never.
    """

    def __init__(
        self,
        channel: Channel,
        transport: trio.abc.Stream,
        endpoint: Endpoint,
        keepalive: float | None,
    ) -> None:
        self._channel = channel
        self._transport = transport
        self._endpoint = endpoint
        self._keepalive = keepalive
        self._core = Http2Connection(client=True)
        self._headers: dict[tuple[str, bytes | None], FieldList] = {}
        self._writer: trio.lowlevel.Task | None = None
        self._writes = 0
        self._stopping: list[ServerStream] = []
        self._barriers: dict[int, list[ServerStream]] = {}
        self._last_heard = trio.current_time()
        self._ping_answer = trio.Event()
        self._scope = trio.CancelScope()
        self._why = ""
        self.ready = trio.Event()  # the server's settings are here, or the connection has ended
        self.retired = trio.Event()  # takes no new calls: GOAWAY, or lost
        self._handlers: dict[type[Event], Callable[[frames.Event], None]] = {
            frames.DataReceived: self._on_data,
            frames.HeadersReceived: self._on_headers,
            frames.StreamReset: self._on_reset,
            frames.SettingsReceived: self._on_settings,
            frames.SettingsAcked: self._on_settings_acked,
            frames.GoAwayReceived: self._on_goaway,
            frames.ConnectionFailed: self._on_failed,
            frames.PingAcked: self._on_ping_acked,
        }

    # Calls

    def room(self, reserve: int) -> int:
        """How many more calls may start here while `reserve` streams stay free."""
        if self.retired.is_set():
            return 0
        left = self._core.streams_left
        if not left and self._core.ids_used_up:
            self._retire("the connection's stream ids are used up")
        return left - reserve

    @property
    def stream_limit(self) -> int:
        """The server's SETTINGS_MAX_CONCURRENT_STREAMS."""
        return self._core.remote_max_streams

    def start(self, call: Call, now: float) -> None:
        """Send a call's request; there must be room."""
        headers, literals = self._request_headers(call)
        if call.deadline < float("inf"):
            literals += literal(b"grpc-timeout", encode_timeout(call.deadline - now))
        stream = self._core.open_stream(headers, literals)
        stream.owner = call
        call.connection, call.stream, call.written_mark = self, stream, self._writes
        self._core.send_data(stream, call.payload, end_stream=True)
        self.wake_writer()

    def _request_headers(self, call: Call) -> tuple[FieldList, bytes]:
        """The part of the headers that the core remembers, and the literals that differ."""
        key = (call.method.route, call.headers.token)
        headers = self._headers.get(key)
        if headers is None:
            if len(self._headers) >= MAX_REMEMBERED_HEADERS:
                self._headers.clear()
            headers = self._headers[key] = self._new_headers(*key)
        return headers, call.headers.literals

    def _new_headers(self, route: str, token: bytes | None) -> FieldList:
        fields = [
            (b":method", b"POST"),
            (b":scheme", self._endpoint.scheme),
            (b":path", route.encode()),
            (b":authority", self._endpoint.authority),
            (b"te", b"trailers"),
            (b"content-type", b"application/grpc"),
            (b"user-agent", self._endpoint.user_agent),
            (b"grpc-accept-encoding", b"identity,gzip"),
        ]
        if token is not None:
            fields.append((b"authorization", token))
        return FieldList(*fields)

    def call_ended(self, stream: Stream) -> None:
        """A call is over: the server is told, if it does not know."""
        if stream.local_open or stream.remote_open:
            if stream.reset_sent:
                self._core.forget(stream)
            else:
                self._core.reset_stream(stream, ErrorCode.CANCEL)
            self.wake_writer()
        stream.owner = None
        self._close_if_retired_and_idle()

    def give_credit(self, stream: Stream, size: int) -> None:
        """The bytes were taken: the server may send as many again on the stream."""
        self._core.give_credit(stream, size)
        if self._core.has_data_to_send:
            self.wake_writer()

    def stop_stream(self, call: ServerStream) -> None:
        """Reset a stream but go on reading it until the server has seen that."""
        assert call.stream is not None
        self._core.reset_stream(call.stream, linger=True)
        self._stopping.append(call)
        self.wake_writer()

    def _retire(self, why: str, last_stream_id: int = frames.MAX_WINDOW) -> None:
        """Take no new calls; those that run may finish, as far as the server looked at them."""
        self._why = why
        self.retired.set()
        for stream in list(self._core.streams.values()):
            if stream.id > last_stream_id:
                self._never_looked_at(stream, why)
        self._channel.connection_retired(why)
        self._close_if_retired_and_idle()

    def _close_if_retired_and_idle(self) -> None:
        if self.retired.is_set() and not self._core.streams:
            self.close("retired and idle")

    def close(self, why: str) -> None:
        """End the connection; `run` returns."""
        if not self._why:
            self._why = why
        self._scope.cancel()

    # Tasks

    async def run(self) -> str:
        """Serve until the connection ends; return why it did. Calls left get their error here."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write)
                    if self._keepalive is not None:
                        nursery.start_soon(self._watch_silence, self._keepalive)
                    await self._read()
        finally:
            self.retired.set()
            self.ready.set()
            self._fail_calls()
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                await trio.aclose_forcefully(self._transport)
        return self._why

    async def _read(self) -> None:
        receive, core = self._transport.receive_some, self._core
        while True:
            try:
                data = await receive(READ_SIZE)
            except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
                self._lost(_reason(error))
                return
            if not data:
                self._lost("the server closed the connection")
                return
            self._last_heard = trio.current_time()
            for event in core.receive_data(bytes(data)):
                handler = self._handlers.get(type(event))
                if handler is not None:
                    handler(event)
            if core.has_data_to_send:
                self.wake_writer()

    async def _write(self) -> None:
        while True:
            if not self._core.has_data_to_send and not self._stopping:
                await self._park_writer()
            self._raise_barrier()
            data = self._core.data_to_send()
            self._writes += 1
            try:
                await self._transport.send_all(data)
            except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
                self._lost(_reason(error))
                return

    def _lost(self, reason: str) -> None:
        hint = "" if self.ready.is_set() else " at once: does the server want TLS, a certificate?"
        self.close(f"{reason}{hint}")

    def _raise_barrier(self) -> None:
        """One SETTINGS frame behind all the resets of a tick."""
        if self._stopping:
            self._barriers[self._core.send_settings({})] = self._stopping
            self._stopping = []

    async def _park_writer(self) -> None:
        self._writer = trio.lowlevel.current_task()

        def abort(_: object) -> trio.lowlevel.Abort:
            self._writer = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    def wake_writer(self) -> None:
        """There is something to send."""
        if self._writer is not None:
            task, self._writer = self._writer, None
            trio.lowlevel.reschedule(task)

    async def _watch_silence(self, after: float) -> None:
        """A server that vanished without a FIN is found by a ping that nobody answers."""
        while True:
            silent = trio.current_time() - self._last_heard
            if silent < after:
                await trio.sleep(after - silent)
            elif not self._core.streams:
                await trio.sleep(after)
            elif not await self._ping_answered():
                self.close(f"no answer to a keepalive ping within {PING_ANSWER_WITHIN:g} s")

    async def _ping_answered(self) -> bool:
        self._ping_answer = trio.Event()
        self._core.send_ping(b"zbtrio\x00\x00")
        self.wake_writer()
        with trio.move_on_after(PING_ANSWER_WITHIN):
            await self._ping_answer.wait()
        return self._ping_answer.is_set()

    # Events

    def _on_data(self, event: Event) -> None:
        assert isinstance(event, frames.DataReceived)
        call: Call | None = event.stream.owner
        if call is not None:
            call.data_received(event.data, event.size, event.ended)

    def _on_headers(self, event: Event) -> None:
        assert isinstance(event, frames.HeadersReceived)
        call: Call | None = event.stream.owner
        if call is not None:
            call.headers_received(event.headers, event.ended)

    def _on_reset(self, event: Event) -> None:
        assert isinstance(event, frames.StreamReset)
        call: Call | None = event.stream.owner
        if call is not None:
            call.reset_received(event.code, event.fault)
        self._channel.room_freed()
        self._close_if_retired_and_idle()

    def _on_settings(self, event: Event) -> None:
        if self.ready.is_set():
            self._channel.room_freed()
        else:
            self.ready.set()
            self._channel.connection_ready()

    def _on_settings_acked(self, event: Event) -> None:
        assert isinstance(event, frames.SettingsAcked)
        for call in self._barriers.pop(event.ticket, ()):
            call.stopped()

    def _on_goaway(self, event: Event) -> None:
        assert isinstance(event, frames.GoAwayReceived)
        debug = event.debug.decode("utf-8", "replace")
        text = f"the server sent GOAWAY ({frames.error_name(event.code)}{debug and ': ' + debug})"
        self._retire(text, event.last_stream_id)

    def _never_looked_at(self, stream: Stream, text: str) -> None:
        call: Call | None = stream.owner
        self._core.forget(stream)
        if call is not None:
            call.stream = None
            call.fail(RpcError(Status.UNAVAILABLE, text, unprocessed=True))

    def _on_failed(self, event: Event) -> None:
        assert isinstance(event, frames.ConnectionFailed)
        self.close(f"the server broke HTTP/2: {event.error}")

    def _on_ping_acked(self, event: Event) -> None:
        self._ping_answer.set()

    def _fail_calls(self) -> None:
        why = self._why or "the channel was closed"
        for stream in list(self._core.streams.values()):
            call: Call | None = stream.owner
            if call is not None:
                never_sent = call.written_mark == self._writes
                text = f"connection lost: {why}"
                call.stream = None
                call.fail(RpcError(Status.UNAVAILABLE, text, unprocessed=never_sent))


def _reason(error: Exception) -> str:
    cause = error.__cause__ or error
    if isinstance(cause, ssl.SSLError):
        return f"TLS failed: {cause.reason or cause}"
    return str(cause) or type(cause).__name__
