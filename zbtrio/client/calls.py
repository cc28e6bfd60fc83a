"""What the methods of all RPCs stand on: one call with credentials, retries and typed errors."""

from __future__ import annotations

from typing import Any

import trio
from grpclib.const import Status

from zbtrio.auth import Authorizer
from zbtrio.client.retry import RULES, Backoff, Limits, RetryRule, call_with_retries
from zbtrio.client.settings import ClientSettings
from zbtrio.errors import CredentialsError
from zbtrio.rpc import Channel, Metadata, Method, RpcError
from zbtrio.rpc.codec import DecodeError, encode
from zbtrio.variables import EncodeHook, dumps


class Caller:
    """Makes calls on an open channel.

    Attributes:
        settings: what the client was made with.
        channel: what its calls go through.
        enc_hook: turns values that JSON doesn't know into some that it does, in variables.
    """

    settings: ClientSettings
    channel: Channel
    enc_hook: EncodeHook | None = None
    _authorizer: Authorizer | None = None

    @property
    def authorizer(self) -> Authorizer:
        """Gives the calls their credentials, while the client is open."""
        if self._authorizer is None:
            raise RuntimeError("The client is not open: use it in `async with ZeebeClient(...)`.")
        return self._authorizer

    async def call(
        self,
        method: Method,
        request: Any,
        *,
        timeout: float | None = None,
        request_timeout: float | None = None,
        rule: RetryRule | None = None,
    ) -> Any:
        """Make one call by its message; the methods of the RPCs do that for you.

        Args:
            timeout: seconds with all retries; None: the setting, or request_timeout if longer.
            request_timeout: seconds for each attempt; None: the setting.
            rule: which failures allow a retry, if not the table's.

        Raises:
            GatewayError, OutcomeUnknown: by the status.
            CredentialsError: there are none to send.
        """
        limits = self.limits(timeout, request_timeout)
        payload = encode(request)

        async def attempt(seconds: float) -> Any:
            return await self._attempt(method, payload, seconds)

        return await call_with_retries(method, rule or RULES[method.name], limits, attempt)

    def to_json(self, variables: Any) -> str:
        """Variables as JSON text, by the rules of `zbtrio.variables`. Raises VariablesError."""
        return dumps(variables, enc_hook=self.enc_hook)

    def tenant(self, tenant_id: str | None) -> str:
        """The tenant of a call: what it names, or the setting default_tenant_id."""
        return self.settings.default_tenant_id if tenant_id is None else tenant_id

    def limits(self, timeout: float | None, request_timeout: float | None) -> Limits:
        """The seconds that a call has, from its arguments and the settings."""
        settings = self.settings
        each = settings.request_timeout if request_timeout is None else request_timeout
        if timeout is None:
            timeout = max(settings.timeout, request_timeout or 0.0)
        return Limits(timeout, each, Backoff(settings.first_backoff, settings.max_backoff))

    async def _attempt(self, method: Method, payload: bytes, seconds: float) -> Any:
        end = trio.current_time() + seconds
        metadata = await self.metadata(timeout=seconds)
        try:
            return await self._once(method, payload, end, metadata)
        except RpcError as error:
            other = await self.other_metadata(error, metadata)
            if other is None:
                raise
        return await self._once(method, payload, end, other)

    async def _once(self, method: Method, payload: bytes, end: float, metadata: Metadata) -> Any:
        left = max(0.0, end - trio.current_time())
        try:
            return await self.channel.unary(method, payload, timeout=left, metadata=metadata)
        except DecodeError as error:
            raise unreadable(error) from error

    async def metadata(self, *, timeout: float | None = None) -> Metadata:
        """What a call must carry to say who makes it, for calls made on `channel` directly.

        Raises CredentialsError, also when there is nothing after `timeout` seconds.
        """
        authorizer = self.authorizer
        metadata = authorizer.at_hand()
        if metadata is not None:
            return metadata
        with trio.move_on_after(float("inf") if timeout is None else timeout):
            return await authorizer.get()
        before = f" {authorizer.trouble}" if authorizer.trouble else ""
        raise CredentialsError(f"No credentials came within {timeout:g} s.{before}")

    async def other_metadata(self, error: RpcError, refused: Metadata) -> Metadata | None:
        """What to send again with after UNAUTHENTICATED, None if that is no use."""
        if error.status is not Status.UNAUTHENTICATED or not error.received:
            return None
        return await self.authorizer.replacement(refused)


def unreadable(error: DecodeError) -> RpcError:
    """The failure of a call whose answer came, but is no message of its type."""
    return RpcError(Status.INTERNAL, f"the gateway's answer can't be read: {error}")


def milliseconds(seconds: float) -> int:
    """A time as the gateway's messages have it; a positive one never becomes 0."""
    return max(1, round(seconds * 1000)) if seconds > 0 else round(seconds * 1000)
