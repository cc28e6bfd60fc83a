"""Deadlines of calls, on trio's clock: one timer for all calls of a channel.

A cancel scope per call would cost more than the call. Calls that ended early stay in the heap until
they are due or outnumber the living (the rule of trio's own deadline heap).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Protocol, Self

import trio

PRUNE_ABOVE = 1000


class Deadline:
    """A moment on trio's clock; what grpclib's stubs take as `deadline=`."""

    __slots__ = ("_when",)

    def __init__(self, when: float) -> None:
        self._when = when

    @classmethod
    def from_timeout(cls, timeout: float) -> Self:
        """Return the moment `timeout` seconds from now."""
        return cls(trio.current_time() + timeout)

    def time_remaining(self) -> float:
        """Return the seconds left, at least 0."""
        return max(0.0, self._when - trio.current_time())


class Timed(Protocol):
    """What has a deadline (trio time) and may be done before it."""

    @property
    def deadline(self) -> float: ...

    @property
    def done(self) -> bool: ...


class DeadlineHeap:
    """Runs `expire` for each entry that is due and not done."""

    def __init__(self, expire: Callable[[Timed], None]) -> None:
        self._expire = expire
        self._heap: list[tuple[float, int, Timed]] = []
        self._order = count()
        self._scope: trio.CancelScope | None = None
        self._prune_at = PRUNE_ABOVE

    def add(self, timed: Timed) -> None:
        """Watch an entry; one without an end is not watched."""
        if timed.deadline == math.inf:
            return
        entry = (timed.deadline, next(self._order), timed)
        heappush(self._heap, entry)
        if self._heap[0] is entry and self._scope is not None:
            self._scope.deadline = timed.deadline
        elif len(self._heap) > self._prune_at:
            self._prune()

    def _prune(self) -> None:
        self._heap = [entry for entry in self._heap if not entry[2].done]
        heapify(self._heap)
        self._prune_at = max(PRUNE_ABOVE, 2 * len(self._heap))

    async def run(self) -> None:
        """Watch for ever."""
        while True:
            with trio.CancelScope() as self._scope:
                self._scope.deadline = self._heap[0][0] if self._heap else math.inf
                await trio.sleep_forever()
            self._scope = None
            now = trio.current_time()
            while self._heap and (self._heap[0][2].done or self._heap[0][0] <= now):
                timed = heappop(self._heap)[2]
                if not timed.done:
                    self._expire(timed)
