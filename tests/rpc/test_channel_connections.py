"""The channel's connections: how they come and go, and what happens when streams run out."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from tests.faulty_gateway import open_faulty_gateway
from tests.rpc.puppet import Puppet, channel_to
from tests.rpc.services import PARTS, UNARY, Service, ask, echo, method, park, serving
from zbtrio import gateway as rpcs
from zbtrio._proto import gateway_protocol as proto
from zbtrio.rpc import Channel, RpcError, ServerCall
from zbtrio.rpc.frames import (
    PingReceived,
    SettingsReceived,
)

TOPOLOGY = proto.TopologyRequest()


class TestReconnecting:
    async def test_attempts_are_a_second_apart_at_most(self, autojump_clock: MockClock) -> None:
        attempts: list[float] = []

        async def refuse(target: str) -> trio.abc.Stream:
            attempts.append(trio.current_time())
            raise ConnectionRefusedError("down")

        async with channel_to(refuse):
            await trio.sleep(30)
        pauses = [b - a for a, b in pairwise(attempts)]
        assert pauses[0] < 0.2
        assert max(pauses) <= 1
        assert len(attempts) < 80
        assert len(set(pauses)) > len(pauses) / 2  # jitter

    async def test_it_is_back_within_a_second(self, autojump_clock: MockClock) -> None:
        async with open_faulty_gateway() as gateway:
            channel = Channel(gateway.target, connector=gateway.connector, keepalive=None)
            async with channel:
                await channel.unary(rpcs.TOPOLOGY, TOPOLOGY)
                gateway.crash()
                await trio.sleep(300)
                assert channel.state == "reconnecting"
                await gateway.restart()
                start = trio.current_time()
                await channel.unary(rpcs.TOPOLOGY, TOPOLOGY)
                assert trio.current_time() <= start + 1

    async def test_a_server_that_hangs_up_at_once_is_not_hammered(
        self, autojump_clock: MockClock
    ) -> None:
        puppet = Puppet()

        async def connect(target: str) -> trio.abc.Stream:
            stream = await puppet.connect(target)
            await puppet.hang_up()
            return stream

        async with channel_to(connect):
            await trio.sleep(30)
        assert 20 < len(puppet.connects) < 80

    async def test_a_server_that_says_nothing_is_left(self, autojump_clock: MockClock) -> None:
        connects: list[float] = []

        async def connect(target: str) -> trio.abc.Stream:
            connects.append(trio.current_time())
            ours, theirs = memory_stream_pair()
            silent.append(ours)
            return theirs

        silent: list[Any] = []
        async with channel_to(connect) as channel:
            with pytest.raises(RpcError, match="no HTTP/2 SETTINGS") as failure:
                await channel.unary(rpcs.TOPOLOGY, TOPOLOGY, timeout=15)
            assert failure.value.unprocessed
        assert 2 <= len(connects) <= 3

    async def test_waiting_calls_start_one_after_the_other(self, autojump_clock: MockClock) -> None:
        """So that a gateway that is back is not hit by all of them at once."""
        arrivals: list[float] = []

        async def note(call: ServerCall) -> None:
            arrivals.append(trio.current_time())
            await call.send_message(b"")

        async with serving(Service(Note=(UNARY, note))) as (_, connect):

            async def later(target: str) -> trio.abc.Stream:
                await trio.sleep(1)
                return await connect(target)

            async with channel_to(later) as channel, trio.open_nursery() as nursery:
                for _ in range(100):
                    nursery.start_soon(ask, channel, "Note")
        assert len(arrivals) == 100
        assert 0.05 < max(arrivals) - min(arrivals) < 0.5

    async def test_several_addresses(self, autojump_clock: MockClock) -> None:
        tried: list[str] = []
        async with serving(Service(Echo=(UNARY, echo))) as (_, connect):

            async def choose(target: str) -> trio.abc.Stream:
                tried.append(target)
                if target != "three:3":
                    raise OSError("down")
                return await connect(target)

            targets = ["one:1", "two:2", "three:3"]
            async with Channel(targets, connector=choose, keepalive=None) as channel:
                assert await ask(channel, "Echo", b"x", timeout=5) == b"x"
        assert tried == targets

    async def test_tcp_addresses(self) -> None:
        """The first has nobody listening."""
        listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
        free = listener.socket.getsockname()[1]
        await listener.aclose()
        async with (
            open_faulty_gateway(port=0) as gateway,
            Channel([f"127.0.0.1:{free}", gateway.target]) as channel,
        ):
            await channel.unary(rpcs.TOPOLOGY, TOPOLOGY, timeout=5)


class TestKeepalive:
    async def test_a_server_that_vanished_is_found(self, autojump_clock: MockClock) -> None:
        puppet = Puppet()
        async with channel_to(puppet.connect, keepalive=45.0) as channel:
            await channel.wait_ready()
            start = trio.current_time()
            with pytest.raises(RpcError, match="no answer to a keepalive ping") as failure:
                await channel.unary(rpcs.TOPOLOGY, TOPOLOGY)
            assert trio.current_time() - start == pytest.approx(65, abs=1)
            assert not failure.value.unprocessed
            events = await puppet.read()
            assert [type(event).__name__ for event in events][-1] == "PingReceived"

    async def test_one_that_answers_is_left_alone(self, autojump_clock: MockClock) -> None:
        puppet = Puppet()
        pings: list[float] = []
        async with channel_to(puppet.connect, keepalive=45.0) as channel:
            with trio.move_on_after(500):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(channel.unary, rpcs.TOPOLOGY, TOPOLOGY)
                    while True:
                        await puppet.expect(PingReceived)
                        pings.append(trio.current_time())
            assert channel.state == "ready"
        gaps = [b - a for a, b in pairwise(pings)]
        assert 9 <= len(pings) <= 12
        assert min(gaps) >= 45

    async def test_no_pings_without_calls(self, autojump_clock: MockClock) -> None:
        """gRPC servers end connections over them."""
        puppet = Puppet()
        async with channel_to(puppet.connect, keepalive=45.0) as channel:
            await channel.wait_ready()
            await puppet.expect(SettingsReceived)
            with trio.move_on_after(1000):
                await puppet.expect(PingReceived)
                pytest.fail("a ping without a call")

    async def test_our_server_bears_our_pings(self, autojump_clock: MockClock) -> None:
        async with serving(Service(Park=(UNARY, park))) as (server, connect):
            async with channel_to(connect, keepalive=45.0) as channel:
                with pytest.raises(RpcError, match="no answer in time"):
                    await ask(channel, "Park", timeout=3600)
                assert server.connections == 1
                assert channel.state == "ready"


class TestStreamsRunOut:
    @pytest.mark.parametrize("parked", [60, 200])
    async def test_polls_shard_and_unary_calls_do_not_wait(
        self, parked: int, autojump_clock: MockClock
    ) -> None:
        """200 subscriptions at a proxy that allows 100 streams a connection."""
        async with open_faulty_gateway(max_concurrent_streams=100) as gateway:
            channel = Channel(gateway.target, connector=gateway.connector, keepalive=None)
            async with channel, trio.open_nursery() as nursery:

                async def poll(number: int) -> None:
                    request = proto.ActivateJobsRequest(
                        type=f"t{number}",
                        timeout=1000,
                        max_jobs_to_activate=1,
                        request_timeout=600_000,
                    )
                    async with channel.stream(rpcs.ACTIVATE_JOBS, request) as stream:
                        async for _ in stream:
                            pass

                for number in range(parked):
                    nursery.start_soon(poll, number)
                await trio.sleep(2)
                assert len(gateway.seen("ActivateJobs")) == parked
                assert set(gateway.outcomes("ActivateJobs")) == {"open"}
                assert channel.connections == math.ceil(parked / 84)
                start = trio.current_time()
                for _ in range(50):
                    await channel.unary(rpcs.TOPOLOGY, TOPOLOGY)
                assert trio.current_time() == start
                assert channel.connections == math.ceil(parked / 84)
                nursery.cancel_scope.cancel()

    async def test_there_is_a_limit_to_connections(self, autojump_clock: MockClock) -> None:
        async with (
            serving(Service(Park=(PARTS, park), Echo=(UNARY, echo)), max_concurrent_streams=4) as (
                _,
                connect,
            ),
            channel_to(connect, max_connections=2) as channel,
        ):
            async with trio.open_nursery() as nursery:

                async def parked() -> None:
                    async with channel.stream(method("Park"), b"") as stream:
                        await anext(stream)

                for _ in range(20):
                    nursery.start_soon(parked)
                await trio.sleep(5)
                assert channel.connections == 2
                assert await ask(channel, "Echo", b"x") == b"x"
                nursery.cancel_scope.cancel()

    async def test_unary_calls_beyond_the_streams_wait_their_turn(self) -> None:
        running = most = 0

        async def work(call: ServerCall) -> None:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await trio.lowlevel.checkpoint()
            running -= 1
            await echo(call)

        answers: list[bytes] = []
        async with serving(Service(Work=(UNARY, work)), max_concurrent_streams=5) as (_, connect):
            async with channel_to(connect) as channel, trio.open_nursery() as nursery:

                async def one(number: int) -> None:
                    answers.append(await ask(channel, "Work", b"%d" % number))

                for number in range(100):
                    nursery.start_soon(one, number)
        assert len(answers) == 100
        assert most <= 5

    async def test_ids_that_run_out(self) -> None:
        async with serving(Service(Echo=(UNARY, echo))) as (server, connect):
            async with channel_to(connect) as channel:
                await ask(channel, "Echo")
                channel._connections[0]._core._next_id = 2**31 - 1
                for _ in range(3):
                    assert await ask(channel, "Echo", b"x", timeout=5) == b"x"
                assert server.connections == 1


ANSWERS: dict[str, Callable[[], bytes]] = {
    "an HTTP/1.1 server": lambda: b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "an SSH server": lambda: b"SSH-2.0-OpenSSH_9.6\r\n",
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_something_else_at_the_address(name: str, autojump_clock: MockClock) -> None:
    async def connect(target: str) -> trio.abc.Stream:
        ours, theirs = memory_stream_pair()
        await ours.send_all(ANSWERS[name]())
        kept.append(ours)
        return theirs

    kept: list[Any] = []
    async with channel_to(connect) as channel:
        with pytest.raises(RpcError, match="broke HTTP/2") as failure:
            await channel.unary(rpcs.TOPOLOGY, TOPOLOGY, timeout=3)
        assert failure.value.unprocessed
