"""An OAuth token endpoint on a real socket, that answers by a script."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import h11
import msgspec
import trio
from attrs import define, field


@define
class TokenEndpoint:
    """Gives token-1, token-2, ... unless `answers` has (status, body) pairs left."""

    port: int = 0
    scheme: str = "http"
    answers: list[tuple[int, bytes]] = field(factory=list)
    forms: list[dict[str, str]] = field(factory=list)
    expires_in: Any = 3600

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.port}/oauth/token"

    def answer(self, form: dict[str, str]) -> tuple[int, bytes]:
        self.forms.append(form)
        if self.answers:
            return self.answers.pop(0)
        token = {"access_token": f"token-{len(self.forms)}", "expires_in": self.expires_in}
        return 200, msgspec.json.encode(token)

    async def serve(self, stream: trio.abc.Stream) -> None:
        connection = h11.Connection(h11.SERVER)
        body = b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(bytes(await stream.receive_some()))
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
            elif isinstance(event, h11.ConnectionClosed):
                return
        status, answer = self.answer(dict(parse_qsl(body.decode())))
        head = h11.Response(status_code=status, headers=[("Content-Length", str(len(answer)))])
        parts = [connection.send(part) for part in (head, h11.Data(answer), h11.EndOfMessage())]
        await stream.send_all(b"".join(part or b"" for part in parts))


@asynccontextmanager
async def open_token_endpoint(
    ssl_context: ssl.SSLContext | None = None,
) -> AsyncIterator[TokenEndpoint]:
    endpoint = TokenEndpoint()
    async with trio.open_nursery() as nursery:
        if ssl_context is None:
            serve = partial(trio.serve_tcp, endpoint.serve, 0, host="localhost")
        else:
            endpoint.scheme = "https"
            serve = partial(
                trio.serve_ssl_over_tcp,
                endpoint.serve,
                0,
                ssl_context,
                host="localhost",
                https_compatible=True,
            )
        listeners: list[Any] = await nursery.start(serve)
        listener = listeners[0]
        socket = getattr(listener, "transport_listener", listener).socket
        endpoint.port = socket.getsockname()[1]
        yield endpoint
        nursery.cancel_scope.cancel()
