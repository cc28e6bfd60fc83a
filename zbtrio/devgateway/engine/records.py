"""The log: what was asked of the engine, what happened, what was refused, as Zeebe writes it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Literal, TypeAlias

import attrs

RecordType: TypeAlias = Literal["COMMAND", "EVENT", "COMMAND_REJECTION"]
RecordValue: TypeAlias = Mapping[str, object]

# Kept as bare tuples, which cost a quarter of an object and nothing in garbage collection: the log
# is written some seventy times for an instance of three jobs and seldom read.
_Entry: TypeAlias = tuple[int, int, RecordType, str, str, int, RecordValue, str]


@attrs.frozen(repr=False)
class Record:
    """One entry of the log.

    Args:
        position: counts from 1.
        timestamp: epoch milliseconds.
        record_type: COMMAND, EVENT or COMMAND_REJECTION.
        value_type: Zeebe's name of what the record is about, such as PROCESS_INSTANCE or JOB.
        intent: what is to happen or has happened, such as ELEMENT_ACTIVATED.
        key: of the thing that the record is about; -1 where it has none yet.
        value: the rest, under Zeebe's names; never changed afterwards.
        rejection: why a command was refused, as `TYPE: reason`; else an empty text.
    """

    position: int
    timestamp: int
    record_type: RecordType
    value_type: str
    intent: str
    key: int
    value: RecordValue
    rejection: str = ""

    def __repr__(self) -> str:
        what = self.value.get("elementId", "")
        return f"<{self.position} {self.record_type} {self.value_type} {self.intent} {what}>"


class RecordLog:
    """An append-only log in memory.

    Args:
        limit: how many records are kept; the oldest go first. None keeps all.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._entries: deque[_Entry] = deque(maxlen=limit)
        self._position = 0
        self.time = 0
        """Epoch milliseconds, given to each record."""
        self.on_record: Callable[[Record], None] | None = None
        """Called with each record as it is written."""

    @property
    def position(self) -> int:
        """The position of the newest record; 0 when there is none."""
        return self._position

    def since(self, position: int = 0) -> list[Record]:
        """The records after a position that are still kept, oldest first."""
        new = min(self._position - position, len(self._entries))
        newest = islice(reversed(self._entries), max(0, new))
        return [Record(*entry) for entry in newest][::-1]

    def command(self, value_type: str, intent: str, key: int, value: RecordValue) -> None:
        """Note what is asked."""
        self._append("COMMAND", value_type, intent, key, value, "")

    def event(self, value_type: str, intent: str, key: int, value: RecordValue) -> None:
        """Note what has happened."""
        self._append("EVENT", value_type, intent, key, value, "")

    def rejection(
        self, value_type: str, intent: str, key: int, value: RecordValue, reason: str
    ) -> None:
        """Note a command that was refused, for a reason given as `TYPE: text`."""
        self._append("COMMAND_REJECTION", value_type, intent, key, value, reason)

    def _append(
        self,
        record_type: RecordType,
        value_type: str,
        intent: str,
        key: int,
        value: RecordValue,
        reason: str,
    ) -> None:
        self._position += 1
        entry = (self._position, self.time, record_type, value_type, intent, key, value, reason)
        self._entries.append(entry)
        if self.on_record is not None:
            self.on_record(Record(*entry))
