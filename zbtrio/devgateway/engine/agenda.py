"""What is due when: a heap of instants, so that nothing ticks while nothing is due."""

from __future__ import annotations

import heapq
from collections.abc import Callable

_SPARE = 1000  # cancelled entries that are kept before the heap is cleaned


class Entry:
    """Something that is due at an instant; cancelled by `Agenda.cancel`."""

    __slots__ = ("action", "due")

    def __init__(self, due: int, action: Callable[[], None]) -> None:
        self.due = due
        self.action: Callable[[], None] | None = action


class Agenda:
    """Entries by instant; those of one instant in the order in which they were added."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Entry]] = []
        self._count = 0
        self._cancelled = 0

    def add(self, due: int, action: Callable[[], None]) -> Entry:
        """Have the action called once the instant (epoch ms) has come."""
        entry = Entry(due, action)
        self._count += 1
        heapq.heappush(self._heap, (due, self._count, entry))
        return entry

    def cancel(self, entry: Entry | None) -> None:
        """Take an entry back, if there is one and it is still to come."""
        if entry is None or entry.action is None:
            return
        entry.action = None
        self._cancelled += 1
        if self._cancelled > _SPARE and self._cancelled * 2 > len(self._heap):
            self._heap = [item for item in self._heap if item[2].action is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def next_due(self) -> int | None:
        """The earliest instant; None when nothing is due ever."""
        while self._heap and self._heap[0][2].action is None:
            heapq.heappop(self._heap)
            self._cancelled -= 1
        return self._heap[0][0] if self._heap else None

    def take(self, now: int) -> Callable[[], None] | None:
        """The action of the earliest entry that is due by now, taken off."""
        due = self.next_due()
        if due is None or due > now:
            return None
        entry = heapq.heappop(self._heap)[2]
        action, entry.action = entry.action, None
        return action
