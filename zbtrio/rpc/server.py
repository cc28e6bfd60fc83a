"""A gRPC server on trio."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Sequence
from typing import Any

import trio

from zbtrio.rpc.request_head import Servable, read_routes
from zbtrio.rpc.server_connection import Limits, ServerConnection

__all__ = ["Servable", "Server"]

logger = logging.getLogger("zbtrio.rpc.server")


class Server:
    """Serves services over TCP, TLS, or any trio stream.

    A handler runs in a task of its own; it is cancelled when its client cancels the call, leaves,
    or stops waiting (grpc-timeout). GRPCError from it becomes the call's status; any other
    exception is logged, and the client gets UNKNOWN without details.

    Args:
        services: objects with grpclib's `__mapping__()`.
        max_concurrent_streams: calls that one connection may have open.
        max_message_size: bytes of the largest request message, also after decompression.
        max_header_list_size: bytes of a request's headers, counted as HTTP/2 does.
        min_ping_interval: seconds between a client's keepalive pings; the third that comes sooner,
            or while no call is open, ends the connection, as with other gRPC servers. None: never.
        grace: seconds that `shutdown` gives to running calls.
        debug: tell clients what went wrong in a handler.
    """

    def __init__(
        self,
        services: Sequence[Servable],
        *,
        max_concurrent_streams: int = 16_384,
        max_message_size: int = 4 * 1024 * 1024,
        max_header_list_size: int = 64 * 1024,
        min_ping_interval: float | None = 30.0,
        grace: float = 10.0,
        debug: bool = False,
    ) -> None:
        self._routes = read_routes(services)
        self._limits = Limits(
            max_concurrent_streams,
            max_message_size,
            max_header_list_size,
            min_ping_interval,
            debug,
        )
        self._grace = grace
        self._connections: set[ServerConnection] = set()
        self._accepting: set[trio.CancelScope] = set()
        self._gone = trio.lowlevel.ParkingLot()
        self._stopping = False

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    async def serve_tcp(
        self,
        port: int,
        host: str = "127.0.0.1",
        ssl_context: ssl.SSLContext | None = None,
        *,
        task_status: trio.TaskStatus[list[trio.abc.Listener[Any]]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Listen on a port (0: any that is free) until `shutdown`.

        `listeners = await nursery.start(server.serve_tcp, port)` comes back once it listens.

        Args:
            ssl_context: TLS is spoken if given; its ALPN is set to h2.
        """
        listeners: list[trio.abc.Listener[Any]] = [*await trio.open_tcp_listeners(port, host=host)]
        if ssl_context is not None:
            ssl_context.set_alpn_protocols(["h2"])
            listeners = [
                trio.SSLListener(listener, ssl_context, https_compatible=True)
                for listener in listeners
            ]
        await self.serve_listeners(listeners, task_status=task_status)

    async def serve_listeners(
        self,
        listeners: Sequence[trio.abc.Listener[Any]],
        *,
        task_status: trio.TaskStatus[list[trio.abc.Listener[Any]]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve what connects to the listeners until `shutdown`."""
        async with trio.open_nursery() as connections:
            with trio.CancelScope() as scope:
                self._accepting.add(scope)
                try:
                    await trio.serve_listeners(
                        self.serve_stream,
                        list(listeners),
                        handler_nursery=connections,
                        task_status=task_status,
                    )
                finally:
                    self._accepting.discard(scope)

    async def serve_stream(self, stream: trio.abc.Stream) -> None:
        """Serve one client on a connected stream, until it leaves or `shutdown`."""
        connection = ServerConnection(stream, self._routes, self._limits)
        self._connections.add(connection)
        if self._stopping:
            connection.retire()
        try:
            await connection.run()
        except Exception:
            logger.exception("the connection of %s failed: a defect of the server", connection.peer)
        finally:
            self._connections.discard(connection)
            self._gone.unpark_all()

    async def shutdown(self, grace: float | None = None) -> None:
        """Stop listening, tell clients (GOAWAY), let running calls finish, then end the rest.

        Args:
            grace: seconds instead of the server's own.
        """
        self._stopping = True
        for scope in self._accepting:
            scope.cancel()
        for connection in self._connections:
            connection.retire()
        with trio.move_on_after(self._grace if grace is None else grace):
            await self._all_gone()
        for connection in self._connections:
            connection.abort()
        await self._all_gone()

    async def _all_gone(self) -> None:
        await trio.lowlevel.checkpoint()
        while self._connections:
            await self._gone.park()
