"""One job type of a running worker: its settings, its counts, and what can be seen of it."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

import trio

from zbtrio.errors import HandlerError
from zbtrio.hooks import Observers
from zbtrio.worker.capacity import Capacity
from zbtrio.worker.settings import WorkerSettings
from zbtrio.worker.tasks import Poll, Task

__all__ = ["Subscription"]

_log = logging.getLogger("zbtrio.worker")


class Subscription:
    """What a worker does for one job type.

    Attributes:
        task: as it was registered.
        type, concurrency, max_jobs_active, timeout, poll, request_timeout, tenants: as they hold
            for this run, after settings. Times in seconds.
        worker_name: the name under which jobs are activated.
        fetch: names of the variables that are fetched; None for all.
        capacity: how many jobs are here.
        counts: what has happened so far, by name.
        state: starting, polling, backing off, reconnecting, paused, draining or stopped.
        reason: why it is in this state, where that needs to be said.
        error: what stopped it.
        polled: set when the first request for jobs has left, or the subscription has stopped.
    """

    def __init__(self, task: Task, settings: WorkerSettings, observers: Observers) -> None:
        self.task = task
        self.type = task.type
        self.concurrency = _first(task.concurrency, settings.concurrency)
        self.max_jobs_active = self._most_jobs(task, settings)
        self.timeout = _first(task.timeout, settings.timeout)
        self.poll: Poll = _first(task.poll, settings.poll)
        self.request_timeout = settings.request_timeout
        self.tenants = _first(task.tenants, settings.tenants)
        self.worker_name = settings.name
        self.fetch: tuple[str, ...] | None = None
        self.capacity = Capacity(self.concurrency, self.max_jobs_active, self.timeout)
        self.counts: Counter[str] = Counter()
        self.state = "starting"
        self.reason = ""
        self.error: Exception | None = None
        self.polled = trio.Event()
        self._observers = observers

    def _most_jobs(self, task: Task, settings: WorkerSettings) -> int:
        if task.max_jobs_active is None:
            return max(self.concurrency, settings.max_jobs_active or 4 * self.concurrency)
        if task.max_jobs_active < self.concurrency:
            raise HandlerError(
                f"Task {task.type!r}: max_jobs_active is {task.max_jobs_active}, less than its "
                f"concurrency of {self.concurrency}; lower that, too."
            )
        return task.max_jobs_active

    def asked(self) -> None:
        """A request for jobs is on its way."""
        self.change("polling")
        self.polled.set()

    def change(self, state: str, reason: str = "") -> None:
        """Go into a state, and tell those who watch."""
        if state == self.state:
            return
        self.state, self.reason = state, reason
        level = logging.ERROR if self.error is not None else logging.INFO
        text = f": {reason}" if reason else ""
        _log.log(level, "Job type %r: %s%s", self.type, state, text, extra={"job_type": self.type})
        self._observers.subscription_changed(self, state, reason)

    def __repr__(self) -> str:
        return f"<Subscription {self.type!r}, {self.state}>"


def _first(*values: Any) -> Any:
    return next(value for value in values if value is not None)
