"""grpclib's client Stream, as far as its and betterproto2's stubs use it, over a call of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any, Self

from zbtrio.rpc.call import ServerStream
from zbtrio.rpc.codec import decode


class StubStream:
    """One call: `async with`, then `send_message`, then `recv_message` or iteration.

    Args:
        start: makes the call from the request message.
        reply_type: the response's message class.
        single: the call has exactly one response.
    """

    def __init__(
        self, start: Callable[[Any], ServerStream], reply_type: type[Any], *, single: bool
    ) -> None:
        self._start = start
        self._reply_type = reply_type
        self._single = single
        self._call: ServerStream | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._call is not None:
            self._call.cancel()

    async def send_message(self, message: Any, *, end: bool = False) -> None:
        """Send the request; there is one, so it also ends this side."""
        if self._call is not None:
            raise RuntimeError("this call takes one request")
        self._call = await self._start(message).__aenter__()

    async def end(self) -> None:
        """Nothing to do: the request's message has ended this side."""

    async def recv_message(self) -> Any:
        """Return the next response, None after the last; raise RpcError if the call failed."""
        data = await self._next()
        if data is None:
            return None
        if self._single:
            await self._next()  # the status decides, not the message before it
        return decode(self._reply_type, data)

    async def _next(self) -> bytes | None:
        if self._call is None:
            raise RuntimeError("send_message comes before recv_message")
        try:
            return await self._call.__anext__()
        except StopAsyncIteration:
            return None

    async def __aiter__(self) -> AsyncIterator[Any]:
        while (message := await self.recv_message()) is not None:
            yield message
