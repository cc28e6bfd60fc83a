"""Handlers that are plain functions, in threads.

Nobody can stop a thread. When its job is over before it returns (deadline, drain), it is abandoned:
its slot stays taken, so that no more threads than `concurrency` ever run, and what it returns is
dropped. trio's limiter protocol tells when a thread really starts and ends, abandoned or not.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, cast

import trio

from zbtrio.worker.job import Job

__all__ = ["Threads"]

_log = logging.getLogger("zbtrio.worker")


class Threads:
    """The threads of one subscription.

    `returned` is called with the job when a thread ends that was abandoned.

    Attributes:
        abandoned: jobs whose handlers still run although nobody waits, and since when (trio time).
    """

    def __init__(self, returned: Callable[[Job], object]) -> None:
        self.abandoned: dict[Job, float] = {}
        self._returned = returned

    async def call(
        self, job: Job, function: Callable[..., Any], arguments: Mapping[str, Any]
    ) -> Any:
        """The function's result; when cancelled, comes back at once and leaves the thread alone."""
        visit = _Visit()
        try:
            return await trio.to_thread.run_sync(
                lambda: function(**arguments),
                abandon_on_cancel=True,
                limiter=cast("trio.CapacityLimiter", visit),
            )
        finally:
            if visit.running:
                self._abandon(job, visit)

    def _abandon(self, job: Job, visit: _Visit) -> None:
        self.abandoned[job] = trio.current_time()
        visit.on_end = lambda: self._late(job)
        _log.warning(
            "The handler of %r, job %s, goes on in its thread after the job was taken from it; it "
            "keeps its slot until it returns. It should look at job.cancelled() between its steps.",
            job.type,
            job.key,
            extra=job.log_fields(),
        )

    def _late(self, job: Job) -> None:
        since = self.abandoned.pop(job)
        _log.warning(
            "The handler of %r, job %s, has returned, %.1f s late: its result is dropped.",
            job.type,
            job.key,
            trio.current_time() - since,
            extra=job.log_fields(),
        )
        self._returned(job)


class _Visit:
    """One call in a thread, watched through what trio asks of a limiter."""

    def __init__(self) -> None:
        self.running = False
        self.on_end: Callable[[], object] | None = None

    async def acquire_on_behalf_of(self, borrower: object) -> None:
        self.running = True

    def release_on_behalf_of(self, borrower: object) -> None:
        self.running = False
        if self.on_end is not None:
            self.on_end()
