"""How many jobs a subscription may hold, and when it asks for more.

Two limits: `concurrency` handlers run at once, and `max_jobs_active` jobs are held: waiting,
running, or finished and not yet acknowledged. What is finished takes no slot, but counts as held:
a gateway that takes no outcomes gets no more jobs done either.

Jobs that wait here hide the time that a poll takes, and cost fairness: they could run in another
worker, and their leases run down. So the queue is only as long as quick handlers make it: a job in
it shall not wait longer than `PATIENCE`. Handlers of 100 ms get a queue of two and a half times
their concurrency, handlers of several seconds none, and lose nothing by that, since a poll takes
milliseconds. Before the first handler has ended nothing is known, and nothing is queued.

While a handler could run, a poll is wanted at once, however few jobs there is room for; one that
only fills the queue waits until half of the queue is empty, since each poll costs the broker.
"""

from __future__ import annotations

__all__ = ["Capacity"]

PATIENCE = 0.25
"""Seconds a queued job should wait at most."""

WEIGHT = 0.1
"""Of the latest handler, in the running mean of their durations."""


class Capacity:
    """The counts of one subscription.

    Attributes:
        running: handlers at work, with abandoned threads and detached jobs.
        abandoned: threads among them whose jobs are over.
        held: all jobs that are here, from their arrival until the gateway knows their outcome.
        unacknowledged: those of them that only wait for that.
        reserved: what the open poll may still bring.
    """

    __slots__ = (
        "_mean",
        "_patience",
        "abandoned",
        "concurrency",
        "held",
        "max_jobs_active",
        "reserved",
        "running",
        "unacknowledged",
    )

    def __init__(self, concurrency: int, max_jobs_active: int, timeout: float) -> None:
        self.concurrency = concurrency
        self.max_jobs_active = max_jobs_active
        self.running = 0
        self.abandoned = 0
        self.held = 0
        self.unacknowledged = 0
        self.reserved = 0
        self._patience = min(PATIENCE, timeout / 20)
        self._mean: float | None = None

    @property
    def queue(self) -> int:
        """How many jobs may wait here."""
        if self._mean is None:
            return 0
        most = self.max_jobs_active - self.concurrency
        return min(most, int(self.concurrency * self._patience / max(self._mean, 0.001)))

    @property
    def room(self) -> int:
        """How many more jobs may be here, those included that the open poll may bring."""
        at_work = self.held - self.unacknowledged + self.abandoned
        return min(self.concurrency + self.queue - at_work, self.max_jobs_active - self.held)

    def wanted(self) -> int:
        """How many jobs to poll for now; 0 when a poll isn't due."""
        room = self.room
        if room <= 0 or self.running < self.concurrency:
            return max(0, room)
        return room if 2 * room > self.queue else 0

    def handler_took(self, seconds: float) -> None:
        """Learn from a handler that has ended."""
        mean = self._mean
        self._mean = seconds if mean is None else mean + WEIGHT * (seconds - mean)

    def queue_stood(self, seconds: float) -> None:
        """Learn that queued jobs have waited so long: no handler has ended in this time."""
        self._mean = max(self._mean or 0.0, seconds)
