"""One HTTP/1.1 request on trio, with h11: for token endpoints and health probes.

A connection serves one request. Redirects are not followed and proxies not used.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

import h11
import trio
from attrs import field, frozen

MAX_BODY = 1024 * 1024
"""Bytes of the largest response body taken."""

_LIKE = "write an address like https://login.example.org/oauth/token"


@frozen
class Response:
    """A response. Header names are in lower case; the body may be secret and stays out of repr."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@frozen
class Url:
    """The parts of an http or https URL that a request needs."""

    secure: bool
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """Host and port, as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = 443 if self.secure else 80
        return host if self.port == usual else f"{host}:{self.port}"


def parse_url(text: str) -> Url:
    """Split a URL. Raises ValueError when it is none of http or https, or holds a user name."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{_LIKE} ({error})") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ValueError(_LIKE)
    secure = parts.scheme == "https"
    target = parts.path or "/"
    if parts.query:
        target += f"?{parts.query}"
    return Url(secure, parts.hostname, port or (443 if secure else 80), target)


async def request(
    method: str,
    url: str,
    *,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    ssl_context: ssl.SSLContext | None = None,
    connect_timeout: float = 5.0,
    read_timeout: float = 5.0,
) -> Response:
    """Make one request.

    Args:
        url: http or https.
        ssl_context: for https, if not the machine's usual certificates.
        connect_timeout, read_timeout: seconds to connect (with TLS), and for all the rest.

    Raises:
        OSError: no connection, no answer in time, or none that is HTTP.
        ValueError: the URL is none.
    """
    where = parse_url(url)
    stream = await _connect(where, ssl_context, connect_timeout)
    try:
        with trio.fail_after(read_timeout):
            return await _exchange(stream, _head(method, where, headers, body), body)
    except trio.TooSlowError:
        raise OSError(f"no answer within {read_timeout:g} s") from None
    except trio.BrokenResourceError as error:
        raise OSError(f"connection lost: {error.__cause__ or error}") from error
    except h11.RemoteProtocolError as error:
        raise OSError(f"what answers there does not speak HTTP/1.1: {error}") from error
    finally:
        await trio.aclose_forcefully(stream)


async def _connect(where: Url, context: ssl.SSLContext | None, within: float) -> trio.abc.Stream:
    try:
        with trio.fail_after(within):
            stream = await trio.open_tcp_stream(where.host, where.port)
            if not where.secure:
                return stream
            return await _start_tls(stream, where.host, context or ssl.create_default_context())
    except trio.TooSlowError:
        raise OSError(f"no connection within {within:g} s") from None


async def _start_tls(
    stream: trio.SocketStream, host: str, context: ssl.SSLContext
) -> trio.abc.Stream:
    tls = trio.SSLStream(stream, context, server_hostname=host, https_compatible=True)
    try:
        await tls.do_handshake()
    except BaseException as error:
        await trio.aclose_forcefully(stream)
        if isinstance(error, trio.BrokenResourceError):
            raise OSError(f"TLS failed: {error.__cause__ or error}") from error
        raise
    return tls


def _head(method: str, where: Url, headers: Iterable[tuple[str, str]], body: bytes) -> h11.Request:
    given = [("Host", where.authority), ("Connection", "close"), *headers]
    if body:
        given.append(("Content-Length", str(len(body))))
    return h11.Request(method=method, target=where.target, headers=given)


async def _exchange(stream: trio.abc.Stream, head: h11.Request, body: bytes) -> Response:
    connection = h11.Connection(h11.CLIENT)
    sent = (connection.send(head), body and connection.send(h11.Data(body)))
    await stream.send_all(b"".join(part or b"" for part in sent))
    connection.send(h11.EndOfMessage())
    status, headers, received = 0, dict[str, str](), bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(bytes(await stream.receive_some()))
        elif isinstance(event, h11.Response):
            status = event.status_code
            headers = {name.decode(): value.decode("latin-1") for name, value in event.headers}
        elif isinstance(event, h11.Data):
            received += event.data
            if len(received) > MAX_BODY:
                raise OSError(f"the answer is larger than {MAX_BODY} bytes")
        elif not isinstance(event, h11.InformationalResponse):
            return Response(status, headers, bytes(received))
