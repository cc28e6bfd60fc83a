"""Ending handlers at their jobs' deadlines, by one sleeping task for a subscription.

A deadline in each handler's own cancel scope would do the same: trio keeps a heap of them. But
putting one in and taking it out costs several microseconds a job, nearly always for nothing. Jobs
of one type have the same timeout, so the one that began first is due first, and by then it is
usually long gone: this task wakes about once per timeout, whatever the number of jobs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import trio

from zbtrio.worker.job import Job

__all__ = ["Deadlines"]


class Deadlines:
    """Watches `jobs`, which are those with running handlers at any moment."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._jobs = jobs
        self._next = math.inf
        self._sleep: trio.CancelScope | None = None

    def watch(self, job: Job) -> None:
        """A job has begun, or its deadline was moved."""
        if job.deadline < self._next:
            self._next = job.deadline
            if self._sleep is not None:
                self._sleep.deadline = job.deadline

    async def run(self) -> None:
        """Cancel the scopes of jobs that are due, until cancelled."""
        while True:
            with trio.CancelScope(deadline=self._next) as self._sleep:
                await trio.sleep_forever()
            now = trio.current_time()
            self._next = math.inf
            for job in self._jobs:
                if job.deadline > now:
                    self._next = min(self._next, job.deadline)
                elif job.scope is not None:
                    job.scope.cancel()
