"""What a subscription does after a request for jobs has failed.

RESOURCE_EXHAUSTED    the broker is busy: back off, 50 ms to 5 s
refused for good      (permission, argument, unknown call): the subscription ends
UNAUTHENTICATED       other credentials, if there are any to be had; else back off for a while,
                      since tokens are renewed, then end
the connection lost   the channel's affair: wait until it is ready
no answer at all      the call's own deadline has ended it: ask again
anything else         back off up to 1 s, so as to be back soon
"""

from __future__ import annotations

import logging
import random

import trio
from grpclib.const import Status

from zbtrio.client import ZeebeClient
from zbtrio.errors import CredentialsError, ZbtrioError, from_rpc_error
from zbtrio.rpc import Metadata, RpcError
from zbtrio.worker.backoff import LONGEST, pause
from zbtrio.worker.subscription import Subscription
from zbtrio.worker.waits import Waits

__all__ = ["GLANCING", "SETTLING_ANSWER", "SOON", "Recovery", "is_settling"]

_log = logging.getLogger("zbtrio.worker")

SOON = 1.0
"""Longest pause where a gateway that comes back should be noticed soon."""

SPREAD = 0.2
"""Seconds over which subscriptions ask again after a reconnect."""

SETTLING = 12.0
"""Seconds after a reconnect in which polls are single passes.

A gateway that has just started parks a long poll that finds no leader yet, and looks again when a
new job comes up, or after 10 s: jobs that wait in the broker since before would wait for that.
"""

GLANCING = 120.0
"""Seconds after a reconnect in which every second poll is a single pass, for the same reason.

A broker may need longer than SETTLING to lead its partitions again. The long polls between grow.
"""

UNAUTHENTICATED_FOR = 60.0
"""Seconds of nothing but UNAUTHENTICATED after which a subscription ends."""

_REFUSED = frozenset({Status.INVALID_ARGUMENT, Status.PERMISSION_DENIED, Status.UNIMPLEMENTED})


SETTLING_ANSWER = 1.5
"""Seconds for the answer of a gateway that has just come back: what it can't pass on, it leaves."""


def is_settling(client: ZeebeClient) -> bool:
    """Whether the gateway was away and has only just come back."""
    return trio.current_time() < client.channel.reconnected_at + SETTLING


class Recovery:
    """The failures in a row of one kind of request, `rpc`, and what to do about the next."""

    def __init__(
        self, rpc: str, subscription: Subscription, client: ZeebeClient, waits: Waits
    ) -> None:
        self._rpc = rpc
        self._subscription = subscription
        self._client = client
        self._waits = waits
        self._failures = 0
        self._other: Metadata | None = None
        self._unauthenticated_since: float | None = None

    @property
    def back_for(self) -> float:
        """Seconds since the connection was lost and has come back; infinite if it never was."""
        return trio.current_time() - self._client.channel.reconnected_at

    @property
    def settling(self) -> bool:
        """Whether the connection was lost and has only just come back."""
        return is_settling(self._client)

    async def ready(self) -> bool:
        """Wait until the channel is ready; False if that was cut short."""
        channel = self._client.channel
        if channel.state == "ready":
            return True
        lost = channel.state == "reconnecting"
        if lost:
            self._subscription.change("reconnecting", channel.trouble)
        if not await self._waits.until(channel.wait_ready):
            return False
        return await self._waits.sleep(random.uniform(0, SPREAD)) if lost else True

    async def metadata(self) -> Metadata | None:
        """The credentials for the next request, None if waiting for them was cut short.

        Raises CredentialsError.
        """
        if self._other is None:
            await self._waits.until(self._fetch)
        metadata, self._other = self._other, None
        return metadata

    async def _fetch(self) -> None:
        self._other = await self._client.metadata()

    def succeeded(self) -> None:
        """A request went well."""
        self._failures = 0
        self._unauthenticated_since = None

    async def after(self, error: Exception, metadata: Metadata | None) -> None:
        """Wait as long as the error asks for. Raises ZbtrioError when asking again is no use."""
        self._failures += 1
        if not isinstance(error, RpcError):
            await self._without_credentials(error)
        elif error.received and error.status in _REFUSED:
            raise self._refusal(error) from error
        elif error.received and error.status is Status.UNAUTHENTICATED:
            await self._unauthenticated(error, metadata or ())
        elif error.status is Status.RESOURCE_EXHAUSTED:
            await self._back_off(error, SOON if self.settling else LONGEST)
        elif error.received:
            await self._back_off(error, SOON)
        elif error.status is Status.DEADLINE_EXCEEDED:
            level = logging.DEBUG if self.settling else logging.WARNING
            _log.log(level, "Job type %r: %s got no answer.", self._subscription.type, self._rpc)
        else:
            await self._connection_lost(error)

    async def _without_credentials(self, error: Exception) -> None:
        if isinstance(error, CredentialsError) and error.refused:
            raise error
        await self._back_off(error, LONGEST)

    async def _unauthenticated(self, error: RpcError, metadata: Metadata) -> None:
        since = self._unauthenticated_since
        if since is None:
            since = self._unauthenticated_since = trio.current_time()
        self._other = await self._client.other_metadata(error, metadata)
        if self._other is not None and self._failures == 1:
            return
        if (
            self._client.authorizer.fixed is not None
            or trio.current_time() - since > UNAUTHENTICATED_FOR
        ):
            raise self._refusal(error) from error
        await self._back_off(error, LONGEST)

    async def _connection_lost(self, error: RpcError) -> None:
        """A moment, in which the channel sees it too; longer if it serves, but not this call."""
        if self._failures == 1:
            await self._waits.sleep(pause(0))
        elif self._client.channel.state == "ready":
            await self._back_off(error, SOON)

    async def _back_off(self, error: Exception, longest: float) -> None:
        self._subscription.change("backing off", str(error))
        await self._waits.sleep(pause(self._failures, longest))

    def _refusal(self, error: RpcError) -> ZbtrioError:
        return from_rpc_error(self._rpc, error)
