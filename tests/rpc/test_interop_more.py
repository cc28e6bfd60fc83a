"""More between implementations: generated stubs on foreign channels and servers, compression."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpclib.client
import grpclib.server
import pytest
import trio
from grpclib.const import Status
from grpclib.exceptions import GRPCError

from tests.rpc.peers import Failure, Generic, asyncio_thread, grpcio_client, our_server
from tests.rpc.services import ask
from zbtrio._proto import gateway_protocol as proto
from zbtrio.rpc import Channel, RpcError, Server


class Gateway(proto.GatewayBase):
    """A service on generated code: it runs on trio and on asyncio."""

    async def complete_job(self, message: proto.CompleteJobRequest) -> proto.CompleteJobResponse:
        if message.job_key < 0:
            raise GRPCError(Status.NOT_FOUND, "no such job")
        return proto.CompleteJobResponse()

    async def topology(self, message: proto.TopologyRequest) -> proto.TopologyResponse:
        return proto.TopologyResponse(cluster_size=3, gateway_version="äöü")

    async def activate_jobs(
        self, message: proto.ActivateJobsRequest
    ) -> AsyncIterator[proto.ActivateJobsResponse]:
        for key in range(message.max_jobs_to_activate):
            job = proto.ActivatedJob(key=key, variables=message.fetch_variable[0])
            yield proto.ActivateJobsResponse([job, job])


async def use(stub: proto.GatewayStub) -> None:
    """What a generated stub does, on whatever channel and event loop."""
    topology = await stub.topology(proto.TopologyRequest())
    assert (topology.cluster_size, topology.gateway_version) == (3, "äöü")
    request = proto.ActivateJobsRequest(max_jobs_to_activate=3, fetch_variable=["x" * 100_000])
    answers = [answer async for answer in stub.activate_jobs(request, timeout=10)]
    assert [answer.jobs[1].key for answer in answers] == [0, 1, 2]
    assert len(answers[0].jobs[0].variables) == 100_000
    await stub.complete_job(proto.CompleteJobRequest(job_key=1), metadata={"a": "b"})
    with pytest.raises(GRPCError) as failure:
        await stub.complete_job(proto.CompleteJobRequest(job_key=-1))
    assert (failure.value.status, failure.value.message) == (Status.NOT_FOUND, "no such job")
    with pytest.raises(GRPCError) as failure:
        await stub.throw_error(proto.ThrowErrorRequest())
    assert failure.value.status is Status.UNIMPLEMENTED


async def test_generated_stubs_on_our_channel_and_server() -> None:
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(Server([Gateway()]).serve_tcp, 0)
        async with Channel(f"127.0.0.1:{listeners[0].socket.getsockname()[1]}") as channel:
            await use(proto.GatewayStub(channel))
        nursery.cancel_scope.cancel()


async def test_generated_stubs_on_grpclibs_channel_against_our_server() -> None:
    async def use_grpclib(port: int) -> None:
        async with grpclib.client.Channel("127.0.0.1", port) as channel:
            await use(proto.GatewayStub(channel))

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(Server([Gateway()]).serve_tcp, 0)
        with asyncio_thread() as run:
            await run(use_grpclib, listeners[0].socket.getsockname()[1])
        nursery.cancel_scope.cancel()


async def test_generated_stubs_on_our_channel_against_grpclibs_server() -> None:
    async def start() -> grpclib.server.Server:
        server = grpclib.server.Server([Gateway()])
        await server.start("127.0.0.1", 0)
        return server

    async def stop(server: Any) -> None:
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0)

    with asyncio_thread() as run:
        server = await run(start)
        port = server._server.sockets[0].getsockname()[1]
        async with Channel(f"127.0.0.1:{port}") as channel:
            await use(proto.GatewayStub(channel))
        await run(stop, server)


@pytest.mark.parametrize("size", [0, 10, 1_000_000])
async def test_grpcio_compresses_for_our_server(size: int) -> None:
    async with (
        our_server() as address,
        grpcio_client(address, compression=grpc.Compression.Gzip) as client,
    ):
        body = bytes(size)
        assert (await client.unary("Echo", body)).messages == [body]
        assert await client.collect([body, body]) == body * 2


async def test_a_compression_that_we_lack() -> None:
    async with (
        our_server() as address,
        grpcio_client(address, compression=grpc.Compression.Deflate) as client,
    ):
        with pytest.raises(Failure, match="identity or gzip") as failure:
            await client.unary("Echo", bytes(1000))
        assert failure.value.status is Status.UNIMPLEMENTED


@asynccontextmanager
async def grpcio_server(**options: Any) -> AsyncIterator[Channel]:
    """Run a C core server with these options and give a channel of ours to it."""
    with ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool, handlers=[Generic()], **options)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            async with Channel(f"127.0.0.1:{port}", max_message_size=100_000) as channel:
                yield channel
        finally:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(server.stop(0).wait)


@pytest.mark.parametrize("size", [0, 10, 100_000])
async def test_a_c_core_server_compresses_for_our_channel(size: int) -> None:
    async with grpcio_server(compression=grpc.Compression.Gzip) as channel:
        assert await ask(channel, "Echo", bytes(size)) == bytes(size)


async def test_a_compressed_message_that_is_too_large_inflated() -> None:
    async with grpcio_server(compression=grpc.Compression.Gzip) as channel:
        with pytest.raises(RpcError) as failure:
            await ask(channel, "Echo", bytes(100_001))
        assert failure.value.status is Status.RESOURCE_EXHAUSTED


async def test_a_c_core_server_that_allows_few_streams() -> None:
    answers: list[bytes] = []
    async with (
        grpcio_server(options=[("grpc.max_concurrent_streams", 3)]) as channel,
        trio.open_nursery() as calls,
    ):

        async def one() -> None:
            answers.append(await ask(channel, "Echo", b"x"))

        for _ in range(50):
            calls.start_soon(one)
    assert answers == [b"x"] * 50
