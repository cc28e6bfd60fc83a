"""When a worker asks for jobs, and what it does when that fails."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
import trio
from grpclib.const import Status
from trio.testing import MockClock

import zbtrio
from tests.faults import answer, drop_connection, silence
from tests.faulty_gateway import Exchange, FaultyGateway, open_faulty_gateway
from tests.worker.conftest import Running
from tests.worker.waiting import until
from zbtrio import Worker, ZeebeClient
from zbtrio._proto import gateway_protocol as proto
from zbtrio.client import ClientSettings
from zbtrio.rpc import Channel


def worker(handler_seconds: float = 0.0, **options: Any) -> Worker:
    app = Worker()

    @app.task("work", **options)
    async def work() -> None:
        await trio.sleep(handler_seconds)

    return app


def asked(gateway: FaultyGateway, type: str = "work") -> list[tuple[float, int]]:
    """When polls came, and for how many jobs."""
    return [
        (seen.when, seen.request.max_jobs_to_activate)
        for seen in gateway.seen("ActivateJobs")
        if seen.request.type == type
    ]


def pauses(gateway: FaultyGateway) -> list[float]:
    times = [when for when, _ in asked(gateway)]
    return [b - a for a, b in itertools.pairwise(times)]


async def test_an_idle_worker_holds_one_poll_open(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    async with running(worker(concurrency=4)) as handle:
        await trio.sleep(100)
        assert handle.state.subscriptions["work"].reserved == 4
    assert pauses(gateway) == pytest.approx([30, 30, 30], abs=0.1)
    assert {count for _, count in asked(gateway)} == {4}


async def until_it_stops(running: Running, app: Worker) -> None:
    async with running(app):
        await trio.sleep_forever()


async def test_a_free_slot_polls_although_others_are_blocked(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    app = Worker()
    entered = list[float]()

    @app.task("work", concurrency=8)
    async def work(seconds: float) -> None:
        entered.append(trio.current_time())
        await trio.sleep(seconds)

    async with running(app):
        for _ in range(5):
            gateway.queue.add("work", {"seconds": 30})
        await until(lambda: len(entered) == 5)
        for _ in range(3):
            await trio.sleep(2)
            created, before = trio.current_time(), len(entered)
            gateway.queue.add("work", {"seconds": 30})
            await trio.sleep(1)
            assert len(entered) == before + 1
            assert entered[-1] - created < 0.01
        gateway.queue.add("work", {"seconds": 0})
        await trio.sleep(1)
        assert len(entered) == 8


async def test_quick_handlers_never_wait_for_a_poll(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    async def slowly(exchange: Exchange) -> None:
        await trio.sleep(0.02)
        await exchange.work()

    for rpc in ("ActivateJobs", "CompleteJob"):
        gateway.script(rpc, slowly, times=float("inf"))
    async with running(worker(0.1, concurrency=32)) as handle:
        for _ in range(1200):
            gateway.queue.add("work")
        await trio.sleep(1)
        before = handle.state.reported
        await trio.sleep(2)
        done = handle.state.reported - before
    assert done >= 0.95 * 32 * 20
    assert len(asked(gateway)) < done / 8


async def test_slow_handlers_leave_waiting_jobs_to_others(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    async with running(worker(5, concurrency=4)) as handle:
        for _ in range(40):
            gateway.queue.add("work")
        await trio.sleep(0.5)
        for _ in range(15):
            await trio.sleep(1)
            state = handle.state.subscriptions["work"]
            assert (state.waiting, state.running, state.held) == (0, 4, 4)


async def test_a_queue_that_stands_goes_back(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    app = Worker()

    @app.task("work", concurrency=2, max_jobs_active=8)
    async def work(seconds: float) -> None:
        await trio.sleep(seconds)

    async with running(app) as handle:
        for _ in range(30):
            gateway.queue.add("work", {"seconds": 0.01})
        await until(lambda: handle.state.reported == 30)
        keys = [gateway.queue.add("work", {"seconds": 30}) for _ in range(6)]
        await until(lambda: handle.state.subscriptions["work"].waiting)
        await trio.sleep(2)
        assert handle.state.subscriptions["work"].waiting == 0
        assert handle.state.subscriptions["work"].running == 2
        activations = [gateway.queue.jobs[key].activations for key in keys]
        await trio.sleep(10)
        assert activations == [gateway.queue.jobs[key].activations for key in keys]
    jobs = [gateway.queue.jobs[key] for key in keys]
    assert all(job.retries == 3 for job in jobs)


@pytest.mark.parametrize("seconds", [0.1, 1.0])
async def test_polling_with_a_pause(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock, seconds: float
) -> None:
    async with running(worker(poll=seconds)):
        await trio.sleep(10 * seconds + 0.01)
        assert pauses(gateway) == pytest.approx([seconds] * 10, abs=0.01)
        gateway.queue.add("work")
        await until(lambda: all(job.ended for job in gateway.queue))
    assert {seen.request.request_timeout for seen in gateway.seen("ActivateJobs")} == {-1000}


async def test_a_backlog_is_fetched_without_pauses(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    for _ in range(10):
        gateway.queue.add("work")
    async with running(worker(poll=5.0, concurrency=2, max_jobs_active=2)):
        start = trio.current_time()
        await until(lambda: all(job.ended for job in gateway.queue))
        assert trio.current_time() - start < 0.2


async def test_a_gateway_that_does_not_hold_polls_is_asked_less_often(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    async def empty(exchange: Exchange) -> None:
        await exchange.call.send_initial_metadata()

    gateway.script("ActivateJobs", empty, times=float("inf"))
    async with running(worker()):
        await trio.sleep(20)
    assert 20 < len(asked(gateway)) < 50
    assert max(pauses(gateway)) <= 1.1


@pytest.mark.parametrize(
    ("status", "longest"), [(Status.RESOURCE_EXHAUSTED, 5.0), (Status.UNAVAILABLE, 1.0)]
)
async def test_a_busy_gateway_is_asked_less_and_less(
    gateway: FaultyGateway,
    running: Running,
    autojump_clock: MockClock,
    status: Status,
    longest: float,
) -> None:
    gateway.script("ActivateJobs", answer(status), times=10)
    async with running(worker()) as handle:
        await trio.sleep(0.3)
        assert handle.state.subscriptions["work"].state == "backing off"
        assert status.name in handle.state.subscriptions["work"].reason
        await until(lambda: len(asked(gateway)) > 10)
        assert handle.state.subscriptions["work"].state == "polling"
        key = gateway.queue.add("work")
        await until(lambda: gateway.queue.jobs[key].ended)
    gaps = pauses(gateway)[:10]
    assert 0.05 <= gaps[0] <= 0.11
    assert all(longest / 2 <= gap <= longest * 1.02 for gap in gaps[-3:])


async def test_the_pause_is_short_again_after_a_success(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    gateway.script("ActivateJobs", answer(Status.RESOURCE_EXHAUSTED), times=6)
    gateway.script("ActivateJobs", answer(Status.RESOURCE_EXHAUSTED), times=1, after=1)
    async with running(worker(concurrency=1)):
        await until(lambda: len(asked(gateway)) == 7)
        key = gateway.queue.add("work")
        await until(lambda: gateway.queue.jobs[key].ended)
        await until(lambda: len(asked(gateway)) == 9)
    assert pauses(gateway)[-1] <= 0.11


async def test_a_lost_connection_is_back_at_once(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    async with running(worker()) as handle:
        gateway.crash()
        await trio.sleep(0.1)
        assert handle.state.subscriptions["work"].state == "reconnecting"
        await trio.sleep(300)
        before = len(asked(gateway))
        await gateway.restart()
        start = trio.current_time()
        await until(lambda: len(asked(gateway)) > before)
        assert trio.current_time() - start < 2
        assert handle.state.subscriptions["work"].state == "polling"
        key = gateway.queue.add("work")
        await until(lambda: gateway.queue.jobs[key].ended)


async def test_a_gateway_that_is_back_is_asked_in_single_passes_at_first(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    """A fresh gateway would park a long poll without seeing the jobs that wait since before."""
    async with running(worker()):
        gateway.crash()
        await trio.sleep(60)
        before = len(asked(gateway))
        await gateway.restart()
        await trio.sleep(250)
    polls = gateway.seen("ActivateJobs")[before:]
    back = polls[0].when
    held = [(seen.when - back, seen.request.request_timeout) for seen in polls]
    assert {timeout for when, timeout in held if when < 11.5} == {-1000}
    then = [timeout for when, timeout in held if 12 < when < 119]
    assert all((a == -1000) != (b == -1000) for a, b in itertools.pairwise(then))
    assert all(timeout == -1000 or 2000 <= timeout <= 20_000 for timeout in then)
    assert {timeout for when, timeout in held if when > 120} == {30_000}
    assert all(0.2 < b - a < 1.1 for (a, _), (b, _) in itertools.pairwise(held) if b < 12)


async def test_a_gateway_that_is_back_but_does_not_answer_yet_is_asked_again_soon(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    async with running(worker()):
        gateway.crash()
        await trio.sleep(60)
        before = len(asked(gateway))
        gateway.script("ActivateJobs", silence, times=3)
        await gateway.restart()
        key = gateway.queue.add("work")
        await until(lambda: gateway.queue.jobs[key].ended)
        polls = [when for when, _ in asked(gateway)[before:]]
    assert len(polls) >= 4
    assert polls[3] - polls[0] < 6


async def test_many_subscriptions_come_back_spread(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    app = Worker()
    for n in range(50):

        @app.task(f"work-{n}")
        async def work() -> None: ...

    async with running(app):
        gateway.crash()
        await trio.sleep(5)
        before = len(gateway.ledger)
        await gateway.restart()
        await until(lambda: len(gateway.ledger) >= before + 50)
    times = sorted(seen.when for seen in gateway.ledger[before:])
    assert 0.1 < times[-1] - times[0] < 0.4
    in_a_row = [b - a for a, b in itertools.pairwise(times)]
    assert max(in_a_row) < 0.1


async def test_a_connection_that_is_cut_at_each_poll_is_no_busy_loop(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    gateway.script("ActivateJobs", drop_connection, times=float("inf"))
    async with running(worker()):
        await trio.sleep(20)
        assert len(asked(gateway)) < 100
        gateway.clear_scripts()
        key = gateway.queue.add("work")
        await until(lambda: gateway.queue.jobs[key].ended, 3)


async def test_a_poll_without_any_answer_ends_by_itself(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    gateway.script("ActivateJobs", silence)
    async with running(worker()):
        key = gateway.queue.add("work")
        await until(lambda: gateway.queue.jobs[key].ended, 41)
    assert pauses(gateway)[0] == pytest.approx(40, abs=0.1)


@pytest.mark.parametrize(
    "status",
    [
        Status.PERMISSION_DENIED,
        Status.INVALID_ARGUMENT,
        Status.UNIMPLEMENTED,
        Status.UNAUTHENTICATED,
    ],
)
async def test_a_refused_subscription_stops_and_the_others_go_on(
    gateway: FaultyGateway,
    running: Running,
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
    status: Status,
) -> None:
    app = worker()

    @app.task("forbidden")
    async def forbidden() -> None: ...

    gateway.script("ActivateJobs", answer(status, "not you"), type="forbidden", times=10)
    async with running(app) as handle:
        await trio.sleep(100)
        state = handle.state.subscriptions["forbidden"]
        assert state.state == "stopped"
        assert status.name in state.reason
        assert "not you" in state.reason
        key = gateway.queue.add("work")
        await until(lambda: gateway.queue.jobs[key].ended)
    assert len(asked(gateway, "forbidden")) == 1
    assert "Job type 'forbidden': stopped: ActivateJobs answered" in caplog.text


async def test_the_worker_stops_with_its_last_subscription(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    gateway.script("ActivateJobs", answer(Status.PERMISSION_DENIED), after=1)
    key = gateway.queue.add("work")
    why = "'work': ActivateJobs answered PERMISSION_DENIED"
    with pytest.raises(zbtrio.WorkerStopped, match=why):
        await until_it_stops(running, worker(concurrency=1))
    assert gateway.queue.jobs[key].state == "COMPLETED"


async def test_a_setting_stops_the_worker_with_the_first(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    app = Worker(stop_on_error=True)
    ended = list[str]()
    for type in ("work", "forbidden"):

        @app.task(type)
        async def work() -> None:
            await trio.sleep(5)
            ended.append("work")

    gateway.script("ActivateJobs", answer(Status.PERMISSION_DENIED), type="forbidden", after=1)
    gateway.queue.add("work")
    gateway.queue.add("forbidden")
    with pytest.raises(zbtrio.WorkerStopped, match="'forbidden'"):
        await until_it_stops(running, app)
    assert ended == ["work", "work"]


async def test_messages_that_can_not_be_read_do_not_stop_the_worker(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    class Garbage(proto.ActivateJobsResponse):
        def __bytes__(self) -> bytes:
            return b"\x0a\xff"

    async def garbage(exchange: Exchange) -> None:
        await exchange.call.send_message(Garbage())

    gateway.script("ActivateJobs", garbage, times=2)
    async with running(worker()):
        key = gateway.queue.add("work")
        await until(lambda: gateway.queue.jobs[key].ended)


async def test_pause_and_resume(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    async with running(worker(concurrency=2)) as handle:
        handle.pause("work")
        assert handle.state.subscriptions["work"].state == "paused"
        await trio.sleep(1)
        key = gateway.queue.add("work")
        await trio.sleep(100)
        assert gateway.queue.jobs[key].state == "ACTIVATABLE"
        assert gateway.queue.jobs[key].retries == 3
        handle.resume("work")
        await until(lambda: gateway.queue.jobs[key].ended, 1)
        assert handle.state.subscriptions["work"].state == "polling"
        with pytest.raises(KeyError):
            handle.pause("other")


@pytest.fixture
async def slow_jobs(gateway: FaultyGateway) -> AsyncIterator[list[int]]:
    return [gateway.queue.add("work") for _ in range(10)]


async def test_a_rate_is_kept_and_jobs_do_not_pile_up(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock, slow_jobs: list[int]
) -> None:
    app = Worker()
    begun = list[float]()

    @app.task("work", rate=2)
    async def work() -> None:
        begun.append(trio.current_time())

    async with running(app) as handle:
        start = trio.current_time()
        while len(begun) < 10:
            await trio.sleep(0.1)
            assert handle.state.subscriptions["work"].waiting <= 1
    assert [when - start for when in begun] == pytest.approx([n / 2 for n in range(10)], abs=0.1)
    assert {count for _, count in asked(gateway)} == {1}


async def test_tasks_share_a_limiter(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    app, limit = Worker(), zbtrio.Limiter(concurrency=3)
    now, most = 0, 0

    for type in ("a", "b"):

        @app.task(type, limit=limit)
        async def work() -> None:
            nonlocal now, most
            now += 1
            most = max(most, now)
            await trio.sleep(1)
            now -= 1

    async with running(app):
        start = trio.current_time()
        for _ in range(6):
            gateway.queue.add("a")
            gateway.queue.add("b")
        await until(lambda: all(job.ended for job in gateway.queue))
        assert trio.current_time() - start == pytest.approx(4, abs=0.5)
    assert most == 3


async def test_tenants_are_asked_for(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    app = Worker(tenants=["one", "two"])
    app.task("a")(_nothing)
    app.task("b", tenants=["three"])(_nothing)
    async with running(app):
        await trio.sleep(1)
    requests = {seen.request.type: seen.request.tenant_ids for seen in gateway.ledger}
    assert requests == {"a": ["one", "two"], "b": ["three"]}


async def _nothing() -> None: ...


async def test_more_subscriptions_than_a_connection_has_streams(
    autojump_clock: MockClock,
) -> None:
    app = Worker()
    for n in range(200):
        app.task(f"work-{n}")(_nothing)
    async with (
        open_faulty_gateway(max_concurrent_streams=100) as gateway,
        Channel(gateway.target, connector=gateway.connector, keepalive=None) as channel,
        ZeebeClient(channel=channel, settings=ClientSettings()) as client,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(partial(app.run, client=client))
        await until(lambda: len({seen.request.type for seen in gateway.ledger}) == 200)
        await trio.sleep(5)
        assert gateway.outcomes("ActivateJobs").count("open") == 200
        start = trio.current_time()
        for n in range(200):
            gateway.queue.add(f"work-{n}")
        await until(lambda: all(job.ended for job in gateway.queue))
        assert trio.current_time() - start < 0.2
        assert channel.connections <= 4
        nursery.cancel_scope.cancel()
