"""What the conformance runner needs of a gateway, whichever it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import attrs


class Refused(Exception):
    """The gateway answered with a status other than OK.

    Args:
        status: the name of the gRPC status.
        text: the gateway's text.
    """

    def __init__(self, status: str, text: str) -> None:
        super().__init__(status, text)
        self.status = status
        self.text = text


@attrs.frozen
class Creation:
    """The arguments of a create: by process id and version, or by key."""

    process: str
    version: int
    definition_key: int
    variables: str
    start_at: Sequence[str]


@attrs.frozen
class Activation:
    """The arguments of one ActivateJobs call; times in milliseconds."""

    type: str
    worker: str
    timeout: int
    max_jobs: int
    fetch: Sequence[str]
    request_timeout: int


class Gateway(Protocol):
    """Calls with the gateway's own arguments: variables are JSON texts, times milliseconds.

    Answers have the fields of the gateway's messages in snake case. Whatever the gateway refuses
    raises Refused.
    """

    async def deploy(self, resources: Sequence[tuple[str, bytes]]) -> tuple[int, list[Any]]:
        """The deployment's key, and (kind, fields) of each thing deployed."""
        ...

    async def create(self, creation: Creation) -> Any: ...

    async def create_with_result(
        self, creation: Creation, fetch: Sequence[str], request_timeout: int
    ) -> Any: ...

    async def activate(self, activation: Activation) -> list[Any]: ...

    async def complete(self, key: int, variables: str) -> None: ...

    async def fail(
        self, key: int, retries: int, message: str, backoff: int, variables: str
    ) -> None: ...

    async def throw_error(self, key: int, code: str, message: str, variables: str) -> None: ...

    async def update_retries(self, key: int, retries: int) -> None: ...

    async def update_timeout(self, key: int, timeout: int) -> None: ...

    async def publish(self, name: str, key: str, ttl: int, id: str, variables: str) -> int: ...

    async def broadcast(self, name: str, variables: str) -> int: ...

    async def set_variables(self, key: int, variables: str, local: bool) -> int: ...

    async def resolve_incident(self, key: int) -> None: ...

    async def cancel(self, key: int) -> None: ...

    async def evaluate(self, decision: str, key: int, variables: str) -> Any: ...

    async def modify(
        self, key: int, activate: Sequence[dict[str, Any]], terminate: Sequence[int]
    ) -> None:
        """`activate` has `element`, `ancestor` (a key) and `variables`: (JSON, scope id) pairs."""
        ...

    async def migrate(self, key: int, target: int, mapping: Sequence[Sequence[str]]) -> None: ...

    async def delete(self, key: int) -> None: ...

    def incident_keys(self) -> list[int] | None:
        """The keys of all incidents so far; None if the gateway doesn't tell."""
        ...
