"""The demo on a terminal: progress while it runs, a table at its end."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from zbtrio.demo.handlers import JOB_TYPES
from zbtrio.demo.ledger import Ledger
from zbtrio.demo.run import Result


class Progress:
    """A live view of a ledger; rich asks it for a fresh picture several times a second."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def __rich__(self) -> RenderableType:
        ledger = self._ledger
        table = Table.grid(padding=(0, 2))
        table.add_row("orders placed", _bar(len(ledger.created), ledger.orders))
        table.add_row("orders ended", _bar(len(ledger.ended), ledger.orders))
        jobs = "   ".join(f"{name} {ledger.jobs[name]}" for name in JOB_TYPES)
        return Group(table, Text(jobs, style="dim"))


def _bar(done: int, total: int) -> Table:
    row = Table.grid(padding=(0, 1))
    row.add_row(ProgressBar(total=total, completed=done, width=40), f"{done}/{total}")
    return row


def tables(result: Result) -> RenderableType:
    """Return what to show at the end."""
    ledger = result.ledger
    latencies = ledger.latencies()
    jobs = Table(title="From an order's creation to its jobs' handlers")
    for heading in ("job type", "jobs", "retries", "p50 ms", "p95 ms", "p99 ms"):
        jobs.add_column(heading, justify="left" if heading == "job type" else "right")
    for name in JOB_TYPES:
        times = [f"{value:,.1f}" for value in latencies.get(name, {}).values()] or ["-"] * 3
        jobs.add_row(name, str(ledger.jobs[name]), str(ledger.retries[name]), *times)
    return Group(jobs, _totals(result))


def _totals(result: Result) -> Table:
    plan, ledger = result.plan, result.ledger
    totals = Table.grid(padding=(0, 2))
    ended = ", ".join(f"{count} {name}" for name, count in sorted(ledger.outcomes.items()))
    totals.add_row("gateway", f"Zeebe {result.gateway_version}, asked by {plan.poll}")
    totals.add_row("orders", f"{plan.orders}: {ended or 'none ended'}, {ledger.lost} lost")
    late = ledger.wall - plan.limit
    totals.add_row(
        "wall time", f"{ledger.wall:.2f} s, {late:+.2f} s from the earliest possible end"
    )
    totals.add_row("CPU", f"{result.cpu / max(1, result.jobs) * 1e6:.0f} us per job (this process)")
    if result.idle_records_per_second is not None:
        rate = f"{result.idle_records_per_second:.1f} log records per second"
        totals.add_row("broker, idle", rate)
    for text, count in ledger.errors.most_common(3):
        totals.add_row("error", f"{count} x {text}")
    return totals
