"""Reaching a server: addresses as people write them, TCP, TLS with ALPN."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

import trio
from attrs import frozen

DEFAULT_PORT = 26500
TCP_WITHIN = (
    3.0  # seconds: a lost SYN is sent again by a new attempt sooner than by TCP's own back-off
)
TLS_WITHIN = 10.0  # seconds for the handshake: some servers ask others about certificates

Connector = Callable[[str], Awaitable[trio.abc.Stream]]


@frozen
class Target:
    """A server's host and port."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_target(text: str) -> Target:
    """Return the target of "host", "host:port" or "[v6]:port"; ValueError for anything else."""
    host, colon, port = text.strip().rpartition(":")
    if not colon or (":" in host and not host.startswith("[")):
        host, port = text.strip(), str(DEFAULT_PORT)
    host = host.removeprefix("[").removesuffix("]")
    if not host or "/" in host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} is no address: write host:port, as in 127.0.0.1:26500")
    return Target(host, int(port))


async def dial(
    target: Target, context: ssl.SSLContext | None, server_name: str | None
) -> trio.abc.Stream:
    """Connect to a server, trying all that DNS says now.

    Args:
        context: TLS is spoken if given.
        server_name: the name in the server's certificate if it is not the host.

    Raises:
        OSError: nothing answered there, or what did does not speak HTTP/2 over TLS.
    """
    try:
        with trio.fail_after(TCP_WITHIN):
            stream = await trio.open_tcp_stream(target.host, target.port)
    except trio.TooSlowError as error:
        raise OSError(f"no answer within {TCP_WITHIN:g} s") from error
    except OSError as error:
        raise OSError(_refusals(error)) from error
    if context is None:
        return stream
    return await _start_tls(stream, context, server_name or target.host)


async def _start_tls(
    stream: trio.SocketStream, context: ssl.SSLContext, server_name: str
) -> trio.abc.Stream:
    tls = trio.SSLStream(stream, context, server_hostname=server_name, https_compatible=True)
    try:
        with trio.fail_after(TLS_WITHIN):
            await tls.do_handshake()
        protocol = tls.selected_alpn_protocol()
    except BaseException as error:
        await trio.aclose_forcefully(stream)
        if isinstance(error, trio.BrokenResourceError):
            raise OSError(f"TLS failed: {_tls_reason(error)}") from error
        if isinstance(error, trio.TooSlowError):
            raise OSError(f"TLS failed: no handshake within {TLS_WITHIN:g} s") from error
        raise
    if protocol != "h2":
        await trio.aclose_forcefully(stream)
        raise OSError(
            f"the server chose {protocol or 'no protocol'} by ALPN, not h2: "
            "is there an HTTP/1.1 proxy in the way?"
        )
    return tls


def _refusals(error: OSError) -> str:
    """What each attempt of open_tcp_stream met, which it hides in the cause."""
    cause = error.__cause__
    attempts: Sequence[BaseException] = [error]
    if isinstance(cause, ExceptionGroup):
        attempts = cast("ExceptionGroup[Exception]", cause).exceptions
    return "; ".join(dict.fromkeys(str(attempt) for attempt in attempts))


def _tls_reason(error: Exception) -> str:
    cause = error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"{cause.verify_message}; give the CA that signed the server's certificate"
    if isinstance(cause, ssl.SSLError):
        return f"{cause.reason or cause}; does the server speak TLS on this port?"
    return str(cause or error)
