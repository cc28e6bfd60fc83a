"""The shop's five handlers, as a user of zbtrio writes them, with a stopwatch in the ledger."""

from __future__ import annotations

import random
from typing import Any

import attrs
import trio

import zbtrio
from zbtrio.demo.ledger import Ledger

JOB_TYPES = ("check-stock", "charge-card", "pack-order", "book-shipping", "notify-customer")
SHIPPING_SECONDS = 2.0
DECLINED_SHARE = 0.08
OUTAGE_SHARE = (0.30, 0.45)  # of the time in which orders come
OUTAGE_AT_MOST = 6.0  # seconds


@attrs.frozen
class Faults:
    """What goes wrong with orders: which cards are declined, when the shipping API is down.

    `outage`: from and until, seconds after the first order; None: never down.
    """

    declined_share: float = 0.0
    outage: tuple[float, float] | None = None
    seed: int = 0

    @classmethod
    def some(cls, seconds: float, seed: int) -> Faults:
        """Return the usual mishaps of a run whose orders come within `seconds`."""
        start, end = (share * seconds for share in OUTAGE_SHARE)
        return cls(DECLINED_SHARE, (start, min(end, start + OUTAGE_AT_MOST)), seed)

    def declines(self, order: int) -> bool:
        """Whether this order's card is declined: the same for the same seed."""
        return random.Random(f"{self.seed}/{order}").random() < self.declined_share

    def shipping_is_down(self, elapsed: float) -> bool:
        """Whether the shipping API answers 503, `elapsed` seconds after the first order."""
        return self.outage is not None and self.outage[0] <= elapsed < self.outage[1]


def shop(ledger: Ledger, faults: Faults, **worker_options: Any) -> zbtrio.Worker:
    """Return a worker with the five handlers."""
    app = zbtrio.Worker(names=zbtrio.camel_case, **worker_options)

    def entered(job: zbtrio.Job, order_id: int) -> None:
        ledger.handler_entered(job.type, order_id, trio.current_time())

    @app.task("check-stock")
    async def check_stock(order_id: int, items: list[str], job: zbtrio.Job) -> dict[str, Any]:
        entered(job, order_id)
        return {"weight": 0.4 * len(items)}

    @app.task("charge-card")
    async def charge_card(order_id: int, amount: float, job: zbtrio.Job) -> dict[str, Any]:
        entered(job, order_id)
        if faults.declines(order_id):
            raise zbtrio.BpmnError("CARD_DECLINED", f"the bank declined {amount:.2f} EUR")
        return {"paid": True}

    @app.task("pack-order")
    async def pack_order(order_id: int, weight: float, job: zbtrio.Job) -> dict[str, Any]:
        entered(job, order_id)
        return {"parcels": 1 + int(weight // 2)}

    @app.task("book-shipping", concurrency=128)
    async def book_shipping(order_id: int, parcels: int, job: zbtrio.Job) -> dict[str, Any]:
        entered(job, order_id)
        if faults.shipping_is_down(trio.current_time() - ledger.started):
            ledger.job_retried(job.type)
            raise zbtrio.Fail("the shipping API answers 503", retries=job.retries - 1, backoff=1.0)
        await trio.sleep(SHIPPING_SECONDS)  # a slow remote API
        return {"tracking": f"ZB{order_id:08d}-{parcels}"}

    @app.task("notify-customer")
    async def notify_customer(order_id: int, job: zbtrio.Job) -> dict[str, Any]:
        entered(job, order_id)
        return {"outcome": job.custom_headers["template"]}

    return app
