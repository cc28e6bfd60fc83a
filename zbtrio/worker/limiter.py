"""Limits on how often, and how many at once, handlers are begun; tasks may share one.

A `Limiter` is a declaration that stands in a module. What it counts belongs to a run: a worker that
runs twice, or two at once, have an `ActiveLimiter` each.

The rate is kept by the generic cell rate algorithm: one number, the time at which the next handler
would be due if they came evenly. It may lie at most a burst ahead of now.
"""

from __future__ import annotations

import sys
from typing import Any

import attrs
import trio

__all__ = ["ActiveLimiter", "Limiter"]


def _positive(limiter: object, attribute: attrs.Attribute[Any], value: float | None) -> None:
    if value is not None and value <= 0:
        raise ValueError(f"{attribute.name} of a Limiter is {value}; it must be above 0.")


@attrs.frozen(eq=False, kw_only=True)
class Limiter:
    """At most `rate` handlers begun per second, and at most `concurrency` running at once.

    `burst` is how many may begin at once after a pause. Raises ValueError for what isn't above 0.
    """

    rate: float | None = attrs.field(default=None, validator=_positive)
    burst: int = attrs.field(default=1, validator=_positive)
    concurrency: int | None = attrs.field(default=None, validator=_positive)


class ActiveLimiter:
    """A limiter at work in one run. Waiting is fair: who waits longest is first."""

    def __init__(self, limit: Limiter) -> None:
        self._interval = 0.0 if limit.rate is None else 1.0 / limit.rate
        self._burst = limit.burst
        self._free = sys.maxsize if limit.concurrency is None else limit.concurrency
        self._due = -float("inf")
        self._turn = trio.Lock()
        self._freed = trio.Event()

    def available(self) -> int:
        """How many may begin now."""
        if not self._interval:
            return self._free
        ahead = max(0.0, self._due - trio.current_time())
        return min(self._free, self._burst - int(ahead / self._interval + 0.999_999))

    async def acquire(self) -> None:
        """Wait until one more handler may begin, and count it; `release` when it has ended."""
        async with self._turn:
            await self._until_available()
            self._free -= 1
            self._due = max(self._due, trio.current_time()) + self._interval

    async def until_available(self) -> None:
        """Wait until one more handler may begin, without counting it."""
        async with self._turn:
            await self._until_available()

    def release(self) -> None:
        """A handler has ended."""
        self._free += 1
        self._freed.set()

    async def _until_available(self) -> None:
        while self._free <= 0:
            self._freed = trio.Event()
            await self._freed.wait()
        if self._interval:
            await trio.sleep_until(self._due - self._interval * (self._burst - 1))
