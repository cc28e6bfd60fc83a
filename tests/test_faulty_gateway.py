"""The faulty gateway itself: a healthy one when nothing is scripted, and each fault as it says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from grpclib.const import Status

from tests import faults
from tests.faulty_gateway import FaultyGateway, open_faulty_gateway
from zbtrio import gateway as rpcs
from zbtrio._proto import gateway_protocol as proto
from zbtrio.rpc import Channel, RpcError
from zbtrio.rpc.frames import ErrorCode


@asynccontextmanager
async def gateway_and_channel(
    *, port: int | None = None, **options: Any
) -> AsyncIterator[tuple[FaultyGateway, Channel]]:
    async with (
        open_faulty_gateway(port=port, **options) as gateway,
        Channel(gateway.target, connector=gateway.connector, keepalive=None) as channel,
    ):
        yield gateway, channel


def activation(type: str = "work", **fields: Any) -> proto.ActivateJobsRequest:
    fields = {"max_jobs_to_activate": 10, "timeout": 1000, "request_timeout": 5000, **fields}
    return proto.ActivateJobsRequest(type=type, worker="test", **fields)


async def activate(channel: Channel, type: str = "work", **fields: Any) -> list[Any]:
    request = activation(type, **fields)
    async with channel.stream(rpcs.ACTIVATE_JOBS, request) as stream:
        return [job async for message in stream.messages() for job in message.jobs]


@pytest.mark.parametrize("port", [None, 0], ids=["memory", "tcp"])
async def test_jobs_are_handed_out_and_completed(port: int | None) -> None:
    async with gateway_and_channel(port=port) as (gateway, channel):
        key = gateway.queue.add("work", {"a": 1, "b": 2}, headers={"h": "1"})
        (job,) = await activate(channel, fetch_variable=["b"])
        assert (job.key, job.variables, job.custom_headers) == (key, '{"b": 2}', '{"h": "1"}')
        request = proto.CompleteJobRequest(job_key=key, variables='{"c": 3}')
        await channel.unary(rpcs.COMPLETE_JOB, request)
        assert gateway.queue.jobs[key].state == "COMPLETED"
        assert gateway.queue.jobs[key].result == {"c": 3}
        with pytest.raises(RpcError, match="no such job was found"):
            await channel.unary(rpcs.COMPLETE_JOB, request)
        assert gateway.outcomes("CompleteJob") == ["OK", "NOT_FOUND"]


async def test_a_poll_is_parked_until_a_job_or_its_end(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with gateway_and_channel() as (gateway, channel), trio.open_nursery() as nursery:
        start = trio.current_time()
        assert await activate(channel, request_timeout=3000) == []
        assert trio.current_time() == start + 3
        assert await activate(channel, request_timeout=-1) == []
        assert trio.current_time() == start + 3

        @nursery.start_soon
        async def later() -> None:
            await trio.sleep(2)
            gateway.queue.add("work")

        assert len(await activate(channel)) == 1
        assert trio.current_time() == start + 5


async def test_a_lease_runs_out_and_a_failed_job_waits(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with gateway_and_channel() as (gateway, channel):
        key = gateway.queue.add("work", retries=3)
        start = trio.current_time()
        await activate(channel, timeout=1000)
        await activate(channel, timeout=1000)
        assert trio.current_time() == start + 1
        request = proto.FailJobRequest(job_key=key, retries=2, retry_back_off=2000)
        await channel.unary(rpcs.FAIL_JOB, request)
        (job,) = await activate(channel, timeout=1000)
        assert trio.current_time() == start + 3
        assert (job.key, job.retries) == (key, 2)
        await channel.unary(rpcs.FAIL_JOB, proto.FailJobRequest(job_key=key))
        assert gateway.queue.jobs[key].state == "INCIDENT"
        assert await activate(channel) == []


async def test_a_cancelled_poll_takes_no_job(autojump_clock: trio.testing.MockClock) -> None:
    async with gateway_and_channel() as (gateway, channel):
        with trio.move_on_after(1):
            await activate(channel)
        await trio.sleep(1)
        key = gateway.queue.add("work")
        assert gateway.queue.jobs[key].state == "ACTIVATABLE"
        assert gateway.outcomes("ActivateJobs") == ["cancelled"]


async def test_a_push_stream_brings_what_becomes_activatable(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with gateway_and_channel() as (gateway, channel):
        gateway.queue.add("other")
        request = proto.StreamActivatedJobsRequest(type="work", worker="test", timeout=1000)
        async with channel.stream(rpcs.STREAM_ACTIVATED_JOBS, request) as stream:
            await trio.sleep(1)
            keys = [gateway.queue.add("work") for _ in range(3)]
            messages = stream.messages()
            assert [(await anext(messages)).key for _ in keys] == keys
            await messages.aclose()


async def test_answers_are_scripted_by_rpc_and_type() -> None:
    async with gateway_and_channel() as (gateway, channel):
        keys = [gateway.queue.add(type) for type in ("a", "b", "a")]
        busy = faults.answer(Status.RESOURCE_EXHAUSTED, "too much")
        gateway.script("CompleteJob", busy, times=1, type="a", after=1)
        for key in keys[:2]:
            await channel.unary(rpcs.COMPLETE_JOB, proto.CompleteJobRequest(job_key=key))
        with pytest.raises(RpcError, match="too much"):
            await channel.unary(rpcs.COMPLETE_JOB, proto.CompleteJobRequest(job_key=keys[2]))
        await channel.unary(rpcs.COMPLETE_JOB, proto.CompleteJobRequest(job_key=keys[2]))
        expected = ["OK", "OK", "RESOURCE_EXHAUSTED", "OK"]
        assert gateway.outcomes("CompleteJob") == expected


FAULTS = {
    "answer": (faults.answer(Status.ABORTED), Status.ABORTED, True, "ACTIVATABLE"),
    "answer after work": (
        faults.answer_after_work(Status.UNAVAILABLE),
        Status.UNAVAILABLE,
        True,
        "COMPLETED",
    ),
    "drop": (faults.drop_connection, Status.UNAVAILABLE, False, "ACTIVATABLE"),
    "drop after work": (
        faults.drop_connection_after_work,
        Status.UNAVAILABLE,
        False,
        "COMPLETED",
    ),
    "silence": (faults.silence, Status.DEADLINE_EXCEEDED, False, "ACTIVATABLE"),
    "silence after work": (
        faults.silence_after_work,
        Status.DEADLINE_EXCEEDED,
        False,
        "COMPLETED",
    ),
    "reset": (
        faults.reset(ErrorCode.INTERNAL_ERROR, after_work=True),
        Status.INTERNAL,
        False,
        "COMPLETED",
    ),
}


@pytest.mark.parametrize("port", [None, 0], ids=["memory", "tcp"])
@pytest.mark.parametrize("name", FAULTS)
async def test_faults(name: str, port: int | None) -> None:
    fault, status, received, state = FAULTS[name]
    async with gateway_and_channel(port=port) as (gateway, channel):
        key = gateway.queue.add("work")
        request = proto.CompleteJobRequest(job_key=key)
        gateway.script("CompleteJob", fault)
        with pytest.raises(RpcError) as failure:
            await channel.unary(rpcs.COMPLETE_JOB, request, timeout=0.5)
        assert failure.value.status is status
        assert failure.value.received is received
        assert gateway.queue.jobs[key].state == state
        if state != "COMPLETED":
            await channel.unary(rpcs.COMPLETE_JOB, request, timeout=5)


async def test_goaway_lets_the_call_finish_and_the_next_one_reconnect() -> None:
    async with gateway_and_channel() as (gateway, channel):
        gateway.script("Topology", faults.goaway)
        for _ in range(2):
            assert (await channel.unary(rpcs.TOPOLOGY, proto.TopologyRequest())).cluster_size == 1
        assert gateway.connects == 2


async def test_a_call_that_goaway_leaves_out_goes_to_a_new_connection() -> None:
    async with gateway_and_channel() as (gateway, channel):
        gateway.script("Topology", faults.goaway_unprocessed())
        await channel.unary(rpcs.TOPOLOGY, proto.TopologyRequest())
        assert gateway.outcomes("Topology") == ["cancelled", "OK"]


async def test_a_flood_beyond_the_window_fails_the_stream_only() -> None:
    async with gateway_and_channel() as (gateway, channel):
        gateway.script("ActivateJobs", faults.flood(3_000_000))
        with pytest.raises(RpcError, match="more DATA than its window"):
            await activate(channel)
        await channel.unary(rpcs.TOPOLOGY, proto.TopologyRequest())
        assert gateway.connects == 1


@pytest.mark.parametrize("port", [None, 0], ids=["memory", "tcp"])
async def test_crash_and_restart(port: int | None) -> None:
    async with gateway_and_channel(port=port) as (gateway, channel):
        await channel.unary(rpcs.TOPOLOGY, proto.TopologyRequest())
        gateway.crash()
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(RpcError) as failure:
            await channel.unary(rpcs.TOPOLOGY, proto.TopologyRequest(), timeout=0.2)
        assert failure.value.unprocessed
        await gateway.restart()
        await channel.unary(rpcs.TOPOLOGY, proto.TopologyRequest(), timeout=5)
