"""The channel: connections that come and go, calls that wait, streams that run out."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import trio
from grpclib.const import Cardinality, Status
from trio.testing import MockClock, memory_stream_pair, wait_all_tasks_blocked

from tests import faults
from tests.faulty_gateway import open_faulty_gateway
from tests.rpc.core import RESPONSE, TRAILERS
from tests.rpc.services import PARTS, UNARY, Service, ask, echo, method, park, serving
from zbtrio import gateway as rpcs
from zbtrio._proto import gateway_protocol as proto
from zbtrio.rpc import Channel, Deadline, RpcError, ServerCall, UnaryCall
from zbtrio.rpc.frames import (
    DataReceived,
    ErrorCode,
    Event,
    HeadersReceived,
    PingReceived,
    SettingsReceived,
    StreamReset,
)
from zbtrio.rpc.grpc import frame_message
from zbtrio.rpc.header_memo import FieldList
from zbtrio.rpc.http2 import Http2Connection, Stream

TOPOLOGY = proto.TopologyRequest()


class Puppet:
    """A server of the core alone: it does what the test says, when the test says it."""

    def __init__(self, **options: int) -> None:
        self._options = options
        self._connected = trio.Event()
        self.silent = False
        self.connects: list[float] = []

    async def connect(self, target: str) -> trio.abc.Stream:
        """Connect a channel in memory."""
        self.core = Http2Connection(client=False, **self._options)
        self.transport, theirs = memory_stream_pair()
        self.connects.append(trio.current_time())
        self._connected.set()
        await self.flush()
        return theirs

    async def flush(self) -> None:
        """Send what the core has queued, unless the test wants silence."""
        await self.transport.send_all(b"" if self.silent else self.core.data_to_send())

    async def read(self) -> list[Event]:
        """Wait for bytes and return what they mean; their answers wait for `flush`."""
        await self._connected.wait()
        data = bytes(await self.transport.receive_some())
        if not data:
            raise trio.BrokenResourceError("the channel has closed the connection")
        return self.core.receive_data(data)

    async def expect(self, kind: type[Event]) -> Any:
        """Read until an event of this kind comes, and answer all."""
        while True:
            events = await self.read()
            await self.flush()
            for event in events:
                if isinstance(event, kind):
                    return event

    async def answer(self, stream: Stream, *messages: bytes) -> None:
        """Send a whole response."""
        self.core.send_headers(stream, RESPONSE)
        for message in messages:
            self.core.send_data(stream, frame_message(message))
        self.core.send_headers(stream, TRAILERS, end_stream=True)
        await self.flush()

    async def hang_up(self) -> None:
        """Close the connection."""
        await self.transport.aclose()


def channel_to(connect: Any, **options: Any) -> Channel:
    return Channel("memory:1", connector=connect, **{"keepalive": None, **options})


class TestLife:
    async def test_calls_need_an_open_channel(self) -> None:
        channel = channel_to(Puppet().connect)
        with pytest.raises(RuntimeError, match="open channel"):
            await channel.unary(rpcs.TOPOLOGY, TOPOLOGY)
        async with channel:
            pass
        assert channel.state == "closed"
        with pytest.raises(RuntimeError, match="open channel"):
            await channel.unary(rpcs.TOPOLOGY, TOPOLOGY)
        with pytest.raises(RuntimeError, match="opened once"):
            await channel.__aenter__()

    async def test_it_shows_what_it_is(self) -> None:
        channel = Channel(["one", "two:1"])
        assert repr(channel) == "<Channel to one:26500, two:1, connecting>"
        with pytest.raises(ValueError, match="at least one address"):
            Channel([])
        with pytest.raises(ValueError, match="no address"):
            Channel("http://one")

    async def test_calls_left_at_the_end_fail(self) -> None:
        ended: list[UnaryCall] = []
        puppet = Puppet()
        async with channel_to(puppet.connect) as channel:
            await channel.wait_ready()
            channel.start_unary(rpcs.TOPOLOGY, TOPOLOGY, timeout=None, on_done=ended.append)
            await puppet.expect(HeadersReceived)
        (call,) = ended
        assert call.error is not None
        assert call.error.status is Status.UNAVAILABLE
        assert not call.error.unprocessed

    async def test_errors_of_the_body_come_out_as_they_are(self) -> None:
        async with serving(Service(Echo=(UNARY, echo))) as (_, connect):

            async def fail() -> None:
                async with channel_to(connect) as channel:
                    await ask(channel, "Echo")
                    raise KeyError

            with pytest.raises(KeyError):
                await fail()

    async def test_state_listeners(self, autojump_clock: MockClock) -> None:
        states: list[tuple[str, str]] = []
        puppet = Puppet()
        channel = channel_to(puppet.connect)
        remove = channel.add_state_listener(lambda state, reason: states.append((state, reason)))
        async with channel:
            await channel.wait_ready()
            await puppet.expect(SettingsReceived)
            await puppet.hang_up()
            await wait_all_tasks_blocked()
            assert [state for state, _ in states] == ["ready", "reconnecting"]
            assert "closed the connection" in states[1][1]
            await channel.wait_ready()
            assert channel.connections == 1
            remove()
        assert [state for state, _ in states] == ["ready", "reconnecting", "ready"]


class TestUnary:
    async def test_start_unary_comes_back_at_once(self) -> None:
        """And tells the end later, once, from the reader."""
        order: list[str] = []
        ended = trio.Event()

        def on_done(call: UnaryCall) -> None:
            order.append("done")
            ended.set()

        async with serving(Service(Echo=(UNARY, echo))) as (_, connect):
            async with channel_to(connect) as channel:
                await channel.wait_ready()
                call = channel.start_unary(method("Echo"), b"x", timeout=5, on_done=on_done)
                order.append("started")
                assert not call.done
                await ended.wait()
                assert order == ["started", "done"]
                assert call.data == b"x"
                await wait_all_tasks_blocked()
        assert order == ["started", "done"]

    async def test_a_cancelled_call_tells_nothing(self) -> None:
        ended: list[UnaryCall] = []
        puppet = Puppet()
        async with channel_to(puppet.connect) as channel:
            await channel.wait_ready()
            call = channel.start_unary(rpcs.TOPOLOGY, TOPOLOGY, timeout=None, on_done=ended.append)
            await puppet.expect(HeadersReceived)
            call.cancel()
            call.cancel()
            reset = await puppet.expect(StreamReset)
            assert reset.code == ErrorCode.CANCEL
        assert ended == []

    async def test_bad_metadata_is_told_at_once(self) -> None:
        async with channel_to(Puppet().connect) as channel:
            with pytest.raises(ValueError, match="Invalid metadata key"):
                await channel.unary(rpcs.TOPOLOGY, TOPOLOGY, metadata=[("A b", "c")])

    async def test_no_call_leaves_before_the_servers_settings(self) -> None:
        puppet = Puppet()
        puppet.silent = True
        async with channel_to(puppet.connect) as channel, trio.open_nursery() as nursery:
            nursery.start_soon(channel.unary, rpcs.TOPOLOGY, TOPOLOGY)
            events = await puppet.read()
            await wait_all_tasks_blocked()
            assert [type(event).__name__ for event in events] == ["SettingsReceived"]
            puppet.silent = False
            await puppet.flush()
            assert await puppet.expect(HeadersReceived)
            nursery.cancel_scope.cancel()

    @pytest.mark.parametrize("messages", [0, 2])
    async def test_a_server_that_does_not_answer_once(self, messages: int) -> None:
        puppet = Puppet()
        async with channel_to(puppet.connect) as channel, trio.open_nursery() as nursery:

            @nursery.start_soon
            async def answer() -> None:
                request = await puppet.expect(HeadersReceived)
                await puppet.answer(request.stream, *[b""] * messages)

            with pytest.raises(RpcError, match=f"{messages} responses"):
                await channel.unary(rpcs.TOPOLOGY, TOPOLOGY)

    async def test_a_response_cut_off(self) -> None:
        puppet = Puppet()
        async with channel_to(puppet.connect) as channel, trio.open_nursery() as nursery:

            @nursery.start_soon
            async def answer() -> None:
                stream = (await puppet.expect(HeadersReceived)).stream
                puppet.core.send_headers(stream, RESPONSE)
                puppet.core.send_data(stream, frame_message(b"1234")[:-1])
                puppet.core.send_headers(stream, TRAILERS, end_stream=True)
                await puppet.flush()

            with pytest.raises(RpcError, match="in the middle of a message"):
                await channel.unary(rpcs.TOPOLOGY, TOPOLOGY)

    async def test_a_body_without_a_status(self) -> None:
        puppet = Puppet()
        async with channel_to(puppet.connect) as channel, trio.open_nursery() as nursery:

            @nursery.start_soon
            async def answer() -> None:
                stream = (await puppet.expect(HeadersReceived)).stream
                puppet.core.send_headers(stream, RESPONSE)
                puppet.core.send_data(stream, frame_message(b""), end_stream=True)
                await puppet.flush()

            with pytest.raises(RpcError, match="without a status") as failure:
                await channel.unary(rpcs.TOPOLOGY, TOPOLOGY)
            assert failure.value.status is Status.UNKNOWN

    @pytest.mark.parametrize("reset", [False, True])
    async def test_a_web_page(self, reset: bool) -> None:
        """What comes behind its headers means nothing."""
        puppet = Puppet()
        page = FieldList((b":status", b"200"), (b"content-type", b"text/html"))
        async with channel_to(puppet.connect) as channel, trio.open_nursery() as nursery:

            @nursery.start_soon
            async def answer() -> None:
                stream = (await puppet.expect(HeadersReceived)).stream
                puppet.core.send_headers(stream, page)
                puppet.core.send_data(stream, b"<html>")
                if reset:
                    puppet.core.reset_stream(stream)
                else:
                    puppet.core.send_headers(stream, TRAILERS, end_stream=True)
                await puppet.flush()

            with pytest.raises(RpcError, match="text/html"):
                await channel.unary(rpcs.TOPOLOGY, TOPOLOGY)

    async def test_a_message_above_the_limit(self) -> None:
        async with serving(Service(Echo=(UNARY, echo))) as (_, connect):
            async with channel_to(connect, max_message_size=1000) as channel:
                with pytest.raises(RpcError, match="limit is 1000") as failure:
                    await ask(channel, "Echo", bytes(1001))
                assert failure.value.status is Status.RESOURCE_EXHAUSTED
                assert await ask(channel, "Echo", bytes(1000)) == bytes(1000)

    async def test_a_server_that_breaks_http2(self) -> None:
        puppet = Puppet()
        async with channel_to(puppet.connect) as channel, trio.open_nursery() as nursery:

            @nursery.start_soon
            async def answer() -> None:
                await puppet.expect(HeadersReceived)
                await puppet.transport.send_all(b"\x00\x00\x00\x05\x04\x00\x00\x00\x01")

            with pytest.raises(RpcError, match="broke HTTP/2: PUSH_PROMISE") as failure:
                await channel.unary(rpcs.TOPOLOGY, TOPOLOGY)
            assert (failure.value.received, failure.value.unprocessed) == (False, False)


class TestDeadlines:
    async def test_they_go_out_and_hold_here(self, autojump_clock: MockClock) -> None:
        puppet = Puppet()
        async with channel_to(puppet.connect) as channel, trio.open_nursery() as nursery:
            await channel.wait_ready()
            start = trio.current_time()

            @nursery.start_soon
            async def look() -> None:
                request = await puppet.expect(HeadersReceived)
                assert request.headers.get(b"grpc-timeout") == b"2500m"
                assert (await puppet.expect(StreamReset)).code == ErrorCode.CANCEL

            with pytest.raises(RpcError, match="no answer in time") as failure:
                await channel.unary(rpcs.TOPOLOGY, TOPOLOGY, timeout=2.5)
            assert failure.value.status is Status.DEADLINE_EXCEEDED
            assert not failure.value.unprocessed
            assert trio.current_time() == start + 2.5

    async def test_without_a_connection(self, autojump_clock: MockClock) -> None:
        async def refuse(target: str) -> trio.abc.Stream:
            raise ConnectionRefusedError(111, "Connection refused")

        async with channel_to(refuse) as channel:
            start = trio.current_time()
            with pytest.raises(RpcError, match="no connection to memory:1") as failure:
                await channel.unary(rpcs.TOPOLOGY, TOPOLOGY, timeout=3)
            assert "Connection refused" in str(failure.value)
            assert failure.value.status is Status.UNAVAILABLE
            assert failure.value.unprocessed
            assert trio.current_time() == start + 3

    async def test_many(self, autojump_clock: MockClock) -> None:
        """In any order, and most of them ended before."""
        expired: list[float] = []
        async with serving(Service(Echo=(UNARY, echo), Park=(UNARY, park))) as (_, connect):
            async with channel_to(connect) as channel, trio.open_nursery() as nursery:
                await channel.wait_ready()
                start = trio.current_time()

                async def one(timeout: float) -> None:
                    with pytest.raises(RpcError):
                        await ask(channel, "Park", timeout=timeout)
                    expired.append(trio.current_time() - start)

                for timeout in (5, 1, 3, 2, 4):
                    nursery.start_soon(one, timeout)
                for _ in range(2500):
                    await ask(channel, "Echo", timeout=1000)
                assert len(channel._deadlines._heap) < 2100
        assert expired == [1, 2, 3, 4, 5]

    async def test_the_stubs_deadline_object(self, autojump_clock: MockClock) -> None:
        async with open_faulty_gateway() as gateway:
            gateway.script("Topology", faults.silence, times=math.inf)
            async with Channel(gateway.target, connector=gateway.connector) as channel:
                await channel.wait_ready()
                for options, seconds in (
                    ({"deadline": Deadline.from_timeout(2)}, 2),
                    ({"timeout": 1}, 1),
                    ({"timeout": 1, "deadline": Deadline.from_timeout(50)}, 1),
                ):
                    start = trio.current_time()
                    with pytest.raises(RpcError) as failure:
                        await proto.GatewayStub(channel).topology(TOPOLOGY, **options)
                    assert failure.value.status is Status.DEADLINE_EXCEEDED
                    assert trio.current_time() == pytest.approx(start + seconds)


class TestOutcomes:
    """What is known of a call that has failed."""

    async def test_a_connection_lost_after_sending(self) -> None:
        async with open_faulty_gateway() as gateway:
            gateway.script("Topology", faults.drop_connection)
            async with Channel(gateway.target, connector=gateway.connector) as channel:
                with pytest.raises(RpcError, match="connection lost") as failure:
                    await channel.unary(rpcs.TOPOLOGY, TOPOLOGY)
                assert (failure.value.received, failure.value.unprocessed) == (False, False)

    async def test_a_refused_stream_is_sent_again(self) -> None:
        async with open_faulty_gateway() as gateway:
            gateway.script("Topology", faults.reset(ErrorCode.REFUSED_STREAM), times=2)
            async with Channel(gateway.target, connector=gateway.connector) as channel:
                await channel.unary(rpcs.TOPOLOGY, TOPOLOGY)
            assert len(gateway.seen("Topology")) == 3

    async def test_but_not_for_ever(self) -> None:
        async with open_faulty_gateway() as gateway:
            gateway.script("Topology", faults.reset(ErrorCode.REFUSED_STREAM), times=math.inf)
            async with Channel(gateway.target, connector=gateway.connector) as channel:
                with pytest.raises(RpcError) as failure:
                    await channel.unary(rpcs.TOPOLOGY, TOPOLOGY)
                assert failure.value.unprocessed
            assert 2 <= len(gateway.seen("Topology")) <= 10

    async def test_goaway_leaves_out_what_it_did_not_look_at(self) -> None:
        """Two calls before it, one after: the first is answered, the others go elsewhere."""
        puppet = Puppet()
        answers: list[str] = []
        async with channel_to(puppet.connect) as channel, trio.open_nursery() as nursery:
            await channel.wait_ready()

            async def call(name: str) -> None:
                await channel.unary(rpcs.TOPOLOGY, TOPOLOGY)
                answers.append(name)

            nursery.start_soon(call, "a")
            first = await puppet.expect(HeadersReceived)
            old = puppet.core, puppet.transport
            nursery.start_soon(call, "b")
            await puppet.expect(HeadersReceived)
            puppet.core.send_goaway(last_stream_id=first.stream.id)
            await puppet.flush()
            await wait_all_tasks_blocked()
            while len(puppet.connects) < 2:
                await trio.sleep(0.01)
            again = await puppet.expect(HeadersReceived)
            await puppet.answer(again.stream, b"")
            await wait_all_tasks_blocked()
            assert answers == ["b"]
            puppet.core, puppet.transport = old
            await puppet.answer(first.stream, b"")
            await wait_all_tasks_blocked()
            assert answers == ["b", "a"]
            while await puppet.transport.receive_some():
                pass  # until it is closed: retired and idle
            nursery.cancel_scope.cancel()


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


class TestStreams:
    async def test_a_message_of_three_windows(self) -> None:
        async with serving(Service(Echo=(PARTS, echo))) as (_, connect):
            async with channel_to(connect) as channel:
                body = bytes(range(256)) * 3072
                async with channel.stream(method("Echo"), body) as stream:
                    assert [message async for message in stream] == [body]

    async def test_an_unread_stream_holds_its_sender_only(self) -> None:
        sent = 0

        async def endless(call: ServerCall) -> None:
            nonlocal sent
            while True:
                await call.send_message(bytes(50_000))
                sent += 1

        service = Service(Endless=(PARTS, endless), Echo=(UNARY, echo))
        async with serving(service) as (_, connect), channel_to(connect) as channel:
            async with channel.stream(method("Endless"), b"") as stream:
                await wait_all_tasks_blocked()
                full = sent
                assert full < 20
                assert await ask(channel, "Echo", bytes(1_000_000)) == bytes(1_000_000)
                assert sent == full
                for _ in range(50):
                    assert len(await anext(stream)) == 50_000
                assert sent > full

    async def test_arrival_is_when_the_frame_came(self, autojump_clock: MockClock) -> None:
        async def two(call: ServerCall) -> None:
            await call.send_message(b"1")
            await trio.sleep(3)
            await call.send_message(b"2")

        async with serving(Service(Two=(PARTS, two))) as (_, connect):
            async with channel_to(connect) as channel:
                async with channel.stream(method("Two"), b"") as stream:
                    start = trio.current_time()
                    await trio.sleep(10)
                    arrivals = [stream.arrival - start async for _ in stream]
        assert arrivals == [0, 3]

    async def test_a_reset_in_the_middle(self) -> None:
        """What came before it is given out first."""
        puppet = Puppet()
        async with channel_to(puppet.connect) as channel:
            async with channel.stream(method("Any"), b"") as stream:
                request = (await puppet.expect(HeadersReceived)).stream
                puppet.core.send_headers(request, RESPONSE)
                puppet.core.send_data(request, frame_message(b"1") + frame_message(b"2")[:3])
                puppet.core.reset_stream(request, ErrorCode.INTERNAL_ERROR)
                await puppet.flush()
                await wait_all_tasks_blocked()
                assert await anext(stream) == b"1"
                with pytest.raises(RpcError, match="INTERNAL_ERROR") as failure:
                    await anext(stream)
                assert failure.value.status is Status.INTERNAL

    async def test_leaving_the_block_resets(self) -> None:
        puppet = Puppet()
        async with channel_to(puppet.connect) as channel:
            async with channel.stream(method("Any"), b""):
                await puppet.expect(HeadersReceived)
            assert (await puppet.expect(StreamReset)).code == ErrorCode.CANCEL

    async def test_two_readers_are_one_too_many(self) -> None:
        puppet = Puppet()
        async with channel_to(puppet.connect) as channel:
            async with channel.stream(method("Any"), b"") as stream:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(anext, stream)
                    await wait_all_tasks_blocked()
                    with pytest.raises(RuntimeError, match="two tasks"):
                        await anext(stream)
                    nursery.cancel_scope.cancel()

    async def test_stop_gives_out_what_was_on_its_way(self) -> None:
        puppet = Puppet()
        async with channel_to(puppet.connect) as channel:
            async with channel.stream(method("Any"), b"") as stream:
                request = (await puppet.expect(HeadersReceived)).stream
                puppet.core.send_headers(request, RESPONSE)
                puppet.core.send_data(request, frame_message(b"before"))
                await puppet.flush()
                await wait_all_tasks_blocked()
                stream.stop()
                stream.stop()
                puppet.core.send_data(request, frame_message(b"crossing"))
                await puppet.flush()
                assert [await anext(stream), await anext(stream)] == [b"before", b"crossing"]
                assert (await puppet.expect(StreamReset)).code == ErrorCode.CANCEL
                with pytest.raises(StopAsyncIteration):
                    await anext(stream)

    async def test_stop_of_a_call_that_waits_for_a_connection(self) -> None:
        async def never(target: str) -> trio.abc.Stream:
            return await trio.sleep_forever()

        async with channel_to(never) as channel:
            async with channel.stream(method("Any"), b"") as stream:
                stream.stop()
                assert [message async for message in stream] == []

    async def test_stop_and_the_connection_ends(self) -> None:
        puppet = Puppet()
        async with channel_to(puppet.connect) as channel:
            async with channel.stream(method("Any"), b"") as stream:
                await puppet.expect(HeadersReceived)
                stream.stop()
                await puppet.hang_up()
                assert [message async for message in stream] == []

    async def test_a_retired_connection_ends_with_its_last_call(self) -> None:
        """However that call ends."""
        puppet = Puppet()
        async with channel_to(puppet.connect) as channel, trio.open_nursery() as nursery:

            @nursery.start_soon
            async def call() -> None:
                with pytest.raises(RpcError, match="INTERNAL_ERROR"):
                    await channel.unary(rpcs.TOPOLOGY, TOPOLOGY)

            request = (await puppet.expect(HeadersReceived)).stream
            puppet.core.send_goaway()
            puppet.core.reset_stream(request, ErrorCode.INTERNAL_ERROR)
            await puppet.flush()
            with trio.fail_after(5):
                while await puppet.transport.receive_some():
                    pass


async def test_calls_that_stream_requests_are_not_offered() -> None:
    async with channel_to(Puppet().connect) as channel:
        for cardinality in (Cardinality.STREAM_UNARY, Cardinality.STREAM_STREAM):
            with pytest.raises(NotImplementedError):
                channel.request("/a/b", cardinality, bytes, bytes)


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


async def test_data_is_seen_by_the_puppet() -> None:
    """The test's own server: what a call sends, it reads."""
    puppet = Puppet()
    async with channel_to(puppet.connect) as channel, trio.open_nursery() as nursery:

        @nursery.start_soon
        async def answer() -> None:
            event = await puppet.expect(DataReceived)
            assert event.data == frame_message(b"question")
            await puppet.answer(event.stream, b"answer")

        assert await ask(channel, "Any", b"question") == b"answer"
