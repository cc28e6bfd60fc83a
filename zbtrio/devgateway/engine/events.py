"""What an event sets off: in the element that waits for it, at its boundary, or in its scope.

An event that has come is a trigger. It waits at the instance that listened for it until the step
that takes it in: the completion of that instance, the boundary event in its place, or the event
subprocess in its scope. Errors and escalations look for the nearest scope that catches them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeAlias

import attrs

from .documents import Document
from .failure import Failure
from .model.elements import Code, Element
from .state import ACTIVATED, ACTIVATING, DEFAULT_TENANT, Definition, ElementInstance, Trigger

if TYPE_CHECKING:
    from .core import Core

Caught: TypeAlias = tuple[ElementInstance, Element]


@attrs.frozen
class Catcher:
    """The event that catches an error, or the codes that would have been caught."""

    found: Caught | None
    codes: list[str]

    def failure(self, code: str, message: str) -> Failure:
        """The incident of an error that nobody catches."""
        told = f" with message '{message}'" if message else ""
        text = f"Expected to throw an error event with the code '{code}'{told}, but it was not"
        if self.codes:
            known = f"Available error events are [{', '.join(self.codes)}]"
        else:
            known = "No error events are available in the scope."
        return Failure("UNHANDLED_ERROR_EVENT", f"{text} caught. {known}")


class Events:
    """Brings events to where they are caught."""

    def __init__(self, core: Core) -> None:
        self._core = core

    # -- triggers

    def can_trigger(self, instance: ElementInstance, event: Element) -> bool:
        """Whether an instance still takes in an event that it listens to."""
        if not instance.is_active or instance.interruption is not None or instance.trigger:
            return False
        return instance.interrupted_by is None or event.attached_to is not None

    def work_done(self, instance: ElementInstance, variables: Document) -> None:
        """What an element waited for as its own work has come."""
        self.note_work(instance, variables)
        self._core.lifecycle.complete(instance)

    def note_work(self, instance: ElementInstance, variables: Document) -> None:
        """Write down what an element's own work came to."""
        instance.trigger = self.note(instance, instance.element, variables)

    def call_returned(self, call: ElementInstance, variables: Document) -> None:
        """The process that a call activity called has completed with these variables."""
        called, outputs = call.element.call, call.element.outputs
        if outputs is not None or (called is not None and called.child_variables):
            call.trigger = Trigger(call.key, call.element, variables)
        self._core.lifecycle.complete(call)

    def trigger(self, instance: ElementInstance, event: Element, variables: Document) -> None:
        """An event that an instance listens to has happened."""
        trigger = self.note(instance, event, variables)
        if event.starts_event_subprocess:
            self._start_subprocess(instance, event, trigger)
        elif event.attached_to is not None:
            self._leave(instance, event, trigger)
        else:
            instance.trigger = trigger
            self._core.lifecycle.complete(instance)

    def _leave(self, instance: ElementInstance, event: Element, trigger: Trigger) -> None:
        if event.interrupting:
            instance.interruption = trigger
            self._core.lifecycle.terminate(instance)
        else:
            self.activate(trigger, instance.around)

    def _start_subprocess(self, scope: ElementInstance, event: Element, trigger: Trigger) -> None:
        if not event.interrupting:
            self._core.lifecycle.activate(event.scope, scope, trigger=trigger)
            return
        scope.interrupted_by = event.scope
        scope.interruption = trigger
        scope.active_flows = 0
        scope.taken.clear()
        self._core.subscriptions.close_events(scope, scope.element.event_starts)
        for child in list(scope.children.values()):
            self._core.lifecycle.terminate(child)
        self.go_on_if_empty(scope)

    def go_on_if_empty(self, scope: ElementInstance) -> bool:
        """Start the event subprocess that interrupted a scope, once nothing else runs in it."""
        trigger = scope.interruption
        if scope.interrupted_by is None or trigger is None or scope.children:
            return False
        scope.interruption = None
        self._core.lifecycle.activate(scope.interrupted_by, scope, trigger=trigger)
        return True

    def activate(self, trigger: Trigger, scope: ElementInstance) -> None:
        """Begin the event of a trigger: of a boundary, behind a gateway, or starting a process."""
        lifecycle, event = self._core.lifecycle, trigger.element
        instance = lifecycle.new_instance(event, scope)
        lifecycle.attach(instance)
        self.taken(trigger, scope)
        lifecycle.event(instance, ACTIVATING)
        lifecycle.event(instance, ACTIVATED)
        self._core.variables.merge_local(instance, trigger.variables)
        if event.error is None:
            instance.carried = trigger.variables
        lifecycle.complete(instance)

    def note(self, instance: ElementInstance, event: Element, variables: Document) -> Trigger:
        """Write down that an event has come."""
        trigger = Trigger(self._core.next_key(), event, variables)
        self._record("TRIGGERING", trigger, instance.key, instance)
        return trigger

    def note_start(
        self, trigger: Trigger, definition: Definition, instance: ElementInstance
    ) -> None:
        """Write down that an event starts a process."""
        self._record("TRIGGERING", trigger, definition.key, instance)

    def taken(self, trigger: Trigger, instance: ElementInstance) -> None:
        """Write down that an event was taken in."""
        self._record("TRIGGERED", trigger, instance.key, instance)

    def _record(self, intent: str, trigger: Trigger, scope: int, instance: ElementInstance) -> None:
        value = {
            "scopeKey": scope,
            "targetElementId": trigger.element.id,
            "variables": trigger.variables if intent == "TRIGGERING" else {},
            "processInstanceKey": instance.root.key,
            "processDefinitionKey": instance.definition.key,
            "tenantId": DEFAULT_TENANT,
        }
        self._core.log.event("PROCESS_EVENT", intent, trigger.key, value)

    # -- errors and escalations

    def find_error(self, instance: ElementInstance, code: str) -> Catcher:
        """The nearest event that catches an error thrown by an instance."""
        codes: list[str] = []
        for scope in _scopes(instance):
            if found := _find(scope, code, lambda event: event.error, codes):
                return Catcher((scope, found), codes)
        return Catcher(None, codes)

    def find_escalation(self, instance: ElementInstance, code: str) -> Caught | None:
        """The nearest event that catches an escalation thrown by an instance."""
        for scope in _scopes(instance):
            if found := _find(scope, code, lambda event: event.escalation, []):
                return scope, found
        return None


def _scopes(instance: ElementInstance) -> Iterator[ElementInstance]:
    """The instance and those around it, through call activities; not those interrupted already."""
    scope: ElementInstance | None = instance
    while scope is not None:
        if not scope.is_ending and scope.interrupted_by is None:
            yield scope
        scope = scope.scope or scope.root.caller


def _find(
    scope: ElementInstance, code: str, part: Callable[[Element], Code | None], codes: list[str]
) -> Element | None:
    """The event of a scope that catches a code: by that code, else by none."""
    element = scope.element
    any_code: Element | None = None
    for event in (*element.event_starts, *element.boundaries):
        caught = part(event)
        if caught is None:
            continue
        if caught.text is None:
            any_code = any_code or event
        elif caught.text == code:
            return event
        else:
            codes.append(caught.text)
    return any_code
