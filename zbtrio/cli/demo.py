"""`zbtrio demo`: a thousand orders through five handlers, and what it cost."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, AsyncExitStack, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zbtrio.broker import Broker
    from zbtrio.demo.ledger import Ledger
    from zbtrio.demo.run import Plan, Result
    from zbtrio.worker.tasks import Poll

NAME = "demo"
HELP = "run a thousand orders through five handlers and show what it cost"
EPILOG = """\
examples:
  zbtrio demo --broker                    a real Zeebe, started and stopped by this command
  zbtrio demo --broker --poll 100ms       the same, asking every 100 ms instead of waiting
  zbtrio demo --address localhost:26500   on a gateway that runs already
  zbtrio demo --broker --faults some      cards are declined, the shipping API is down for a while

exit codes: 0 every order reached its end, 1 some did not, 2 wrong arguments"""

POLLS: dict[str, Poll] = {"100ms": 0.1, "1s": 1.0, "long": "long", "stream": "stream"}
IDLE_SECONDS = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("--broker", action="store_true", help="start a real Zeebe for it")
    parser.add_argument("--version", default="8.6.0", help="of that Zeebe (default: %(default)s)")
    parser.add_argument("--orders", type=int, default=1000, help="how many (%(default)s)")
    parser.add_argument(
        "--interval", type=float, default=0.04, help="seconds between two orders (%(default)s)"
    )
    parser.add_argument(
        "--poll", choices=list(POLLS), default="long", help="how to ask for jobs (%(default)s)"
    )
    parser.add_argument(
        "--faults",
        choices=["none", "some"],
        default="none",
        help="some: cards are declined, the shipping API is down for a while (%(default)s)",
    )
    parser.add_argument("--seed", type=int, default=1, help="of orders and faults (%(default)s)")


def run(args: argparse.Namespace) -> int:
    """Run the demo; 0 if every order reached its end."""
    import trio

    from zbtrio.demo.run import Plan

    if args.orders < 1 or args.interval < 0:
        print("zbtrio demo: --orders starts at 1, --interval at 0", file=sys.stderr)
        return 2
    plan = Plan(
        orders=args.orders,
        interval=args.interval,
        poll=POLLS[args.poll],
        faults=args.faults,
        seed=args.seed,
    )
    result = trio.run(_demo, args, plan)
    if args.json:
        print(json.dumps(result.as_json()))
    else:
        from rich.console import Console

        from zbtrio.demo.report import tables

        Console().print(tables(result))
    return 1 if result.ledger.lost else 0


async def _demo(args: argparse.Namespace, plan: Plan) -> Result:
    from zbtrio.demo.ledger import Ledger
    from zbtrio.demo.run import run_demo

    ledger = Ledger(plan.orders)
    async with AsyncExitStack() as stack:
        address, idle_rate = args.address, None
        if args.broker:
            from zbtrio import broker

            running = await stack.enter_async_context(broker.running(args.version))
            address, idle_rate = running.address, _idle_rate_of(running)
        with nullcontext() if args.json else _shown(ledger):
            return await run_demo(plan, ledger, address, idle_rate)


def _shown(ledger: Ledger) -> AbstractContextManager[object]:
    from rich.console import Console
    from rich.live import Live

    from zbtrio.demo.report import Progress

    console = Console(stderr=True)
    if not console.is_terminal:
        return nullcontext()
    return Live(Progress(ledger), console=console, refresh_per_second=5, transient=True)


def _idle_rate_of(broker: Broker) -> Callable[[], Awaitable[float]]:
    """Measure the log records that a broker appends while nothing happens but polling."""

    async def measure() -> float:
        import trio

        before = await broker.records_appended()
        await trio.sleep(IDLE_SECONDS)
        return round((await broker.records_appended() - before) / IDLE_SECONDS, 2)

    return measure
