"""Execution listeners: jobs before and after an element's own work, one after another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .documents import Document
from .evaluation import EvaluationError
from .failure import Failure
from .state import ACTIVATING, ElementInstance, Trigger
from .variables import ScopeView

if TYPE_CHECKING:
    from .core import Core


class Listeners:
    """Runs the listeners of an instance's present phase."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def begin(self, instance: ElementInstance, event: str) -> None:
        """Run the listeners of an event, START or END, from the first."""
        instance.listener = 0
        self._next(instance, event)

    def _next(self, instance: ElementInstance, event: str) -> None:
        element = instance.element
        listeners = element.start_listeners if event == "START" else element.end_listeners
        if instance.listener == len(listeners):
            self._through(instance, event)
            return
        listener, variables = listeners[instance.listener], ScopeView(instance)
        evaluator = self._core.evaluator
        try:
            type = evaluator.string(listener.type, variables)
            retries = evaluator.number(listener.retries, variables)
        except EvaluationError as error:
            failure = Failure("EXTRACT_VALUE_ERROR", str(error))
            retry = lambda: self._next(instance, event)  # noqa: E731 - once more
            self._core.incidents.raise_on(instance, failure, retry)
            return
        self._core.jobs.create(instance, type, retries, {}, event)

    def completed(self, instance: ElementInstance, variables: Document) -> None:
        """A listener's job is done."""
        event = "START" if instance.state == ACTIVATING else "END"
        trigger = self._core.events.note(instance, instance.element, variables)
        self._core.queue(
            "PROCESS_INSTANCE",
            "COMPLETE_EXECUTION_LISTENER",
            instance.key,
            instance.value,
            self._go_on,
            instance,
            event,
            trigger,
        )

    def _go_on(self, instance: ElementInstance, event: str, trigger: Trigger) -> None:
        if instance.is_ending:
            return
        if event == "START":
            self._core.variables.merge_local(instance, trigger.variables)
        else:
            self._core.variables.merge(instance.variable_scope, trigger.variables)
        self._core.events.taken(trigger, instance)
        instance.listener += 1
        self._next(instance, event)

    def _through(self, instance: ElementInstance, event: str) -> None:
        if event == "START":
            self._core.lifecycle.activate_after_listeners(instance)
        else:
            self._core.lifecycle.complete_after_listeners(instance)
