"""Every hook there is. Each names the plugins that need it; none exists without one.

All are plain `def`. Those above the line are called while a worker starts, and what they raise
keeps it from starting; what is asynchronous is an object that they return. Those below it are
called while jobs run: they must be quick, must not block, and can't stop a job.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from zbtrio.hooks.markers import hookspec
from zbtrio.hooks.types import Middleware, VariableCodec

if TYPE_CHECKING:
    from zbtrio.worker.handle import WorkerHandle
    from zbtrio.worker.job import Job
    from zbtrio.worker.outcomes import Outcome
    from zbtrio.worker.subscription import Subscription
    from zbtrio.worker.tasks import Tasks


@hookspec
def register_tasks() -> Tasks | None:
    """Handlers that the plugin brings, included in every worker that runs.

    For zbtrio-rest, whose job types are a table in zbtrio.toml.
    """


@hookspec
def lifespan(worker: WorkerHandle) -> AbstractAsyncContextManager[object] | None:
    """Something that lives as long as the worker runs; what it gives is injectable by its type.

    Entered in the worker's own task before the first poll (so context variables set in it reach
    every handler) in the order of stages, left in reverse after the last job was reported. Two
    plugins that give the same type are refused.
    For zbtrio-rest (one HTTP client), zbtrio-asyncio (a trio-asyncio loop), zbtrio-prometheus (its
    server), zbtrio-dedupe (its database), zbtrio-retry (its circuit breaker pauses `worker`).
    """


@hookspec
def fetch_names(subscription: Subscription, names: frozenset[str]) -> Iterable[str] | None:
    """The variables to ask the gateway for, given those that the layers further in need.

    Each plugin gets what the one further in returned; a handler that takes all variables isn't
    asked about. None leaves them as they are.
    For zbtrio-transform (the paths it renames from), zbtrio-otel (the trace context).
    """


@hookspec
def around_job(subscription: Subscription) -> Middleware | None:
    """A middleware for the jobs of this subscription, or None to leave them alone.

    The plugin class says in `stage` where it stands. Called once for each subscription.
    For zbtrio-retry, zbtrio-otel, zbtrio-dedupe, zbtrio-transform.
    """


@hookspec(firstresult=True)
def variable_codec(annotation: type) -> VariableCodec | None:
    """How to read and write values of a type that isn't JSON's; the first answer counts.

    Asked once for each type among handlers' parameters and results that msgspec doesn't know.
    For zbtrio-pydantic.
    """


# ----------------------------------------------------------------------------------------------


@hookspec(firstresult=True)
def map_exception(job: Job, error: Exception) -> Outcome | None:
    """The outcome for an exception that no middleware turned into one; the first answer counts.

    Asked before the rule that any exception is a Fail with one retry less; not for BpmnError and
    Fail, which are outcomes. An implementation that raises is logged and passed over.
    For zbtrio-pydantic (validation errors become a Fail or a BPMN error with the field paths).
    """


@hookspec
def job_activated(job: Job) -> None:
    """A job has arrived, by poll or push. For zbtrio-prometheus."""


@hookspec
def job_finished(job: Job, outcome: Outcome, waited: float, seconds: float) -> None:
    """A job has its outcome, which isn't reported yet; it waited, then took so many seconds.

    For zbtrio-prometheus.
    """


@hookspec
def job_extended(job: Job, seconds: float) -> None:
    """The gateway has given a job so many seconds from now. For zbtrio-prometheus."""


@hookspec
def report_finished(job: Job, outcome: Outcome, seconds: float, error: Exception | None) -> None:
    """The gateway knows the outcome, or reporting was given up with that error.

    `seconds` is from the first attempt on. For zbtrio-dedupe (forget what was acknowledged) and
    zbtrio-prometheus.
    """


@hookspec
def poll_finished(
    subscription: Subscription, jobs: int, seconds: float, error: Exception | None
) -> None:
    """A poll has ended after so many seconds, with so many jobs, or with an error.

    For zbtrio-otel and zbtrio-prometheus.
    """


@hookspec
def subscription_changed(subscription: Subscription, state: str, reason: str) -> None:
    """A subscription polls, backs off, is paused or has stopped. For zbtrio-prometheus."""


@hookspec
def connection_changed(state: str, reason: str) -> None:
    """The channel is connecting, ready, reconnecting or closed. For zbtrio-prometheus."""


OBSERVERS = (
    job_activated,
    job_finished,
    job_extended,
    report_finished,
    poll_finished,
    subscription_changed,
    connection_changed,
)
