"""Jobs: created by elements, handed out by type and key, reported by workers.

The job with the lowest key of a type goes out first, whatever it has been through. A job handed
out is back at its deadline; a failed one at the end of its backoff.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from .documents import Document, write_json
from .failure import Failure
from .rejection import Rejection, rejected
from .state import DEFAULT_TENANT, ElementInstance
from .views import JobView
from .waiting import Job

if TYPE_CHECKING:
    from .core import Core

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
MAX_ERROR_MESSAGE = 10_000
_JOB_OVERHEAD = 1024  # what a job takes in an answer beside its variables and headers, at most


class AvailableListener(Protocol):
    """Told which jobs of a type have become activatable."""

    def __call__(self, type: str, keys: list[int], /) -> None: ...


class Jobs:
    """All jobs that are not gone."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._queues: dict[str, list[int]] = {}
        self._new: dict[str, list[int]] = {}
        self.by_key: dict[int, Job] = {}
        self.on_available: AvailableListener | None = None

    # -- for elements

    def create(
        self,
        instance: ElementInstance,
        type: str,
        retries: int,
        headers: dict[str, str],
        listener_event: str = "UNSPECIFIED",
    ) -> Job:
        """A job for an element's work, or for a listener if an event of it is named."""
        listens = listener_event != "UNSPECIFIED"
        kind = "EXECUTION_LISTENER" if listens else "BPMN_ELEMENT"
        key = self._core.next_key()
        job = Job(key, type, retries, headers, instance, kind, listener_event)
        self.by_key[key] = instance.job = job
        instance.job = job
        self._event("CREATED", job)
        self.make_available(job)
        return job

    def cancel(self, instance: ElementInstance) -> None:
        """The job of an element instance that ends by force, if it has one."""
        job = instance.job
        if job is not None:
            self._remove(job)
            self._event("CANCELED", job)
            self._core.incidents.drop(job.incident)

    def make_available(self, job: Job) -> None:
        """Anybody may take it now."""
        job.state = "ACTIVATABLE"
        if not job.queued:
            job.queued = True
            heapq.heappush(self._queues.setdefault(job.type, []), job.key)
        self._new.setdefault(job.type, []).append(job.key)

    def announce(self) -> None:
        """Tell the listener what has become available since the last time."""
        while self._new:
            new, self._new = self._new, {}
            for type, keys in new.items() if self.on_available else ():
                assert self.on_available is not None
                self.on_available(type, keys)

    # -- for workers

    def activate(
        self, type: str, worker: str, timeout: int, limit: int, names: Iterable[str]
    ) -> tuple[list[JobView], bool]:
        """Hand out jobs of a type; also says whether more were there than an answer may hold."""
        views: list[JobView] = []
        room = MAX_MESSAGE_BYTES
        while len(views) < limit and (job := self._first(type)) is not None:
            view = self._view(job, worker, timeout, names)
            room -= len(view.variables) + len(view.custom_headers) + _JOB_OVERHEAD
            if room < 0 and views:
                return views, True
            if room < 0:
                self._refuse_large(job)
                room = MAX_MESSAGE_BYTES
                continue
            self._take(job, worker, timeout)
            views.append(view)
        return views, False

    def activate_one(
        self, key: int, worker: str, timeout: int, names: Iterable[str]
    ) -> JobView | None:
        """Hand out this job, if nobody has it."""
        job = self.by_key.get(key)
        if job is None or job.state != "ACTIVATABLE":
            return None
        view = self._view(job, worker, timeout, names)
        self._take(job, worker, timeout)
        return view

    def _first(self, type: str) -> Job | None:
        """The activatable job of the lowest key; others are dropped from the queue."""
        queue = self._queues.get(type)
        while queue:
            job = self.by_key.get(queue[0])
            if job is not None and job.state == "ACTIVATABLE" and job.type == type:
                return job
            heapq.heappop(queue)
            if job is not None:
                job.queued = False
        self._queues.pop(type, None)
        return None

    def _view(self, job: Job, worker: str, timeout: int, names: Iterable[str]) -> JobView:
        instance = job.instance
        root, definition = instance.root, instance.definition
        return JobView(
            key=job.key,
            type=job.type,
            process_instance_key=root.key,
            bpmn_process_id=definition.id,
            process_definition_version=definition.version,
            process_definition_key=definition.key,
            element_id=instance.element.id,
            element_instance_key=instance.key,
            custom_headers=write_json(job.headers),
            worker=worker,
            retries=job.retries,
            deadline=self._core.time + timeout,
            variables=write_json(self._core.variables.document(instance, names)),
            tenant_id=DEFAULT_TENANT,
        )

    def _take(self, job: Job, worker: str, timeout: int) -> None:
        job.state = "ACTIVATED"
        job.worker = worker
        self._set_deadline(job, timeout)

    def _set_deadline(self, job: Job, timeout: int) -> None:
        self._core.agenda.cancel(job.due)
        job.deadline = self._core.time + timeout
        job.due = self._core.agenda.add(job.deadline, lambda: self._time_out(job))

    def _time_out(self, job: Job) -> None:
        self._core.log.command("JOB", "TIME_OUT", job.key, job.value())
        self._event("TIMED_OUT", job)
        self.make_available(job)

    def _refuse_large(self, job: Job) -> None:
        job.state = "FAILED"
        text = (
            "The job with key '{}' can not be activated, because with {} bytes its variables"
            " exceed the maximum size of an answer. Fetch fewer variables, or make them smaller."
        )
        size = len(write_json(self._core.variables.document(job.instance)))
        failure = Failure("MESSAGE_SIZE_EXCEEDED", text.format(job.key, size))
        self._core.incidents.raise_on_job(job, failure)

    # -- reports

    def complete(self, job: Job, variables: Document) -> None:
        """Its work is done."""
        self._remove(job)
        job.variables = variables
        self._event("COMPLETED", job)
        if job.kind == "EXECUTION_LISTENER":
            self._core.listeners.completed(job.instance, variables)
        else:
            self._core.events.work_done(job.instance, variables)

    def fail(self, job: Job, retries: int, message: str, backoff: int, variables: Document) -> None:
        """Its work could not be done."""
        job.retries = retries
        job.error_message = message[:MAX_ERROR_MESSAGE]
        job.backoff = backoff
        self._release(job)
        job.state = "FAILED"
        self._event("FAILED", job)
        self._core.variables.merge_local(job.instance, variables)
        if retries <= 0:
            self._no_retries(job)
        elif backoff > 0:
            due = self._core.time + backoff
            job.due = self._core.agenda.add(due, lambda: self._recur(job))
        else:
            self.make_available(job)

    def _no_retries(self, job: Job) -> None:
        listens = job.kind == "EXECUTION_LISTENER"
        type = "EXECUTION_LISTENER_NO_RETRIES" if listens else "JOB_NO_RETRIES"
        failure = Failure(type, job.error_message or "No more retries left.")
        self._core.incidents.raise_on_job(job, failure)

    def _recur(self, job: Job) -> None:
        self._core.log.command("JOB", "RECUR_AFTER_BACKOFF", job.key, job.value())
        self._event("RECURRED_AFTER_BACKOFF", job)
        self.make_available(job)

    def throw_error(self, job: Job, code: str, message: str, variables: Document) -> None:
        """Its work came to a business error."""
        job.error_code = code
        job.error_message = message[:MAX_ERROR_MESSAGE]
        job.variables = variables
        self._release(job)
        catcher = self._core.events.find_error(job.instance, code)
        if catcher.found is None:
            job.state = "ERROR_THROWN"
            self._event("ERROR_THROWN", job)
            failure = catcher.failure(code, job.error_message)
            self._core.incidents.raise_on_job(job, failure, "NO_CATCH_EVENT_FOUND")
            return
        self._remove(job)
        self._event("ERROR_THROWN", job)
        self._core.events.trigger(*catcher.found, variables)

    def give_back(self, job: Job) -> None:
        """A job that could not be sent to its worker is free again."""
        self._release(job)
        self._event("YIELDED", job)
        self.make_available(job)

    def update_retries(self, job: Job, retries: int) -> None:
        """How often it may still be tried."""
        job.retries = retries
        self._event("RETRIES_UPDATED", job)

    def update_timeout(self, job: Job, timeout: int) -> None:
        """How long its worker may still have it."""
        self._set_deadline(job, timeout)
        self._event("TIMEOUT_UPDATED", job)

    # -- finding and dropping

    def find(self, key: int, command: str, what: str) -> Job:
        """The job of that key; raises Rejection."""
        job = self.by_key.get(key)
        if job is None:
            reason = f"Expected to {what} job with key '{key}', but no such job was found"
            raise rejected(command, "NOT_FOUND", reason)
        return job

    def _release(self, job: Job) -> None:
        self._core.agenda.cancel(job.due)
        job.due = None

    def _remove(self, job: Job) -> None:
        self._release(job)
        del self.by_key[job.key]
        job.instance.job = None

    def _event(self, intent: str, job: Job) -> None:
        self._core.log.event("JOB", intent, job.key, job.value())


def check_open(job: Job, command: str, what: str) -> None:
    """A job can be reported while it is activatable or activated; raises Rejection."""
    if job.state in ("FAILED", "ERROR_THROWN"):
        raise _in_state(job, command, what)


def _in_state(job: Job, command: str, what: str) -> Rejection:
    reason = f"Expected to {what} job with key '{job.key}', but it is in state '{job.state}'"
    return rejected(command, "INVALID_STATE", reason)
