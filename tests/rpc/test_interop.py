"""gRPC's interoperability cases between us, grpcio (the C core) and grpclib (asyncio, h2)."""

from __future__ import annotations

import pytest
import trio
from grpclib.const import Status

from tests.rpc.peers import Failure, pair

PAIRS = [
    ("ours", "ours"),
    ("ours", "grpcio"),
    ("ours", "grpclib"),
    ("grpcio", "ours"),
    ("grpclib", "ours"),
]
EVERYTHING = bytes(range(256))

between = pytest.mark.parametrize(
    ("client", "server"), PAIRS, ids=[f"{client}-to-{server}" for client, server in PAIRS]
)
from_others = pytest.mark.parametrize("client", ["grpcio", "grpclib"])


@between
@pytest.mark.parametrize("size", [0, 1, 271_828, 2_000_000], ids=["empty", "one", "large", "huge"])
async def test_unary(client: str, server: str, size: int) -> None:
    body = (EVERYTHING * (size // 256 + 1))[:size]
    async with pair(client, server) as peer:
        assert (await peer.unary("Echo", body)).messages == [body]


@between
async def test_server_streaming(client: str, server: str) -> None:
    async with pair(client, server) as peer:
        assert await peer.stream("Parts", b"") == []
        assert b"".join(await peer.stream("Parts", EVERYTHING)) == EVERYTHING


@from_others
async def test_client_streaming(client: str) -> None:
    async with pair(client, "ours") as peer:
        sizes = [27_182, 8, 1_828, 45_904]
        assert await peer.collect([bytes(size) for size in sizes]) == bytes(sum(sizes))
        assert await peer.collect([]) == b""


@between
async def test_many_at_once(client: str, server: str) -> None:
    answers: list[bytes] = []
    async with pair(client, server) as peer, trio.open_nursery() as nursery:

        async def ask(number: int) -> None:
            answers.extend((await peer.unary("Echo", b"%d" % number)).messages)

        for number in range(40):
            nursery.start_soon(ask, number)
    assert sorted(answers) == sorted(b"%d" % number for number in range(40))


@between
async def test_cancel_after_begin(client: str, server: str) -> None:
    async with pair(client, server) as peer:
        await peer.cancel_after(0.05)
        assert (await peer.unary("Echo", b"goes on")).messages == [b"goes on"]


@between
async def test_cancel_after_first_response(client: str, server: str) -> None:
    async with pair(client, server) as peer:
        assert await peer.stream("Parts", EVERYTHING, take=1) == [b"\0"]
        assert (await peer.unary("Echo", b"goes on")).messages == [b"goes on"]


@between
async def test_timeout_on_sleeping_server(client: str, server: str) -> None:
    async with pair(client, server) as peer:
        with pytest.raises(Failure) as failure:
            await peer.unary("Sleep", b"", timeout=0.1)
        assert failure.value.status is Status.DEADLINE_EXCEEDED
        assert (await peer.unary("Echo", b"goes on", timeout=10)).messages == [b"goes on"]


@between
async def test_custom_metadata(client: str, server: str) -> None:
    metadata = [("x-initial", "a value"), ("x-trailing-bin", EVERYTHING)]
    async with pair(client, server) as peer:
        reply = await peer.unary("Reflect", b"body", metadata=metadata)
    assert reply.messages == [b"body"]
    assert reply.initial["x-initial"] == "a value"
    assert reply.trailing["x-trailing-bin"] == EVERYTHING


@between
@pytest.mark.parametrize("status", [Status.UNKNOWN, Status.NOT_FOUND, Status.UNAUTHENTICATED])
async def test_status_code_and_message(client: str, server: str, status: Status) -> None:
    async with pair(client, server) as peer:
        with pytest.raises(Failure) as failure:
            await peer.unary("Fail", b"%d:test status message" % status.value)
    assert failure.value.status is status
    assert failure.value.message == "test status message"


@between
async def test_special_status_message(client: str, server: str) -> None:
    text = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
    async with pair(client, server) as peer:
        with pytest.raises(Failure) as failure:
            await peer.unary("Fail", b"2:" + text.encode())
    assert failure.value.message == text


@from_others
async def test_a_status_message_with_spaces_around(client: str) -> None:
    async with pair(client, "ours") as peer:
        with pytest.raises(Failure) as failure:
            await peer.unary("Fail", b"2: expected: ")
    assert failure.value.message == " expected: "


@between
async def test_unimplemented_method(client: str, server: str) -> None:
    async with pair(client, server) as peer:
        with pytest.raises(Failure) as failure:
            await peer.unary("Nothing", b"")
        assert failure.value.status is Status.UNIMPLEMENTED
        assert (await peer.unary("Echo", b"goes on")).messages == [b"goes on"]
