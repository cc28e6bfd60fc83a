"""Base classes of the generated stubs and services, free of asyncio.

They have the protected names that betterproto2_compiler's grpclib-style code calls. A channel is
anything that has grpclib's `request()`: this package's own, or grpclib's.
"""

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Mapping,
)
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

from grpclib.const import Cardinality

Request = TypeVar("Request")
Response = TypeVar("Response")
RequestT = TypeVar("RequestT", contravariant=True)
ResponseT = TypeVar("ResponseT", covariant=True)

MetadataLike = Mapping[str, str | bytes] | Collection[tuple[str, str | bytes]]


class Deadline(Protocol):
    """A moment by which a call must have ended."""

    def time_remaining(self) -> float: ...


class ClientStream(Protocol[RequestT, ResponseT]):
    """One call, as the client sees it."""

    async def send_message(self, message: RequestT, *, end: bool = False) -> None: ...

    async def recv_message(self) -> ResponseT | None: ...

    def __aiter__(self) -> AsyncIterator[ResponseT]: ...


class ServerStream(Protocol[ResponseT, RequestT]):
    """One call, as the service sees it: it receives requests and sends responses."""

    async def recv_message(self) -> ResponseT | None: ...

    async def send_message(self, message: RequestT) -> None: ...


class Channel(Protocol):
    """What a stub needs of a channel."""

    def request(
        self,
        name: str,
        cardinality: Cardinality,
        request_type: type[Request],
        reply_type: type[Response],
        *,
        timeout: float | None = None,
        deadline: Any = None,
        metadata: MetadataLike | None = None,
    ) -> AbstractAsyncContextManager[ClientStream[Request, Response]]: ...


class ServiceStub:
    """Base of the generated clients.

    `timeout` (seconds), `deadline` and `metadata` given here hold for each call that has none of
    its own.
    """

    def __init__(
        self,
        channel: Channel,
        *,
        timeout: float | None = None,
        deadline: Deadline | None = None,
        metadata: MetadataLike | None = None,
    ) -> None:
        self.channel = channel
        self.timeout = timeout
        self.deadline = deadline
        self.metadata = metadata

    def _request(
        self,
        route: str,
        cardinality: Cardinality,
        request: Request,
        response_type: type[Response],
        timeout: float | None,
        deadline: Deadline | None,
        metadata: MetadataLike | None,
    ) -> AbstractAsyncContextManager[ClientStream[Request, Response]]:
        return self.channel.request(
            route,
            cardinality,
            type(request),
            response_type,
            timeout=self.timeout if timeout is None else timeout,
            deadline=self.deadline if deadline is None else deadline,
            metadata=self.metadata if metadata is None else metadata,
        )

    async def _unary_unary(
        self,
        route: str,
        request: Any,
        response_type: type[Response],
        *,
        timeout: float | None = None,
        deadline: Deadline | None = None,
        metadata: MetadataLike | None = None,
    ) -> Response:
        async with self._request(
            route, Cardinality.UNARY_UNARY, request, response_type, timeout, deadline, metadata
        ) as stream:
            await stream.send_message(request, end=True)
            response = await stream.recv_message()
        assert response is not None  # a call without an answer has raised its status
        return response

    async def _unary_stream(
        self,
        route: str,
        request: Any,
        response_type: type[Response],
        *,
        timeout: float | None = None,
        deadline: Deadline | None = None,
        metadata: MetadataLike | None = None,
    ) -> AsyncIterator[Response]:
        async with self._request(
            route, Cardinality.UNARY_STREAM, request, response_type, timeout, deadline, metadata
        ) as stream:
            await stream.send_message(request, end=True)
            async for message in stream:
                yield message


class ServiceBase:
    """Base of the generated services."""

    async def _call_rpc_handler_server_stream(
        self,
        handler: Callable[[Request], AsyncIterator[Response] | Awaitable[object]],
        stream: ServerStream[Request, Response],
        request: Request,
    ) -> None:
        responses = handler(request)
        if not isinstance(responses, AsyncIterable):
            await responses  # a method that never yields is a coroutine: no response at all
            return
        try:
            async for response in responses:
                await stream.send_message(response)
        finally:
            if isinstance(responses, AsyncGenerator):
                await responses.aclose()  # a call that ends early leaves it in the middle
