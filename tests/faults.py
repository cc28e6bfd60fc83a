"""What can go wrong with a call at a gateway, for FaultyGateway.script.

Each is, or makes, an async function that takes the Exchange; a test may write its own.
"""

from __future__ import annotations

import trio
from grpclib.const import Status
from grpclib.exceptions import GRPCError

from tests.faulty_gateway import Exchange, Fault
from zbtrio.rpc import frames
from zbtrio.rpc.frames import ErrorCode
from zbtrio.rpc.server_connection import ServerConnection


def answer(status: Status, message: str = "") -> Fault:
    """Answer with a status; the RPC does nothing."""

    async def fault(exchange: Exchange) -> None:
        raise GRPCError(status, message or f"scripted: {status.name}")

    return fault


def answer_after_work(status: Status, message: str = "") -> Fault:
    """Do the work, but answer with a status."""

    async def fault(exchange: Exchange) -> None:
        await exchange.work_silently()
        raise GRPCError(status, message or f"scripted: {status.name}")

    return fault


def delay(seconds: float) -> Fault:
    """Work, later."""

    async def fault(exchange: Exchange) -> None:
        await trio.sleep(seconds)
        await exchange.work()

    return fault


async def silence(exchange: Exchange) -> None:
    """Never answer; do nothing."""
    await trio.sleep_forever()


async def silence_after_work(exchange: Exchange) -> None:
    """Do the work and never answer."""
    await exchange.work_silently()
    await trio.sleep_forever()


async def drop_connection(exchange: Exchange) -> None:
    """Cut the connection before anything is done."""
    _connection(exchange).abort()
    await trio.sleep_forever()


async def drop_connection_after_work(exchange: Exchange) -> None:
    """Do the work and cut the connection instead of answering."""
    await exchange.work_silently()
    _connection(exchange).abort()
    await trio.sleep_forever()


def reset(code: ErrorCode, *, after_work: bool = False) -> Fault:
    """Send RST_STREAM instead of an answer."""

    async def fault(exchange: Exchange) -> None:
        if after_work:
            await exchange.work_silently()
        connection = _connection(exchange)
        connection._core.reset_stream(exchange.call._stream, code)
        connection.wake_writer()
        exchange.call.abandon()
        await trio.sleep_forever()

    return fault


async def goaway(exchange: Exchange) -> None:
    """Send GOAWAY, as a gateway that is being replaced, and answer."""
    _connection(exchange).retire()
    await exchange.work()


def goaway_unprocessed(code: ErrorCode = ErrorCode.NO_ERROR, debug: bytes = b"") -> Fault:
    """Send a GOAWAY which says that this call and those after it were not looked at."""

    async def fault(exchange: Exchange) -> None:
        connection = _connection(exchange)
        connection._core.send_goaway(code, debug, exchange.call._stream.id - 1)
        connection.wake_writer()
        await trio.sleep_forever()

    return fault


def flood(size: int) -> Fault:
    """Send `size` bytes of a message on the call's stream, whatever its window allows."""

    async def fault(exchange: Exchange) -> None:
        await exchange.call.send_initial_metadata()
        connection, stream = _connection(exchange), exchange.call._stream
        head = b"\x00" + size.to_bytes(4, "big")
        body = head + bytes(size)
        for start in range(0, len(body), frames.MIN_FRAME_SIZE):
            piece = body[start : start + frames.MIN_FRAME_SIZE]
            connection._core._out.append(frames.frame(frames.DATA, 0, stream.id, piece))
        connection.wake_writer()
        await trio.sleep_forever()

    return fault


def _connection(exchange: Exchange) -> ServerConnection:
    return exchange.call._connection
