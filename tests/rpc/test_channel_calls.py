"""Calls on the channel: how they start, wait and end, and what is known when they fail."""

from __future__ import annotations

import math

import pytest
import trio
from grpclib.const import Cardinality, Status
from trio.testing import MockClock, wait_all_tasks_blocked

from tests import faults
from tests.faulty_gateway import open_faulty_gateway
from tests.rpc.core import RESPONSE, TRAILERS
from tests.rpc.puppet import Puppet, channel_to
from tests.rpc.services import UNARY, Service, ask, echo, method, park, serving
from zbtrio import gateway as rpcs
from zbtrio._proto import gateway_protocol as proto
from zbtrio.rpc import Channel, Deadline, RpcError, UnaryCall
from zbtrio.rpc.frames import (
    DataReceived,
    ErrorCode,
    HeadersReceived,
    SettingsReceived,
    StreamReset,
)
from zbtrio.rpc.grpc import frame_message
from zbtrio.rpc.header_memo import FieldList

TOPOLOGY = proto.TopologyRequest()


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


async def test_calls_that_stream_requests_are_not_offered() -> None:
    async with channel_to(Puppet().connect) as channel:
        for cardinality in (Cardinality.STREAM_UNARY, Cardinality.STREAM_STREAM):
            with pytest.raises(NotImplementedError):
                channel.request("/a/b", cardinality, bytes, bytes)


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
