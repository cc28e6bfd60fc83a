"""The demo's book: each order's creation, each handler entry, each order's end.

`lost` is what has no end as the gateway knows it: an order ends when the gateway answers
CreateProcessInstanceWithResult, not when a handler says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import attrs

QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


@attrs.define
class Ledger:
    """What happened. Times are seconds on trio's clock."""

    orders: int
    started: float = 0.0
    created: dict[int, float] = attrs.field(factory=dict[int, float])
    ended: dict[int, float] = attrs.field(factory=dict[int, float])
    outcomes: Counter[str] = attrs.field(factory=Counter[str])
    errors: Counter[str] = attrs.field(factory=Counter[str])
    jobs: Counter[str] = attrs.field(factory=Counter[str])
    retries: Counter[str] = attrs.field(factory=Counter[str])
    waits: dict[str, list[float]] = attrs.field(factory=dict[str, list[float]])

    def order_created(self, order: int, now: float) -> None:
        """An order's create was sent."""
        self.started = self.started if self.created else now
        self.created[order] = now

    def handler_entered(self, job_type: str, order: int, now: float) -> None:
        """A job of an order reached its handler."""
        self.jobs[job_type] += 1
        self.waits.setdefault(job_type, []).append(now - self.created[order])

    def job_retried(self, job_type: str) -> None:
        """A handler failed a job that will come again."""
        self.retries[job_type] += 1

    def order_ended(self, order: int, outcome: str, now: float) -> None:
        """The gateway says that the order's process instance has ended."""
        self.ended[order] = now
        self.outcomes[outcome] += 1

    @property
    def lost(self) -> int:
        """Orders without an end."""
        return self.orders - len(self.ended)

    @property
    def wall(self) -> float:
        """Seconds from the first order's creation to the last one's end."""
        if not self.ended:
            return 0.0
        return max(self.ended.values()) - self.started

    def latencies(self) -> dict[str, dict[str, float]]:
        """Milliseconds from an order's creation to the entry of each type's handler."""
        return {
            job_type: {name: round(quantile(waits, q) * 1000, 1) for name, q in QUANTILES.items()}
            for job_type, waits in sorted(self.waits.items())
        }


def quantile(values: Sequence[float], q: float) -> float:
    """The value below which a share `q` of the values lies (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else 0.0
