"""Jobs while a handler has them: extending their lease, and reporting detached ones."""

from __future__ import annotations

import logging
from collections.abc import Callable

import attrs
import trio

from zbtrio.client import ZeebeClient
from zbtrio.errors import FailedPrecondition, JobLost, NotFound, ZbtrioError
from zbtrio.hooks import Observers
from zbtrio.worker.job import Job
from zbtrio.worker.outcomes import Detach, Outcome

__all__ = ["Keeper"]

_log = logging.getLogger("zbtrio.worker")


@attrs.define(eq=False)
class _Promise:
    """The outcome of a job that somebody will report, or has."""

    outcome: Outcome | None = None
    given: trio.Event = attrs.field(factory=trio.Event)
    settled: trio.Event = attrs.field(factory=trio.Event)
    error: Exception | None = None


class Keeper:
    """What jobs of one subscription ask of their worker.

    Attributes:
        draining: set when the worker has been asked to end.
        moved: told when a job has another deadline.
    """

    moved: Callable[[Job], object]

    def __init__(
        self, client: ZeebeClient, observers: Observers, draining: trio.Event, margin: float
    ) -> None:
        self.draining = draining
        self._client = client
        self._observers = observers
        self._margin = margin
        self._promises: dict[Job, _Promise] = {}

    async def extend(self, job: Job, seconds: float) -> None:
        """Have a job for `seconds` from now."""
        if job.cancelled():
            raise JobLost(f"Job {job.key} can't be extended: it was taken from its handler.")
        begun = trio.current_time()
        try:
            await self._client.update_job_timeout(job.key, seconds)
        except (NotFound, FailedPrecondition) as error:
            raise JobLost(f"Job {job.key} can't be extended any more. {error}") from error
        job.deadline = begun + seconds - self._margin
        self.moved(job)
        self._observers.job_extended(job, seconds)

    async def keep_extended(self, job: Job, seconds: float) -> None:
        """Extend a job by `seconds` whenever half of what it has is over, until it has ended."""
        while not job.cancelled():
            await trio.sleep(max(0.1, (job.deadline - trio.current_time()) / 2))
            try:
                await self.extend(job, seconds)
            except JobLost as error:
                _log.warning("%s", error, extra=job.log_fields())
                return
            except ZbtrioError as error:
                _log.warning("Job %s: %s", job.key, error, extra=job.log_fields())

    async def report(self, job: Job, outcome: Outcome) -> None:
        """Give the outcome of a job whose handler has returned, or will return, Detach."""
        promise = self._promises.setdefault(job, _Promise())
        if job.cancelled() or promise.outcome is not None or isinstance(outcome, Detach):
            raise JobLost(f"Job {job.key} is not to be reported: it has an outcome already.")
        promise.outcome = outcome
        promise.given.set()
        await promise.settled.wait()
        if promise.error is not None:
            raise JobLost(f"Job {job.key} was not reported. {promise.error}") from promise.error

    async def reported(self, job: Job) -> Outcome:
        """Wait for the outcome of a detached job."""
        promise = self._promises.setdefault(job, _Promise())
        await promise.given.wait()
        assert promise.outcome is not None
        return promise.outcome

    def settled(self, job: Job, outcome: Outcome, error: Exception | None) -> None:
        """A job's outcome is known to the gateway, or never will be."""
        promise = self._promises.pop(job, None) if self._promises else None
        if promise is None:
            return
        if error is None and outcome is not promise.outcome:
            error = JobLost(f"It ended otherwise: {outcome!r}.")
        promise.error = error
        promise.settled.set()
