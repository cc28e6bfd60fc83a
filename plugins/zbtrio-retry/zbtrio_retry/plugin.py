"""The plugin: options, and the middleware that they become."""

from __future__ import annotations

import copy
import logging
import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, cast

import attrs
import trio
from attrs.validators import ge, optional

from zbtrio import Fail, SettingsError, hookimpl, settings
from zbtrio.settings import option
from zbtrio.variables import loads
from zbtrio_retry.policy import Policy, exceptions

if TYPE_CHECKING:
    from zbtrio import Job, Outcome, Subscription
    from zbtrio.hooks import Handler, Middleware

_log = logging.getLogger("zbtrio_retry")

FRAMES = 6  # of the traceback, shown in the incident


@attrs.define(eq=False)
class Overrides:
    """What one task has otherwise: `[plugins.retry.tasks.charge-card]`, or `retry=` in code."""

    attempts: int | None = option(None, validator=optional(ge(1)))
    first_delay: float | None = option(None, validator=optional(ge(0)))
    max_delay: float | None = option(None, validator=optional(ge(0)))
    factor: float | None = option(None, validator=optional(ge(1)))
    backoff: float | None = option(None, validator=optional(ge(0)))
    on: tuple[str, ...] | None = option(None)
    never: tuple[str, ...] | None = option(None)


@attrs.define(eq=False)
class Retry:
    """Runs a failed handler again, within its job's deadline; then lets Zeebe do it, later."""

    stage: ClassVar = "retry"

    attempts: int = option(
        3, validator=ge(1), help="Runs of the handler for one activation of its job."
    )
    first_delay: float = option(
        0.1, validator=ge(0), help="Longest pause after the first attempt, in seconds."
    )
    max_delay: float = option(
        5.0, validator=ge(0), help="Longest pause after any attempt, in seconds."
    )
    factor: float = option(
        2.0, validator=ge(1), help="By how much the longest pause grows with each attempt."
    )
    backoff: float = option(
        10.0, validator=ge(0), help="Seconds that the job then rests at the gateway, at least."
    )
    on: tuple[str, ...] = option(("Exception",), help="Exceptions that are worth another attempt.")
    never: tuple[str, ...] = option((), help="Exceptions that are not, although `on` has them.")
    tasks: dict[str, Overrides] = option(
        factory=dict[str, Overrides], help="The same for single job types."
    )

    @hookimpl
    def around_job(self, subscription: Subscription) -> Middleware | None:
        in_code = subscription.task.options.get("retry", True)
        if in_code is False:
            return None
        return _middleware(self._policy(subscription.type, in_code))

    def _policy(self, type: str, in_code: object) -> Policy:
        chosen = {name: getattr(self, name) for name in _POLICY}
        for overrides in (self.tasks.get(type), _from_code(type, in_code)):
            chosen |= _given(overrides) if overrides else {}
        chosen["on"] = exceptions(chosen["on"], "on")
        chosen["never"] = exceptions(chosen["never"], "never")
        return Policy(**chosen)


_POLICY = tuple(field.name for field in attrs.fields(Policy))


def _from_code(type: str, in_code: object) -> Overrides | None:
    """`retry=` of the task: True for the settings as they are, or a dict of some of them."""
    if in_code is True:
        return None
    if not isinstance(in_code, Mapping):
        raise SettingsError(
            f"Task {type!r}: retry={in_code!r} is neither False nor a dict such as "
            '{"attempts": 5}.'
        )
    arguments = cast("Mapping[str, object]", in_code)
    return settings.load(Overrides, f"plugins.retry.tasks.{type}", arguments=arguments, environ={})


def _given(overrides: Overrides) -> dict[str, Any]:
    values = attrs.asdict(overrides, recurse=False)
    return {name: value for name, value in values.items() if value is not None}


def _middleware(policy: Policy) -> Middleware:
    async def retry(job: Job, call_next: Handler) -> Outcome:
        # Copied only if a middleware further out has read them: usually nobody has.
        before = copy.deepcopy(job.variables) if job.variables_read else None
        attempt = 1
        while True:
            began = trio.current_time()
            try:
                return await call_next(job)
            except Exception as error:
                if not policy.wants(error):
                    raise
                failure = error
            pause = policy.delay(attempt)
            reason = _end(policy, job, attempt, pause, trio.current_time() - began)
            if reason is None and await _paused(job, attempt, pause, failure):
                _restore(job, before)
                attempt += 1
                continue
            return _handed_over(policy, attempt, reason or "the worker is draining", failure)

    return retry


def _end(policy: Policy, job: Job, attempt: int, pause: float, took: float) -> str | None:
    """Why there is no further attempt here, or None if there is.

    One is begun only with as much time before the job's deadline as the last one took.
    """
    if attempt >= policy.attempts:
        return "no attempt is left"
    if trio.current_time() + pause + took >= job.deadline:
        return "the job's deadline is too near"
    return None


async def _paused(job: Job, attempt: int, pause: float, failure: Exception) -> bool:
    """Wait before the next attempt; False as soon as the worker is asked to end."""
    _log.info("Attempt %d failed (%r); the next one is in %.2f s.", attempt, failure, pause)
    with trio.move_on_after(pause):
        await job.draining.wait()
    return not job.draining.is_set()


def _restore(job: Job, before: dict[str, Any] | None) -> None:
    """Give the next attempt the variables that the first one had: middlewares may change them."""
    if job.variables_read:
        job.variables = loads(job.message.variables) if before is None else copy.deepcopy(before)


def _handed_over(policy: Policy, attempts: int, reason: str, failure: Exception) -> Fail:
    rest = policy.rest()
    _log.warning(
        "Failed after %d attempt(s), %s: Zeebe may retry in %.1f s.",
        attempts,
        reason,
        rest,
        exc_info=failure,
    )
    summary = "".join(traceback.format_exception_only(failure)).strip()
    trace = "".join(traceback.format_exception(failure, limit=-FRAMES))
    message = f"{summary}\n\nAfter {attempts} attempt(s), {reason}.\n\n{trace}"
    return Fail(message, backoff=rest, cause=failure)
