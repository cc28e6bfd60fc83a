"""Waits that somebody else may cut short, as drain, pause and resume do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import trio

__all__ = ["Waits"]


class Waits:
    """The waits of one task."""

    def __init__(self) -> None:
        self._scope: trio.CancelScope | None = None

    async def until(self, wait: Callable[[], Awaitable[object]]) -> bool:
        """Wait; False if it was cut short."""
        with trio.CancelScope() as self._scope:
            await wait()
            return True
        return False

    async def sleep(self, seconds: float) -> bool:
        """Sleep; False if it was cut short."""
        return await self.until(partial(trio.sleep, seconds))

    def cut_short(self) -> None:
        """End the present wait, if there is one."""
        if self._scope is not None:
            self._scope.cancel()
