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
        trigger, instance.trigger = instance.trigger, None
        start = trigger.element if trigger else instance.element.starts[0]
        self.core.lifecycle.activate(start, instance, trigger=trigger)


class Process(Container):
    """A process instance."""

    def activated(self, instance: ElementInstance) -> None:
        root = instance.root
        self.core.lifecycle.activated(root)
        trigger, root.trigger = root.trigger, None
        if trigger is not None:
            self.core.events.activate(trigger, root)
        elif root.start_elements is not None:
            self.core.subscriptions.open(root, root.element.event_starts)
            self.core.placement.begin(root, root.start_elements)
        else:
            self.core.lifecycle.activate(_start_of(root.element), root)

    def complete(self, instance: ElementInstance) -> None:
        self.core.subscriptions.close(instance)

    def completed(self, instance: ElementInstance) -> None:
        root = instance.root
        document = self.core.variables.local_document(root)
        self.core.compensation.forget(root)
        self.core.lifecycle.completed_alone(root)
        self.core.definitions.ended(root)
        if root.on_result is not None:
            root.on_result(document)
        if root.caller is not None:
            self.core.events.call_returned(root.caller, document)

    def terminated(self, instance: ElementInstance) -> None:
        root = instance.root
        self.core.compensation.forget(root)
        self.core.definitions.ended(root)
        if root.caller is not None and root.caller.state == TERMINATING:
            self.core.follow(self.core.lifecycle.terminated, root.caller)  # calls may nest deeply


def _start_of(element: Element) -> Element:
    start = element.none_start
    assert start is not None  # checked when an instance is created
    return start
