"""The standard health service, grpc.health.v1.Health."""

from __future__ import annotations

from collections.abc import AsyncIterator

import trio
from grpclib.const import Status
from grpclib.exceptions import GRPCError

from zbtrio._proto.grpc.health.v1 import (
    HealthBase,
    HealthCheckRequest,
    HealthCheckResponse,
    HealthCheckResponseServingStatus,
)


class Health(HealthBase):
    """Tells clients and probes whether services are ready.

    Args:
        services: full names ("package.Service") that are served; the server as a whole, under the
            empty name, always is.
    """

    def __init__(self, *services: str) -> None:
        serving = HealthCheckResponseServingStatus.SERVING
        self._statuses = {"": serving, **dict.fromkeys(services, serving)}
        self._changed = trio.lowlevel.ParkingLot()

    def set_serving(self, service: str, serving: bool) -> None:
        """Change what is told of a service."""
        statuses = HealthCheckResponseServingStatus
        self._statuses[service] = statuses.SERVING if serving else statuses.NOT_SERVING
        self._changed.unpark_all()

    async def check(self, message: HealthCheckRequest) -> HealthCheckResponse:
        """Answer at once; NOT_FOUND for a service that is not known here."""
        status = self._statuses.get(message.service)
        if status is None:
            raise GRPCError(Status.NOT_FOUND, f"no service {message.service!r} here")
        return HealthCheckResponse(status)

    async def watch(self, message: HealthCheckRequest) -> AsyncIterator[HealthCheckResponse]:
        """Answer at once, and again at each change; an unknown service may become known."""
        unknown, told = HealthCheckResponseServingStatus.SERVICE_UNKNOWN, None
        while True:
            status = self._statuses.get(message.service, unknown)
            if status is not told:
                told = status
                yield HealthCheckResponse(status)
            else:
                await self._changed.park()
