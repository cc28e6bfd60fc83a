"""A gateway in memory that records each request and answers what the test says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from grpclib.const import Cardinality, Handler
from trio.testing import memory_stream_pair

from zbtrio import gateway
from zbtrio.client import ClientSettings, ZeebeClient
from zbtrio.rpc import Channel, Method, Server

STREAMING = {"ActivateJobs", "StreamActivatedJobs"}


class RecordingGateway:
    """Serves all RPCs. `answers` has a response, an exception or a list of them by RPC name."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.metadata: list[dict[str, str | bytes]] = []
        self.answers: dict[str, Any] = {}

    def __mapping__(self) -> dict[str, Handler]:
        methods = [value for value in vars(gateway).values() if isinstance(value, Method)]
        return {method.route: self._handler(method) for method in methods}

    def _handler(self, method: Method) -> Handler:
        async def handle(call: Any) -> None:
            self.requests.append(await call.recv_message())
            self.metadata.append(dict(call.metadata))
            for answer in self._answers(method):
                if isinstance(answer, Exception):
                    raise answer
                await call.send_message(answer)

        streaming = method.name in STREAMING
        kind = Cardinality.UNARY_STREAM if streaming else Cardinality.UNARY_UNARY
        return Handler(handle, kind, method.request_type, method.response_type)

    def _answers(self, method: Method) -> list[Any]:
        answer = self.answers.get(method.name)
        if isinstance(answer, list):
            return answer
        if answer is None:
            return [] if method.name in STREAMING else [method.response_type()]
        return [answer]


@asynccontextmanager
async def serve(
    service: RecordingGateway, settings: ClientSettings | None = None, **arguments: Any
) -> AsyncIterator[ZeebeClient]:
    """A client of the service, in memory."""
    server = Server([service])
    async with trio.open_nursery() as nursery:

        async def connect(target: str) -> trio.abc.Stream:
            ours, theirs = memory_stream_pair()
            nursery.start_soon(server.serve_stream, theirs)
            return ours

        async with Channel("gateway", connector=connect) as channel:
            client = ZeebeClient(
                channel=channel, settings=settings or ClientSettings(), **arguments
            )
            async with client:
                yield client
        nursery.cancel_scope.cancel()
