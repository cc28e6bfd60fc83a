"""What the server takes from a client, and what a hostile one gets."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import (
    MockClock,
    memory_stream_pair,
    wait_all_tasks_blocked,
)

from tests.rpc.services import (
    UNARY,
    RawClient,
    Service,
    ask,
    echo,
    park,
    serving,
    serving_channel,
)
from tests.rpc.watched import Watched
from zbtrio.rpc import Server, ServerCall
from zbtrio.rpc.frames import PREFACE, ErrorCode
from zbtrio.rpc.server_connection import (
    RESETS_AT_ONCE,
)


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
