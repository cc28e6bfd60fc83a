"""What became of a job, as values.

A handler returns one of these (or plain variables, which mean `Complete`), or raises `BpmnError` or
`Fail`, which are exceptions too. Middlewares get and return the same values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from zbtrio._proto.gateway_protocol import JobResult

__all__ = ["BpmnError", "Complete", "Detach", "Fail", "Outcome", "Release"]


class Outcome:
    """The base of all outcomes."""

    __slots__ = ()


@attrs.frozen
class Complete(Outcome):
    """The job is done: CompleteJob.

    `variables` go into the process: a mapping, dataclass, attrs class, TypedDict or msgspec Struct.
    `result` answers listener and user-task jobs (Zeebe 8.8 and newer).
    """

    variables: Any = None
    result: JobResult | None = attrs.field(default=None, kw_only=True)


@attrs.frozen
class Release(Outcome):
    """The job goes back to the gateway with the retries it had: FailJob.

    Any worker gets it again `after` so many seconds. `message` is what Operate shows for it.
    """

    after: float = 1.0
    message: str = attrs.field(default="Released by the worker.", kw_only=True)


@attrs.frozen
class Detach(Outcome):
    """The handler has returned, the job has not ended: somebody calls `await job.report(...)`.

    It keeps its slot until then, or until the job's deadline.
    """


class _Raisable(Outcome, Exception):
    """An outcome that may be raised as well as returned: compares by value, hashes by identity."""

    def _fields(self) -> dict[str, object]:
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    __hash__ = Exception.__hash__

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self._fields().items())
        return f"{type(self).__name__}({shown})"


class Fail(_Raisable):
    """The job failed, for a technical reason: FailJob.

    `retries` is what is left afterwards: None takes one from what the job had, 0 raises an
    incident. With retries left, a worker gets the job again after `backoff` seconds. `variables`
    are set in the job's local scope. `cause` is the exception behind it, if there was one.
    """

    def __init__(
        self,
        message: str = "",
        *,
        retries: int | None = None,
        backoff: float = 0.0,
        variables: Any = None,
        cause: BaseException | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.retries = retries
        self.backoff = backoff
        self.variables = variables
        self.cause = cause


class BpmnError(_Raisable):
    """The job ended in a way that the process knows: ThrowError, caught by an error event.

    `code` is the BPMN error code. `variables` are what the catching event sees. An error that no
    event catches becomes an incident.
    """

    def __init__(self, code: str, message: str = "", *, variables: Any = None) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.variables = variables

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.message else self.code
