"""Processes that messages start: one instance at a time for a process and correlation key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from .model.elements import Element
from .state import DEFAULT_TENANT, Definition, ProcessInstance
from .waiting import Message

if TYPE_CHECKING:
    from .core import Core
    from .messages import Messages

_VALUE_TYPE = "MESSAGE_START_EVENT_SUBSCRIPTION"


@attrs.define(eq=False)
class _Start:
    key: int
    name: str
    definition: Definition
    element: Element

    def value(self, message: Message | None = None) -> dict[str, object]:
        return {
            "messageName": self.name,
            "startEventId": self.element.id,
            "processDefinitionKey": self.definition.key,
            "bpmnProcessId": self.definition.id,
            "messageKey": message.key if message else -1,
            "correlationKey": message.correlation_key if message else "",
            "variables": message.variables if message else {},
            "tenantId": DEFAULT_TENANT,
        }


class MessageStarts:
    """The message start events of the newest versions."""

    def __init__(self, core: Core, messages: Messages) -> None:
        self._core = core
        self._messages = messages
        self._starts: dict[str, list[_Start]] = {}
        self._running: set[tuple[str, str]] = set()

    def open(self, definition: Definition, element: Element, name: str) -> None:
        """Messages of a name start instances of a process."""
        start = _Start(self._core.next_key(), name, definition, element)
        self._starts.setdefault(name, []).append(start)
        self._core.log.event(_VALUE_TYPE, "CREATED", start.key, start.value())

    def close(self, definition: Definition) -> None:
        """Messages no longer start instances of a process."""
        for name, starts in list(self._starts.items()):
            for start in [each for each in starts if each.definition is definition]:
                starts.remove(start)
                self._core.log.event(_VALUE_TYPE, "DELETED", start.key, start.value())
            if not starts:
                del self._starts[name]

    def correlate(self, message: Message) -> None:
        """Start what a message starts."""
        for start in self._starts.get(message.name, ()):
            self._correlate(start, message)

    def _correlate(self, start: _Start, message: Message) -> bool:
        process = start.definition.id
        if process in message.correlated or (process, message.correlation_key) in self._running:
            return False
        message.correlated.add(process)
        self._core.log.event(_VALUE_TYPE, "CORRELATED", start.key, start.value(message))
        instance = self._core.definitions.start_by_event(
            start.definition, start.element, message.variables
        )
        if message.correlation_key:
            instance.correlation_key = message.correlation_key
            self._running.add((process, message.correlation_key))
        return True

    def ended(self, instance: ProcessInstance) -> None:
        """An instance has ended: the next message with its correlation key may start another."""
        key = instance.correlation_key
        if not key:
            return
        process = instance.definition.id
        self._running.discard((process, key))
        for starts in list(self._starts.values()):
            for start in starts:
                if start.definition.id == process and self._next(start, key):
                    return

    def _next(self, start: _Start, key: str) -> bool:
        kept = self._messages.kept(start.name, key)
        return any(
            message.deadline > self._core.time and self._correlate(start, message)
            for message in kept
        )
