"""Jobs that arrive one by one, from a poll or pushed."""

from __future__ import annotations

import math
from collections import deque
from types import TracebackType
from typing import Any, Self

import trio

from zbtrio._proto import gateway_protocol as proto
from zbtrio.client.calls import Caller, unreadable
from zbtrio.client.results import ActivatedJob
from zbtrio.client.retry import RULES, Limits, call_with_retries
from zbtrio.errors import from_rpc_error
from zbtrio.rpc import Method, RpcError, ServerStream
from zbtrio.rpc.codec import DecodeError, decode, encode


class JobStream:
    """Jobs as they come: `async with ... as jobs: async for job in jobs`.

    With `limits`, failures before the first message are retried like those of other calls; without
    (a stream that never ends by itself) each failure ends it.
    """

    def __init__(self, caller: Caller, method: Method, request: Any, limits: Limits | None) -> None:
        self._caller = caller
        self._method = method
        self._payload = encode(request)
        self._limits = limits
        self._stream: ServerStream | None = None
        self._jobs: deque[ActivatedJob] = deque()
        self._entered = self._ended = False

    async def __aenter__(self) -> Self:
        await trio.lowlevel.checkpoint_if_cancelled()
        self._entered = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended = True
        self._close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ActivatedJob:
        if not self._entered:
            raise RuntimeError("Use the stream in `async with`: its end tells the gateway.")
        while not self._jobs:
            message = None if self._ended else await self._next_message()
            if message is None:
                self._ended = True
                raise StopAsyncIteration
            self._jobs.extend(map(ActivatedJob.from_message, self._jobs_of(message)))
        return self._jobs.popleft()

    def stop(self) -> None:
        """Ask for no more; what is on its way is still given, then the iteration ends."""
        if self._stream is None:
            self._ended = True
        else:
            self._stream.stop()

    def _jobs_of(self, data: bytes) -> list[proto.ActivatedJob]:
        try:
            if self._method.response_type is proto.ActivatedJob:
                return [decode(proto.ActivatedJob, data)]
            return decode(proto.ActivateJobsResponse, data).jobs
        except DecodeError as error:
            raise from_rpc_error(self._method.name, unreadable(error)) from error

    async def _next_message(self) -> bytes | None:
        if self._stream is None and self._limits is not None:
            rule = RULES[self._method.name]
            return await call_with_retries(self._method, rule, self._limits, self._first_message)
        try:
            if self._stream is None:
                return await self._first_message(math.inf)
            return await anext(self._stream, None)
        except RpcError as error:
            raise from_rpc_error(self._method.name, error) from error

    async def _first_message(self, seconds: float) -> bytes | None:
        end = trio.current_time() + seconds
        metadata = await self._caller.metadata(timeout=seconds)
        try:
            return await self._open(end, metadata)
        except RpcError as error:
            other = await self._caller.other_metadata(error, metadata)
            if other is None:
                raise
        return await self._open(end, other)

    async def _open(self, end: float, metadata: Any) -> bytes | None:
        self._close()
        timeout = None if end == math.inf else max(0.0, end - trio.current_time())
        stream = self._caller.channel.stream(
            self._method, self._payload, timeout=timeout, metadata=metadata
        )
        self._stream = await stream.__aenter__()
        try:
            return await anext(self._stream, None)
        except RpcError:
            self._close()
            raise

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.cancel()
            self._stream = None
