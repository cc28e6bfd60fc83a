"""Handlers that tests of the server look at."""

from __future__ import annotations

import trio

from tests.rpc.services import (
    COLLECT,
    PARTS,
    UNARY,
    Service,
    echo,
)
from zbtrio.rpc import ServerCall


class Watched:
    """Handlers that count how they start, run and end."""

    def __init__(self) -> None:
        self.started = self.cancelled = self.finished = self.sent = 0
        self.release = trio.Event()
        self.service = Service(
            Echo=(UNARY, echo),
            Park=(UNARY, self.park),
            Release=(UNARY, self.wait),
            Endless=(PARTS, self.endless),
            Collect=(COLLECT, self.collect),
        )

    async def park(self, call: ServerCall) -> None:
        self.started += 1
        try:
            await trio.sleep_forever()
        finally:
            self.cancelled += 1

    async def wait(self, call: ServerCall) -> None:
        self.started += 1
        await self.release.wait()
        await call.send_message(b"released")
        self.finished += 1

    async def endless(self, call: ServerCall) -> None:
        self.started += 1
        try:
            while True:
                await call.send_message(bytes(10_000))
                self.sent += 1
        finally:
            self.cancelled += 1

    async def collect(self, call: ServerCall) -> None:
        async for _ in call:
            self.started += 1
