"""One call on a server: what its handler sees of it, and its end.

The connection's reader feeds a call and runs its handler in a task of its own. A call ends once, by
`finish` (a status goes out) or by `abandon` (the client has gone, or reset it); its handler's scope
is cancelled if it still runs then.
"""

from __future__ import annotations

import logging
import math
import re
from collections import deque
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Self, cast

import trio
from grpclib.const import Status
from grpclib.exceptions import GRPCError
from grpclib.metadata import encode_grpc_message, encode_metadata

from zbtrio.rpc.codec import DecodeError
from zbtrio.rpc.grpc import MessageReader, Metadata, RpcError, frame_message
from zbtrio.rpc.header_memo import FieldList, literal

if TYPE_CHECKING:
    from zbtrio.rpc.http2 import Stream
    from zbtrio.rpc.request_head import RequestHead, Route
    from zbtrio.rpc.server_connection import ServerConnection

MAX_STATUS_MESSAGE = 4096  # bytes: clients take 8 to 16 kB of headers in all

logger = logging.getLogger("zbtrio.rpc.server")

_RESPONSE = (
    (b":status", b"200"),
    (b"content-type", b"application/grpc"),
    (b"grpc-accept-encoding", b"identity,gzip"),
)
RESPONSE = FieldList(*_RESPONSE)
TRAILERS = {status: FieldList((b"grpc-status", b"%d" % status.value)) for status in Status}
TRAILERS_ONLY = {
    status: FieldList(*_RESPONSE, (b"grpc-status", b"%d" % status.value)) for status in Status
}

_current: ContextVar[ServerCall] = ContextVar("current_call")


def current_call() -> ServerCall:
    """Return the call that this task handles; raises LookupError outside of a handler."""
    return _current.get()


class ServerCall:
    """A call as its handler sees it: what betterproto2's and grpclib's server stubs ask for.

    Attributes:
        route: the RPC, as "/package.Service/Name".
        metadata: what the client sent with the request.
        deadline: trio time at which the client stops waiting and the handler is cancelled;
            infinite without one.
        trailing_metadata: to be sent with the status; the handler may append to it.
    """

    def __init__(
        self,
        connection: ServerConnection,
        stream: Stream,
        head: RequestHead,
        route: Route,
        max_message_size: int,
    ) -> None:
        self.route = route.name
        self.metadata = head.metadata
        self.deadline = math.inf if head.timeout is None else trio.current_time() + head.timeout
        self.trailing_metadata: list[tuple[str, str | bytes]] = []
        self.done = False
        self._connection = connection
        self._stream = stream
        self._route = route
        self._reader = MessageReader(max_message_size)
        self._reader.encoding = head.encoding
        self._requests: deque[bytes] = deque()
        self._requests_ended = False
        self._withheld = 0
        self._headers_sent = False
        self._responses_sent = 0
        self._scope = trio.CancelScope(deadline=self.deadline)
        self._changed = trio.lowlevel.ParkingLot()

    def __repr__(self) -> str:
        return f"<ServerCall {self.route} from {self.peer}>"

    @property
    def peer(self) -> str:
        """Who calls, as "host:port" where the transport knows it."""
        return self._connection.peer

    # For the handler

    async def recv_message(self) -> Any:
        """Return the next request message, None after the last.

        Raises:
            GRPCError: it is not what the RPC takes.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        while not self._requests:
            if self._requests_ended:
                return None
            await self._changed.park()
        data = self._requests.popleft()
        self._return_credit(len(data) + 5)
        try:
            return self._route.decode(data)
        except DecodeError as error:
            raise GRPCError(Status.INTERNAL, f"unreadable request: {error}") from error

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        """Return the next request message."""
        message = await self.recv_message()
        if message is None:
            raise StopAsyncIteration
        return message

    async def send_initial_metadata(self, metadata: Metadata = ()) -> None:
        """Send the response's headers now, with metadata; without it the first message does."""
        await trio.lowlevel.checkpoint()
        self._send_headers(metadata)
        self._connection.wake_writer()

    async def send_message(self, message: Any) -> None:
        """Send a response message, or the bytes of one.

        Waits while the client doesn't read. The first message is no schedule point, so that it goes
        out in one piece with what comes right after it; the others are.

        Raises:
            trio.BrokenResourceError: the call has ended (a shielded handler may see this).
        """
        if self._responses_sent:
            if not self._route.streams_responses:
                raise RuntimeError(f"{self.route} has one response, and this is a second one")
            await trio.lowlevel.checkpoint()
        else:
            await trio.lowlevel.checkpoint_if_cancelled()
        data = message if isinstance(message, bytes) else self._route.encode(message)
        await self._connection.room()
        if not self._stream.local_open:
            raise trio.BrokenResourceError("the call has ended, by its client or its deadline")
        if not self._headers_sent:
            self._send_headers(())
        self._responses_sent += 1
        if not self._connection.send_data(self._stream, frame_message(data)):
            while self._stream.waiting:
                await self._changed.park()

    def _send_headers(self, metadata: Metadata) -> None:
        if self._headers_sent:
            raise RuntimeError("the response's headers are already sent")
        self._headers_sent = True
        self._connection.send_headers(self._stream, RESPONSE, _literals(metadata))

    # For the connection

    def headers_complete(self, ended: bool) -> None:
        """The request's headers are read; `ended`: nothing follows them."""
        if ended:
            self.requests_end()
        elif self._route.streams_requests:
            self._connection.start_handler(self)

    def data_received(self, data: bytes, size: int, ended: bool) -> None:
        """Take body bytes; `size` of them count against the stream's window."""
        try:
            self._requests.extend(self._reader.feed(data))
        except RpcError as error:
            self.finish(error.status, error.message)
            self._scope.cancel()
            return
        if ended:
            self.requests_end()
            return
        if not self._requests:  # there is nothing to read: the message must become whole
            self._connection.give_credit(self._stream, size)
            return
        self._withheld += size
        self._changed.unpark_all()

    def requests_end(self) -> None:
        """The client has sent all that it will; a call with one request message starts now."""
        self._requests_ended = True
        if self._reader.incomplete:
            self.finish(Status.INTERNAL, "the request ended in the middle of a message")
        elif self._route.streams_requests:
            self._changed.unpark_all()
        elif len(self._requests) == 1:
            self._connection.start_handler(self)
        else:
            self.finish(
                Status.INTERNAL,
                f"{len(self._requests)} request messages for an RPC that takes one",
            )

    def _return_credit(self, size: int) -> None:
        size = min(size, self._withheld) if self._requests else self._withheld
        self._withheld -= size
        if size:
            self._connection.give_credit(self._stream, size)

    def writable(self) -> None:
        """All that waited for the client's windows has been sent."""
        self._changed.unpark_all()

    def abandon(self) -> None:
        """The client has reset the call."""
        self.done = True
        self._scope.cancel()

    async def run(self) -> None:
        """Call the handler, and end the call as it ends."""
        _current.set(self)
        try:
            with self._scope:
                await self._route.handle(self)
        except Exception as error:
            self._finish_with(error)
        else:
            self._finish_well()

    def _finish_well(self) -> None:
        if self._scope.cancelled_caught:
            self.finish(Status.DEADLINE_EXCEEDED, "the call's deadline has passed")
        elif self._responses_sent or self._route.streams_responses:
            self.finish(Status.OK, metadata=self.trailing_metadata)
        elif not self.done:
            logger.error("%s: the handler returned without a response", self.route)
            self.finish(Status.UNKNOWN, "the server's handler gave no response")

    def _finish_with(self, error: Exception) -> None:
        if self.done:
            logger.info("%s: failed after the call's end: %r", self.route, error)
            return
        known = _only_rpc_error(error)
        if known is not None:
            metadata: Metadata = getattr(known, "trailers", ())
            self.finish(known.status, known.message, [*self.trailing_metadata, *metadata])
            return
        logger.error("%s: the handler failed: %r", self.route, error, exc_info=error)
        self.finish(Status.UNKNOWN, self._connection.describe(error))

    def finish(self, status: Status, message: str | None = None, metadata: Metadata = ()) -> None:
        """End the call with a status."""
        if self.done:
            return
        self.done = True
        literals = _literals(metadata)
        if message:
            literals = literal(b"grpc-message", status_message(message)) + literals
        headers = (TRAILERS if self._headers_sent else TRAILERS_ONLY)[status]
        self._connection.end_stream(self._stream, headers, literals)


def status_message(text: str) -> bytes:
    """Return a status message as gRPC writes it: percent-encoded, spaces at its ends as well (HTTP
    forbids them there), cut where it is longer than clients take.
    """
    encoded = encode_grpc_message(text[:MAX_STATUS_MESSAGE])
    encoded = re.sub("^ +| +$", lambda spaces: "%20" * len(spaces[0]), encoded)
    return re.sub("%.?$", "", encoded[:MAX_STATUS_MESSAGE]).encode()


def _literals(metadata: Metadata) -> bytes:
    if not metadata:
        return b""
    return b"".join(
        literal(name.encode(), value.encode()) for name, value in encode_metadata(metadata)
    )


def _only_rpc_error(error: Exception) -> GRPCError | None:
    """A handler's own nursery wraps what its tasks raise into a group."""
    while isinstance(error, ExceptionGroup):
        leaves = cast("ExceptionGroup[Exception]", error).exceptions
        if len(leaves) != 1:
            return None
        error = leaves[0]
    return error if isinstance(error, GRPCError) else None
