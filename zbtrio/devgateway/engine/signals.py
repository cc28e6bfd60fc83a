"""Signals: broadcast to everything that waits for their name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .documents import Document
from .model.elements import Element
from .state import DEFAULT_TENANT, Definition, ElementInstance
from .waiting import SignalSubscription

if TYPE_CHECKING:
    from .core import Core


class Signals:
    """Who waits for which signal."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._by_name: dict[str, list[SignalSubscription]] = {}
        self._starts: dict[int, list[SignalSubscription]] = {}

    def open(self, instance: ElementInstance, event: Element, name: str) -> None:
        """An element instance waits for a signal."""
        subscription = self._create(name, event, instance.definition, instance)
        instance.waits.append(subscription)

    def open_start(self, definition: Definition, event: Element, name: str) -> None:
        """A signal starts instances of a process."""
        subscription = self._create(name, event, definition, None)
        self._starts.setdefault(definition.key, []).append(subscription)

    def close_starts(self, definition: Definition) -> None:
        """A process is no longer started by signals."""
        for subscription in self._starts.pop(definition.key, ()):
            self.close(subscription)

    def _create(
        self, name: str, event: Element, definition: Definition, instance: ElementInstance | None
    ) -> SignalSubscription:
        key = self._core.next_key()
        subscription = SignalSubscription(key, name, event, definition, instance)
        self._by_name.setdefault(name, []).append(subscription)
        self._core.log.event("SIGNAL_SUBSCRIPTION", "CREATED", key, subscription.value())
        return subscription

    def close(self, subscription: SignalSubscription) -> None:
        """Nobody waits for it here any more."""
        self._core.log.event(
            "SIGNAL_SUBSCRIPTION", "DELETED", subscription.key, subscription.value()
        )
        waiting = self._by_name[subscription.name]
        waiting.remove(subscription)
        if not waiting:
            del self._by_name[subscription.name]

    def throw(self, instance: ElementInstance, name: str, variables: Document) -> None:
        """An element broadcasts a signal, in a step of its own."""
        value = _value(name, variables)
        self._core.queue("SIGNAL", "BROADCAST", -1, value, self._broadcast, name, variables)

    def _broadcast(self, name: str, variables: Document) -> None:
        self.broadcast(name, variables)

    def broadcast(self, name: str, variables: Document) -> int:
        """Reach everything that waits for a signal; returns the signal's key."""
        key = self._core.next_key()
        self._core.log.event("SIGNAL", "BROADCASTED", key, _value(name, variables))
        for subscription in sorted(self._by_name.get(name, ()), key=lambda each: each.order):
            instance, event = subscription.instance, subscription.element
            if instance is None:
                self._core.definitions.start_by_event(subscription.definition, event, variables)
            elif self._core.events.can_trigger(instance, event):
                self._core.events.trigger(instance, event, variables)
        return key


def _value(name: str, variables: Document) -> Document:
    return {"signalName": name, "variables": variables, "tenantId": DEFAULT_TENANT}
