"""The server's connections: cancellation, slow readers, graceful ends, health."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
import trio
from grpclib.const import Status
from trio.testing import (
    MockClock,
    lockstep_stream_one_way_pair,
    memory_stream_one_way_pair,
    wait_all_tasks_blocked,
)

from tests.rpc.services import (
    UNARY,
    RawClient,
    Service,
    ask,
    echo,
    method,
    serving,
    serving_channel,
)
from tests.rpc.watched import Watched
from zbtrio._proto.grpc.health import v1 as health
from zbtrio.rpc import Channel, Method, RpcError, Server, ServerCall
from zbtrio.rpc.grpc import frame_message
from zbtrio.rpc.health import Health
from zbtrio.rpc.server_connection import (
    MAX_QUEUED,
    READ_SIZE,
    ServerConnection,
)


class TestCancellation:
    async def test_by_a_reset(self) -> None:
        watched = Watched()
        async with serving(watched.service) as (_, connect):
            client = await RawClient(await connect()).start()
            stream = await client.request("Park")
            await wait_all_tasks_blocked()
            assert (watched.started, watched.cancelled) == (1, 0)
            client.core.reset_stream(stream)
            await client.flush()
            await wait_all_tasks_blocked()
            assert watched.cancelled == 1
            stream = await client.request("Echo", b"goes on")
            assert (await client.answer(stream)).get(b"grpc-status") == b"0"

    async def test_by_a_channels_scope(self) -> None:
        watched = Watched()
        async with serving_channel(watched.service) as channel:
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(ask, channel, "Park")
                    await wait_all_tasks_blocked()
                    scope.cancel()
            await wait_all_tasks_blocked()
            assert (watched.started, watched.cancelled) == (1, 1)

    async def test_by_the_end_of_the_connection(self) -> None:
        watched = Watched()
        async with serving(watched.service) as (server, connect):
            client = await RawClient(await connect()).start()
            for name in ("Park", "Endless"):
                await client.request(name)
            await wait_all_tasks_blocked()
            await client.transport.aclose()
            await wait_all_tasks_blocked()
            assert watched.cancelled == 2
            assert server.connections == 0

    async def test_while_requests_are_awaited(self) -> None:
        watched = Watched()
        async with serving(watched.service) as (_, connect):
            client = await RawClient(await connect()).start()
            stream = await client.request("Collect", b"", end=False)
            await wait_all_tasks_blocked()
            client.core.reset_stream(stream)
            await client.flush()
            await wait_all_tasks_blocked()
            assert watched.started == 1

    async def test_of_the_server_itself(self) -> None:
        watched = Watched()
        async with serving(watched.service) as (_, connect):
            client = await RawClient(await connect()).start()
            await client.request("Park")
            await wait_all_tasks_blocked()
        assert watched.cancelled == 1

    async def test_an_error_at_the_end_is_noted_in_the_log_only(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def fail_when_cancelled(call: ServerCall) -> None:
            try:
                await trio.sleep_forever()
            finally:
                raise ValueError("too late to tell")

        caplog.set_level(logging.INFO)
        async with serving(Service(Fail=(UNARY, fail_when_cancelled))) as (server, connect):
            client = await RawClient(await connect()).start()
            stream = await client.request("Fail")
            await wait_all_tasks_blocked()
            client.core.reset_stream(stream)
            await client.flush()
            await wait_all_tasks_blocked()
            assert server.connections == 1
        assert "failed after the call's end" in caplog.text


class TestSlowReaders:
    async def test_a_handler_waits_for_the_streams_window(self) -> None:
        watched = Watched()
        async with serving(watched.service) as (_, connect):
            client = await RawClient(await connect(), stream_window=100_000).start()
            stream = await client.request("Endless")
            await wait_all_tasks_blocked()
            assert watched.sent == 9
            while watched.sent < 30:
                await client.read()
                await wait_all_tasks_blocked()
            client.core.reset_stream(stream)
            await client.flush()
            await wait_all_tasks_blocked()
            assert watched.cancelled == 1

    async def test_a_handler_waits_for_a_client_that_grants_all_and_reads_nothing(self) -> None:
        watched = Watched()
        async with lockstep_client(watched.service, stream_window=2**30) as client:
            await client.request("Endless")
            await wait_all_tasks_blocked()
            assert watched.sent * 10_000 <= 2 * MAX_QUEUED + 10_000
            before = watched.sent
            await client.read()
            await wait_all_tasks_blocked()
            assert watched.sent > before

    async def test_a_unary_call_passes_a_full_stream(self) -> None:
        watched = Watched()
        async with (
            serving_channel(watched.service) as channel,
            channel.stream(method("Endless"), b""),
        ):
            await wait_all_tasks_blocked()
            full = watched.sent
            assert await ask(channel, "Echo", b"passes") == b"passes"
            assert watched.sent == full

    async def test_a_client_that_never_reads_is_not_read_either(self) -> None:
        """Its requests cost memory here, for the answers: they wait in its own transport."""
        async with lockstep_client(Service(Echo=(UNARY, echo))) as client:
            for _ in range(2000):
                await client.request("No" * 1000, None)
            await wait_all_tasks_blocked()
            (connection,) = client.server._connections
            waiting = sum(map(len, connection._core._out))
            assert 0.9 * MAX_QUEUED < waiting <= MAX_QUEUED + READ_SIZE


class LockstepClient(RawClient):
    """A client whose transport holds nothing of what the server sends until it is read."""

    server: Server


@asynccontextmanager
async def lockstep_client(service: Service, **options: Any) -> AsyncIterator[LockstepClient]:
    up, down = memory_stream_one_way_pair(), lockstep_stream_one_way_pair()
    client = LockstepClient(trio.StapledStream(up[0], down[1]), **options)
    client.server = Server([service])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.server.serve_stream, trio.StapledStream(down[0], up[1]))
        await client.start()
        yield client
        nursery.cancel_scope.cancel()


class TestShutdown:
    async def test_running_calls_finish(self, autojump_clock: MockClock) -> None:
        watched = Watched()
        async with serving(watched.service) as (server, connect), trio.open_nursery() as nursery:
            client = await RawClient(await connect()).start()
            stream = await client.request("Release")
            await wait_all_tasks_blocked()
            nursery.start_soon(server.shutdown)
            while not client.goaways:
                await client.read()
            assert client.goaways[0].last_stream_id == stream.id
            await trio.sleep(5)
            watched.release.set()
            assert (await client.answer(stream)).body == frame_message(b"released")
            await client.read_to_end()
            await client.transport.aclose()
        assert watched.finished == 1

    async def test_what_does_not_finish_is_cut_off(self, autojump_clock: MockClock) -> None:
        watched = Watched()
        async with serving(watched.service, grace=3) as (server, connect):
            client = await RawClient(await connect()).start()
            await client.request("Park")
            await wait_all_tasks_blocked()
            start = trio.current_time()
            await server.shutdown()
            assert trio.current_time() == start + 3
            assert watched.cancelled == 1
            assert server.connections == 0

    async def test_idle_clients_leave_at_once(self, autojump_clock: MockClock) -> None:
        async with serving(Service(Echo=(UNARY, echo))) as (server, connect):
            client = await RawClient(await connect()).start()
            start = trio.current_time()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(server.shutdown)
                await client.read_to_end()
                await client.transport.aclose()
            assert trio.current_time() == start
            assert [event.code for event in client.goaways] == [0]

    async def test_a_client_that_does_not_hang_up_is_left(self, autojump_clock: MockClock) -> None:
        async with serving(Service(Echo=(UNARY, echo))) as (server, connect):
            await RawClient(await connect()).start()
            start = trio.current_time()
            await server.shutdown()
            assert trio.current_time() == start + 1

    async def test_new_calls_are_not_looked_at(self, autojump_clock: MockClock) -> None:
        watched = Watched()
        async with serving(watched.service, grace=1) as (server, connect):
            client = await RawClient(await connect()).start()
            await client.request("Park")
            await wait_all_tasks_blocked()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(server.shutdown)
                await wait_all_tasks_blocked()
                await client.request("Park")
                await wait_all_tasks_blocked()
                assert watched.started == 1

    async def test_late_connections_are_sent_away(self) -> None:
        async with serving(Service(Echo=(UNARY, echo))) as (server, connect):
            await server.shutdown()
            client = RawClient(await connect())
            await client.flush()
            await client.read_to_end()
            assert client.goaways
            await client.transport.aclose()

    async def test_listeners_close_and_serving_returns(self) -> None:
        server = Server([Service(Echo=(UNARY, echo))])
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(server.serve_tcp, 0)
            port = listeners[0].socket.getsockname()[1]
            async with Channel(f"127.0.0.1:{port}") as channel:
                assert await ask(channel, "Echo", b"x") == b"x"
                assert server.connections == 1
                await server.shutdown()
                with pytest.raises(RpcError) as failure:
                    await ask(channel, "Echo", timeout=0.1)
                assert failure.value.unprocessed

    async def test_a_channel_moves_on_from_goaway(self) -> None:
        """Calls of a worker that is connected while its gateway restarts are not lost."""
        watched = Watched()
        async with (
            serving(watched.service) as (server, connect),
            Channel("memory:1", connector=connect, keepalive=None) as channel,
        ):
            assert await ask(channel, "Echo") == b""
            (connection,) = server._connections
            connection.retire()
            connection.retire()
            assert await ask(channel, "Echo") == b""


async def test_peers_have_names() -> None:
    ours, theirs = trio.socket.socketpair()
    stream = trio.SocketStream(ours)
    assert ServerConnection(stream, {}, Server([])._limits).peer == "a local socket"
    theirs.close()
    await stream.aclose()
    assert ServerConnection(stream, {}, Server([])._limits).peer == "a peer that has left"


async def test_a_defect_of_the_server_ends_one_connection_only(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(Service(Echo=(UNARY, echo))) as (server, connect):
        client = await RawClient(await connect()).start()
        (connection,) = server._connections
        monkeypatch.setattr(connection._core, "receive_data", lambda data: 1 / 0)
        await client.request("Echo")
        await client.read_to_end()
        await client.transport.aclose()
        await wait_all_tasks_blocked()
        assert "a defect of the server" in caplog.text
        client = await RawClient(await connect()).start()
        assert (await client.answer(await client.request("Echo"))).ended


class TestHealth:
    async def test_check(self) -> None:
        service = Health("a.Service")
        async with serving_channel(service) as channel:
            stub = health.HealthStub(channel)
            for name in ("", "a.Service"):
                answer = await stub.check(health.HealthCheckRequest(name))
                assert answer.status is health.HealthCheckResponseServingStatus.SERVING
            with pytest.raises(RpcError, match="no service 'b'") as failure:
                await stub.check(health.HealthCheckRequest("b"))
            assert failure.value.status is Status.NOT_FOUND

    async def test_watch(self) -> None:
        service = Health()
        watch = Method(
            "/grpc.health.v1.Health/Watch", health.HealthCheckRequest, health.HealthCheckResponse
        )
        request = health.HealthCheckRequest("a")
        seen: list[str | None] = []
        async with (
            serving_channel(service) as channel,
            channel.stream(watch, request) as stream,
            aclosing(stream.messages()) as answers,
        ):
            seen.append((await anext(answers)).status.name)
            for serving in (True, True, False):
                service.set_serving("a", serving)
                await wait_all_tasks_blocked()
            for _ in range(2):
                seen.append((await anext(answers)).status.name)
        assert seen == ["SERVICE_UNKNOWN", "SERVING", "NOT_SERVING"]
