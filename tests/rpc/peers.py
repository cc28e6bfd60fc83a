"""Other implementations of gRPC, as servers and as clients of one small service on raw bytes.

The service: Echo answers with the request; Parts with each of its bytes; Sleep never; Fail with
the status in "code:text"; Reflect gives the metadata x-initial and x-trailing-bin back, where they
belong; Collect answers to all requests in one; Nothing is not there. Each client offers the same
methods, so a test is written once for all pairs.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Protocol

import grpc
import grpclib.client
import grpclib.server
import trio
from attrs import frozen
from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError

from tests.rpc.services import COLLECT, PARTS, UNARY, Service, method, path
from zbtrio.rpc import Channel, Metadata, RpcError, Server, ServerCall, UnaryCall


@frozen
class Reply:
    """What a client got."""

    messages: list[bytes]
    initial: dict[str, str | bytes]
    trailing: dict[str, str | bytes]


class Failure(Exception):
    """A call's status other than OK, whatever the client calls it."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(status, message)
        self.status, self.message = status, message


class Client(Protocol):
    """What each client offers; `name` is the RPC's."""

    async def unary(
        self, name: str, body: bytes, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> Reply: ...

    async def stream(self, name: str, body: bytes, *, take: int | None = None) -> list[bytes]: ...

    async def collect(self, parts: Sequence[bytes]) -> bytes: ...

    async def cancel_after(self, seconds: float) -> None: ...


def failure_of(body: bytes) -> GRPCError:
    code, _, text = body.decode().partition(":")
    return GRPCError(Status(int(code)), text)


# zbtrio


async def echo(stream: Any) -> None:
    await stream.send_message(await stream.recv_message())


async def parts(stream: Any) -> None:
    request = await stream.recv_message()
    for byte in request:
        await stream.send_message(type(request)([byte]))


async def fail(stream: Any) -> None:
    raise failure_of(await stream.recv_message())


async def collect(stream: Any) -> None:
    requests = [request async for request in stream]
    await stream.send_message(Raw(b"".join(requests)))


async def reflect(call: ServerCall) -> None:
    metadata = dict(call.metadata)
    await call.send_initial_metadata([("x-initial", metadata["x-initial"])])
    call.trailing_metadata.append(("x-trailing-bin", metadata["x-trailing-bin"]))
    await echo(call)


async def sleep(call: ServerCall) -> None:
    await trio.sleep_forever()


@asynccontextmanager
async def our_server() -> AsyncIterator[str]:
    service = Service(
        Echo=(UNARY, echo),
        Parts=(PARTS, parts),
        Fail=(UNARY, fail),
        Reflect=(UNARY, reflect),
        Sleep=(UNARY, sleep),
        Collect=(COLLECT, collect),
    )
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(Server([service]).serve_tcp, 0)
        yield f"127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


class OurClient:
    """zbtrio's channel."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def unary(
        self, name: str, body: bytes, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> Reply:
        done = trio.Event()
        call = self._channel.start_unary(
            method(name), body, timeout=timeout, metadata=metadata, on_done=lambda _: done.set()
        )
        try:
            await done.wait()
        finally:
            call.cancel()
        if call.error is not None:
            raise Failure(call.error.status, call.error.message or "")
        return self._reply(call)

    def _reply(self, call: UnaryCall) -> Reply:
        return Reply([call.data], dict(call.initial_metadata), dict(call.trailers))

    async def stream(self, name: str, body: bytes, *, take: int | None = None) -> list[bytes]:
        seen: list[bytes] = []
        try:
            async with self._channel.stream(method(name), body) as stream:
                async for message in stream:
                    seen.append(message)
                    if len(seen) == take:
                        break
        except RpcError as error:
            raise Failure(error.status, error.message or "") from error
        return seen

    async def collect(self, parts: Sequence[bytes]) -> bytes:
        raise NotImplementedError("this channel has no calls that stream requests")

    async def cancel_after(self, seconds: float) -> None:
        with trio.move_on_after(seconds):
            await self.unary("Sleep", b"")


@asynccontextmanager
async def our_client(address: str) -> AsyncIterator[Client]:
    async with Channel(address) as channel:
        yield OurClient(channel)


# grpcio


class Generic(grpc.GenericRpcHandler):
    """The service for grpcio, without generated code."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        unary = grpc.unary_unary_rpc_method_handler
        self._handlers = {
            path("Echo"): unary(lambda request, context: request),
            path("Parts"): grpc.unary_stream_rpc_method_handler(self._parts),
            path("Fail"): unary(self._fail),
            path("Reflect"): unary(self._reflect),
            path("Sleep"): unary(self._sleep),
            path("Collect"): grpc.stream_unary_rpc_method_handler(
                lambda requests, context: b"".join(requests)
            ),
        }

    def service(self, details: Any) -> Any:
        return self._handlers.get(details.method)

    def _parts(self, request: bytes, context: Any) -> Iterator[bytes]:
        for byte in request:
            yield bytes([byte])

    def _fail(self, request: bytes, context: Any) -> bytes:
        error = failure_of(request)
        codes = {code.value[0]: code for code in grpc.StatusCode}
        context.abort(codes[error.status.value], error.message or "")
        raise AssertionError("abort raises")

    def _reflect(self, request: bytes, context: Any) -> bytes:
        metadata = dict(context.invocation_metadata())
        context.send_initial_metadata([("x-initial", metadata["x-initial"])])
        context.set_trailing_metadata([("x-trailing-bin", metadata["x-trailing-bin"])])
        return request

    def _sleep(self, request: bytes, context: Any) -> bytes:
        while context.is_active() and not self._stopped.wait(0.02):
            pass
        return b""

    def stop(self) -> None:
        self._stopped.set()


@asynccontextmanager
async def grpcio_server() -> AsyncIterator[str]:
    handler = Generic()
    with ThreadPoolExecutor(8) as pool:
        server = grpc.server(pool, handlers=[handler])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            handler.stop()
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(server.stop(0).wait)


class GrpcioClient:
    """grpcio's channel, in threads."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel

    async def unary(
        self, name: str, body: bytes, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> Reply:
        return await self._in_thread(self._unary, name, body, timeout, metadata)

    def _unary(self, name: str, body: bytes, timeout: float | None, metadata: Metadata) -> Reply:
        ask = self._channel.unary_unary(path(name))
        answer, call = ask.with_call(body, timeout=timeout, metadata=list(metadata))
        return Reply([answer], dict(call.initial_metadata()), dict(call.trailing_metadata()))

    async def stream(self, name: str, body: bytes, *, take: int | None = None) -> list[bytes]:
        return await self._in_thread(self._stream, name, body, take)

    def _stream(self, name: str, body: bytes, take: int | None) -> list[bytes]:
        call = self._channel.unary_stream(path(name))(body)
        if take is None:
            return list(call)
        seen = [next(call) for _ in range(take)]
        call.cancel()
        return seen

    async def collect(self, parts: Sequence[bytes]) -> bytes:
        ask = self._channel.stream_unary(path("Collect"))
        return await self._in_thread(ask, iter(parts))

    async def cancel_after(self, seconds: float) -> None:
        call = self._channel.unary_unary(path("Sleep")).future(b"")
        await trio.sleep(seconds)
        assert call.cancel()

    async def _in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        try:
            return await trio.to_thread.run_sync(function, *args)
        except grpc.RpcError as error:
            raise Failure(Status(error.code().value[0]), error.details()) from error


@asynccontextmanager
async def grpcio_client(
    address: str, options: Sequence[tuple[str, Any]] = (), **arguments: Any
) -> AsyncIterator[GrpcioClient]:
    with grpc.insecure_channel(address, options=options, **arguments) as channel:
        yield GrpcioClient(channel)


# grpclib, on asyncio in a thread


class Raw(bytes):
    """Bytes as grpclib's codec wants messages."""

    def SerializeToString(self) -> bytes:  # noqa: N802
        return bytes(self)

    @classmethod
    def FromString(cls, data: bytes) -> Raw:  # noqa: N802
        return cls(data)


@contextmanager
def asyncio_thread() -> Iterator[Callable[..., Any]]:
    """Give a function that runs a coroutine function on an event loop in another thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def run(function: Callable[..., Any], *args: Any) -> Any:
        future = asyncio.run_coroutine_threadsafe(function(*args), loop)
        try:
            return await trio.to_thread.run_sync(future.result, abandon_on_cancel=True)
        finally:
            future.cancel()

    try:
        yield run
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class GrpclibService:
    """The service for grpclib."""

    def __mapping__(self) -> dict[str, Handler]:
        rpcs = {
            "Echo": (UNARY, echo),
            "Parts": (PARTS, parts),
            "Fail": (UNARY, fail),
            "Reflect": (UNARY, self.reflect),
            "Sleep": (UNARY, self.sleep),
            "Collect": (COLLECT, collect),
        }
        return {path(name): Handler(rpc[1], rpc[0], Raw, Raw) for name, rpc in rpcs.items()}

    async def reflect(self, stream: Any) -> None:
        metadata = stream.metadata
        await stream.send_initial_metadata(metadata={"x-initial": metadata["x-initial"]})
        await echo(stream)
        trailing = {"x-trailing-bin": metadata["x-trailing-bin"]}
        await stream.send_trailing_metadata(metadata=trailing)

    async def sleep(self, stream: Any) -> None:
        await asyncio.sleep(1000)


@asynccontextmanager
async def grpclib_server() -> AsyncIterator[str]:
    async def start() -> grpclib.server.Server:
        server = grpclib.server.Server([GrpclibService()])
        await server.start("127.0.0.1", 0)
        return server

    async def stop(server: grpclib.server.Server) -> None:
        server.close()
        await server.wait_closed()

    with asyncio_thread() as run:
        server = await run(start)
        try:
            yield f"127.0.0.1:{server._server.sockets[0].getsockname()[1]}"
        finally:
            with trio.CancelScope(shield=True):
                await run(stop, server)


class GrpclibClient:
    """grpclib's channel, on asyncio in a thread."""

    def __init__(self, run: Callable[..., Any], channel: grpclib.client.Channel) -> None:
        self._run = run
        self._channel = channel

    async def unary(
        self, name: str, body: bytes, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> Reply:
        return await self._in_loop(self._unary, name, body, timeout, metadata)

    async def _unary(
        self, name: str, body: bytes, timeout: float | None, metadata: Metadata
    ) -> Reply:
        request = self._request(name, UNARY, timeout=timeout, metadata=list(metadata))
        async with request as stream:
            await stream.send_message(Raw(body), end=True)
            answer = await stream.recv_message()
            await stream.recv_trailing_metadata()
            return Reply([answer], dict(stream.initial_metadata), dict(stream.trailing_metadata))

    def _request(self, name: str, cardinality: Cardinality, **options: Any) -> Any:
        return self._channel.request(path(name), cardinality, Raw, Raw, **options)

    async def stream(self, name: str, body: bytes, *, take: int | None = None) -> list[bytes]:
        return await self._in_loop(self._stream, name, body, take)

    async def _stream(self, name: str, body: bytes, take: int | None) -> list[bytes]:
        seen: list[bytes] = []
        async with self._request(name, PARTS) as stream:
            await stream.send_message(Raw(body), end=True)
            while len(seen) != take and (message := await stream.recv_message()) is not None:
                seen.append(message)
            if take is not None:
                await stream.cancel()
        return seen

    async def collect(self, parts: Sequence[bytes]) -> bytes:
        return await self._in_loop(self._collect, parts)

    async def _collect(self, parts: Sequence[bytes]) -> bytes:
        async with self._request("Collect", COLLECT) as stream:
            await stream.send_request()
            for part in parts:
                await stream.send_message(Raw(part))
            await stream.end()
            return await stream.recv_message()

    async def cancel_after(self, seconds: float) -> None:
        await self._run(self._cancel_after, seconds)

    async def _cancel_after(self, seconds: float) -> None:
        async with self._request("Sleep", UNARY) as stream:
            await stream.send_message(Raw(b""), end=True)
            await asyncio.sleep(seconds)
            await stream.cancel()

    async def _in_loop(self, function: Callable[..., Any], *args: Any) -> Any:
        try:
            return await self._run(function, *args)
        except GRPCError as error:
            raise Failure(error.status, error.message or "") from error
        except TimeoutError as error:
            raise Failure(Status.DEADLINE_EXCEEDED, "") from error


@asynccontextmanager
async def grpclib_client(address: str) -> AsyncIterator[Client]:
    host, _, port = address.partition(":")

    async def connect() -> grpclib.client.Channel:
        return grpclib.client.Channel(host, int(port))

    async def close(channel: grpclib.client.Channel) -> None:
        channel.close()
        await asyncio.sleep(0)

    with asyncio_thread() as run:
        channel = await run(connect)
        try:
            yield GrpclibClient(run, channel)
        finally:
            with trio.CancelScope(shield=True):
                await run(close, channel)


SERVERS = {"ours": our_server, "grpcio": grpcio_server, "grpclib": grpclib_server}
CLIENTS = {"ours": our_client, "grpcio": grpcio_client, "grpclib": grpclib_client}


@asynccontextmanager
async def pair(client: str, server: str) -> AsyncIterator[Client]:
    """Connect a client of one make to a server of another."""
    async with SERVERS[server]() as address, CLIENTS[client](address) as connected:
        yield connected
