"""Jobs that are pushed, beside polls."""

from __future__ import annotations

import pytest
import trio
from grpclib.const import Status
from trio.testing import MockClock

from tests.faults import answer, drop_connection
from tests.faulty_gateway import Exchange, FaultyGateway
from tests.worker.conftest import Running
from tests.worker.waiting import until
from zbtrio import Worker, WorkerHandle, WorkerStopped


class Pushed:
    """A worker with a push stream whose handler sleeps as long as the job says."""

    def __init__(self, concurrency: int = 4, max_jobs_active: int | None = None) -> None:
        self.app = Worker(poll="stream")
        self.now = self.most = 0
        self.entered = list[float]()

        @self.app.task("work", concurrency=concurrency, max_jobs_active=max_jobs_active)
        async def work(seconds: float) -> None:
            self.entered.append(trio.current_time())
            self.now += 1
            self.most = max(self.most, self.now)
            try:
                await trio.sleep(seconds)
            finally:
                self.now -= 1


def counts(handle: WorkerHandle) -> dict[str, int]:
    return dict(handle.state.subscriptions["work"].counts)


async def test_a_job_is_pushed_without_a_poll(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    pushed = Pushed()
    async with running(pushed.app) as handle:
        await trio.sleep(3)
        polls = len(gateway.seen("ActivateJobs"))
        created = trio.current_time()
        key = gateway.queue.add("work", {"seconds": 0})
        await until(lambda: gateway.queue.jobs[key].ended)
        assert pushed.entered[0] - created < 0.01
        assert len(gateway.seen("ActivateJobs")) == polls
        assert handle.state.subscriptions["work"].state == "polling"
    request = gateway.seen("StreamActivatedJobs")[0].request
    assert (request.type, request.fetch_variable) == ("work", ["seconds"])
    assert request.timeout == 60_000


async def test_the_backlog_is_polled_in_single_passes(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    for _ in range(10):
        gateway.queue.add("work", {"seconds": 0.1})
    pushed = Pushed(concurrency=2)
    async with running(pushed.app):
        await until(lambda: all(job.ended for job in gateway.queue), 2)
        done = len(gateway.seen("ActivateJobs"))
        await trio.sleep(100)
        looks = len(gateway.seen("ActivateJobs")) - done
    assert {seen.request.request_timeout for seen in gateway.seen("ActivateJobs")} == {-1000}
    assert 8 <= looks <= 14
    assert pushed.most == 2


async def test_no_more_run_than_the_limit_and_the_rest_goes_back(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    pushed = Pushed(concurrency=4)
    async with running(pushed.app) as handle:
        await trio.sleep(3)
        keys = [gateway.queue.add("work", {"seconds": 20}) for _ in range(30)]
        await trio.sleep(5)
        assert pushed.now == pushed.most == 4
        assert handle.state.subscriptions["work"].held == 4
        assert counts(handle)["overshoot"] >= 1
        activations = sum(job.activations for job in gateway.queue)
        await trio.sleep(10)
        assert sum(job.activations for job in gateway.queue) == activations, "pushed in vain"
        await until(lambda: all(job.ended for job in gateway.queue), 200)
        assert pushed.most == 4
        assert all(gateway.queue.jobs[key].retries == 3 for key in keys)
        await trio.sleep(5)
        polls = len(gateway.seen("ActivateJobs"))
        key = gateway.queue.add("work", {"seconds": 0})
        await until(lambda: gateway.queue.jobs[key].ended)
        assert len(gateway.seen("ActivateJobs")) == polls, "the stream is not open again"


async def test_the_poll_takes_over_at_once_when_the_stream_is_closed(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    async with running(Pushed(concurrency=4).app):
        await trio.sleep(3)
        created = trio.current_time()
        for _ in range(12):
            gateway.queue.add("work", {"seconds": 2})
        await until(lambda: all(job.ended for job in gateway.queue), 200)
        assert trio.current_time() - created < 6.5


async def test_a_gateway_without_push_is_long_polled(
    gateway: FaultyGateway,
    running: Running,
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    gateway.script("StreamActivatedJobs", answer(Status.UNIMPLEMENTED), times=float("inf"))
    async with running(Pushed().app) as handle:
        await trio.sleep(5)
        key = gateway.queue.add("work", {"seconds": 0})
        await until(lambda: gateway.queue.jobs[key].ended, 1)
        assert handle.state.subscriptions["work"].state == "polling"
        await handle.drain()
    assert len(gateway.seen("StreamActivatedJobs")) == 1
    assert gateway.seen("ActivateJobs")[-1].request.request_timeout == 30_000
    assert (
        "'work' is long polled instead. StreamActivatedJobs answered UNIMPLEMENTED" in caplog.text
    )


async def test_a_lost_stream_is_opened_again(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    gateway.script("StreamActivatedJobs", drop_connection, times=2)
    async with running(Pushed().app):
        await trio.sleep(5)
        gateway.crash()
        await trio.sleep(20)
        await gateway.restart()
        await trio.sleep(3)
        polls = len(gateway.seen("ActivateJobs"))
        key = gateway.queue.add("work", {"seconds": 0})
        await until(lambda: gateway.queue.jobs[key].ended, 1)
        assert len(gateway.seen("ActivateJobs")) == polls


async def test_a_stream_that_ends_at_once_is_opened_less_and_less(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    async def ends(exchange: Exchange) -> None:
        await exchange.call.send_initial_metadata()

    gateway.script("StreamActivatedJobs", ends, times=float("inf"))
    async with running(Pushed().app):
        await trio.sleep(60)
    assert len(gateway.seen("StreamActivatedJobs")) < 30


async def test_a_refused_stream_stops_the_subscription(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    gateway.script("StreamActivatedJobs", answer(Status.PERMISSION_DENIED, "no"), after=0)
    with pytest.raises(WorkerStopped, match="StreamActivatedJobs answered PERMISSION_DENIED: no"):
        async with running(Pushed().app):
            await trio.sleep_forever()


async def test_a_drain_gives_pushed_jobs_back(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    async with running(Pushed().app) as handle:
        await trio.sleep(3)

        keys = [gateway.queue.add("work", {"seconds": 50}) for _ in range(2)]
        await until(lambda: handle.state.subscriptions["work"].running == 2)
        start = trio.current_time()
        await handle.drain(5)
        assert trio.current_time() - start <= 6
        late = gateway.queue.add("work", {"seconds": 0})
    jobs = [gateway.queue.jobs[key] for key in keys]
    assert [(job.state, job.retries) for job in jobs] == [("ACTIVATABLE", 3)] * 2
    assert gateway.queue.jobs[late].activations == 0


async def test_pause_closes_the_stream(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    async with running(Pushed().app) as handle:
        await trio.sleep(3)
        handle.pause()
        await trio.sleep(1)
        key = gateway.queue.add("work", {"seconds": 0})
        await trio.sleep(60)
        assert gateway.queue.jobs[key].activations == 0
        handle.resume()
        await until(lambda: gateway.queue.jobs[key].ended, 2)
