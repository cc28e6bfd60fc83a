"""One run of the demo: deploy, start the worker, place orders on schedule, wait for their ends."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import attrs
import trio

import zbtrio
from zbtrio.demo.handlers import JOB_TYPES, SHIPPING_SECONDS, Faults, shop
from zbtrio.demo.ledger import Ledger
from zbtrio.worker.tasks import Poll

PROCESS = "order-process"
PROCESS_FILE = "order-process.bpmn"
ORDER_TIMEOUT = 300.0  # seconds within which an order's end is waited for


@attrs.frozen(kw_only=True)
class Plan:
    """What to run.

    Attributes:
        orders: how many.
        interval: seconds between two.
        poll: how the worker asks for jobs: "long", "stream" or seconds between polls.
        faults: "none" or "some".
        seed: of what the orders contain and which of them fail.
    """

    orders: int = 1000
    interval: float = 0.04
    poll: Poll = "long"
    faults: str = "none"
    seed: int = 1

    @property
    def seconds(self) -> float:
        """From the first order to the last one."""
        return (self.orders - 1) * self.interval

    @property
    def limit(self) -> float:
        """The earliest moment at which the last order could end: its shipping takes its time."""
        return self.seconds + SHIPPING_SECONDS


@attrs.frozen(kw_only=True)
class Result:
    """What came of it. `cpu` is this process's user and system time, in seconds."""

    plan: Plan
    ledger: Ledger
    cpu: float
    gateway_version: str
    idle_records_per_second: float | None = None

    @property
    def jobs(self) -> int:
        """Handler runs."""
        return self.ledger.jobs.total()

    def as_json(self) -> dict[str, Any]:
        """The object that `zbtrio demo --json` prints."""
        ledger = self.ledger
        return {
            "wall_s": round(ledger.wall, 3),
            "limit_s": round(self.plan.limit, 3),
            "orders": self.plan.orders,
            "ended": len(ledger.ended),
            "lost": ledger.lost,
            "outcomes": dict(ledger.outcomes),
            "errors": dict(ledger.errors),
            "per_type": {
                name: {"jobs": ledger.jobs[name], "retries": ledger.retries[name]}
                for name in JOB_TYPES
            },
            "latency_ms": ledger.latencies(),
            "cpu_us_per_job": round(self.cpu / max(1, self.jobs) * 1e6, 1),
            "idle_records_per_s": self.idle_records_per_second,
            "poll": str(self.plan.poll),
            "faults": self.plan.faults,
            "seed": self.plan.seed,
            "gateway_version": self.gateway_version,
        }


async def run_demo(
    plan: Plan,
    ledger: Ledger,
    address: str,
    idle_rate: Callable[[], Any] | None = None,
) -> Result:
    """Run the plan against a gateway and return what came of it.

    Args:
        ledger: filled while it runs, for whoever shows progress.
        address: of the gateway.
        idle_rate: async; measures the broker's log records per second while the worker has
            nothing to do.

    Raises:
        zbtrio.GatewayError: the process could not be deployed.
    """
    faults = Faults(seed=plan.seed)
    if plan.faults == "some":
        faults = Faults.some(plan.seconds, plan.seed)
    app = shop(ledger, faults, address=address, poll=plan.poll)
    async with zbtrio.ZeebeClient(address) as client:
        version = (await client.topology()).gateway_version
        model = files("zbtrio.demo").joinpath(PROCESS_FILE).read_bytes()
        await client.deploy_resource((PROCESS_FILE, model))
        async with trio.open_nursery() as nursery:
            handle = await nursery.start(app.run)
            cpu = time.process_time()
            await _place_orders(client, plan, ledger)
            cpu = time.process_time() - cpu
            rate = await idle_rate() if idle_rate is not None else None
            await handle.drain()
    return Result(
        plan=plan, ledger=ledger, cpu=cpu, gateway_version=version, idle_records_per_second=rate
    )


async def _place_orders(client: zbtrio.ZeebeClient, plan: Plan, ledger: Ledger) -> None:
    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        for order in range(plan.orders):
            await trio.sleep_until(start + order * plan.interval)
            nursery.start_soon(_place_order, client, plan, ledger, order)


async def _place_order(client: zbtrio.ZeebeClient, plan: Plan, ledger: Ledger, order: int) -> None:
    """Place one order and wait until the gateway says that it has ended."""
    ledger.order_created(order, trio.current_time())
    try:
        result = await client.create_process_instance_with_result(
            PROCESS,
            _order(plan.seed, order),
            fetch_variables=["outcome"],
            request_timeout=ORDER_TIMEOUT,
        )
    except zbtrio.ZbtrioError as error:
        ledger.errors[str(error)] += 1
    else:
        outcome = str(result.variables.get("outcome"))
        ledger.order_ended(order, outcome, trio.current_time())


def _order(seed: int, order: int) -> dict[str, Any]:
    """An order's variables: the same for the same seed."""
    chance = random.Random(f"{seed}/order/{order}")
    items = chance.choices(["shirt", "shoes", "hat", "book", "lamp"], k=chance.randint(1, 6))
    return {"orderId": order, "items": items, "amount": round(chance.uniform(5, 250), 2)}
