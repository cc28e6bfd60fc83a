"""From a job's arrival to its outcome, for one subscription.

A job that finds a free slot starts at once, in a task of its own; others wait in a queue that each
ending handler looks into. A slot is taken while the handler runs, while a detached job has not been
reported, and while a thread that was abandoned goes on. The job is held longer: until the gateway
knows its outcome.

Who ends a handler from outside cancels its scope and leaves an outcome in `_taken`. The handler may
still have something to say, in its cleanup; only if it doesn't, that is the outcome. When the job's
lease is over by then (this process was stopped for a while), nothing is reported but what a handler
has said: the job may be someone else's by now, and failing it would take it from them.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable

import trio

from zbtrio._proto.gateway_protocol import ActivatedJob
from zbtrio.hooks import Handler, Observers
from zbtrio.worker.deadlines import Deadlines
from zbtrio.worker.job import Job
from zbtrio.worker.keeping import Keeper
from zbtrio.worker.lease import LeaseClock
from zbtrio.worker.limiter import ActiveLimiter
from zbtrio.worker.outcomes import Detach, Fail, Outcome, Release
from zbtrio.worker.reporting import Reporter
from zbtrio.worker.results import outcome_of_exception
from zbtrio.worker.subscription import Subscription
from zbtrio.worker.threads import Threads

__all__ = ["Dispatcher"]

_log = logging.getLogger("zbtrio.worker")

STALE = 1.0
"""Seconds after which a queued job goes back, since other workers may be free."""


class Dispatcher:
    """The jobs of one subscription that are here.

    `changed` is called whenever there may be room for more jobs.

    Attributes:
        closed: whether arriving jobs go back at once.
        handle: the way from a job to its outcome.
        threads: those of handlers that are plain functions.
    """

    handle: Handler

    def __init__(
        self,
        subscription: Subscription,
        keeper: Keeper,
        reporter: Reporter,
        observers: Observers,
        limiter: ActiveLimiter | None,
        changed: Callable[[], object],
    ) -> None:
        self.closed = False
        self.threads = Threads(returned=self._thread_returned)
        self._subscription = subscription
        self._capacity = subscription.capacity
        self._counts = subscription.counts
        self._lease = LeaseClock(subscription.timeout)
        self._keeper = keeper
        self._reporter = reporter
        self._observers = observers
        self._limiter = limiter
        self._changed = changed
        self._stale = subscription.timeout / 4
        if limiter is None:
            self._stale = min(STALE, self._stale)
        self._task_name = f"zbtrio {subscription.type}"
        self._waiting: deque[Job] = deque()
        self._active: dict[Job, None] = {}
        self._deadlines = Deadlines(self._active)
        keeper.moved = self._deadlines.watch
        self._taken: dict[Job, Outcome] = {}
        self._quiet = trio.Event()
        self._queued = trio.Event()
        self._watching = False

    def open(self, handlers: trio.Nursery, services: trio.Nursery) -> None:
        """Begin: handlers run in the one nursery, what serves them in the other."""
        self._handlers = handlers
        self._services = services
        services.start_soon(self._deadlines.run)
        if self._limiter is not None:
            services.start_soon(self._start_limited, self._limiter)

    @property
    def waiting(self) -> int:
        """How many jobs no slot was free for."""
        return len(self._waiting)

    # Arrival

    def accept(self, messages: Iterable[ActivatedJob], arrival: float) -> None:
        """Take jobs that have come in at that trio time."""
        capacity = self._capacity
        for message in messages:
            job = self._received(message, arrival)
            if self.closed:
                self.give_back(job, "The worker takes no more jobs of this type.")
            elif capacity.running < capacity.concurrency and self._limiter is None:
                self._start(job)
            else:
                self._queue(job)

    def refuse(self, message: ActivatedJob, arrival: float) -> None:
        """Give back a job for which there is no room."""
        self.give_back(self._received(message, arrival), "There was no room for it here.")

    def _received(self, message: ActivatedJob, arrival: float) -> Job:
        job = Job(message, self._keeper, self._lease.deadline(arrival, message.deadline))
        job.arrived = arrival
        self._capacity.held += 1
        self._counts["activated"] += 1
        self._observers.job_activated(job)
        return job

    def give_back(self, job: Job, why: str) -> None:
        """Return a job that wasn't started: any worker may have it at once."""
        self._counts["given back"] += 1
        self._report_unsaid(job, Release(0.0, message=why))

    def _queue(self, job: Job) -> None:
        self._waiting.append(job)
        self._queued.set()
        if not self._watching:
            self._watching = True
            self._services.start_soon(self._watch_queue)

    async def _watch_queue(self) -> None:
        """Give back what waits too long. One task while there is a queue, and a little longer."""
        while self._waiting:
            await trio.sleep_until(self._waiting[0].arrived + self._stale)
            now = trio.current_time()
            while self._waiting and self._waiting[0].arrived + self._stale <= now:
                self._capacity.queue_stood(self._stale)
                self.give_back(self._waiting.popleft(), "No handler was free for it here.")
        self._watching = False

    async def _start_limited(self, limiter: ActiveLimiter) -> None:
        """Start queued jobs as the limiter lets them."""
        while True:
            while not self._waiting or self._capacity.running >= self._capacity.concurrency:
                self._queued = trio.Event()
                await self._queued.wait()
            await limiter.acquire()
            if self._waiting:
                self._start(self._waiting.popleft())
            else:
                limiter.release()

    # Handlers

    def _start(self, job: Job) -> None:
        self._capacity.running += 1
        self._active[job] = None
        job.scope = trio.CancelScope()
        self._deadlines.watch(job)
        self._handlers.start_soon(self._run, job, name=self._task_name)
        if self._subscription.task.auto_extend:
            self._services.start_soon(self._keeper.keep_extended, job, self._subscription.timeout)

    async def _run(self, job: Job) -> None:
        outcome: Outcome | None = None
        job.started = trio.current_time()
        assert job.scope is not None
        if job.started >= job.deadline:
            job.scope.cancel()  # before its first step
        try:
            with job.scope:
                await trio.lowlevel.checkpoint_if_cancelled()
                outcome = await self._outcome(job)
        except Exception as error:  # of a group from which the scope took its cancellation
            outcome = outcome_of_exception(error)
        finally:
            self._ended(job, outcome)

    async def _outcome(self, job: Job) -> Outcome:
        outcome = await self.handle(job)
        return await self._keeper.reported(job) if type(outcome) is Detach else outcome

    def _ended(self, job: Job, said: Outcome | None) -> None:
        now = trio.current_time()
        job.end()
        outcome = self._unsaid(job) if said is None else said
        self._taken.pop(job, None)
        del self._active[job]
        self._capacity.handler_took(now - job.started)
        self._counts[type(outcome).__name__] += 1
        self._observers.job_finished(job, outcome, job.started - job.arrived, now - job.started)
        if said is None:
            self._report_unsaid(job, outcome)
        else:
            self._report(job, outcome)
        if job in self.threads.abandoned:
            self._capacity.abandoned += 1
        else:
            self._free_slot()
        if not self._active and not self._waiting:
            self._quiet.set()

    def _unsaid(self, job: Job) -> Outcome:
        """The outcome of a job whose handler was ended before it had one."""
        assert job.scope is not None
        if job in self._taken:
            return self._taken[job]
        if job.scope.cancelled_caught:
            return Fail(
                f"The handler of {job.type!r} was still running at the job's deadline "
                f"({self._subscription.timeout:g} s). Give the task a longer timeout=, or call "
                "job.extend() in time, or set auto_extend=True."
            )
        self.close("The worker was cancelled.")
        return Release(0.0, message="The worker was cancelled.")

    def _report(self, job: Job, outcome: Outcome) -> None:
        self._capacity.unacknowledged += 1
        self._reporter.send(job, outcome, self._settled)

    def _report_unsaid(self, job: Job, outcome: Outcome) -> None:
        if trio.current_time() <= job.deadline + self._lease.margin:
            self._report(job, outcome)
            return
        self._counts["expired"] += 1
        _log.warning("Job %s: its lease ended here unnoticed.", job.key, extra=job.log_fields())
        self._capacity.unacknowledged += 1
        self._settled(job, outcome, None)

    def _thread_returned(self, job: Job) -> None:
        self._capacity.abandoned -= 1
        self._free_slot()

    def _free_slot(self) -> None:
        self._capacity.running -= 1
        if self._limiter is not None:
            self._limiter.release()
            self._queued.set()
        elif self._waiting:
            self._start(self._waiting.popleft())
        self._changed()

    def _settled(self, job: Job, outcome: Outcome, error: Exception | None) -> None:
        self._capacity.held -= 1
        self._capacity.unacknowledged -= 1
        if error is not None:
            self._counts["unreported"] += 1
        self._keeper.settled(job, outcome, error)
        self._changed()

    # End

    async def quiet(self) -> None:
        """Wait until no handler runs and no job waits for one."""
        while self._active or self._waiting:
            self._quiet = trio.Event()
            await self._quiet.wait()

    def close(self, why: str) -> None:
        """Give back what waits, and from now on whatever comes."""
        self.closed = True
        while self._waiting:
            self.give_back(self._waiting.popleft(), why)
        self._quiet.set()

    def take_back(self, why: str) -> None:
        """Cancel the handlers; their jobs go back unless they have an outcome after all."""
        for job in self._active:
            assert job.scope is not None
            self._taken[job] = Release(0.0, message=why)
            job.scope.cancel()
