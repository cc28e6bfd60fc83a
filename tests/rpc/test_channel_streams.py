"""Calls with a stream of responses: credit, arrival, stopping, ends."""

from __future__ import annotations

import pytest
import trio
from grpclib.const import Status
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.rpc.core import RESPONSE
from tests.rpc.puppet import Puppet, channel_to
from tests.rpc.services import PARTS, UNARY, Service, ask, echo, method, serving
from zbtrio import gateway as rpcs
from zbtrio._proto import gateway_protocol as proto
from zbtrio.rpc import RpcError, ServerCall
from zbtrio.rpc.frames import (
    ErrorCode,
    HeadersReceived,
    StreamReset,
)
from zbtrio.rpc.grpc import frame_message

TOPOLOGY = proto.TopologyRequest()


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
