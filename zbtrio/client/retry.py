"""When a failed call may be sent again, in one place.

A call that surely no server code has seen may always be sent again. What else may depends on what
a second time would do, and there are three kinds of RPC:

    REPEATABLE   a second time has the same effect, or none: again also after a lost answer and
                 after the broker took too long.
    OVERWRITING  a second time does no harm soon after the first: again after a lost answer, not
                 when the broker took too long, which may mean much later.
    ONCE         a second time is a second process instance, message or signal: again only when the
                 gateway itself said that it took nothing on (UNAVAILABLE, RESOURCE_EXHAUSTED).

The kinds of the RPCs are those of the official client's service config, except that it also repeats
calls of the third kind after a lost connection; here they end with `OutcomeUnknown`.

A retry that follows an attempt of unknown outcome can learn what became of that one: NOT_FOUND on a
command that makes its object go away means that the first attempt did it.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import trio
from attrs import evolve, field, frozen
from grpclib.const import Status

from zbtrio.errors import CredentialsError, from_rpc_error, is_too_large
from zbtrio.rpc import Method, RpcError

_TOOK_NOTHING_ON = frozenset({Status.UNAVAILABLE, Status.RESOURCE_EXHAUSTED})
_TOO_LATE = frozenset({Status.DEADLINE_EXCEEDED})
_PASSING = _TOOK_NOTHING_ON | _TOO_LATE


@frozen
class RetryRule:
    """Which failures of one RPC allow a further attempt.

    `received` and `lost` are statuses that the gateway sent, and that were made on this side after
    the call may have been sent. `gone` is what a retry is answered when an earlier attempt did it.
    """

    received: frozenset[Status]
    lost: frozenset[Status] = frozenset()
    gone: frozenset[Status] = frozenset()

    def allows(self, error: RpcError) -> bool:
        """Whether the call may be sent again after this failure."""
        if error.unprocessed:
            return True
        if is_too_large(error):
            return False
        return error.status in (self.received if error.received else self.lost)


REPEATABLE = RetryRule(received=_PASSING, lost=frozenset({Status.UNAVAILABLE}) | _TOO_LATE)
ENDING = evolve(REPEATABLE, gone=frozenset({Status.NOT_FOUND}))
OVERWRITING = RetryRule(received=_TOOK_NOTHING_ON, lost=frozenset({Status.UNAVAILABLE}))
THROWING = evolve(OVERWRITING, gone=frozenset({Status.NOT_FOUND}))
ONCE = RetryRule(received=_TOOK_NOTHING_ON)

# Without StreamActivatedJobs: it never ends by itself, so whoever reads it opens it again.
RULES: dict[str, RetryRule] = {
    "ActivateJobs": REPEATABLE,
    "CompleteJob": ENDING,
    "FailJob": REPEATABLE,
    "ThrowError": THROWING,
    "UpdateJobRetries": OVERWRITING,
    "UpdateJobTimeout": OVERWRITING,
    "UpdateJobPriority": OVERWRITING,
    "CreateProcessInstance": ONCE,
    "CreateProcessInstanceWithResult": ONCE,
    "CancelProcessInstance": ENDING,
    "ModifyProcessInstance": ONCE,
    "MigrateProcessInstance": REPEATABLE,
    "SetVariables": OVERWRITING,
    "ResolveIncident": ENDING,
    "PublishMessage": ONCE,  # OVERWRITING with a message id
    "BroadcastSignal": ONCE,
    "EvaluateConditional": ONCE,
    "DeployResource": OVERWRITING,
    "DeployProcess": OVERWRITING,
    "DeleteResource": REPEATABLE,
    "EvaluateDecision": REPEATABLE,
    "Topology": REPEATABLE,
}


@frozen
class Backoff:
    """Growing pauses between attempts, in seconds; each is drawn from its upper half."""

    first: float = 0.1
    most: float = 5.0
    factor: float = 3.0

    def pauses(self) -> Iterator[float]:
        """The pauses after the first attempt, the second, and so on without end."""
        pause = self.first
        while True:
            yield random.uniform(0.5, 1.0) * min(pause, self.most)
            pause = min(pause * self.factor, self.most)


@frozen
class Limits:
    """How long a call may take, in seconds: with all its attempts, and each of them."""

    total: float
    attempt: float
    backoff: Backoff = field(factory=Backoff)


async def call_with_retries(
    method: Method, rule: RetryRule, limits: Limits, attempt: Callable[[float], Awaitable[Any]]
) -> Any:
    """The response of `attempt`, which is given the seconds it has, made as often as it takes.

    Raises GatewayError or OutcomeUnknown as soon as the rule forbids a further attempt or the next
    one would come after the total time; CredentialsError when there are none for the gateway.
    """
    end = trio.current_time() + limits.total
    doubt: RpcError | None = None
    for pause in limits.backoff.pauses():
        try:
            return await attempt(max(0.0, min(limits.attempt, end - trio.current_time())))
        except RpcError as error:
            if doubt is not None and error.status in rule.gone:
                return method.response_type()
            if doubt is None and _in_doubt(error):
                doubt = error
            if not rule.allows(error) or trio.current_time() + pause >= end:
                raise from_rpc_error(method.name, _most_telling(error, doubt)) from error
        except CredentialsError as error:
            if error.refused or trio.current_time() + pause >= end:
                if doubt is not None:
                    raise from_rpc_error(method.name, doubt) from error
                raise
        await trio.sleep(pause)
    raise AssertionError("pauses never end")


def _in_doubt(error: RpcError) -> bool:
    """Whether the attempt may have had its effect all the same."""
    if error.received:
        return error.status is Status.DEADLINE_EXCEEDED
    return not error.unprocessed


def _most_telling(last: RpcError, doubt: RpcError | None) -> RpcError:
    """The last error, unless it tells nothing of an earlier attempt that is in doubt."""
    if doubt is not None and (last.unprocessed or last.status in _PASSING):
        return doubt
    return last
