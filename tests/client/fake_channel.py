"""A channel that answers by a script, on trio's clock, and keeps account of what it was asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio
from attrs import define, field, frozen
from grpclib.const import Status

from zbtrio.rpc import Metadata, Method, RpcError
from zbtrio.rpc.codec import DecodeError, decode


@frozen
class Answer:
    """What becomes of one attempt after `after` seconds.

    `carried_out`: the command took effect, whatever the client hears of it.
    """

    error: RpcError | DecodeError | None = None
    after: float = 0.0
    carried_out: bool = False
    response: Any = None


def ok(response: Any = None, after: float = 0.0) -> Answer:
    return Answer(after=after, carried_out=True, response=response)


def received(status: Status, text: str = "text", **how: Any) -> Answer:
    return Answer(RpcError(status, text, received=True), **how)


def unprocessed(status: Status = Status.UNAVAILABLE, **how: Any) -> Answer:
    return Answer(RpcError(status, "never sent", unprocessed=True), **how)


def lost(*, carried_out: bool, **how: Any) -> Answer:
    return Answer(RpcError(Status.UNAVAILABLE, "connection lost"), carried_out=carried_out, **how)


@define
class Attempt:
    """One call that arrived."""

    method: Method
    request: Any
    at: float
    timeout: float | None
    metadata: Metadata
    answer: Answer


@define
class FakeChannel:
    """Gives its answers in turn, the last one again and again."""

    answers: list[Answer] = field(converter=list)
    attempts: list[Attempt] = field(factory=list)

    async def unary(
        self, method: Method, request: Any, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> Any:
        answer = self._next(method, request, timeout, metadata)
        if timeout is not None and answer.after >= timeout:
            await trio.sleep(timeout)
            raise RpcError(Status.DEADLINE_EXCEEDED, "no answer in time")
        await trio.sleep(answer.after)
        if answer.error is not None:
            raise answer.error
        return answer.response or method.response_type()

    def start_unary(
        self,
        method: Method,
        request: Any,
        *,
        timeout: float | None,
        metadata: Metadata = (),
        on_done: Callable[[Any], object],
    ) -> FakeCall:
        call = FakeCall(self._next(method, request, timeout, metadata), on_done)
        trio.lowlevel.spawn_system_task(call.run)
        return call

    def _next(
        self, method: Method, request: Any, timeout: float | None, metadata: Metadata
    ) -> Answer:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        message = decode(method.request_type, request) if isinstance(request, bytes) else request
        now = trio.current_time()
        self.attempts.append(Attempt(method, message, now, timeout, metadata, answer))
        return answer

    @property
    def effects(self) -> int:
        """How many of the attempts took effect."""
        return sum(attempt.answer.carried_out for attempt in self.attempts)


class FakeCall:
    """What `start_unary` gives."""

    def __init__(self, answer: Answer, on_done: Callable[[Any], object]) -> None:
        self.answer = answer
        self.on_done = on_done
        self.error: RpcError | None = None
        self.data = b""
        self.trailers: Metadata = ()
        self.cancelled = False

    async def run(self) -> None:
        await trio.sleep(self.answer.after)
        self.error = self.answer.error
        if not self.cancelled:
            self.on_done(self)

    def response(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.answer.response

    def cancel(self) -> None:
        self.cancelled = True
