"""A whole worker against a gateway in memory, on virtual time."""

from __future__ import annotations

import itertools
import json
import threading
from typing import Any

import attrs
import pytest
import trio
from grpclib.const import Status
from trio.testing import MockClock

import zbtrio
from tests.faults import answer
from tests.faulty_gateway import FaultyGateway
from tests.worker.conftest import Running
from tests.worker.waiting import until
from zbtrio import BpmnError, Complete, Detach, Fail, Job, Release, Worker, ZeebeClient


async def test_a_job_is_done(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    app = Worker(names=zbtrio.camel_case, name="me")

    @app.task("charge-card", timeout=60)
    async def charge_card(order_id: str, amount: float, job: Job) -> dict[str, Any]:
        assert job.deadline == pytest.approx(trio.current_time() + 59, abs=0.1)
        return {"is_paid": True, "by": f"{order_id} {amount} {job.worker} {job.retries}"}

    async with running(app):
        key = gateway.queue.add("charge-card", {"orderId": "1", "amount": 5, "other": "x"})
        await until(lambda: gateway.queue.jobs[key].ended)
    assert gateway.queue.jobs[key].result == {"isPaid": True, "by": "1 5.0 me 3"}
    request = gateway.seen("ActivateJobs")[0].request
    assert (request.type, request.worker, request.timeout) == ("charge-card", "me", 60_000)
    assert request.fetch_variable == ["amount", "orderId"]
    assert request.request_timeout == 30_000
    assert request.max_jobs_to_activate == 32


@pytest.mark.parametrize(
    ("outcome", "state", "retries"),
    [
        (None, "COMPLETED", 3),
        ({"a": 1}, "COMPLETED", 3),
        (Complete({"a": 1}), "COMPLETED", 3),
        (Fail("no", backoff=99), "FAILED", 2),
        (Fail("no", retries=0), "INCIDENT", 0),
        (BpmnError("A"), "ERROR_THROWN", 3),
        (Release(99), "FAILED", 3),
    ],
)
async def test_outcomes(
    gateway: FaultyGateway,
    running: Running,
    autojump_clock: MockClock,
    outcome: Any,
    state: str,
    retries: int,
) -> None:
    app = Worker()

    @app.task("returned")
    async def returned() -> Any:
        return outcome

    @app.task("raised")
    async def raised() -> Any:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async with running(app) as handle:
        keys = [gateway.queue.add("returned"), gateway.queue.add("raised")]
        await until(lambda: handle.state.reported == 2)
    for key in keys:
        job = gateway.queue.jobs[key]
        assert (job.state, job.retries, job.activations) == (state, retries, 1)


async def test_any_exception_fails_the_job_and_the_worker_goes_on(
    gateway: FaultyGateway,
    running: Running,
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = Worker()

    @app.task("work")
    async def work(n: int) -> None:
        if n < 2:
            raise [RuntimeError("broken"), ExceptionGroup("g", [ValueError("v")])][n]

    async with running(app):
        keys = [gateway.queue.add("work", {"n": n}, retries=1) for n in range(3)]
        await until(lambda: all(gateway.queue.jobs[key].ended for key in keys))
    first, second, third = (gateway.queue.jobs[key] for key in keys)
    assert first.state == second.state == "INCIDENT"
    assert first.error.startswith("RuntimeError: broken\n\nTraceback")
    assert second.error.startswith("ExceptionGroup: g (1 sub-exception)")
    assert third.state == "COMPLETED"
    assert f"Job {first.key} failed: RuntimeError: broken" in caplog.text


async def test_a_child_task_that_raises_a_bpmn_error_throws_it(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    app = Worker()

    async def child() -> None:
        raise BpmnError("NO_MONEY")

    @app.task("work")
    async def work() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child)
            nursery.start_soon(trio.sleep_forever)

    async with running(app):
        key = gateway.queue.add("work")
        await until(lambda: gateway.queue.jobs[key].ended)
    job = gateway.queue.jobs[key]
    assert (job.state, job.error) == ("ERROR_THROWN", "NO_MONEY")


@pytest.mark.parametrize(
    ("variables", "result", "why"),
    [
        ({"n": "x"}, None, "'work', element 'work' of 'process': variable 'n' does not fit"),
        ({}, None, "variable 'n' is missing"),
        ({"n": 1}, {"a": {"b": float("nan")}}, "can't be sent. Variable a.b: JSON has no nan"),
        ({"n": 1}, 5, "can't be sent. Variables: they must be a JSON object, .* not int"),
        ({"n": 1}, {"a": object()}, "can't be sent. Variable a: JSON has no object"),
        ({"n": 1}, Fail(backoff="soon"), "can't be sent. "),  # type: ignore[arg-type]
    ],
)
async def test_what_does_not_fit_is_an_incident_and_runs_once(
    gateway: FaultyGateway,
    running: Running,
    autojump_clock: MockClock,
    variables: dict[str, Any],
    result: Any,
    why: str,
) -> None:
    app = Worker()

    @app.task("work")
    async def work(n: int) -> Any:
        return result

    async with running(app):
        key = gateway.queue.add("work", variables)
        await until(lambda: gateway.queue.jobs[key].ended)
        good = gateway.queue.add("work", {"n": 2})
        await until(lambda: gateway.queue.jobs[good].activations)
    job = gateway.queue.jobs[key]
    assert job.state == "INCIDENT"
    assert job.activations == 1
    with pytest.raises(AssertionError, match=why):
        raise AssertionError(job.error)


async def test_a_handler_past_its_deadline_is_cancelled_and_failed(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    app = Worker()
    cancelled_at = list[float]()

    @app.task("work", timeout=10)
    async def work() -> None:
        try:
            await trio.sleep_forever()
        finally:
            cancelled_at.append(trio.current_time())

    async with running(app):
        start = trio.current_time()
        key = gateway.queue.add("work", retries=1)
        await until(lambda: gateway.queue.jobs[key].ended)
    job = gateway.queue.jobs[key]
    assert job.state == "INCIDENT"
    assert "still running at the job's deadline (10 s)" in job.error
    assert cancelled_at == [pytest.approx(start + 9.5, abs=0.1)]
    assert job.activations == 1


async def test_what_a_cancelled_handler_still_says_counts(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    app = Worker()

    @app.task("work", timeout=10)
    async def work() -> dict[str, Any]:
        with trio.move_on_after(60):
            await trio.sleep_forever()
        return {}

    @app.task("late", timeout=10)
    async def late() -> dict[str, Any]:
        try:
            await trio.sleep_forever()
        finally:
            raise BpmnError("TOO_LATE")

    async with running(app):
        key = gateway.queue.add("late")
        await until(lambda: gateway.queue.jobs[key].ended)
    assert gateway.queue.jobs[key].error == "TOO_LATE"


async def test_an_error_in_the_cleanup_of_a_cancelled_handler_fails_the_job(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    app = Worker()

    async def child() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("in the cleanup")

    @app.task("work", timeout=10)
    async def work() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child)
            nursery.start_soon(trio.sleep_forever)

    async with running(app):
        key = gateway.queue.add("work", retries=1)
        await until(lambda: gateway.queue.jobs[key].ended)
    assert "ValueError: in the cleanup" in gateway.queue.jobs[key].error


async def test_after_a_long_standstill_nothing_is_taken_from_others(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    """The process was stopped for longer than the lease: its jobs are someone else's by now."""
    app = Worker()

    @app.task("work", concurrency=2, timeout=10)
    async def work(seconds: float) -> None:
        if trio.current_time() < stop:
            autojump_clock.jump(30)  # nobody in this process runs meanwhile
        await trio.sleep(seconds)

    async with running(app) as handle:
        stop = trio.current_time() + 20
        key = gateway.queue.add("work", {"seconds": 5})
        await until(lambda: gateway.queue.jobs[key].ended)
        assert handle.state.subscriptions["work"].counts["expired"] == 1
    assert gateway.queue.jobs[key].activations == 2
    assert gateway.seen("FailJob") == []


async def test_a_job_whose_lease_ended_in_the_queue_is_not_begun(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    app = Worker()
    late = list[bool]()
    stops = iter([30])

    @app.task("work", concurrency=1, timeout=10)
    async def work(job: Job, stop: bool = False) -> None:
        late.append(trio.current_time() >= job.deadline)
        await trio.sleep(0.1)
        if stop:
            autojump_clock.jump(next(stops, 0))

    async with running(app) as handle:
        gateway.queue.add("work")
        await until(lambda: handle.state.reported)
        gateway.queue.add("work", {"stop": True})
        waiting = gateway.queue.add("work")
        await until(lambda: handle.state.subscriptions["work"].waiting == 1)
        await until(lambda: all(job.ended for job in gateway.queue))
    assert not any(late)
    assert gateway.queue.jobs[waiting].activations == 2


async def test_a_job_is_extended(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    app = Worker()

    @app.task("work", timeout=10)
    async def work(job: Job) -> None:
        await trio.sleep(8)
        await job.extend(30)
        assert job.deadline == pytest.approx(trio.current_time() + 29.5, abs=0.1)
        await trio.sleep(20)

    async with running(app):
        key = gateway.queue.add("work")
        await until(lambda: gateway.queue.jobs[key].ended)
    job = gateway.queue.jobs[key]
    assert (job.state, job.activations) == ("COMPLETED", 1)


async def test_an_extension_may_also_shorten(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    app = Worker()

    @app.task("work", timeout=60)
    async def work(job: Job) -> None:
        await job.extend(5)
        await trio.sleep_forever()

    async with running(app):
        start = trio.current_time()
        key = gateway.queue.add("work", retries=1)
        await until(lambda: gateway.queue.jobs[key].ended)
        assert trio.current_time() - start < 5
    assert "deadline" in gateway.queue.jobs[key].error


async def test_a_job_that_is_gone_cannot_be_extended(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    app = Worker()
    errors = list[Exception]()

    @app.task("work", timeout=10)
    async def work(job: Job) -> None:
        gateway.queue.complete(job.key, "{}")
        try:
            await job.extend(30)
        except zbtrio.JobLost as error:
            errors.append(error)
        raise ValueError("nobody hears this")

    async with running(app) as handle:
        gateway.queue.add("work")
        await until(lambda: handle.state.unreported == 0 and errors)
        await until(lambda: handle.state.subscriptions["work"].held == 0)
        assert handle.state.subscriptions["work"].counts["unreported"] == 1
    assert "can't be extended any more. UpdateJobTimeout answered NOT_FOUND" in str(errors[0])


async def test_automatic_extension_lasts_as_long_as_the_handler(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    app = Worker()

    @app.task("work", timeout=10, auto_extend=True)
    async def work() -> None:
        await trio.sleep(100)

    async with running(app):
        key = gateway.queue.add("work")
        await until(lambda: gateway.queue.jobs[key].ended, 200)
        extensions = len(gateway.seen("UpdateJobTimeout"))
        await trio.sleep(60)
    job = gateway.queue.jobs[key]
    assert (job.state, job.activations) == ("COMPLETED", 1)
    assert 10 < extensions < 30
    assert len(gateway.seen("UpdateJobTimeout")) == extensions


async def test_automatic_extension_survives_a_busy_gateway(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    app = Worker()
    gateway.script("UpdateJobTimeout", answer(Status.INTERNAL), times=2)

    @app.task("work", timeout=10, auto_extend=True)
    async def work() -> None:
        await trio.sleep(30)

    async with running(app):
        key = gateway.queue.add("work")
        await until(lambda: gateway.queue.jobs[key].ended, 200)
    assert gateway.queue.jobs[key].activations == 1


async def test_a_detached_job_is_reported_later_and_keeps_its_slot(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    app = Worker()
    detached = list[Job]()

    @app.task("work", concurrency=1, timeout=60)
    async def work(job: Job) -> Detach:
        detached.append(job)
        return Detach()

    async with running(app) as handle:
        first, second = gateway.queue.add("work"), gateway.queue.add("work")
        await trio.sleep(5)
        assert [job.key for job in detached] == [first]
        assert handle.state.subscriptions["work"].running == 1
        await detached[0].report(Complete({"later": 1}))
        assert gateway.queue.jobs[first].result == {"later": 1}
        with pytest.raises(zbtrio.JobLost, match="has an outcome already"):
            await detached[0].report(Complete())
        await until(lambda: len(detached) == 2)
        await trio.sleep(60)
        with pytest.raises(zbtrio.JobLost):
            await detached[1].report(Complete())
    failed = gateway.seen("FailJob")[0].request
    assert (failed.job_key, failed.retries) == (second, 2)
    assert "deadline" in failed.error_message


async def test_a_detached_job_may_be_reported_before_its_handler_returns(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    app = Worker()

    @app.task("work")
    async def work(job: Job, n: int) -> Any:
        reports.start_soon(job.report, Complete({"by": "report"}))
        await trio.sleep(1)
        return Detach()

    async with running(app), trio.open_nursery() as reports:
        key = gateway.queue.add("work", {"n": 1})
        await until(lambda: gateway.queue.jobs[key].ended)
    assert gateway.queue.jobs[key].result == {"by": "report"}


async def test_a_report_loses_against_the_handlers_own_outcome(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    app = Worker()
    errors = list[Exception]()

    async def report(job: Job) -> None:
        try:
            await job.report(Complete())
        except zbtrio.JobLost as error:
            errors.append(error)

    @app.task("work")
    async def work(job: Job, n: int) -> Any:
        reports.start_soon(report, job)
        await trio.sleep(1)
        return {"by": "handler"}

    async with running(app), trio.open_nursery() as reports:
        key = gateway.queue.add("work", {"n": 1})
        await until(lambda: errors)
    assert gateway.queue.jobs[key].result == {"by": "handler"}
    assert "It ended otherwise" in str(errors[0])


async def test_a_released_job_comes_back_after_its_time(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    app = Worker()
    times = list[float]()

    @app.task("work")
    async def work() -> Any:
        times.append(trio.current_time())
        return Release(after=5) if len(times) < 4 else None

    async with running(app):
        key = gateway.queue.add("work")
        await until(lambda: gateway.queue.jobs[key].ended)
    assert [b - a for a, b in itertools.pairwise(times)] == pytest.approx([5, 5, 5], abs=0.2)
    assert gateway.queue.jobs[key].retries == 3


async def test_the_client_and_lifespans_are_injected(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    class Database:
        state = "closed"

    @attrs.define(eq=False)
    class Plugin:
        @zbtrio.hookimpl
        def lifespan(self, worker: zbtrio.WorkerHandle) -> Any:
            return self.open()

        @staticmethod
        def open() -> Any:
            from contextlib import asynccontextmanager

            @asynccontextmanager
            async def database() -> Any:
                db.state = "open"
                try:
                    yield db
                finally:
                    db.state = "closed again"

            return database()

    db = Database()
    app = Worker(plugins={"db": Plugin()})

    async def work(database: Database, client: ZeebeClient) -> dict[str, Any]:
        return {"db": database.state, "version": (await client.topology()).gateway_version}

    work.__annotations__ |= {"database": Database}
    app.task("work")(work)
    async with running(app):
        key = gateway.queue.add("work")
        await until(lambda: gateway.queue.jobs[key].ended)
    assert gateway.queue.jobs[key].result == {"db": "open", "version": "8.6.0"}
    assert db.state == "closed again"


async def test_middlewares_stand_around_the_handler_and_their_errors_are_failures(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    @attrs.define(eq=False)
    class Plugin:
        stage = "transform"

        @zbtrio.hookimpl
        def around_job(self, subscription: zbtrio.Subscription) -> Any:
            async def middleware(job: Job, call_next: Any) -> Any:
                if job.variables["n"] == 1:
                    raise RuntimeError("in the middleware")
                if job.variables["n"] == 2:
                    return None
                job.variables["n"] *= 10
                outcome = await call_next(job)
                return Complete({**outcome.variables, "type": subscription.type})

            return middleware

        @zbtrio.hookimpl
        def fetch_names(self, subscription: zbtrio.Subscription, names: Any) -> Any:
            return names | {"extra"}

    app = Worker(plugins={"p": Plugin()})

    @app.task("work")
    async def work(n: int) -> dict[str, int]:
        return {"n": n}

    async with running(app):
        keys = [gateway.queue.add("work", {"n": n}, retries=1) for n in (1, 2, 3)]
        await until(lambda: all(gateway.queue.jobs[key].ended for key in keys))
    first, second, third = (gateway.queue.jobs[key] for key in keys)
    assert first.error.startswith("RuntimeError: in the middleware")
    assert "A middleware returned None" in second.error
    assert third.result == {"n": 30, "type": "work"}
    assert gateway.seen("ActivateJobs")[0].request.fetch_variable == ["extra", "n"]


async def test_a_plugin_maps_an_exception(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    @attrs.define(eq=False)
    class Plugin:
        @zbtrio.hookimpl
        def map_exception(self, job: Job, error: Exception) -> Any:
            return BpmnError("MAPPED") if isinstance(error, KeyError) else None

    app = Worker(plugins={"p": Plugin()})

    @app.task("work")
    async def work() -> None:
        raise KeyError("x")

    async with running(app):
        key = gateway.queue.add("work")
        await until(lambda: gateway.queue.jobs[key].ended)
    assert gateway.queue.jobs[key].error == "MAPPED"


async def test_observers_are_told(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    seen = list[tuple[Any, ...]]()

    @attrs.define(eq=False)
    class Plugin:
        @zbtrio.hookimpl
        def job_activated(self, job: Job) -> None:
            seen.append(("activated", job.key))

        @zbtrio.hookimpl
        def job_finished(self, job: Job, outcome: Any, waited: float, seconds: float) -> None:
            seen.append(("finished", job.key, outcome, round(waited, 1), round(seconds, 1)))

        @zbtrio.hookimpl
        def report_finished(self, job: Job, outcome: Any, seconds: float, error: Any) -> None:
            seen.append(("reported", job.key, outcome, error))

        @zbtrio.hookimpl
        def poll_finished(self, subscription: Any, jobs: int, seconds: float, error: Any) -> None:
            seen.append(("polled", subscription.type, jobs, round(seconds, 1), error))

        @zbtrio.hookimpl
        def subscription_changed(self, subscription: Any, state: str, reason: str) -> None:
            seen.append(("state", subscription.type, state))

    app = Worker(plugins={"p": Plugin()})

    @app.task("work")
    async def work() -> None:
        await trio.sleep(2)

    async with running(app) as handle:
        await trio.sleep(1)
        key = gateway.queue.add("work")
        await until(lambda: gateway.queue.jobs[key].ended)
        await handle.drain()
    assert seen == [
        ("state", "work", "polling"),
        ("activated", key),
        ("polled", "work", 1, 1.0, None),
        ("finished", key, Complete(), 0.0, 2.0),
        ("reported", key, Complete(), None),
        ("state", "work", "draining"),
        ("polled", "work", 0, seen[-2][3], None),
        ("state", "work", "stopped"),
    ]


async def test_handlers_that_are_functions_run_in_threads(
    gateway: FaultyGateway, running: Running
) -> None:
    app = Worker()
    together = threading.Barrier(3)

    @app.task("work", concurrency=3)
    def work(n: int) -> dict[str, int]:
        together.wait(5)
        return {"n": n + 1}

    async with running(app):
        keys = [gateway.queue.add("work", {"n": n}) for n in range(3)]
        await until(lambda: all(gateway.queue.jobs[key].ended for key in keys), 10)
    assert [gateway.queue.jobs[key].result for key in keys] == [{"n": n} for n in (1, 2, 3)]


async def test_one_worker_runs_many_times_also_at_once(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    app = Worker()

    @app.task("work", concurrency=1, limit=zbtrio.Limiter(concurrency=1))
    async def work() -> None:
        await trio.sleep(1)

    async with running(app) as one, running(app) as two:
        start = trio.current_time()
        keys = [gateway.queue.add("work") for _ in range(4)]
        await until(lambda: all(gateway.queue.jobs[key].ended for key in keys))
        assert trio.current_time() - start == pytest.approx(2, abs=0.2)
        assert one.state.subscriptions["work"].counts["activated"] == 2
        assert two.state.subscriptions["work"].counts["activated"] == 2
    async with running(app) as three:
        assert three.state.reported == 0
        key = gateway.queue.add("work")
        await until(lambda: gateway.queue.jobs[key].ended)


async def test_nothing_to_run_is_an_error(running: Running) -> None:
    with pytest.raises(zbtrio.HandlerError, match="no task is registered"):
        async with running(Worker()):
            raise AssertionError("started")


async def test_an_option_of_no_plugin_is_an_error(running: Running) -> None:
    app = Worker()

    @app.task("work", concurency=3)
    async def work() -> None: ...

    with pytest.raises(zbtrio.PluginError, match=r"concurency.*concurrency"):
        async with running(app):
            raise AssertionError("started")


async def test_fewer_jobs_than_handlers_are_an_error(running: Running) -> None:
    app = Worker()

    @app.task("work", max_jobs_active=4)
    async def work() -> None: ...

    with pytest.raises(zbtrio.HandlerError, match=r"max_jobs_active is 4, less than .* 32"):
        async with running(app):
            raise AssertionError("started")


async def test_settings_hold_where_a_task_says_nothing(
    gateway: FaultyGateway,
    running: Running,
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CAMUNDA_WORKER_TIMEOUT", "12000")
    monkeypatch.setenv("ZBTRIO_WORKER_MAX_JOBS_ACTIVE", "6")
    app = Worker(concurrency=3)

    @app.task("plain")
    async def plain() -> None: ...

    @app.task("own", concurrency=9, timeout=5)
    async def own() -> None: ...

    async with running(app) as handle:
        await trio.sleep(1)
        states = handle.state.subscriptions
        assert json.loads(json.dumps(handle.state.as_dict()))["subscriptions"]["own"]["held"] == 0
    assert [states[type].max_jobs_active for type in ("plain", "own")] == [6, 9]
    asked = {seen.request.type: seen.request for seen in gateway.ledger}
    assert [asked[type].timeout for type in ("plain", "own")] == [12_000, 5_000]
    assert [asked[type].max_jobs_to_activate for type in ("plain", "own")] == [3, 9]
