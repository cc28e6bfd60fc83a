"""The end of a worker: drained, cancelled, or both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import attrs
import pytest
import trio
from grpclib.const import Status
from trio.testing import MockClock

import zbtrio
from tests.faults import answer, silence
from tests.faulty_gateway import Exchange, FaultyGateway
from tests.worker.conftest import Running
from tests.worker.waiting import until
from zbtrio import Job, Worker, ZeebeClient
from zbtrio.client import ClientSettings
from zbtrio.rpc import Channel


class Sleeper:
    """A worker whose handler sleeps as long as the job says."""

    def __init__(self, **options: Any) -> None:
        self.app = Worker(**options)
        self.finished = 0
        self.cancelled = 0

        @self.app.task("work", concurrency=2, max_jobs_active=4)
        async def work(seconds: float) -> None:
            try:
                await trio.sleep(seconds)
            except trio.Cancelled:
                self.cancelled += 1
                raise
            self.finished += 1


async def filled(gateway: FaultyGateway, handle: Any, seconds: float) -> list[int]:
    """Jobs of which two run and two wait."""
    warm_up = [gateway.queue.add("work", {"seconds": 0.01}) for _ in range(8)]
    await until(lambda: all(gateway.queue.jobs[key].ended for key in warm_up))
    keys = [gateway.queue.add("work", {"seconds": seconds}) for _ in range(4)]
    await until(lambda: handle.state.subscriptions["work"].waiting == 2)
    assert handle.state.subscriptions["work"].running == 2
    return keys


async def test_running_handlers_finish_and_waiting_jobs_go_back(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    sleeper = Sleeper()
    async with running(sleeper.app) as handle:
        keys = await filled(gateway, handle, 5)
        start = trio.current_time()
        with trio.move_on_after(1):
            await handle.drain(grace=20)
        states = sorted(gateway.queue.jobs[key].state for key in keys)
        assert states == ["ACTIVATABLE", "ACTIVATABLE", "ACTIVATED", "ACTIVATED"]
        assert handle.state.state == "draining"
        await handle.drain(grace=20)
        assert trio.current_time() - start < 5.1
        assert handle.state.state == "stopped"
    jobs = [gateway.queue.jobs[key] for key in keys]
    assert sorted(job.state for job in jobs) == [
        *["ACTIVATABLE", "ACTIVATABLE", "COMPLETED", "COMPLETED"]
    ]
    assert all(job.retries == 3 for job in jobs)
    assert sleeper.cancelled == 0


async def test_after_the_grace_handlers_are_cancelled_and_their_jobs_go_back(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    sleeper = Sleeper(grace=10.0)
    async with running(sleeper.app) as handle:
        keys = await filled(gateway, handle, 50)
        start = trio.current_time()
        await handle.drain()
        assert trio.current_time() - start == pytest.approx(10, abs=0.1)
    jobs = [gateway.queue.jobs[key] for key in keys]
    assert [(job.state, job.retries) for job in jobs] == [("ACTIVATABLE", 3)] * 4
    assert sleeper.cancelled == 2


async def test_a_second_call_shortens_the_grace(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    sleeper = Sleeper()
    async with running(sleeper.app) as handle:
        await filled(gateway, handle, 50)
        start = trio.current_time()
        handle.begin_drain(30)
        await trio.sleep(2)
        await handle.drain(1)
        assert trio.current_time() - start == pytest.approx(3, abs=0.1)


async def test_jobs_that_arrive_after_the_stop_go_back(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    sleeper = Sleeper()
    async with running(sleeper.app) as handle:

        async def late(exchange: Exchange) -> None:
            handle.begin_drain(5)
            await exchange.work()

        await trio.sleep(1)
        gateway.script("ActivateJobs", late)
        first = gateway.queue.add("work", {"seconds": 0})
        await until(lambda: gateway.queue.jobs[first].ended)
        keys = [gateway.queue.add("work", {"seconds": 50}) for _ in range(2)]
        await handle.drain(5)
    jobs = [gateway.queue.jobs[key] for key in keys]
    assert [(job.state, job.retries) for job in jobs] == [("ACTIVATABLE", 3)] * 2
    assert sleeper.finished == 1


async def test_a_drain_is_over_in_time_although_reports_hang(
    gateway: FaultyGateway,
    running: Running,
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sleeper = Sleeper()
    for rpc in ("CompleteJob", "FailJob"):
        gateway.script(rpc, silence, times=float("inf"), after=8)
    async with running(sleeper.app) as handle:
        await filled(gateway, handle, 3)
        start = trio.current_time()
        await handle.drain(5)
        assert trio.current_time() - start <= 6.01
    assert "the worker ended before the gateway answered" in caplog.text


async def test_a_drain_is_over_in_time_although_the_gateway_is_away(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    sleeper = Sleeper()
    async with running(sleeper.app) as handle:
        await filled(gateway, handle, 3)
        gateway.crash()
        await trio.sleep(0.5)
        start = trio.current_time()
        await handle.drain(5)
        assert trio.current_time() - start <= 6.01


async def test_a_report_in_trouble_is_still_retried_in_the_grace(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    sleeper = Sleeper()
    async with running(sleeper.app) as handle:
        gateway.script("CompleteJob", answer(Status.UNAVAILABLE), times=3)
        key = gateway.queue.add("work", {"seconds": 1})
        await until(lambda: handle.state.subscriptions["work"].running)
        await handle.drain(10)
    assert gateway.queue.jobs[key].state == "COMPLETED"


async def test_cancelling_gives_all_jobs_back(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    sleeper = Sleeper()
    async with running(sleeper.app) as handle:
        keys = await filled(gateway, handle, 50)
        start = trio.current_time()
    assert trio.current_time() - start < 0.1
    jobs = [gateway.queue.jobs[key] for key in keys]
    assert [(job.state, job.retries) for job in jobs] == [("ACTIVATABLE", 3)] * 4
    assert sleeper.cancelled == 2


async def test_cancelling_gives_back_with_a_client_of_its_own(
    gateway: FaultyGateway, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_channel(*args: Any) -> Channel:
        return Channel(gateway.target, connector=gateway.connector, keepalive=None)

    monkeypatch.setattr("zbtrio.client.client.open_channel", open_channel)
    sleeper = Sleeper()
    async with trio.open_nursery() as nursery:
        handle = await nursery.start(sleeper.app.run)
        keys = await filled(gateway, handle, 50)
        nursery.cancel_scope.cancel()
    jobs = [gateway.queue.jobs[key] for key in keys]
    assert [(job.state, job.retries) for job in jobs] == [("ACTIVATABLE", 3)] * 4
    await until(lambda: gateway.connections == 0)


async def test_a_cancellation_is_over_in_time_although_the_gateway_hangs(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    sleeper = Sleeper()
    gateway.script("FailJob", silence, times=float("inf"))
    async with running(sleeper.app) as handle:
        await filled(gateway, handle, 50)
        start = trio.current_time()
    assert trio.current_time() - start == pytest.approx(1, abs=0.1)


async def test_jobs_on_their_way_go_back_when_the_worker_is_cancelled(
    gateway: FaultyGateway, autojump_clock: MockClock
) -> None:
    app = Worker()

    @app.task("work")
    async def work() -> None:
        raise AssertionError("started")

    async with (
        Channel(gateway.target, connector=gateway.connector, keepalive=None) as channel,
        ZeebeClient(channel=channel, settings=ClientSettings()) as client,
        trio.open_nursery() as nursery,
    ):

        async def cut_off(exchange: Exchange) -> None:
            nursery.cancel_scope.cancel()
            await exchange.work()

        gateway.script("ActivateJobs", cut_off)
        key = gateway.queue.add("work")
        await nursery.start(partial(app.run, client=client))
        await trio.sleep_forever()
    job = gateway.queue.jobs[key]
    assert (job.state, job.retries) == ("ACTIVATABLE", 3)


async def test_a_handler_may_end_the_worker(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    app = Worker()

    @app.task("work")
    async def work() -> None:
        handles[0].begin_drain()

    handles = list[Any]()
    async with running(app) as handle:
        handles.append(handle)
        key = gateway.queue.add("work")
        await handle._run.drained.wait()
    assert gateway.queue.jobs[key].state == "COMPLETED"


async def test_handlers_are_told_that_the_worker_drains(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    app = Worker()

    @app.task("work")
    async def work(job: Job) -> dict[str, Any]:
        await job.draining.wait()
        return {"saved": True}

    async with running(app) as handle:
        key = gateway.queue.add("work")
        await until(lambda: handle.state.subscriptions["work"].running)
        await handle.drain(60)
    assert gateway.queue.jobs[key].result == {"saved": True}


async def test_a_drain_before_the_first_connection_ends_at_once(
    gateway: FaultyGateway, autojump_clock: MockClock
) -> None:
    gateway.crash()
    app = Worker()

    @app.task("work")
    async def work() -> None: ...

    async with (
        Channel(gateway.target, connector=gateway.connector, keepalive=None) as channel,
        ZeebeClient(channel=channel, settings=ClientSettings()) as client,
        trio.open_nursery() as nursery,
    ):
        run = app.prepare(client=client)
        nursery.start_soon(run.run)
        await trio.sleep(30)
        start = trio.current_time()
        await run.handle.drain(5)
        assert trio.current_time() == start


async def test_draining_while_backing_off_ends_at_once(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    gateway.script("ActivateJobs", answer(Status.RESOURCE_EXHAUSTED), times=float("inf"))
    async with running(Sleeper().app) as handle:
        await trio.sleep(20)
        start = trio.current_time()
        await handle.drain(5)
        assert trio.current_time() == start


@attrs.define(eq=False)
class Slow:
    """A plugin that takes its time to start and to end."""

    seconds: float

    @zbtrio.hookimpl
    def lifespan(self, worker: zbtrio.WorkerHandle) -> Any:
        return self.life()

    @asynccontextmanager
    async def life(self) -> AsyncIterator[None]:
        await trio.sleep(self.seconds)
        yield
        await trio.sleep(self.seconds)


async def test_a_drain_while_plugins_start_is_heeded(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    sleeper = Sleeper(plugins={"slow": Slow(5)})
    async with (
        Channel(gateway.target, connector=gateway.connector, keepalive=None) as channel,
        ZeebeClient(channel=channel, settings=ClientSettings()) as client,
        trio.open_nursery() as nursery,
    ):
        run = sleeper.app.prepare(client=client)
        nursery.start_soon(run.run)
        await trio.sleep(2)
        start = trio.current_time()
        await run.handle.drain(100)
        assert trio.current_time() - start == pytest.approx(8, abs=0.1)
    assert gateway.seen("ActivateJobs") == []


async def test_a_report_given_up_is_not_taken_up_again_while_plugins_end(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    sleeper = Sleeper(plugins={"slow": Slow(20)})
    gateway.script("CompleteJob", answer(Status.RESOURCE_EXHAUSTED), times=float("inf"))
    async with running(sleeper.app) as handle:
        gateway.queue.add("work", {"seconds": 0})
        await trio.sleep(30)
        start = trio.current_time()
        await handle.drain(1)
    assert all(seen.when - start < 2.5 for seen in gateway.seen("CompleteJob"))
