from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

import zbtrio
from zbtrio import BpmnError, Complete, Detach, Fail, HandlerError, Job, Release, Worker
from zbtrio.testing import call


@pytest.fixture(autouse=True)
def _no_installed_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zbtrio.hooks.plugin_set.installed", lambda entries=None: {})


async def test_the_example_of_the_documentation() -> None:
    app = Worker(names=zbtrio.camel_case)

    @app.task("charge-card", concurrency=32, timeout=60)
    async def charge_card(order_id: str, amount: float, job: Job) -> dict[str, Any]:
        if amount <= 0:
            raise BpmnError("INVALID_AMOUNT", "nothing to charge", variables={"amount": amount})
        return {"paid": True, "by": job.custom_headers.get("by")}

    good = await call(app, "charge-card", {"orderId": "1", "amount": 5}, headers={"by": "card"})
    assert good == Complete({"paid": True, "by": "card"})
    bad = await call(app, "charge-card", {"orderId": "1", "amount": 0})
    assert bad == BpmnError("INVALID_AMOUNT", "nothing to charge", variables={"amount": 0.0})
    missing = await call(app, "charge-card", {"orderId": "1"})
    assert isinstance(missing, Fail)
    assert missing.retries == 0
    assert "variable 'amount' is missing" in missing.message


@pytest.mark.parametrize(
    "outcome", [Complete({"a": 1}), Release(3), BpmnError("A"), Fail("x", retries=1, backoff=2)]
)
async def test_outcomes_come_back(outcome: Any) -> None:
    app = Worker()

    @app.task("work")
    async def work() -> Any:
        return outcome

    assert await call(app, "work") == outcome


async def test_what_goes_wrong_is_what_a_worker_would_report(autojump_clock: MockClock) -> None:
    app = Worker()

    @app.task("raises")
    async def raises() -> None:
        raise KeyError("gone")

    @app.task("unsendable")
    def unsendable() -> Any:
        return {"x": object()}

    @app.task("endless", timeout=20)
    async def endless(job: Job) -> None:
        await job.extend(60)
        await trio.sleep_forever()

    raised = await call(app, "raises")
    assert isinstance(raised, Fail)
    assert (raised.retries, type(raised.cause)) == (None, KeyError)
    sent = await call(app, "unsendable")
    assert isinstance(sent, Fail)
    assert sent.retries == 0
    start = trio.current_time()
    late = await call(app, "endless")
    assert isinstance(late, Fail)
    assert "deadline" in late.message
    assert trio.current_time() - start == pytest.approx(60)


async def test_a_detached_job_is_awaited(autojump_clock: MockClock) -> None:
    app = Worker()

    @app.task("work")
    async def work(job: Job) -> Detach:
        nursery.start_soon(later, job)
        return Detach()

    async def later(job: Job) -> None:
        await trio.sleep(1)
        await job.report(Complete({"late": True}))

    async with trio.open_nursery() as nursery:
        assert await call(app, "work") == Complete({"late": True})


async def test_fields_and_values_are_given(autojump_clock: MockClock) -> None:
    class Client: ...

    app = Worker()

    async def work(client: Any, job: Job) -> dict[str, Any]:
        return {"client": type(client).__name__, "retries": job.retries, "key": job.key}

    work.__annotations__["client"] = zbtrio.ZeebeClient
    app.task("work")(work)
    outcome = await call(app, "work", provide={zbtrio.ZeebeClient: Client()}, retries=1, key=5)
    assert outcome == Complete({"client": "Client", "retries": 1, "key": 5})
    with pytest.raises(HandlerError, match="nothing provides parameter client: ZeebeClient"):
        await call(app, "work")


async def test_plugins_take_part() -> None:
    @attrs.define(eq=False)
    class Plugin:
        stage = "observe"
        seen: list[Any] = attrs.field(factory=list)

        @zbtrio.hookimpl
        def around_job(self, subscription: zbtrio.Subscription) -> Any:
            async def middleware(job: Job, call_next: Any) -> Any:
                self.seen.append(await call_next(job))
                return self.seen[-1]

            return middleware

        @zbtrio.hookimpl
        def lifespan(self, worker: zbtrio.WorkerHandle) -> Any:
            @asynccontextmanager
            async def life() -> Any:
                worker.pause()
                yield 1.5

            return life()

        @zbtrio.hookimpl
        def register_tasks(self) -> Any:
            tasks = zbtrio.Tasks()

            @tasks.task("of-plugin")
            async def of_plugin(number: float) -> dict[str, float]:
                return {"number": number}

            return tasks

    plugin = Plugin()
    app = Worker(plugins={"p": plugin})
    outcome = await call(app, "of-plugin")
    assert outcome == Complete({"number": 1.5})
    assert plugin.seen == [outcome]


async def test_an_unknown_type_is_named_with_the_nearest() -> None:
    app = Worker()

    @app.task("charge-card")
    async def work() -> None: ...

    with pytest.raises(HandlerError, match=r"no task for job type 'charge-crad'.*charge-card"):
        await call(app, "charge-crad")
