"""A channel: calls to one gRPC service over as many HTTP/2 connections as they need, on trio.

Theory of operation. One supervisor task keeps the first connection: it dials, waits until the
connection is retired (lost, or GOAWAY), and dials again, at most a second apart. Calls that find no
room wait here and start when there is some; a call that surely no server has looked at comes back
here by itself. What failed after it left is the caller's affair: only the caller knows whether it
may be sent twice.

Long-lived calls (polls, pushed jobs) leave some streams of each connection free, so that a short
call never waits behind them; when they fill the connections there are, another is opened, and that
one is not dialled again after its end unless calls wait for it.
"""

from __future__ import annotations

import math
import platform
import random
import ssl
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Any, Self

import trio
from grpclib.const import Cardinality, Status

from zbtrio.groups import unwrapped_if_single
from zbtrio.rpc.call import Call, ServerStream, UnaryCall
from zbtrio.rpc.codec import encode
from zbtrio.rpc.connection import Connection, Endpoint
from zbtrio.rpc.deadline import DeadlineHeap, Timed
from zbtrio.rpc.dial import Connector, dial, parse_target
from zbtrio.rpc.grpc import (
    CallHeaders,
    Metadata,
    Method,
    RpcError,
    frame_message,
    read_call_metadata,
)
from zbtrio.rpc.stub_stream import StubStream

MAX_MESSAGE_SIZE = 16 * 1024 * 1024
MAX_REFUSALS = 5
MAX_METADATA_REMEMBERED = 64
READY_WITHIN = 10.0  # seconds from dialling to the server's SETTINGS
SPREAD = 0.2  # seconds over which waiting calls start after a reconnect
SHORT_LIVED = 1.0  # seconds: a connection that ends sooner counts as a failed attempt
USER_AGENT = f"grpc-python-zbtrio ({platform.python_implementation().lower()})"

StateListener = Callable[[str, str], object]


class Channel:
    """Calls to a gRPC service at one address, or at several that are equal. Use in `async with`.

    Args:
        targets: "host:port", or several, tried in turn; each name's DNS answers are all tried.
        ssl: TLS is spoken if given; its ALPN is set to h2.
        authority: what the server and its certificate are called if not by the target's host.
        user_agent: sent with each call.
        keepalive: seconds of silence during open calls before a ping asks whether the server is
            there; None: never. gRPC servers take less than 30 for abuse.
        max_message_size: bytes of the largest response message taken.
        max_connections: how many to open at most when streams run out.
        connector: connects to a target instead of TCP (tests, tunnels).

    Attributes:
        reconnected_at: trio time at which a lost or refused connection was back; -inf: never.
    """

    def __init__(
        self,
        targets: str | Sequence[str],
        *,
        ssl: ssl.SSLContext | None = None,
        authority: str | None = None,
        user_agent: str = USER_AGENT,
        keepalive: float | None = 45.0,
        max_message_size: int = MAX_MESSAGE_SIZE,
        max_connections: int = 16,
        connector: Connector | None = None,
    ) -> None:
        names = [targets] if isinstance(targets, str) else list(targets)
        if not names:
            raise ValueError("a channel needs at least one address")
        self._targets = [parse_target(name) for name in names]
        self._ssl = ssl
        if ssl is not None:
            ssl.set_alpn_protocols(["h2"])
        self._authority = authority
        self._user_agent = user_agent.encode()
        self._keepalive = keepalive
        self.max_message_size = max_message_size
        self._max_connections = max_connections
        self._connector = connector
        self._connections: list[Connection] = []
        self._supervisors = 0
        self._next_target = 0
        self._short: dict[Call, None] = {}
        self._long: dict[Call, None] = {}
        self._known_metadata: dict[Metadata, CallHeaders] = {}
        self._deadlines = DeadlineHeap(self._expire)
        self._listeners: list[StateListener] = []
        self._state = "connecting"
        self._trouble = "not connected yet"
        self._ready = trio.Event()
        self.reconnected_at = -math.inf
        self._spreading = False
        self._nursery: trio.Nursery | None = None
        self._opened: AbstractAsyncContextManager[None] | None = None

    def __repr__(self) -> str:
        targets = ", ".join(str(target) for target in self._targets)
        return f"<Channel to {targets}, {self._state}>"

    # Life

    async def __aenter__(self) -> Self:
        if self._opened is not None:
            raise RuntimeError("a channel is opened once")
        self._opened = self._open()
        await self._opened.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        assert self._opened is not None
        return await self._opened.__aexit__(kind, error, trace)

    @asynccontextmanager
    async def _open(self) -> AsyncGenerator[None]:
        with unwrapped_if_single():
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self._deadlines.run)
                self._add_supervisor()
                try:
                    yield
                finally:
                    self._set_state("closed", "closed by its owner")
                    nursery.cancel_scope.cancel()
                    self._fail_waiting()

    def _fail_waiting(self) -> None:
        for call in [*self._short, *self._long]:
            text = "the channel was closed"
            call.fail(RpcError(Status.UNAVAILABLE, text, unprocessed=True))

    # State

    @property
    def state(self) -> str:
        """connecting, ready, reconnecting or closed."""
        return self._state

    @property
    def trouble(self) -> str:
        """Why there is no connection, or why the last one ended."""
        return self._trouble

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        return len(self._connections)

    def add_state_listener(self, listener: StateListener) -> Callable[[], None]:
        """Have `listener(state, reason)` called at each change; return what removes it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def wait_ready(self) -> None:
        """Wait until a connection is ready."""
        await self._ready.wait()

    def _set_state(self, state: str, reason: str) -> None:
        if state == self._state or self._state == "closed":
            return
        self._state = state
        if state == "ready":
            self._ready.set()
        elif self._ready.is_set():
            self._ready = trio.Event()
        for listener in list(self._listeners):
            listener(state, reason)

    # Calls

    def start_unary(
        self,
        method: Method,
        request: Any,
        *,
        timeout: float | None,
        metadata: Metadata = (),
        on_done: Callable[[UnaryCall], object],
    ) -> UnaryCall:
        """Start a call with one response and come back at once.

        Args:
            request: the message, or its bytes.
            timeout: seconds, also for waiting until there is a connection; None: no end.
            on_done: called once with the ended call, from the connection's reader, never from
                inside this method; it must be quick and must not raise. Not called after
                `cancel()`.

        Raises:
            ValueError, TypeError: metadata that gRPC doesn't allow.
            RuntimeError: the channel is closed.
        """
        call = UnaryCall(
            self, method, _frame(request), _when(timeout), self._headers(metadata), on_done
        )
        self.submit(call)
        return call

    async def unary(
        self,
        method: Method,
        request: Any,
        *,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> Any:
        """Make a call with one response and return that, decoded.

        Args:
            request, timeout, metadata: as for start_unary.

        Raises:
            RpcError: the call did not end with status OK.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        task = trio.lowlevel.current_task()
        call = self.start_unary(
            method,
            request,
            timeout=timeout,
            metadata=metadata,
            on_done=lambda _: trio.lowlevel.reschedule(task),
        )

        def abort(_: object) -> trio.lowlevel.Abort:
            call.cancel()
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)
        return call.response()

    def stream(
        self,
        method: Method,
        request: Any,
        *,
        timeout: float | None = None,
        metadata: Metadata = (),
        long_lived: bool = True,
    ) -> ServerStream:
        """Return a call with a stream of responses, started by its `async with`.

        Args:
            request, timeout, metadata: as for start_unary.
            long_lived: the call will be parked at the server (a poll); it leaves room for others.
        """
        return ServerStream(
            self, method, _frame(request), _when(timeout), self._headers(metadata), long_lived
        )

    def request(
        self,
        name: str,
        cardinality: Cardinality,
        request_type: type[Any],
        reply_type: type[Any],
        *,
        timeout: float | None = None,
        deadline: Any = None,
        metadata: Any = None,
    ) -> Any:
        """Make a call as grpclib's Channel does: what betterproto2's and grpclib's stubs ask for.

        Args:
            timeout: seconds.
            deadline: an object with `time_remaining()`; the shorter of the two holds.
            metadata: a mapping or pairs.
        """
        if cardinality in (Cardinality.STREAM_UNARY, Cardinality.STREAM_STREAM):
            raise NotImplementedError("this channel has no calls that stream requests")
        if deadline is not None:
            timeout = min(math.inf if timeout is None else timeout, deadline.time_remaining())
        pairs = tuple(metadata.items() if hasattr(metadata, "items") else metadata or ())
        method = Method(name, request_type, reply_type)

        def start(request: Any) -> ServerStream:
            return self.stream(method, request, timeout=timeout, metadata=pairs, long_lived=False)

        return StubStream(start, reply_type, single=cardinality is Cardinality.UNARY_UNARY)

    def _headers(self, metadata: Metadata) -> CallHeaders:
        """Read metadata, or remember: most calls carry the same token and nothing else."""
        key = tuple(metadata)
        headers = self._known_metadata.get(key)
        if headers is None:
            if len(self._known_metadata) >= MAX_METADATA_REMEMBERED:
                self._known_metadata.clear()
            headers = self._known_metadata[key] = read_call_metadata(key)
        return headers

    # What calls ask of their channel

    def submit(self, call: Call) -> None:
        """Start a call, now or when there is room."""
        if self._nursery is None or self._state == "closed":
            raise RuntimeError(f"{self!r}: calls need an open channel (async with)")
        self._deadlines.add(call)
        if self._waiting_like(call) or not self._place(call):
            self._waiting_like(call)[call] = None
            self._grow_if_full()

    def requeue(self, call: Call) -> bool:
        """Take back a call that no server has looked at; False if it has had its chances."""
        overdue = call.deadline <= trio.current_time()
        if self._state == "closed" or overdue or call.refusals >= MAX_REFUSALS:
            return False
        call.refusals += 1
        call.connection = call.stream = None
        self._waiting_like(call)[call] = None
        return True

    def call_ended(self, call: Call) -> None:
        """Forget a call; its stream's place may go to one that waits."""
        self._waiting_like(call).pop(call, None)
        self.room_freed()

    def room_freed(self) -> None:
        """Start what waits, as far as there is room."""
        if (self._short or self._long) and not self._spreading:
            self._start_waiting(self._short)
            self._start_waiting(self._long)
            self._grow_if_full()

    def _waiting_like(self, call: Call) -> dict[Call, None]:
        return self._long if call.long_lived else self._short

    def _start_waiting(self, waiting: dict[Call, None]) -> None:
        while waiting:
            call = next(iter(waiting))
            if not self._place(call):
                return
            waiting.pop(call, None)

    def _place(self, call: Call) -> bool:
        for connection in self._connections:
            reserve = _reserve(connection.stream_limit) if call.long_lived else 0
            if connection.room(reserve) > 0:
                connection.start(call, trio.current_time())
                return True
        return False

    def _grow_if_full(self) -> None:
        """Open one more connection if long-lived calls wait although all there are are ready."""
        dialling = self._supervisors > len(self._connections)
        if not self._long or self._state != "ready" or dialling:
            return
        if self._supervisors < self._max_connections:
            self._add_supervisor()

    def _expire(self, timed: Timed) -> None:
        assert isinstance(timed, Call)
        waiting = timed.connection is None
        if waiting and self._state != "ready":
            text = f"no connection to {self._names()}: {self._trouble}"
            timed.fail(RpcError(Status.UNAVAILABLE, text, unprocessed=True))
        else:
            text = "no answer in time" if not waiting else "no free stream in time"
            timed.fail(RpcError(Status.DEADLINE_EXCEEDED, text, unprocessed=waiting))

    def _names(self) -> str:
        return ", ".join(str(target) for target in self._targets)

    # Connections

    def _add_supervisor(self) -> None:
        assert self._nursery is not None
        self._supervisors += 1
        self._nursery.start_soon(self._supervise, self._supervisors == 1)

    async def _supervise(self, first: bool) -> None:
        failures = 0
        while first or self._long:
            started = trio.current_time()
            connection = await self._connect()
            if connection is not None:
                await connection.retired.wait()
            lived = connection is not None and trio.current_time() - started > SHORT_LIVED
            failures = 0 if lived else failures + 1
            await trio.sleep(_pause(failures))
        self._supervisors -= 1

    async def _connect(self) -> Connection | None:
        """Return a connection that is ready and served, or None; the reason is in `trouble`."""
        assert self._nursery is not None
        target = self._targets[self._next_target % len(self._targets)]
        self._next_target += 1
        try:
            if self._connector is not None:
                transport = await self._connector(str(target))
            else:
                transport = await dial(target, self._ssl, self._authority)
        except OSError as error:
            self._failed(f"{target}: {error.strerror or error}")
            return None
        endpoint = Endpoint(
            b"http" if self._ssl is None else b"https",
            (self._authority or str(target)).encode(),
            self._user_agent,
        )
        connection = Connection(self, transport, endpoint, self._keepalive)
        self._nursery.start_soon(self._serve, connection, str(target))
        with trio.move_on_after(READY_WITHIN):
            await connection.ready.wait()
        if not connection.ready.is_set():
            connection.close(f"no HTTP/2 SETTINGS within {READY_WITHIN:g} s: is it a gRPC server?")
            return None
        return None if connection.retired.is_set() else connection

    async def _serve(self, connection: Connection, name: str) -> None:
        self._connections.append(connection)
        try:
            why = await connection.run()
        finally:
            self._connections.remove(connection)
        self._failed(f"{name}: {why}")

    def connection_ready(self) -> None:
        """A connection has the server's settings: calls may start."""
        waiting = len(self._short) + len(self._long)
        if self._state == "reconnecting":
            self.reconnected_at = trio.current_time()
        self._set_state("ready", "connected")
        if waiting > 1 and self._nursery is not None:
            self._nursery.start_soon(self._start_spread, SPREAD / waiting)
        else:
            self.room_freed()

    def connection_retired(self, why: str) -> None:
        """A connection takes no more calls."""
        self._failed(why)

    def _failed(self, why: str) -> None:
        self._trouble = why
        if all(c.retired.is_set() or not c.ready.is_set() for c in self._connections):
            self._set_state("reconnecting", why)

    async def _start_spread(self, pause: float) -> None:
        """Start what waited for the server one after the other, so as not to hit it all at once."""
        self._spreading = True
        try:
            while self._short or self._long:
                waiting = self._short or self._long
                call = next(iter(waiting))
                if not self._place(call):
                    break
                waiting.pop(call, None)
                await trio.sleep(random.uniform(0, 2 * pause))
        finally:
            self._spreading = False
        self.room_freed()


def _frame(request: Any) -> bytes:
    return frame_message(request if isinstance(request, bytes) else encode(request))


def _when(timeout: float | None) -> float:
    return math.inf if timeout is None else trio.current_time() + timeout


def _reserve(stream_limit: int) -> int:
    """How many streams of a connection long-lived calls leave to others."""
    return min(16, stream_limit // 4)


def _pause(failures: int) -> float:
    """Seconds until the next attempt: at once after a connection that served, at most 1 s later."""
    return random.uniform(0.5, 1.0) * min(1.0, 0.05 * 2**failures)
