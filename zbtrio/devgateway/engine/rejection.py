"""How the gateway says no."""

from __future__ import annotations

from zbtrio.errors import ZbtrioError

_STATUS = {
    "INVALID_ARGUMENT": "INVALID_ARGUMENT",
    "NOT_FOUND": "NOT_FOUND",
    "ALREADY_EXISTS": "ALREADY_EXISTS",
    "INVALID_STATE": "FAILED_PRECONDITION",
}


class Rejection(ZbtrioError):
    """A command was refused.

    Args:
        status: the name of the gRPC status, such as NOT_FOUND.
        text: the gateway's text.
        reason: the broker's part of the text.
    """

    def __init__(self, status: str, text: str, reason: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.reason = reason or text


def check_tenant(rpc: str, tenant_id: str) -> None:
    """There is one tenant, and nobody need name it; raises Rejection."""
    if tenant_id not in ("", "<default>"):
        text = f"Expected to handle gRPC request {rpc} with tenant identifier '{tenant_id}'"
        raise Rejection("INVALID_ARGUMENT", f"{text}, but multi-tenancy is disabled")


def rejected(command: str, type: str, reason: str) -> Rejection:
    """A broker's rejection: of which command, with which of Zeebe's rejection types, and why."""
    text = f"Command '{command}' rejected with code '{type}': {reason}"
    return Rejection(_STATUS[type], text, f"{type}: {reason}")
