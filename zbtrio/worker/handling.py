"""From a job to its outcome: the middlewares, around binding and the handler."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from zbtrio.errors import BindingError
from zbtrio.hooks import Handler, PluginSet, Wrap
from zbtrio.worker.binding import Binding
from zbtrio.worker.job import Job, current_job
from zbtrio.worker.outcomes import BpmnError, Fail, Outcome
from zbtrio.worker.results import description, outcome_of_exception, outcome_of_result
from zbtrio.worker.tasks import Task
from zbtrio.worker.threads import Threads

__all__ = ["handle_with"]

_log = logging.getLogger("zbtrio.worker")


def handle_with(
    task: Task, binding: Binding, wrap: Wrap | None, plugins: PluginSet, threads: Threads
) -> Handler:
    """The whole way of a task's jobs. Raises no Exception: what is raised becomes an outcome."""
    call = _in_thread(task.handler, binding, threads) if task.is_sync else _call(task, binding)
    inner = call if wrap is None else wrap(call)

    async def handle(job: Job) -> Outcome:
        current_job.set(job)
        try:
            outcome: Any = await inner(job)
        except (BpmnError, Fail) as raised:
            return raised.with_traceback(None)
        except Exception as error:
            return _raised(plugins, job, error)
        if isinstance(outcome, Outcome):
            return outcome
        return Fail(f"A middleware returned {outcome!r} for job type {job.type!r}, no outcome.")

    return handle


def _call(task: Task, binding: Binding) -> Handler:
    handler, arguments_of = task.handler, binding.arguments

    async def call(job: Job) -> Outcome:
        try:
            arguments = arguments_of(job)
        except BindingError as error:
            return _unbound(job, error)
        return outcome_of_result(await handler(**arguments))

    return call


def _in_thread(handler: Callable[..., Any], binding: Binding, threads: Threads) -> Handler:
    async def call(job: Job) -> Outcome:
        try:
            arguments = binding.arguments(job)
        except BindingError as error:
            return _unbound(job, error)
        return outcome_of_result(await threads.call(job, handler, arguments))

    return call


def _unbound(job: Job, error: BindingError) -> Fail:
    """An incident: with the same variables, the next try would end in the same way."""
    _log.error("Job %s: %s", job.key, error, extra=job.log_fields())
    return Fail(str(error), retries=0, cause=error)


def _raised(plugins: PluginSet, job: Job, error: Exception) -> Outcome:
    outcome = plugins.map_exception(job, error) or outcome_of_exception(error)
    if isinstance(outcome, Fail) and outcome.cause is error:
        _log.warning("Job %s failed: %s", job.key, description(error), extra=job.log_fields())
    return outcome
