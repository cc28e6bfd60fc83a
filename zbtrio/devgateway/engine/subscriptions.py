"""What an element instance listens to: opened when it begins to wait, closed when it stops."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from .evaluation import EvaluationError
from .failure import Failure
from .model.elements import Element
from .state import ElementInstance
from .variables import ScopeView
from .waiting import MessageSubscription, SignalSubscription, Timer, Waiting

if TYPE_CHECKING:
    from .core import Core


class Subscriptions:
    """Opens and closes timers, messages and signals of element instances."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def open(self, instance: ElementInstance, events: Iterable[Element]) -> None:
        """Listen to events; all or none, raises Failure when an expression of one fails."""
        try:
            opened = [self._prepare(instance, event) for event in sorted(events, key=_order)]
        except EvaluationError as error:
            raise Failure("EXTRACT_VALUE_ERROR", str(error)) from None
        for open_one in opened:
            open_one()

    def _prepare(self, instance: ElementInstance, event: Element) -> Callable[[], None]:
        """Evaluate what an event needs to be listened to."""
        core, evaluator = self._core, self._core.evaluator
        scope = instance.around if event.attached_to is not None else instance
        variables = ScopeView(scope)
        if event.timer is not None:
            timer = evaluator.timer(event.timer, ScopeView(instance), core.time)
            return lambda: core.timers.open(instance, event, *timer)
        if event.message is not None and event.message.key is not None:
            name = evaluator.string(event.message.name, variables)
            key = evaluator.correlation_key(event.message.key, variables)
            return lambda: core.messages.open(instance, event, name, key)
        if event.signal is not None:
            signal = evaluator.string(event.signal, variables)
            return lambda: core.signals.open(instance, event, signal)
        return _nothing  # errors and escalations are looked for when they are thrown

    def close(self, instance: ElementInstance) -> None:
        """Listen to nothing any more."""
        if instance.waits:
            waits, instance.waits = instance.waits, []
            self._close(waits)

    def close_events(self, instance: ElementInstance, events: list[Element]) -> None:
        """No longer listen to these events."""
        self._close([each for each in instance.waits if each.element in events])
        instance.waits = [each for each in instance.waits if each.element not in events]

    def _close(self, waits: list[Waiting]) -> None:
        """Timers before messages before signals."""
        for timer in waits:
            if isinstance(timer, Timer):
                self._core.timers.cancel(timer)
        for message in waits:
            if isinstance(message, MessageSubscription):
                self._core.messages.close(message)
        for signal in waits:
            if isinstance(signal, SignalSubscription):
                self._core.signals.close(signal)


def _order(event: Element) -> int:
    """Messages before timers before signals."""
    return 0 if event.message is not None else 1 if event.timer is not None else 2


def _nothing() -> None:
    pass
