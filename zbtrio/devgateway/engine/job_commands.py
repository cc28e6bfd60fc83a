"""The gateway's calls about jobs."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager

from .commands import Commands, check_partition
from .documents import read_document
from .jobs import check_open
from .rejection import Rejection, rejected
from .views import JobView
from .waiting import Job


class JobCommands(Commands):
    """Jobs handed out and reported."""

    def activate_jobs(
        self,
        type: str,
        worker: str,
        *,
        timeout: int,
        max_jobs: int,
        fetch_variables: Iterable[str] = (),
    ) -> list[JobView]:
        """One pass of ActivateJobs: the activatable jobs of a type, those of lowest key first."""
        value = {
            "type": type,
            "worker": worker,
            "timeout": timeout,
            "maxJobsToActivate": max_jobs,
        }
        with self._command("JOB_BATCH", "ACTIVATE", -1, value):
            if not type:
                raise _bad_activation("type to be present, but it was blank")
            if timeout < 1:
                what = f"timeout to be greater than zero, but it was '{timeout}'"
                raise _bad_activation(what)
            core = self._core
            views, truncated = core.jobs.activate(type, worker, timeout, max_jobs, fetch_variables)
            keys = [view.key for view in views]
            done = {**value, "jobKeys": keys, "truncated": truncated}
            core.log.event("JOB_BATCH", "ACTIVATED", core.next_key(), done)
            return views

    def check_stream(self, type: str, timeout: int) -> None:
        """Whether StreamActivatedJobs may be opened with these arguments; raises Rejection."""
        text = "Expected to stream activated jobs with"
        if not type:
            blank = "type to be present, but it was blank"
            raise Rejection("INVALID_ARGUMENT", f"{text} {blank}")
        if timeout < 1:
            low = f"timeout to be greater than zero, but it was {timeout}"
            raise Rejection("INVALID_ARGUMENT", f"{text} {low}")

    def activate_for_stream(
        self, key: int, worker: str, *, timeout: int, fetch_variables: Iterable[str] = ()
    ) -> JobView | None:
        """Hand a job that has become available to a push stream; None when it is taken already."""
        core = self._core
        core.tick()
        view = core.jobs.activate_one(key, worker, timeout, fetch_variables)
        if view is not None:
            value = {"type": view.type, "worker": worker, "timeout": timeout, "jobKeys": [key]}
            core.log.event("JOB_BATCH", "ACTIVATED", core.next_key(), value)
        return view

    def yield_job(self, key: int) -> None:
        """Take back a job that could not be pushed; it is activatable at once."""
        with self._command("JOB", "YIELD", key, {}):
            job = self._core.jobs.by_key.get(key)
            if job is not None and job.state == "ACTIVATED":
                self._core.jobs.give_back(job)

    def complete_job(self, key: int, variables: str = "") -> None:
        """CompleteJob."""
        document = read_document(variables)
        with self._job(key, "COMPLETE", "complete") as job:
            check_open(job, "COMPLETE", "complete")
            self._core.jobs.complete(job, document)

    def fail_job(
        self, key: int, retries: int, message: str = "", *, backoff: int = 0, variables: str = ""
    ) -> None:
        """FailJob."""
        document = read_document(variables)
        with self._job(key, "FAIL", "fail") as job:
            check_open(job, "FAIL", "fail")
            self._core.jobs.fail(job, retries, message, backoff, document)

    def throw_error(
        self, key: int, error_code: str, message: str = "", variables: str = ""
    ) -> None:
        """ThrowError."""
        document = read_document(variables)
        with self._job(key, "THROW_ERROR", "throw an error for") as job:
            check_open(job, "THROW_ERROR", "throw an error for")
            if job.kind == "EXECUTION_LISTENER":
                root = job.instance.root.key
                which = f"key '{key}', type '{job.type}' and processInstanceKey '{root}'"
                reason = f"Cannot throw BPMN error from EXECUTION_LISTENER job with {which}"
                raise rejected("THROW_ERROR", "INVALID_STATE", reason)
            self._core.jobs.throw_error(job, error_code, message, document)

    def update_job_retries(self, key: int, retries: int) -> None:
        """UpdateJobRetries."""
        with self._job(key, "UPDATE_RETRIES", "update") as job:
            if retries < 1:
                text = f"Expected to update retries for job with key '{key}' with a positive amount"
                reason = f"{text} of retries, but the amount given was '{retries}'"
                raise rejected("UPDATE_RETRIES", "INVALID_ARGUMENT", reason)
            self._core.jobs.update_retries(job, retries)

    def update_job_timeout(self, key: int, timeout: int) -> None:
        """UpdateJobTimeout: from now on."""
        with self._job(key, "UPDATE_TIMEOUT", "update") as job:
            if job.state != "ACTIVATED":
                text = f"Expected to update the timeout of job with key '{key}'"
                raise rejected("UPDATE_TIMEOUT", "INVALID_STATE", f"{text}, but it is not active")
            self._core.jobs.update_timeout(job, timeout)

    @contextmanager
    def _job(self, key: int, command: str, what: str) -> Generator[Job]:
        """A command on a job that must exist."""
        check_partition(key)
        with self._command("JOB", command, key, {}):
            yield self._core.jobs.find(key, command, what)


def _bad_activation(what: str) -> Rejection:
    return rejected("ACTIVATE", "INVALID_ARGUMENT", f"Expected to activate job batch with {what}")
