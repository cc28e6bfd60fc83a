"""A call that is started at once though its credentials may have to be fetched first."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Any

import trio
from grpclib.const import Status

from zbtrio.auth import Authorizer
from zbtrio.errors import CredentialsError
from zbtrio.rpc import Channel, Metadata, Method, RpcError, UnaryCall


class AuthorizedCall:
    """Like a `UnaryCall` to its owner: `error`, `data`, `trailers`, `response()`, `cancel()`.

    It starts when there is a token, and starts anew once when the gateway refuses the token and
    there is another. What it waits for runs in the client's nursery.
    """

    __slots__ = (
        "_again",
        "_authorizer",
        "_call",
        "_channel",
        "_end",
        "_nursery",
        "_on_done",
        "_request",
        "_scope",
        "_sent",
        "done",
        "error",
        "method",
    )

    def __init__(
        self,
        channel: Channel,
        authorizer: Authorizer,
        nursery: trio.Nursery,
        method: Method,
        request: Any,
        timeout: float | None,
        on_done: Callable[[AuthorizedCall], object],
    ) -> None:
        self._channel = channel
        self._authorizer = authorizer
        self._nursery = nursery
        self._request = request
        self._end = math.inf if timeout is None else trio.current_time() + timeout
        self._on_done = on_done
        self._call: UnaryCall | None = None
        self._scope: trio.CancelScope | None = None
        self._sent: Metadata = ()
        self._again = True
        self.method = method
        self.done = False
        self.error: RpcError | None = None

    def start(self) -> None:
        """Begin: at once, or in a task of the nursery when a token must be fetched."""
        metadata = self._authorizer.at_hand()
        if metadata is None:
            self._nursery.start_soon(self._wait_for, self._authorizer.get)
        else:
            self._send(metadata)

    @property
    def data(self) -> bytes:
        """The raw response message, b"" while there is none."""
        return self._call.data if self._call is not None else b""

    @property
    def trailers(self) -> Metadata:
        """What the server sent after its message."""
        return self._call.trailers if self._call is not None else ()

    def response(self) -> Any:
        """The decoded response; raises the call's RpcError if it has one."""
        if self.error is not None:
            raise self.error
        assert self._call is not None
        return self._call.response()

    def cancel(self) -> None:
        """End the call from this side; nobody is told."""
        self.done = True
        if self._scope is not None:
            self._scope.cancel()
        if self._call is not None:
            self._call.cancel()

    async def _wait_for(self, get: Callable[[], Awaitable[Metadata | None]]) -> None:
        metadata: Metadata | None = None
        failure = self.error
        try:
            with trio.CancelScope(deadline=self._end) as self._scope:
                metadata = await get()
        except CredentialsError as error:
            failure = _as_rpc_error(error)
        finally:  # also when the client closes: the owner is told of every end
            self._go_on(metadata, failure)

    def _go_on(self, metadata: Metadata | None, failure: RpcError | None) -> None:
        if self.done:
            return
        if metadata is not None:
            self._send(metadata)
        else:
            text = f"no credentials came in time. {self._authorizer.trouble or ''}".strip()
            self._finish(failure or RpcError(Status.UNAVAILABLE, text, unprocessed=True))

    def _send(self, metadata: Metadata) -> None:
        self._sent = metadata
        timeout = None if self._end == math.inf else max(0.0, self._end - trio.current_time())
        self._call = self._channel.start_unary(
            self.method, self._request, timeout=timeout, metadata=metadata, on_done=self._ended
        )

    def _ended(self, call: UnaryCall) -> None:
        error = call.error
        refused = error is not None and error.status is Status.UNAUTHENTICATED and error.received
        if refused and self._again:
            self._again = False
            self.error = error
            self._nursery.start_soon(self._wait_for, self._other_token)
        else:
            self._finish(error)

    async def _other_token(self) -> Metadata | None:
        return await self._authorizer.replacement(self._sent)

    def _finish(self, error: RpcError | None) -> None:
        if not self.done:
            self.done = True
            self.error = error
            self._on_done(self)


def _as_rpc_error(error: CredentialsError) -> RpcError:
    """UNAUTHENTICATED when the token endpoint refused the client, UNAVAILABLE when it may pass."""
    status = Status.UNAUTHENTICATED if error.refused else Status.UNAVAILABLE
    failure = RpcError(status, str(error), unprocessed=True)
    failure.__cause__ = error
    return failure
