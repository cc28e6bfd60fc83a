"""Telling the gateway what became of jobs, until it knows.

A report has no task of its own: the call is started, and its answer settles the job in the
connection's reader. Only a report that failed gets a task, to wait before the next attempt.

An outcome is never thrown away lightly, since its handler does not run again for it: an attempt
that failed in passing, or whose answer was lost, is repeated with jitter until the job's deadline
and `report_grace` have passed (Zeebe accepts a late completion as long as the job exists). What
can't be delivered then is logged in full.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import betterproto2
import trio
from grpclib.const import Status

from zbtrio import gateway
from zbtrio.client import AuthorizedCall, ZeebeClient
from zbtrio.errors import ZbtrioError, from_rpc_error, is_too_large
from zbtrio.hooks import Observers
from zbtrio.rpc import Method, RpcError, UnaryCall
from zbtrio.worker.backoff import LONGEST, pause
from zbtrio.worker.job import Job
from zbtrio.worker.outcomes import Fail, Outcome
from zbtrio.worker.recovery import SETTLING_ANSWER, is_settling
from zbtrio.worker.results import Requests

__all__ = ["Reporter", "Settled"]

_log = logging.getLogger("zbtrio.worker")

Settled = Callable[[Job, Outcome, Exception | None], object]
"""Told once for each report: with None when the gateway knows, else why it never will."""

ATTEMPT = 10.0
"""Seconds for one attempt."""

_GONE = frozenset({Status.NOT_FOUND, Status.FAILED_PRECONDITION})
_FINAL = _GONE | {
    Status.ALREADY_EXISTS,
    Status.INVALID_ARGUMENT,
    Status.OUT_OF_RANGE,
    Status.PERMISSION_DENIED,
    Status.UNIMPLEMENTED,
}


class Reporter:
    """Reports the outcomes of all jobs of one run. `run` is its task, for what is to be retried.

    Attributes:
        reported: how many outcomes the gateway knows.
    """

    def __init__(
        self, client: ZeebeClient, requests: Requests, observers: Observers, grace: float
    ) -> None:
        self.client = client
        self.grace = grace
        self._requests = requests
        self._observers = observers
        self._open: dict[Report, None] = {}
        self._nursery: trio.Nursery | None = None
        self._idle = trio.Event()
        self._idle.set()
        self.reported = 0

    @property
    def open(self) -> int:
        """How many outcomes the gateway doesn't know yet."""
        return len(self._open)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve retries until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            await trio.sleep_forever()

    async def idle(self) -> None:
        """Wait until every outcome is known or given up."""
        while self._open:
            self._idle = trio.Event()
            await self._idle.wait()

    def send(self, job: Job, outcome: Outcome, settled: Settled) -> None:
        """Report an outcome; comes back at once."""
        outcome, method, payload = self._requests.encoded(job, outcome)
        report = Report(self, job, outcome, method, payload, settled)
        self._open[report] = None
        report.attempt()

    def close(self) -> None:
        """Give up whatever is still open."""
        for report in list(self._open):
            report.give_up(None)

    def settled(self, report: Report, error: Exception | None) -> None:
        """A report has ended."""
        del self._open[report]
        if error is None:
            self.reported += 1
        report.settled(report.job, report.outcome, error)
        if self._observers.report_finished:
            seconds = trio.current_time() - report.began
            self._observers.report_finished(report.job, report.outcome, seconds, error)
        if not self._open:
            self._idle.set()

    def retry(self, report: Report, pause: float) -> None:
        """Attempt a report again after so many seconds."""
        assert self._nursery is not None
        self._nursery.start_soon(self._again, report, pause)

    async def _again(self, report: Report, pause: float) -> None:
        await trio.sleep(pause)
        if report in self._open:
            report.attempt()

    def replace(self, report: Report, instead: Fail) -> None:
        """Report something else, because the gateway refuses what was reported."""
        sent = self._requests.encoded(report.job, instead)
        report.outcome, report.method, report.payload = sent
        self.retry(report, 0.0)


class Report:
    """One outcome on its way."""

    __slots__ = (
        "_attempts",
        "_call",
        "_reporter",
        "began",
        "job",
        "method",
        "outcome",
        "payload",
        "settled",
    )

    def __init__(
        self,
        reporter: Reporter,
        job: Job,
        outcome: Outcome,
        method: Method,
        payload: bytes,
        settled: Settled,
    ) -> None:
        self._reporter = reporter
        self._attempts = 0
        self._call: UnaryCall | AuthorizedCall | None = None
        self.job = job
        self.outcome = outcome
        self.method = method
        self.payload = payload
        self.settled = settled
        self.began = trio.current_time()

    def attempt(self) -> None:
        """Send it."""
        self._attempts += 1
        client = self._reporter.client
        timeout = SETTLING_ANSWER if is_settling(client) else ATTEMPT
        self._call = client.start(
            self.method, self.payload, timeout=timeout, on_done=self._answered
        )

    def give_up(self, error: RpcError | None) -> None:
        """Log the outcome in full: nobody else knows it."""
        if self._call is not None:
            self._call.cancel()
        why = self._why(error)
        request: betterproto2.Message = self.method.request_type.parse(self.payload)
        _log.error(
            "The outcome of job %s could not be reported and is lost here: %s\n%r",
            self.job.key,
            why,
            request,
            extra=self.job.log_fields(),
        )
        self._reporter.settled(self, why)

    def _why(self, error: RpcError | None) -> ZbtrioError:
        if error is None:
            return ZbtrioError("the worker ended before the gateway answered.")
        return from_rpc_error(self.method.name, error)

    def _answered(self, call: UnaryCall | AuthorizedCall) -> None:
        error = call.error
        if error is None:
            self._reporter.settled(self, None)
        elif error.received and (error.status in _FINAL or is_too_large(error)):
            self._refused(error)
        else:
            self._failed_in_passing(error)

    def _failed_in_passing(self, error: RpcError) -> None:
        if trio.current_time() >= self.job.deadline + self._reporter.grace:
            self.give_up(error)
            return
        busy = error.received and error.status is Status.RESOURCE_EXHAUSTED
        longest = LONGEST if busy else 0.5  # the call itself waits for a connection
        if self._attempts == 1:
            _log.info("Job %s: its report is retried: %s", self.job.key, error)
        self._reporter.retry(self, pause(self._attempts, longest))

    def _refused(self, error: RpcError) -> None:
        if error.status in _GONE:
            self._gone(error)
        elif self.method is gateway.FAIL_JOB and not getattr(self.outcome, "variables", None):
            self.give_up(error)
        else:
            why = from_rpc_error(self.method.name, error)
            self._reporter.replace(self, _refusal(self.job, why))

    def _gone(self, error: RpcError) -> None:
        if self._attempts > 1:  # an earlier one did it, whatever was answered
            self._reporter.settled(self, None)
            return
        _log.warning(
            "The outcome of job %s came too late: %s",
            self.job.key,
            error.message,
            extra=self.job.log_fields(),
        )
        self._reporter.settled(self, from_rpc_error(self.method.name, error))


def _refusal(job: Job, why: ZbtrioError) -> Fail:
    return Fail(
        f"The handler of {job.type!r} has ended, but the gateway refuses its outcome. {why}",
        retries=0,
        cause=why,
    )
