"""Processes and subprocesses: they start what is in them, and end when nothing runs any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zbtrio.devgateway.engine.state import TERMINATING, ElementInstance

from .base import Behaviour

if TYPE_CHECKING:
    from zbtrio.devgateway.engine.model.elements import Element


class Container(Behaviour):
    """Anything with elements in it."""

    def path_ended(self, scope: ElementInstance, child: ElementInstance) -> None:
        if not scope.children and not scope.active_flows and scope.is_active:
            self.core.lifecycle.complete(scope)

    def child_terminated(self, scope: ElementInstance, child: ElementInstance) -> None:
        if scope.children:
            return
        if scope.state == TERMINATING:
            self.core.lifecycle.terminated(scope)
        elif not self.core.events.go_on_if_empty(scope) and scope.interrupted_by is not None:
            self.core.lifecycle.complete(scope)  # a terminate end event has ended all else

    def terminate(self, instance: ElementInstance) -> None:
        self.core.jobs.cancel(instance)
        self.core.subscriptions.close(instance)
        if not self.core.lifecycle.terminate_children(instance):
            self.core.lifecycle.terminated(instance)

    def complete(self, instance: ElementInstance) -> None:
        self.map_outputs(instance)
        self.core.subscriptions.close(instance)


class Subprocess(Container):
    """An embedded subprocess."""

    def activate(self, instance: ElementInstance) -> None:
        self.map_inputs(instance)

    def activated(self, instance: ElementInstance) -> None:
        self.core.lifecycle.activated(instance)
        self.core.lifecycle.activate(_start_of(instance.element), instance)

    def completed(self, instance: ElementInstance) -> None:
        self.finish_activity(instance)


class EventSubprocess(Container):
    """A subprocess that an event has started; the event is taken in by its start event."""

    def activate(self, instance: ElementInstance) -> None:
        self.map_inputs(instance)

    def activated(self, instance: ElementInstance) -> None:
        self.core.lifecycle.activated(instance)
        trigger = instance.triggers.pop(0) if instance.triggers else None
        start = trigger.element if trigger else instance.element.starts[0]
        self.core.lifecycle.activate(start, instance, trigger=trigger)


class Process(Container):
    """A process instance."""

    def activated(self, instance: ElementInstance) -> None:
        self.core.lifecycle.activated(instance)
        if instance.triggers:
            self.core.events.activate(instance.triggers.pop(0), instance)
        elif instance.start_elements is not None:
            self.core.subscriptions.open(instance, instance.element.event_starts)
            self.core.placement.begin(instance, instance.start_elements)
        else:
            self.core.lifecycle.activate(_start_of(instance.element), instance)

    def complete(self, instance: ElementInstance) -> None:
        self.core.subscriptions.close(instance)

    def completed(self, instance: ElementInstance) -> None:
        document = self.core.variables.local_document(instance)
        self.core.compensation.forget(instance)
        self.core.lifecycle.completed_alone(instance)
        self.core.definitions.ended(instance)
        if instance.on_result is not None:
            wanted = instance.fetch
            instance.on_result({n: v for n, v in document.items() if not wanted or n in wanted})
        if instance.caller is not None:
            self.core.events.call_returned(instance.caller, document)

    def terminated(self, instance: ElementInstance) -> None:
        self.core.compensation.forget(instance)
        self.core.definitions.ended(instance)
        caller = instance.caller
        if caller is not None and caller.state == TERMINATING:
            self.core.lifecycle.terminated(caller)


def _start_of(element: Element) -> Element:
    start = element.none_start
    assert start is not None  # checked when an instance is created
    return start
