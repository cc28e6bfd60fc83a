"""Every error that zbtrio raises.

What a gateway answers becomes a `GatewayError`: its class says which gRPC status, its message says
which call, what the gateway wrote, and what to do next. A call that may or may not have been
carried out, because no answer came, is an `OutcomeUnknown`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from grpclib.const import Status

if TYPE_CHECKING:
    from zbtrio.rpc import RpcError


class ZbtrioError(Exception):
    """The root: `except zbtrio.ZbtrioError` catches whatever this library raises by itself."""


class SettingsError(ZbtrioError):
    """A setting is unknown, missing or of the wrong type; names where it stands."""


class PluginError(ZbtrioError):
    """A plugin can't be loaded or breaks the rules of its hooks; names its distribution."""


class HandlerError(ZbtrioError):
    """A handler can't be registered or called as it is declared; names job type and handler."""


class BindingError(ZbtrioError):
    """A job's variables don't fit the handler's parameters; names job type, element, variable."""


class WorkerStopped(ZbtrioError):
    """A worker has ended because no subscription was left; the message names each and its error."""


class JobLost(ZbtrioError):
    """The job can't be reported or extended: it has ended, or was given to a worker anew."""


class CredentialsError(ZbtrioError):
    """No credentials for the gateway could be had, so nothing was sent to it.

    The usual cause is the OAuth token endpoint: it can't be reached, or it refused the client id
    and secret (`refused`: trying again is useless). The message names the endpoint and its answer,
    never a secret.
    """

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


class VariablesError(ZbtrioError):
    """A value can't be sent as JSON variables, or a text isn't the JSON object it should be.

    `path` is where, as in `order.items[3].price`; empty for the whole.
    """

    def __init__(self, problem: str, path: str = "") -> None:
        self.problem = problem
        self.path = path
        super().__init__(f"Variable {path}: {problem}" if path else f"Variables: {problem}")


class GatewayError(ZbtrioError):
    """A call ended with a gRPC status other than OK.

    `rpc` is the call's name ("CompleteJob"), `status` the gRPC status, `text` what came with it,
    and `received` whether the gateway sent it (else it was made here, before anything reached the
    gateway). `advice` is what to do next.
    """

    advice: str = "See the gateway's log for the cause."
    advice_made_here: str = ""

    def __init__(self, rpc: str, status: Status, text: str, *, received: bool = True) -> None:
        self.rpc = rpc
        self.status = status
        self.text = text
        self.received = received
        advice = self.advice if received else self.advice_made_here or self.advice
        verb = "answered" if received else "failed with"
        super().__init__(f"{rpc} {verb} {status.name}: {_sentence(text)} {advice}")


class InvalidArgument(GatewayError):
    """INVALID_ARGUMENT: a value is one that the gateway never accepts."""

    advice = "Correct what the text names: sent again unchanged, it gets the same answer."


class NotFound(GatewayError):
    """NOT_FOUND: no such process, job, instance, incident, or not for this tenant."""

    advice = (
        "Check the key or id: what it names has ended, was never there, "
        "or belongs to another tenant."
    )


class AlreadyExists(GatewayError):
    """ALREADY_EXISTS: a message with this id is still held by the broker."""

    advice = "It was published before: nothing is left to do, or it needs another message_id."


class FailedPrecondition(GatewayError):
    """FAILED_PRECONDITION: what the key names is not in a state that allows this."""

    advice = "Look at its state (an incident, a job nobody holds) and change that first."


class PermissionDenied(GatewayError):
    """PERMISSION_DENIED: the credentials are good, but don't allow this call or this tenant."""

    advice = "Grant this client the permission or the tenant, or use another client id."


class Unauthenticated(GatewayError):
    """UNAUTHENTICATED: the gateway did not accept the credentials, or wants some."""

    advice = (
        "Check the credentials: client id, secret and audience "
        "(CAMUNDA_CLIENT_ID, CAMUNDA_CLIENT_SECRET, CAMUNDA_TOKEN_AUDIENCE), or user and password."
    )


class ResourceExhausted(GatewayError):
    """RESOURCE_EXHAUSTED: the broker asks to slow down, or a message is too large."""

    advice = "The broker asks to slow down: send less at once, or give the call a longer timeout."
    advice_made_here = (
        "The answer is larger than this client accepts: "
        "ask for less at once, or raise the setting max_message_size (bytes)."
    )


class MessageTooLarge(ResourceExhausted):
    """RESOURCE_EXHAUSTED because the request is larger than the gateway accepts."""

    advice = (
        "Send less, or raise the gateway's limit for a message "
        "(zeebe.gateway.network.maxMessageSize, 4 MB by default)."
    )


class Unavailable(GatewayError):
    """UNAVAILABLE: no gateway can be reached, or a partition has no leader."""

    advice = (
        "Try again later; if it stays, look at the topology for a partition without a leader, "
        "and whether the key is one of this cluster."
    )
    advice_made_here = (
        "Check that a gateway runs there and that the address is right "
        "(the setting address, CAMUNDA_GRPC_ADDRESS)."
    )


class DeadlineExceeded(GatewayError):
    """DEADLINE_EXCEEDED: no result in time.

    Sent by the gateway, it means that the broker took too long: the command may have been carried
    out, or still be. Otherwise the call never left this process, or it was one without effect.
    """

    advice = (
        "The broker took too long and may still carry it out: "
        "look for the effect before you send it again, or give a longer timeout."
    )
    advice_made_here = (
        "Check that a gateway runs there and that the address is right "
        "(the setting address, CAMUNDA_GRPC_ADDRESS), or give the call a longer timeout."
    )


class Unimplemented(GatewayError):
    """UNIMPLEMENTED: the server at this address doesn't know the call."""

    advice = "What answers there is no Zeebe gateway, or has its gRPC interface switched off."

    def __init__(self, rpc: str, status: Status, text: str, *, received: bool = True) -> None:
        if since := _SINCE.get(rpc):
            self.advice = (
                f"{rpc} needs Zeebe {since} or newer: upgrade the cluster, "
                "or do without (the topology tells its version)."
            )
        super().__init__(rpc, status, text, received=received)


class InternalError(GatewayError):
    """INTERNAL: the gateway or the broker failed while it processed the call."""

    advice = "See the broker's log for the cause; the call may have been carried out in part."


class OutcomeUnknown(ZbtrioError):
    """A command was sent and no usable answer came: it may or may not have been carried out.

    One that would do harm twice was not sent again; any other was, until its time was over. `rpc`,
    `status` and `text` are those of the failure, as in `GatewayError`.
    """

    def __init__(self, rpc: str, status: Status, text: str) -> None:
        self.rpc = rpc
        self.status = status
        self.text = text
        look = _UNKNOWN_ADVICE.get(rpc, "Look for its effect")
        super().__init__(
            f"{rpc} was sent, but no usable answer came ({status.name}: {text or 'no text'}): "
            f"it may have been carried out. {look} before you send it again."
        )


_CLASSES: dict[Status, type[GatewayError]] = {
    Status.INVALID_ARGUMENT: InvalidArgument,
    Status.NOT_FOUND: NotFound,
    Status.ALREADY_EXISTS: AlreadyExists,
    Status.FAILED_PRECONDITION: FailedPrecondition,
    Status.PERMISSION_DENIED: PermissionDenied,
    Status.UNAUTHENTICATED: Unauthenticated,
    Status.RESOURCE_EXHAUSTED: ResourceExhausted,
    Status.UNAVAILABLE: Unavailable,
    Status.DEADLINE_EXCEEDED: DeadlineExceeded,
    Status.UNIMPLEMENTED: Unimplemented,
    Status.INTERNAL: InternalError,
}

# Calls that leave nothing behind which a second one could double or a caller would miss.
_WITHOUT_EFFECT = frozenset({"Topology", "EvaluateDecision", "ActivateJobs", "StreamActivatedJobs"})

# The first Zeebe version that knows the call; the others are as old as the gateway itself.
_SINCE = {
    "DeployResource": "8.0",
    "ModifyProcessInstance": "8.1",
    "BroadcastSignal": "8.2",
    "EvaluateDecision": "8.2",
    "DeleteResource": "8.3",
    "StreamActivatedJobs": "8.4",
    "UpdateJobTimeout": "8.5",
    "MigrateProcessInstance": "8.5",
    "EvaluateConditional": "8.9",
    "UpdateJobPriority": "8.10",
}

_UNKNOWN_ADVICE = {
    "CreateProcessInstance": "Look for the instance (give it a tag or a business id to find it by)",
    "CreateProcessInstanceWithResult": "Look for the instance (give it a tag to find it by)",
    "PublishMessage": "Give it a message_id, which makes sending twice harmless, or look for it",
}


def from_rpc_error(rpc: str, error: RpcError) -> GatewayError | OutcomeUnknown:
    """The error to raise for a failed call named `rpc` ("CompleteJob").

    A call with an effect that got no answer after it may have been sent is an `OutcomeUnknown`;
    everything else is the `GatewayError` of its status.
    """
    text = error.message or ""
    known = error.received or error.unprocessed
    if not known and rpc not in _WITHOUT_EFFECT:
        return OutcomeUnknown(rpc, error.status, text)
    kind = MessageTooLarge if is_too_large(error) else _CLASSES.get(error.status, GatewayError)
    return kind(rpc, error.status, text, received=error.received)


def is_too_large(error: RpcError) -> bool:
    """Whether the gateway refused a request for its size, which a second try doesn't change."""
    return (
        error.received
        and error.status is Status.RESOURCE_EXHAUSTED
        and "exceeds maximum" in (error.message or "")
    )


def _sentence(text: str) -> str:
    text = text.strip() or "no text"
    return text if text.endswith((".", "!", "?")) else text + "."
