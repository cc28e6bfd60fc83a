"""What a handler returned or raised, as an outcome; an outcome, as the request that tells it."""

from __future__ import annotations

import dataclasses
import logging
import traceback
from collections.abc import Iterator, Mapping
from typing import Any, cast

import attrs
import betterproto2
import msgspec

from zbtrio import gateway
from zbtrio._proto import gateway_protocol as proto
from zbtrio.errors import VariablesError
from zbtrio.rpc import Method
from zbtrio.rpc.codec import encode
from zbtrio.variables import EncodeHook, dumps
from zbtrio.worker.job import Job
from zbtrio.worker.names import Names
from zbtrio.worker.outcomes import BpmnError, Complete, Fail, Outcome, Release

__all__ = ["Requests", "description", "outcome_of_exception", "outcome_of_result"]

_log = logging.getLogger("zbtrio.worker")

MAX_MESSAGE = 8_000
"""Characters of an error message; Zeebe cuts at 10,000."""

FRAMES = 6
"""How many of a traceback's last frames are shown."""


def outcome_of_result(result: Any) -> Outcome:
    """The outcome that a handler's return value means."""
    return result if isinstance(result, Outcome) else Complete(result)


def outcome_of_exception(error: Exception) -> Outcome:
    """The outcome that a raised exception means.

    A group whose leaves are all BpmnErrors, or all Fails, counts as the first of them.
    """
    leaves = list(_leaves(error))
    for kind in (BpmnError, Fail):
        if all(isinstance(leaf, kind) for leaf in leaves):
            first = leaves[0]
            assert isinstance(first, Outcome)
            return first
    return Fail(description(error), cause=error)


def _leaves(error: Exception) -> Iterator[Exception]:
    if not isinstance(error, ExceptionGroup):
        yield error
        return
    for inner in cast("ExceptionGroup[Exception]", error).exceptions:
        yield from _leaves(inner)


def description(error: Exception) -> str:
    """An exception for people who look at an incident: what it says, then where it came from."""
    summary = "".join(traceback.format_exception_only(error)).strip()
    trace = "".join(traceback.format_exception(error, limit=-FRAMES))
    room = max(0, MAX_MESSAGE - len(summary))
    return f"{summary[:MAX_MESSAGE]}\n\n{trace[-room:] if room else ''}".rstrip()


@attrs.frozen
class Requests:
    """Makes requests of outcomes, with the names and types that a worker's variables have."""

    names: Names | None = None
    enc_hook: EncodeHook | None = None

    def of(self, job: Job, outcome: Outcome) -> tuple[Method, betterproto2.Message]:
        """The RPC that reports an outcome, and its request. VariablesError if it can't be sent."""
        lease = job.message.job_lease_token
        if type(outcome) is Complete:
            return gateway.COMPLETE_JOB, proto.CompleteJobRequest(
                job_key=job.key,
                variables=self.text(outcome.variables),
                result=outcome.result,
                job_lease_token=lease,
            )
        if isinstance(outcome, BpmnError):
            return gateway.THROW_ERROR, proto.ThrowErrorRequest(
                job_key=job.key,
                error_code=outcome.code,
                error_message=outcome.message[:MAX_MESSAGE],
                variables=self.text(outcome.variables),
                job_lease_token=lease,
            )
        if isinstance(outcome, Release):
            outcome = Fail(outcome.message, retries=job.retries, backoff=outcome.after)
        assert isinstance(outcome, Fail), outcome
        return gateway.FAIL_JOB, proto.FailJobRequest(
            job_key=job.key,
            retries=max(0, job.retries - 1 if outcome.retries is None else outcome.retries),
            error_message=outcome.message[:MAX_MESSAGE],
            retry_back_off=round(outcome.backoff * 1000),
            variables=self.text(outcome.variables),
            job_lease_token=lease,
        )

    def encoded(self, job: Job, outcome: Outcome) -> tuple[Outcome, Method, bytes]:
        """The RPC and its request's bytes for an outcome, or for an incident if it can't be sent.

        The outcome that is sent comes first.
        """
        try:
            method, request = self.of(job, outcome)
            return outcome, method, encode(request)
        except VariablesError as error:
            instead = _unsendable(job, str(error), error)
        except Exception as error:
            instead = _unsendable(job, description(error), error)
        _log.error("Job %s: %s", job.key, instead.message, extra=job.log_fields())
        method, request = self.of(job, instead)
        return instead, method, encode(request)

    def text(self, variables: Any) -> str:
        """The JSON text of what a handler gave as variables."""
        if variables is None:
            return ""
        if self.names is not None:
            variables = _renamed(variables, self.names)
        return dumps(variables, enc_hook=self.enc_hook)


def _unsendable(job: Job, why: str, error: Exception) -> Fail:
    """An incident, since another run would repeat the side effects of the first."""
    return Fail(
        f"The handler of {job.type!r} has ended, but its outcome can't be sent. {why}",
        retries=0,
        cause=error,
    )


def _renamed(variables: Any, names: Names) -> Any:
    """The same with each top-level Python name as the variable's name."""
    if isinstance(variables, Mapping):
        given = cast("Mapping[Any, Any]", variables)
    elif (fields := _field_names(variables)) is not None:
        given = {field: getattr(variables, field) for field in fields}
    else:
        return variables
    return {
        names(name) if isinstance(name, str) else name: value
        for name, value in given.items()
        if value is not msgspec.UNSET
    }


def _field_names(value: object) -> list[str] | None:
    """The public fields of a dataclass's or attrs class's instance."""
    cls = type(value)
    if attrs.has(cls):
        names = [field.name for field in attrs.fields(cls)]
    elif dataclasses.is_dataclass(cls):
        names = [field.name for field in dataclasses.fields(cls)]
    else:
        return None
    return [name for name in names if not name.startswith("_")]
