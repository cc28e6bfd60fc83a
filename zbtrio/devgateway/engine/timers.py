"""Timers of element instances, and those that start processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .model.elements import Element
from .state import Definition, ElementInstance
from .times import INFINITE, Cycle
from .waiting import Timer

if TYPE_CHECKING:
    from .core import Core


class Timers:
    """Puts timers on the agenda, and triggers their events when they are due."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._starts: dict[int, list[Timer]] = {}

    def open(self, instance: ElementInstance, event: Element, due: int, cycle: Cycle) -> None:
        """A timer of an element instance."""
        timer = self._create(event, due, cycle, cycle.repetitions, instance.definition, instance)
        instance.waits.append(timer)

    def open_start(self, definition: Definition, event: Element, due: int, cycle: Cycle) -> None:
        """A timer that starts instances of a process."""
        timer = self._create(event, due, cycle, cycle.repetitions, definition, None)
        self._starts.setdefault(definition.key, []).append(timer)

    def close_starts(self, definition: Definition) -> None:
        """A process is no longer started by its timers."""
        for timer in self._starts.pop(definition.key, ()):
            self.cancel(timer)

    def _create(
        self,
        event: Element,
        due: int,
        cycle: Cycle,
        repetitions: int,
        definition: Definition,
        instance: ElementInstance | None,
    ) -> Timer:
        key = self._core.next_key()
        timer = Timer(key, event, due, cycle, repetitions, definition, instance)
        self._core.log.event("TIMER", "CREATED", key, timer.value())
        timer.entry = self._core.agenda.add(due, lambda: self._trigger(timer))
        return timer

    def cancel(self, timer: Timer) -> None:
        """A timer whose event is not awaited any more."""
        self._core.agenda.cancel(timer.entry)
        self._core.log.event("TIMER", "CANCELED", timer.key, timer.value())

    def _trigger(self, timer: Timer) -> None:
        log, instance = self._core.log, timer.instance
        log.command("TIMER", "TRIGGER", timer.key, timer.value())
        if instance is not None and not self._core.events.can_trigger(instance, timer.element):
            reason = f"INVALID_STATE: Expected element instance '{instance.key}' to be active"
            log.rejection("TIMER", "TRIGGER", timer.key, timer.value(), reason)
            return
        log.event("TIMER", "TRIGGERED", timer.key, timer.value())
        if instance is not None:
            instance.waits.remove(timer)
            self._core.events.trigger(instance, timer.element, {})
        else:
            self._starts[timer.definition.key].remove(timer)
            self._core.definitions.start_by_event(timer.definition, timer.element, {})
        self._repeat(timer)

    def _repeat(self, timer: Timer) -> None:
        left = timer.repetitions
        if left != INFINITE and left <= 1:
            return
        repetitions = left if left == INFINITE else left - 1
        due = timer.cycle.due_after(timer.due, self._core.time)
        again = self._create(
            timer.element, due, timer.cycle, repetitions, timer.definition, timer.instance
        )
        if timer.instance is not None:
            timer.instance.waits.append(again)
        else:
            self._starts[timer.definition.key].append(again)
