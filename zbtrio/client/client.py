"""`ZeebeClient`: settings, credentials, a channel, and the calls of all RPCs on it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack

import trio

from zbtrio.auth import Authorizer, Credentials
from zbtrio.client.authorized_call import AuthorizedCall
from zbtrio.client.connect import credentials_of, gateway_of, open_channel, warn_if_readable
from zbtrio.client.jobs import JobCalls
from zbtrio.client.messages import MessageCalls
from zbtrio.client.process_instances import ProcessInstanceCalls
from zbtrio.client.resources import ResourceCalls
from zbtrio.client.settings import ClientSettings
from zbtrio.groups import unwrapped_if_single
from zbtrio.rpc import Channel, Metadata, Method, UnaryCall
from zbtrio.settings import SettingsFile, load
from zbtrio.variables import EncodeHook


class ClientArguments(TypedDict, total=False):
    """What a client can be given: the options of `ClientSettings`, which explain them."""

    host: str
    port: int
    cluster_id: str
    region: str
    tls: bool
    ca_certificate: str | Path
    client_certificate: str | Path
    client_key: str | Path
    authority: str
    client_id: str
    client_secret: str
    token_audience: str
    token_scope: str
    token_url: str
    token_cache: str | Path
    auth_connect_timeout: float
    auth_read_timeout: float
    username: str
    password: str
    default_tenant_id: str
    physical_tenant: str
    timeout: float
    request_timeout: float
    deadline_offset: float
    first_backoff: float
    max_backoff: float
    keepalive: float
    max_message_size: int
    max_connections: int


class ZeebeClient(JobCalls, ProcessInstanceCalls, MessageCalls, ResourceCalls):
    """A Zeebe gateway's RPCs as methods: `async with zbtrio.ZeebeClient() as client:`.

    What isn't given as an argument comes from the environment (CAMUNDA_GRPC_ADDRESS, ...), from
    zbtrio.toml, and last from the defaults. Methods are named for their RPCs, take and give
    variables as Python values, and times in seconds. Calls may be made from any number of tasks.

    Args:
        address: "host:port" or with a scheme (grpc://, grpcs://, http://, https://), or several.
        settings: all settings at once, instead of looking for them.
        credentials: who calls, if not the one that the settings say.
        channel: an open channel to use, which stays its owner's.
        enc_hook: turns values that JSON doesn't know into some that it does, in variables.
        arguments: further settings by name, see `ClientSettings`.

    Raises:
        SettingsError: a setting is unknown, of the wrong type, or doesn't fit another.
    """

    def __init__(
        self,
        address: str | Sequence[str] | None = None,
        *,
        settings: ClientSettings | None = None,
        credentials: Credentials | None = None,
        channel: Channel | None = None,
        enc_hook: EncodeHook | None = None,
        **arguments: Unpack[ClientArguments],
    ) -> None:
        given = dict(arguments) if address is None else {**arguments, "address": address}
        if settings is not None and given:
            raise TypeError(f"Give settings or arguments, not both: {', '.join(given)}")
        self.settings = settings or load(
            ClientSettings, "client", arguments=given, file=SettingsFile.find()
        )
        self.enc_hook = enc_hook
        self._credentials = credentials or credentials_of(self.settings)
        self._owns_channel = channel is None
        if channel is None:
            gateway = gateway_of(self.settings)
            warn_if_readable(gateway, self._credentials)
            channel = open_channel(self.settings, gateway)
        self.channel = channel
        self._opened: AbstractAsyncContextManager[None] | None = None
        self._nursery: trio.Nursery | None = None

    def __repr__(self) -> str:
        return f"<ZeebeClient on {self.channel!r}>"

    async def __aenter__(self) -> Self:
        if self._opened is not None:
            raise RuntimeError("A client is opened once: make a new one.")
        self._opened = self._open()
        await self._opened.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        assert self._opened is not None
        return await self._opened.__aexit__(kind, error, trace)

    @asynccontextmanager
    async def _open(self) -> AsyncGenerator[None, None]:
        with unwrapped_if_single():
            async with (
                self.channel if self._owns_channel else nullcontext(),
                trio.open_nursery() as nursery,
            ):
                self._nursery = nursery
                self._authorizer = Authorizer(self._credentials, nursery, self._always())
                try:
                    yield
                finally:
                    self._authorizer = None
                    nursery.cancel_scope.cancel()

    def _always(self) -> Metadata:
        tenant = self.settings.physical_tenant
        return (("camunda-physical-tenant", tenant),) if tenant else ()

    def start(
        self,
        method: Method,
        request: Any,
        *,
        timeout: float | None,
        on_done: Callable[[UnaryCall | AuthorizedCall], object],
    ) -> UnaryCall | AuthorizedCall:
        """Start a call and come back at once: `Channel.start_unary` with the credentials put in.

        There are no retries here, except one with a new token when the gateway refuses this one.

        Args:
            request: the message, or its bytes.
            timeout: seconds, with the time to fetch a token if there is none; None: no end.
            on_done: called once with the ended call, in no task of its own; it must be quick and
                must not raise. Not called after `cancel()`.
        """
        authorizer = self.authorizer
        if authorizer.fixed is not None:
            return self.channel.start_unary(
                method, request, timeout=timeout, metadata=authorizer.fixed, on_done=on_done
            )
        assert self._nursery is not None  # there is an authorizer
        call = AuthorizedCall(
            self.channel, authorizer, self._nursery, method, request, timeout, on_done
        )
        call.start()
        return call
