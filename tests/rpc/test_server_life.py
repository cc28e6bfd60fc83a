"""The server's connections: cancellation, slow readers, ends, limits, hostile clients."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
import trio
from grpclib.const import Status
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import (
    MockClock,
    lockstep_stream_one_way_pair,
    memory_stream_one_way_pair,
    memory_stream_pair,
    wait_all_tasks_blocked,
)

from tests.rpc.services import (
    COLLECT,
    PARTS,
    UNARY,
    RawClient,
    Service,
    ask,
    echo,
    method,
    park,
    serving,
    serving_channel,
)
from zbtrio._proto.grpc.health import v1 as health
from zbtrio.rpc import Channel, Method, RpcError, Server, ServerCall
from zbtrio.rpc.frames import PREFACE, ErrorCode
from zbtrio.rpc.grpc import frame_message
from zbtrio.rpc.health import Health
from zbtrio.rpc.server_connection import (
    MAX_QUEUED,
    READ_SIZE,
    RESETS_AT_ONCE,
    ServerConnection,
)


class Watched:
    """Handlers that count how they start, run and end."""

    def __init__(self) -> None:
        self.started = self.cancelled = self.finished = self.sent = 0
        self.release = trio.Event()
        self.service = Service(
            Echo=(UNARY, echo),
            Park=(UNARY, self.park),
            Release=(UNARY, self.wait),
            Endless=(PARTS, self.endless),
            Collect=(COLLECT, self.collect),
        )

    async def park(self, call: ServerCall) -> None:
        self.started += 1
        try:
            await trio.sleep_forever()
        finally:
            self.cancelled += 1

    async def wait(self, call: ServerCall) -> None:
        self.started += 1
        await self.release.wait()
        await call.send_message(b"released")
        self.finished += 1

    async def endless(self, call: ServerCall) -> None:
        self.started += 1
        try:
            while True:
                await call.send_message(bytes(10_000))
                self.sent += 1
        finally:
            self.cancelled += 1

    async def collect(self, call: ServerCall) -> None:
        async for _ in call:
            self.started += 1


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


class TestLimits:
    async def test_streams(self) -> None:
        watched = Watched()
        async with serving(watched.service, max_concurrent_streams=2) as (_, connect):
            client = await RawClient(await connect()).start()
            assert client.core.streams_left == 2
            client.core.remote_max_streams = 10
            streams = [await client.request("Park") for _ in range(3)]
            answer = await client.answer(streams[2])
            assert answer.reset == ErrorCode.REFUSED_STREAM
            assert watched.started == 2

    async def test_handlers_that_outlive_their_calls_count_too(self) -> None:
        """A client that resets its calls at once would have any number of handlers otherwise."""
        running = 0

        async def stubborn(call: ServerCall) -> None:
            nonlocal running
            running += 1
            with trio.CancelScope(shield=True):
                await release.wait()

        release = trio.Event()
        service = Service(Stubborn=(UNARY, stubborn))
        async with serving(service, max_concurrent_streams=3) as (_, connect):
            client = await RawClient(await connect()).start()
            for _ in range(10):
                client.core.reset_stream(await client.request("Stubborn"))
            stream = await client.request("Stubborn")
            assert (await client.answer(stream)).reset == ErrorCode.REFUSED_STREAM
            assert running == 3
            release.set()

    async def test_header_lists(self) -> None:
        async with serving(Service(Echo=(UNARY, echo)), max_header_list_size=1000) as (_, connect):
            client = await RawClient(await connect()).start()
            await client.request("Echo", b"", (b"long", b"x" * 2000))
            await client.read_to_end()
            assert client.goaways[0].code == ErrorCode.ENHANCE_YOUR_CALM
            await client.transport.aclose()

    async def test_silence_at_the_start(self, autojump_clock: MockClock) -> None:
        async with serving(Service(Echo=(UNARY, echo))) as (server, connect):
            start = trio.current_time()
            transport = await connect()
            await transport.send_all(PREFACE[:10])
            while await transport.receive_some():
                pass
            assert trio.current_time() - start == pytest.approx(20)
            await transport.aclose()
            await wait_all_tasks_blocked()
            assert server.connections == 0

    async def test_silence_later_is_no_fault(self, autojump_clock: MockClock) -> None:
        async with serving_channel(Service(Echo=(UNARY, echo))) as channel:
            await ask(channel, "Echo")
            await trio.sleep(80_000)
            await ask(channel, "Echo")
            assert channel.state == "ready"


class TestPings:
    async def ping(self, client: RawClient, seconds: float, times: int) -> int:
        """Ping at intervals; return how many were taken."""
        for number in range(times):
            if client.over or client.goaways:
                return number
            client.core.send_ping(bytes(8))
            await client.flush()
            while client.pongs <= number:
                await client.read()
            await trio.sleep(seconds)
        return times

    async def test_often_during_a_call(self, autojump_clock: MockClock) -> None:
        async with serving(Service(Park=(UNARY, park))) as (_, connect):
            client = await RawClient(await connect()).start()
            await client.request("Park")
            assert await self.ping(client, 1, 10) == 4
            (goaway,) = client.goaways
            assert (goaway.code, goaway.debug) == (ErrorCode.ENHANCE_YOUR_CALM, b"too_many_pings")
            await client.read_to_end()
            await client.transport.aclose()

    async def test_as_often_as_is_allowed(self, autojump_clock: MockClock) -> None:
        async with serving(Service(Park=(UNARY, park))) as (_, connect):
            client = await RawClient(await connect()).start()
            await client.request("Park")
            assert await self.ping(client, 30, 20) == 20

    async def test_without_calls(self, autojump_clock: MockClock) -> None:
        async with serving(Service(Park=(UNARY, park))) as (_, connect):
            client = await RawClient(await connect()).start()
            assert await self.ping(client, 60, 10) == 4

    async def test_answers_make_up_for_them(self, autojump_clock: MockClock) -> None:
        async with serving(Service(Echo=(UNARY, echo))) as (_, connect):
            client = await RawClient(await connect()).start()
            for _ in range(10):
                client.pongs = 0
                assert await self.ping(client, 0, 3) == 3
                await client.answer(await client.request("Echo"))

    async def test_nobody_minds_if_so_set(self, autojump_clock: MockClock) -> None:
        service = Service(Echo=(UNARY, echo))
        async with serving(service, min_ping_interval=None) as (_, connect):
            client = await RawClient(await connect()).start()
            assert await self.ping(client, 0, 100) == 100


class TestHostileClients:
    async def test_rapid_resets(self, autojump_clock: MockClock) -> None:
        """CVE-2023-44487."""
        watched = Watched()
        async with serving(watched.service) as (server, connect):
            client = await RawClient(await connect()).start()
            for _ in range(RESETS_AT_ONCE + 1):
                client.core.reset_stream(await client.request("Park"))
            await client.flush()
            await client.read_to_end()
            assert client.goaways[0].debug == b"too many resets"
            assert watched.started == watched.cancelled
            await client.transport.aclose()
            await wait_all_tasks_blocked()
            assert server.connections == 0

    async def test_resets_at_a_humane_pace(self, autojump_clock: MockClock) -> None:
        async with serving(Watched().service) as (_, connect):
            client = await RawClient(await connect()).start()
            for _ in range(15):
                for _ in range(100):
                    client.core.reset_stream(await client.request("Park"))
                await client.flush()
                await trio.sleep(1)
            assert (await client.answer(await client.request("Echo"))).ended

    async def test_settings_again_and_again(self, autojump_clock: MockClock) -> None:
        async with serving(Service(Echo=(UNARY, echo))) as (_, connect):
            client = await RawClient(await connect()).start()
            for _ in range(RESETS_AT_ONCE + 1):
                client.core.send_settings({})
                await client.flush()
            await client.read_to_end()
            assert client.goaways[0].debug == b"too many changes of settings"
            await client.transport.aclose()

    @settings(max_examples=60, deadline=None)
    @given(data=st.binary(max_size=400), cut=st.integers(1, 400), greeting=st.booleans())
    def test_any_bytes(self, data: bytes, cut: int, greeting: bool) -> None:
        async def main() -> None:
            server = Server([Service(Echo=(UNARY, echo), Park=(UNARY, park))])
            ours, theirs = memory_stream_pair()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(server.serve_stream, ours)
                client = RawClient(theirs)
                if greeting:
                    await client.request("Park") if (await client.start()) else None
                for start in range(0, len(data), cut):
                    await theirs.send_all(data[start : start + cut])
                    await wait_all_tasks_blocked()
                await theirs.aclose()
            assert server.connections == 0

        trio.run(main, clock=MockClock(autojump_threshold=0))

    async def test_a_goaway_is_read_although_input_is_left(self) -> None:
        """A socket closed with input unread would answer with a reset, and lose it."""
        server = Server([Service(Echo=(UNARY, echo))])
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(server.serve_tcp, 0)
            stream = await trio.testing.open_stream_to_socket_listener(listeners[0])
            await stream.send_all(b"GET / HTTP/1.1\r\n\r\n" + bytes(500_000))
            answer = b""
            while piece := await stream.receive_some():
                answer += piece
            assert b"this port speaks gRPC" in answer
            await stream.aclose()
            nursery.cancel_scope.cancel()


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
