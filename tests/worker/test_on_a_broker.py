"""What a worker promises about jobs, on a real Zeebe."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from itertools import pairwise
from typing import Any
from uuid import uuid4

import attrs
import pytest
import trio

import zbtrio
from zbtrio import BpmnError, Fail, Job, Outcome, Release, Worker, ZeebeClient
from zbtrio.broker import Broker

MODEL = """<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
                  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"
                  id="definitions" targetNamespace="http://example.org">
  <bpmn:error id="any" name="any" errorCode="DECLINED"/>
  <bpmn:process id="NAME" isExecutable="true">
    <bpmn:startEvent id="start"/>
    <bpmn:sequenceFlow id="f1" sourceRef="start" targetRef="task"/>
    <bpmn:serviceTask id="task">
      <bpmn:extensionElements><zeebe:taskDefinition type="NAME"/></bpmn:extensionElements>
    </bpmn:serviceTask>
    <bpmn:sequenceFlow id="f2" sourceRef="task" targetRef="end"/>
    <bpmn:endEvent id="end"/>
    <bpmn:boundaryEvent id="declined" attachedToRef="task">
      <bpmn:outgoing>f3</bpmn:outgoing>
      <bpmn:errorEventDefinition errorRef="any"/>
    </bpmn:boundaryEvent>
    <bpmn:sequenceFlow id="f3" sourceRef="declined" targetRef="apology"/>
    <bpmn:serviceTask id="apology">
      <bpmn:extensionElements><zeebe:taskDefinition type="NAME-apology"/></bpmn:extensionElements>
    </bpmn:serviceTask>
    <bpmn:sequenceFlow id="f4" sourceRef="apology" targetRef="sorry"/>
    <bpmn:endEvent id="sorry"/>
  </bpmn:process>
</bpmn:definitions>
"""


@attrs.define(eq=False)
class Acknowledged:
    """A plugin that keeps the outcomes that the gateway accepted."""

    outcomes: list[tuple[Outcome, Exception | None]] = attrs.field(factory=list)

    @zbtrio.hookimpl
    def report_finished(self, outcome: Outcome, error: Exception | None) -> None:
        self.outcomes.append((outcome, error))


class Shop:
    """A process of one task, deployed under a name of its own, and a worker for it."""

    def __init__(self, client: ZeebeClient, name: str) -> None:
        self.client = client
        self.name = name
        self.acknowledged = Acknowledged()
        self.app = self.worker()

    def worker(self, **options: Any) -> Worker:
        return Worker(plugins={"acknowledged": self.acknowledged}, **options)

    async def order(self, **variables: Any) -> dict[str, Any]:
        """Start an instance and wait for its end; its variables."""
        ended = await self.client.create_process_instance_with_result(
            self.name, variables, request_timeout=15
        )
        return ended.variables

    async def outcome(self) -> Outcome:
        """The first outcome that the gateway accepts."""
        with trio.fail_after(20):
            while not self.acknowledged.outcomes:
                await trio.sleep(0.02)
        outcome, error = self.acknowledged.outcomes[0]
        assert error is None
        return outcome

    @asynccontextmanager
    async def open(self, app: Worker | None = None) -> AsyncIterator[zbtrio.WorkerHandle]:
        async with trio.open_nursery() as nursery:
            run = partial((app or self.app).run, client=self.client)
            yield await nursery.start(run)
            nursery.cancel_scope.cancel()


@pytest.fixture
async def shop(broker: Broker) -> AsyncIterator[Shop]:
    name = f"worker-{uuid4().hex}"
    async with ZeebeClient(broker.address) as client:
        await client.deploy_resource((f"{name}.bpmn", MODEL.replace("NAME", name).encode()))
        yield Shop(client, name)


async def test_variables_go_in_and_come_out(shop: Shop) -> None:
    app = shop.worker(names=zbtrio.camel_case)

    @app.task(shop.name)
    async def work(order_id: str, amount: float, big: int, job: Job) -> dict[str, Any]:
        assert "unwanted" not in repr(job.message)
        return {"is_paid": True, "text": f"{order_id} {amount}", "big": big - 1}

    async with shop.open(app):
        result = await shop.order(orderId="ä☃", amount=5, big=2**62, unwanted="x")
    assert result == {
        "orderId": "ä☃",
        "amount": 5,
        "unwanted": "x",
        "isPaid": True,
        "text": "ä☃ 5.0",
        "big": 2**62 - 1,
    }


async def test_a_bpmn_error_of_a_child_task_is_caught_by_the_process(shop: Shop) -> None:
    async def charge() -> None:
        raise BpmnError("DECLINED", "no money", variables={"why": "local to the event"})

    @shop.app.task(shop.name)
    async def work() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(charge)
            nursery.start_soon(trio.sleep_forever)

    @shop.app.task(f"{shop.name}-apology")
    async def apologise() -> dict[str, Any]:
        return {"sorry": True}

    async with shop.open():
        assert (await shop.order()) == {"sorry": True}


async def test_failures_are_tried_again_with_fewer_retries(shop: Shop) -> None:
    tries = list[int]()

    @shop.app.task(shop.name)
    async def work(job: Job) -> dict[str, Any]:
        tries.append(job.retries)
        if len(tries) == 1:
            raise RuntimeError("the API is down")
        if len(tries) == 2:
            raise Fail("still down", backoff=0.1)
        return {"tries": len(tries)}

    async with shop.open():
        assert await shop.order() == {"tries": 3}
    assert tries == [3, 2, 1]


async def test_a_released_job_keeps_its_retries_and_comes_back_later(shop: Shop) -> None:
    times = list[float]()
    retries = set[int]()

    @shop.app.task(shop.name)
    async def work(job: Job) -> Any:
        times.append(trio.current_time())
        retries.add(job.retries)
        return Release(after=0.5) if len(times) < 3 else {}

    async with shop.open():
        await shop.order()
    assert retries == {3}
    assert len(times) == 3
    assert all(later - earlier >= 0.5 for earlier, later in pairwise(times))


@pytest.mark.parametrize(
    ("result", "why"),
    [
        ({"x": float("nan")}, "can't be sent. Variable x: JSON has no nan"),
        ({"x": {1, 2}}, "can't be sent. Variable x: JSON has no set: send a list"),
        ({"x": "y" * 5_000_000}, "the gateway refuses its outcome. CompleteJob answered RESOURCE"),
    ],
    ids=["nan", "set", "5 MB"],
)
async def test_a_result_that_can_not_be_sent_is_an_incident(
    shop: Shop, result: dict[str, Any], why: str
) -> None:
    runs = 0

    @shop.app.task(shop.name)
    async def work() -> dict[str, Any]:
        nonlocal runs
        runs += 1
        return result

    async with shop.open():
        await shop.client.create_process_instance(shop.name)
        outcome = await shop.outcome()
        await trio.sleep(0.5)
    assert isinstance(outcome, Fail)
    assert outcome.retries == 0
    assert why in outcome.message
    assert runs == 1


async def test_variables_that_do_not_fit_are_an_incident(shop: Shop) -> None:
    @shop.app.task(shop.name)
    async def work(amount: float) -> None:
        raise AssertionError("called")

    async with shop.open():
        await shop.client.create_process_instance(shop.name, {"amount": "much"})
        outcome = await shop.outcome()
    assert isinstance(outcome, Fail)
    assert outcome.retries == 0
    assert f"Job type '{shop.name}', element 'task' of '{shop.name}'" in outcome.message
    assert "variable 'amount' does not fit parameter amount" in outcome.message


async def test_a_handler_past_its_deadline_is_failed_before_the_gateway_takes_the_job(
    shop: Shop,
) -> None:
    retries = list[int]()

    @shop.app.task(shop.name, timeout=2)
    async def work(job: Job) -> dict[str, Any]:
        retries.append(job.retries)
        if len(retries) == 1:
            await trio.sleep_forever()
        return {"retries": job.retries}

    async with shop.open():
        assert await shop.order() == {"retries": 2}
    first, _ = shop.acknowledged.outcomes[0]
    assert isinstance(first, Fail)
    assert "still running at the job's deadline (2 s)" in first.message


async def test_a_job_that_is_extended_runs_once(shop: Shop) -> None:
    runs = list[str]()

    @shop.app.task(shop.name, timeout=1, auto_extend=True)
    async def work() -> dict[str, Any]:
        runs.append("auto")
        await trio.sleep(3.5)  # the broker sweeps leases every second
        return {"runs": len(runs)}

    by_hand = shop.worker()

    @by_hand.task(shop.name, timeout=1)
    async def extends(job: Job) -> dict[str, Any]:
        runs.append("by hand")
        await job.extend(20)
        await trio.sleep(3.5)
        return {"runs": len(runs)}

    async with shop.open():
        assert await shop.order() == {"runs": 1}
    async with shop.open(by_hand):
        assert await shop.order() == {"runs": 2}


async def test_pushed_jobs_and_the_backlog_are_done(shop: Shop) -> None:
    app = shop.worker(poll="stream")
    now = most = 0

    @app.task(shop.name, concurrency=4)
    async def work() -> dict[str, Any]:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await trio.sleep(0.05)
        now -= 1
        return {"done": True}

    async with trio.open_nursery() as nursery:
        results = list[dict[str, Any]]()

        async def order() -> None:
            results.append(await shop.order())

        for _ in range(10):
            nursery.start_soon(order)
        await trio.sleep(0.5)
        async with shop.open(app) as handle:
            await trio.sleep(1)
            for _ in range(30):
                nursery.start_soon(order)
            with trio.fail_after(30):
                while len(results) < 40:
                    await trio.sleep(0.05)
            counts = handle.state.subscriptions[shop.name].counts
    assert results == [{"done": True}] * 40
    assert most == 4
    assert counts["Complete"] == 40


async def test_a_drained_worker_leaves_its_jobs_to_the_next(shop: Shop) -> None:
    waiting = trio.Event()
    handler_is = "quick"

    @shop.app.task(shop.name, concurrency=2, timeout=300)
    async def work() -> None:
        if handler_is == "endless":
            waiting.set()
            await trio.sleep_forever()

    second = shop.worker()
    done = 0

    @second.task(shop.name)
    async def do(job: Job) -> None:
        nonlocal done
        done += 1
        assert job.retries == 3

    async with shop.open() as handle:
        await shop.order()
        handler_is = "endless"
        for _ in range(6):
            await shop.client.create_process_instance(shop.name)
        await waiting.wait()
        with trio.fail_after(5):
            await handle.drain(grace=0.5)
    async with shop.open(second):
        with trio.fail_after(10):
            while done < 6:
                await trio.sleep(0.02)


async def test_a_subscription_that_is_refused_stops_alone(shop: Shop) -> None:
    @shop.app.task(shop.name)
    async def work() -> dict[str, Any]:
        return {"done": True}

    @shop.app.task("other", tenants=["no-such-tenant"])
    async def other() -> None: ...

    async with shop.open() as handle:
        assert await shop.order() == {"done": True}
        state = handle.state.subscriptions["other"]
        assert state.state == "stopped"
        assert "INVALID_ARGUMENT" in state.reason
        assert "multi-tenancy" in state.reason


async def test_free_slots_take_jobs_while_others_are_blocked(shop: Shop) -> None:
    release = trio.Event()

    @shop.app.task(shop.name, concurrency=8)
    async def work(block: bool) -> dict[str, Any]:
        if block:
            await release.wait()
        return {"done": True}

    async with shop.open() as handle:
        for _ in range(5):
            await shop.client.create_process_instance(shop.name, {"block": True})
        with trio.fail_after(10):
            while handle.state.subscriptions[shop.name].running < 5:
                await trio.sleep(0.02)
        with trio.fail_after(10):
            for _ in range(5):
                assert (await shop.order(block=False))["done"]
        release.set()
        await handle.drain()


async def test_a_sync_handler(shop: Shop) -> None:
    @shop.app.task(shop.name)
    def work(n: int) -> dict[str, int]:
        return {"n": n + 1}

    async with shop.open():
        assert await shop.order(n=1) == {"n": 2}
