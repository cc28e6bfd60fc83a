"""Outcomes reach the gateway, or are logged in full; their handlers never run again for it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import trio
from grpclib.const import Status
from trio.testing import MockClock

from tests.faults import (
    answer,
    answer_after_work,
    drop_connection,
    drop_connection_after_work,
    reset,
    silence,
    silence_after_work,
)
from tests.faulty_gateway import Fault, FaultyGateway
from tests.worker.conftest import Running
from tests.worker.waiting import until
from zbtrio import BpmnError, Fail, Worker
from zbtrio.rpc.frames import ErrorCode


class Runs:
    """A worker that counts how often its handler ran."""

    def __init__(self, outcome: Any = None, **options: Any) -> None:
        self.app = Worker(**options)
        self.count = 0

        @self.app.task("work", timeout=60)
        async def work() -> Any:
            self.count += 1
            return outcome


PASSING = [
    answer(Status.RESOURCE_EXHAUSTED),
    answer(Status.UNAVAILABLE),
    answer(Status.DEADLINE_EXCEEDED),
    answer(Status.INTERNAL),
    answer_after_work(Status.DEADLINE_EXCEEDED),
    silence,
    silence_after_work,
    drop_connection,
    drop_connection_after_work,
    reset(ErrorCode.REFUSED_STREAM),
    reset(ErrorCode.INTERNAL_ERROR, after_work=True),
]


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize(
    ("outcome", "rpc", "state"),
    [
        ({"a": 1}, "CompleteJob", "COMPLETED"),
        (Fail("x", retries=0), "FailJob", "INCIDENT"),
        (BpmnError("A"), "ThrowError", "ERROR_THROWN"),
    ],
)
async def test_what_passes_is_waited_out(
    gateway: FaultyGateway,
    running: Running,
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
    fault: Fault,
    outcome: Any,
    rpc: str,
    state: str,
) -> None:
    runs = Runs(outcome)
    gateway.script(rpc, fault, times=3)
    async with running(runs.app) as handle:
        key = gateway.queue.add("work")
        await until(lambda: handle.state.reported == 1, 100)
        assert handle.state.unreported == 0
        assert handle.state.subscriptions["work"].held == 0
        assert handle.state.subscriptions["work"].counts.get("unreported", 0) == 0
    assert gateway.queue.jobs[key].state == state
    assert runs.count == 1
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_backpressure_is_answered_with_growing_pauses(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    runs = Runs()
    gateway.script("CompleteJob", answer(Status.RESOURCE_EXHAUSTED), times=12)
    async with running(runs.app) as handle:
        gateway.queue.add("work")
        await until(lambda: handle.state.reported == 1, 100)
    times = [seen.when for seen in gateway.seen("CompleteJob")]
    pauses = [b - a for a, b in itertools.pairwise(times)]
    assert len(pauses) == 12
    assert 0.05 <= pauses[0] <= 0.11
    assert all(2.5 <= pause <= 5.1 for pause in pauses[6:])
    assert len({round(pause, 3) for pause in pauses[6:]}) > 1, "no jitter"


async def test_after_the_grace_the_outcome_is_logged_in_full(
    gateway: FaultyGateway,
    running: Running,
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    runs = Runs({"card": "4111"}, report_grace=20.0)
    gateway.script("CompleteJob", answer(Status.UNAVAILABLE, "no leader"), times=float("inf"))
    async with running(runs.app) as handle:
        start = trio.current_time()
        key = gateway.queue.add("work", retries=1)
        await until(lambda: handle.state.subscriptions["work"].counts.get("unreported"), 200)
        assert trio.current_time() - start == pytest.approx(59 + 20, abs=5.2)
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    text = errors[0].getMessage()
    assert f"outcome of job {key} could not be reported" in text
    assert "no leader" in text
    assert '{"card":"4111"}' in text


async def test_an_outcome_that_is_not_reported_keeps_the_job_held(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    runs = Runs(concurrency=2, max_jobs_active=3)
    gateway.script("CompleteJob", silence, times=float("inf"))
    async with running(runs.app) as handle:
        for _ in range(9):
            gateway.queue.add("work")
        await trio.sleep(5)
        state = handle.state.subscriptions["work"]
        assert (state.held, state.running) == (3, 0)
        assert runs.count == 3


@pytest.mark.parametrize("status", [Status.NOT_FOUND, Status.FAILED_PRECONDITION])
async def test_a_job_that_is_gone_is_not_reported_again(
    gateway: FaultyGateway,
    running: Running,
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
    status: Status,
) -> None:
    runs = Runs()
    gateway.script("CompleteJob", answer(status, "gone"))
    async with running(runs.app) as handle:
        key = gateway.queue.add("work")
        await until(lambda: gateway.seen("CompleteJob"))
        await until(lambda: handle.state.unreported == 0)
        await trio.sleep(5)
        assert handle.state.subscriptions["work"].counts["unreported"] == 1
        assert handle.state.subscriptions["work"].held == 0
    assert len(gateway.seen("CompleteJob")) == 1
    assert f"The outcome of job {key} came too late: gone" in caplog.text


TOO_LARGE = answer(Status.RESOURCE_EXHAUSTED, "gRPC message exceeds maximum size 4194304: 5000000")


@pytest.mark.parametrize("fault", [answer(Status.INVALID_ARGUMENT, "not an object"), TOO_LARGE])
async def test_a_refused_result_is_an_incident(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock, fault: Fault
) -> None:
    runs = Runs({"a": 1})
    gateway.script("CompleteJob", fault, times=float("inf"))
    async with running(runs.app):
        key = gateway.queue.add("work")
        await until(lambda: gateway.queue.jobs[key].ended)
    job = gateway.queue.jobs[key]
    assert job.state == "INCIDENT"
    assert "the gateway refuses its outcome. CompleteJob answered" in job.error
    assert runs.count == 1


async def test_a_refused_failure_loses_its_variables(
    gateway: FaultyGateway, running: Running, autojump_clock: MockClock
) -> None:
    runs = Runs(Fail("x", variables={"a": 1}))
    gateway.script("FailJob", answer(Status.INVALID_ARGUMENT))
    async with running(runs.app):
        key = gateway.queue.add("work")
        await until(lambda: gateway.queue.jobs[key].ended)
    assert gateway.seen("FailJob")[-1].request.variables == ""
    assert runs.count == 1


async def test_what_can_not_even_be_failed_is_logged(
    gateway: FaultyGateway,
    running: Running,
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    runs = Runs({"a": 1})
    for rpc in ("CompleteJob", "FailJob"):
        gateway.script(rpc, answer(Status.PERMISSION_DENIED), times=float("inf"))
    async with running(runs.app) as handle:
        gateway.queue.add("work")
        await until(lambda: handle.state.subscriptions["work"].counts.get("unreported"))
        assert handle.state.subscriptions["work"].held == 0
    assert "could not be reported and is lost here: FailJob answered PERMISSION_DENIED" in (
        caplog.text
    )
