"""Handlers that are plain functions. Real time: threads know no other."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import trio

from tests.faulty_gateway import FaultyGateway
from tests.worker.conftest import Running
from tests.worker.waiting import until
from zbtrio import Job, Worker
from zbtrio.worker import current_job


@pytest.fixture
def release() -> Any:
    event = threading.Event()
    yield event
    event.set()


async def test_an_abandoned_thread_keeps_its_slot_and_its_result_is_dropped(
    gateway: FaultyGateway,
    running: Running,
    release: threading.Event,
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = Worker()

    @app.task("work", concurrency=1, timeout=0.3)
    def work(job: Job, n: int) -> dict[str, Any]:
        if n == 1:
            release.wait(10)
            assert job.cancelled()
        return {"n": n}

    async with running(app) as handle:
        first = gateway.queue.add("work", {"n": 1}, retries=1)
        await until(lambda: gateway.queue.jobs[first].ended, 5)
        assert "deadline" in gateway.queue.jobs[first].error
        state = handle.state.subscriptions["work"]
        assert (state.abandoned, state.running, state.held) == ((first,), 1, 1) or (state.held == 0)
        second = gateway.queue.add("work", {"n": 2})
        await trio.sleep(0.2)
        assert gateway.queue.jobs[second].activations == 0
        assert f"job {first}, goes on in its thread" in caplog.text
        release.set()
        await until(lambda: gateway.queue.jobs[second].ended, 5)
        assert handle.state.subscriptions["work"].abandoned == ()
    assert gateway.queue.jobs[second].result == {"n": 2}
    assert gateway.queue.jobs[first].state == "INCIDENT"
    assert caplog.text.count("its result is dropped") == 1


async def test_a_drain_does_not_wait_for_threads_beyond_its_grace(
    gateway: FaultyGateway, running: Running, release: threading.Event
) -> None:
    app = Worker()

    @app.task("work")
    def work(job: Job) -> None:
        release.wait(10)

    async with running(app) as handle:
        key = gateway.queue.add("work")
        await until(lambda: handle.state.subscriptions["work"].running, 5)
        start = time.monotonic()
        await handle.drain(0.1)
        assert time.monotonic() - start < 5
    job = gateway.queue.jobs[key]
    assert (job.state, job.retries) == ("ACTIVATABLE", 3)


async def test_a_thread_extends_its_job_and_knows_it(
    gateway: FaultyGateway, running: Running
) -> None:
    app = Worker()

    @app.task("work", timeout=1)
    def work(job: Job) -> dict[str, Any]:
        assert current_job.get() is job
        trio.from_thread.run(job.extend, 30)
        return {"cancelled": job.cancelled(), "left": job.deadline - start > 25}

    async with running(app):
        start = trio.current_time()
        key = gateway.queue.add("work")
        await until(lambda: gateway.queue.jobs[key].ended, 5)
    assert gateway.queue.jobs[key].result == {"cancelled": False, "left": True}


async def test_more_threads_than_trios_default_limit(
    gateway: FaultyGateway, running: Running
) -> None:
    app = Worker()
    together = threading.Barrier(60)

    @app.task("work", concurrency=60)
    def work() -> None:
        together.wait(10)

    async with running(app):
        keys = [gateway.queue.add("work") for _ in range(60)]
        await until(lambda: all(gateway.queue.jobs[key].ended for key in keys), 15)


async def test_what_a_thread_raises_is_an_outcome(gateway: FaultyGateway, running: Running) -> None:
    app = Worker()

    @app.task("work")
    def work() -> None:
        raise RuntimeError("in a thread")

    async with running(app):
        key = gateway.queue.add("work", retries=1)
        await until(lambda: gateway.queue.jobs[key].ended, 5)
    assert gateway.queue.jobs[key].error.startswith("RuntimeError: in a thread")
