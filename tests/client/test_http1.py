import contextlib
from collections.abc import Awaitable, Callable

import pytest
import trio

from zbtrio import http1

Serve = Callable[[bytes], Awaitable[str]]


@pytest.mark.parametrize(
    ("url", "authority", "target", "secure"),
    [
        ("http://localhost", "localhost", "/", False),
        ("http://localhost:80/a?b=c", "localhost", "/a?b=c", False),
        ("https://localhost:443/", "localhost", "/", True),
        ("https://localhost:8443/#part", "localhost:8443", "/", True),
        ("http://[::1]:9600/ready", "[::1]:9600", "/ready", False),
    ],
)
def test_url(url: str, authority: str, target: str, secure: bool) -> None:
    found = http1.parse_url(url)
    assert (found.authority, found.target, found.secure) == (authority, target, secure)


@pytest.mark.parametrize("url", ["", "localhost", "ftp://x", "http://", "http://u@x", "http://x:y"])
def test_no_url(url: str) -> None:
    with pytest.raises(ValueError, match="write an address like"):
        http1.parse_url(url)


@pytest.fixture
async def received() -> list[bytes]:
    return []


@pytest.fixture
async def serve(nursery: trio.Nursery, received: list[bytes]) -> Serve:
    """Starts a server that gives one answer, byte by byte, and closes; returns its URL."""

    async def start(answer: bytes) -> str:
        async def handle(stream: trio.SocketStream) -> None:
            received.append(bytes(await stream.receive_some()))
            with contextlib.suppress(trio.BrokenResourceError):  # a client that has seen enough
                for position in range(len(answer)):
                    await stream.send_all(answer[position : position + 1])

        listeners = await nursery.start(trio.serve_tcp, handle, 0)
        return f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/ready"

    return start


async def test_get(serve: Serve, received: list[bytes]) -> None:
    url = await serve(b"HTTP/1.1 200 OK\r\nX-Some: thing\r\nContent-Length: 2\r\n\r\nup")
    response = await http1.request("GET", url, headers=[("Accept", "*/*")])
    assert (response.status, response.body) == (200, b"up")
    assert response.headers["x-some"] == "thing"
    assert received[0].startswith(b"GET /ready HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"Connection: close\r\n" in received[0]
    assert b"Content-Length" not in received[0]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nu\r\n1\r\np\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nup",
        b"HTTP/1.0 200 OK\r\n\r\nup",
    ],
)
async def test_bodies(answer: bytes, serve: Serve) -> None:
    assert (await http1.request("GET", await serve(answer))).body == b"up"


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nup", b"\x00\x00\x00\x04\x00\x00"]
)
async def test_no_whole_answer(answer: bytes, serve: Serve) -> None:
    with pytest.raises(OSError, match=r"does not speak HTTP/1\.1"):
        await http1.request("GET", await serve(answer))


async def test_a_cancelled_request_leaves_nothing_open(nursery: trio.Nursery) -> None:
    gone = trio.Event()

    async def handle(stream: trio.SocketStream) -> None:
        async for _ in stream:
            pass
        gone.set()

    listeners = await nursery.start(trio.serve_tcp, handle, 0)
    port = listeners[0].socket.getsockname()[1]
    with trio.move_on_after(0.05) as scope:
        await http1.request("GET", f"http://127.0.0.1:{port}/")
    assert scope.cancelled_caught
    with trio.fail_after(5):
        await gone.wait()
