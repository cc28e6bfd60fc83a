"""A job, as a handler and a middleware see it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

import trio

from zbtrio.variables import loads

if TYPE_CHECKING:
    from zbtrio._proto.gateway_protocol import (
        ActivatedJob,
        ActivatedJobJobKind,
        ActivatedJobListenerEventType,
        UserTaskProperties,
    )
    from zbtrio.worker.outcomes import Outcome

__all__ = ["Job", "JobKeeper", "current_job"]

current_job: ContextVar[Job | None] = ContextVar("zbtrio_current_job", default=None)
"""The job that the running handler works on; log filters read it."""


class JobKeeper(Protocol):
    """Who holds the job and speaks with the gateway about it."""

    draining: trio.Event

    async def extend(self, job: Job, seconds: float) -> None: ...

    async def report(self, job: Job, outcome: Outcome) -> None: ...


class Job:
    """A job that was activated for this worker.

    The attributes are the gateway's (ActivatedJob), unchanged. Variables and custom headers are
    read from their JSON text when they are first asked for.

    Attributes:
        deadline: trio time (`trio.current_time()`) at which the handler is cancelled, shortly
            before the gateway gives the job to someone else.
        arrived, started: trio time at which it came in, and at which its handler began.
        message: the gateway's message itself.
    """

    __slots__ = (
        "_headers",
        "_over",
        "_variables",
        "arrived",
        "deadline",
        "keeper",
        "message",
        "scope",
        "started",
    )

    def __init__(self, message: ActivatedJob, keeper: JobKeeper, deadline: float) -> None:
        self.message = message
        self.keeper = keeper
        self.deadline = deadline
        self.scope: trio.CancelScope | None = None
        self.arrived = 0.0
        self.started = 0.0
        self._over = False
        self._variables: dict[str, Any] | None = None
        self._headers: dict[str, Any] | None = None

    @property
    def key(self) -> int:
        """The job's key."""
        return self.message.key

    @property
    def type(self) -> str:
        """The job type."""
        return self.message.type

    @property
    def process_instance_key(self) -> int:
        """The process instance the job belongs to."""
        return self.message.process_instance_key

    @property
    def bpmn_process_id(self) -> str:
        """The id of the process in its model."""
        return self.message.bpmn_process_id

    @property
    def process_definition_version(self) -> int:
        """The version of the process."""
        return self.message.process_definition_version

    @property
    def process_definition_key(self) -> int:
        """The key of this version of the process."""
        return self.message.process_definition_key

    @property
    def element_id(self) -> str:
        """The id of the service task in the model."""
        return self.message.element_id

    @property
    def element_instance_key(self) -> int:
        """This instance of the service task."""
        return self.message.element_instance_key

    @property
    def worker(self) -> str:
        """The worker name under which the job was activated."""
        return self.message.worker

    @property
    def retries(self) -> int:
        """How many tries are left, this one included."""
        return self.message.retries

    @property
    def tenant_id(self) -> str:
        """The tenant that owns the job (Zeebe 8.3 and newer)."""
        return self.message.tenant_id

    @property
    def kind(self) -> ActivatedJobJobKind:
        """Element, execution listener, task listener (Zeebe 8.8 and newer)."""
        return self.message.kind

    @property
    def listener_event_type(self) -> ActivatedJobListenerEventType:
        """What a listener job listens to (Zeebe 8.8 and newer)."""
        return self.message.listener_event_type

    @property
    def user_task(self) -> UserTaskProperties | None:
        """The user task that a task listener's job is about (Zeebe 8.8 and newer)."""
        return self.message.user_task

    @property
    def tags(self) -> list[str]:
        """The tags of the process instance (Zeebe 8.8 and newer)."""
        return self.message.tags

    @property
    def priority(self) -> int:
        """The job's priority (Zeebe 8.10 and newer)."""
        return self.message.priority

    @property
    def custom_headers(self) -> dict[str, Any]:
        """The headers that the model gives this task; VariablesError if they are no object."""
        if self._headers is None:
            self._headers = loads(self.message.custom_headers)
        return self._headers

    @property
    def variables(self) -> dict[str, Any]:
        """The variables that were fetched, by their names in the process.

        A middleware may change or replace them: the handler's parameters get what it leaves.
        Raises VariablesError if their JSON text can't be read.
        """
        if self._variables is None:
            self._variables = loads(self.message.variables)
        return self._variables

    @variables.setter
    def variables(self, variables: dict[str, Any]) -> None:
        self._variables = variables

    @property
    def variables_read(self) -> bool:
        """Whether anybody has asked for or replaced the variables; else only their text exists."""
        return self._variables is not None

    @property
    def draining(self) -> trio.Event:
        """Set when the worker has been asked to end: a long handler may wish to save its place."""
        return self.keeper.draining

    def cancelled(self) -> bool:
        """Whether the job was taken away from its handler: by deadline, drain or cancellation.

        A handler in a thread can't be interrupted and looks here between its steps.
        """
        return self._over

    async def extend(self, seconds: float) -> None:
        """Have the job for `seconds` from now (UpdateJobTimeout); moves `deadline` accordingly.

        From a handler in a thread: `trio.from_thread.run(job.extend, 60)`. Raises JobLost when the
        job isn't this worker's any more, else a GatewayError.
        """
        await self.keeper.extend(self, seconds)

    async def report(self, outcome: Outcome) -> None:
        """End a job whose handler has returned `Detach()`; comes back when the gateway knows.

        It is retried like any outcome. Raises JobLost if the job's deadline has passed, or it was
        reported before, or the gateway knows it no more.
        """
        await self.keeper.report(self, outcome)

    def end(self) -> None:
        """Tell the handler, if it is still running in a thread, that nobody waits for it."""
        self._over = True

    def log_fields(self) -> dict[str, object]:
        """What log lines about this job carry: type, key, instance."""
        return {
            "job_type": self.type,
            "job_key": self.key,
            "process_instance": self.process_instance_key,
        }

    def __repr__(self) -> str:
        return f"<Job {self.key} of type {self.type!r}, instance {self.process_instance_key}>"
