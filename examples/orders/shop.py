"""The order process's five handlers, as plain trio functions.

In this folder:

    zbtrio run shop:app --address 127.0.0.1:26500
    python place_order.py 127.0.0.1:26500
"""

import attrs
import trio

import zbtrio

app = zbtrio.Worker(names=zbtrio.camel_case)


@attrs.frozen
class Parcels:
    """What packing gives back to the process: the variables `parcels` and `totalWeight`."""

    parcels: int
    total_weight: float


@app.task("check-stock")
async def check_stock(items: list[str]) -> dict[str, float]:
    return {"weight": 0.4 * len(items)}


@app.task("charge-card")
async def charge_card(order_id: int, amount: float) -> dict[str, bool]:
    if amount > 200:
        raise zbtrio.BpmnError("CARD_DECLINED", f"order {order_id}: {amount:.2f} EUR is too much")
    return {"paid": True}


@app.task("pack-order")
def pack_order(weight: float) -> Parcels:
    """A plain function runs in a thread."""
    return Parcels(parcels=1 + int(weight // 2), total_weight=weight + 0.1)


@app.task("book-shipping", concurrency=64, timeout=30)
async def book_shipping(order_id: int, parcels: int) -> dict[str, str]:
    await trio.sleep(2)  # a slow remote API
    return {"tracking": f"ZB{order_id:08d}-{parcels}"}


@app.task("notify-customer")
async def notify_customer(job: zbtrio.Job, tracking: str | None = None) -> dict[str, str]:
    template = job.custom_headers["template"]
    print(f"instance {job.process_instance_key}: {template}, tracking {tracking}")
    return {"outcome": template}


if __name__ == "__main__":
    zbtrio.run(app)
