"""The life of an element instance: activating, activated, completing, completed, or terminated.

A step of a life is a command in the queue. What happens in a step is the element's behaviour; what
the steps are, and that flows are taken and scopes end, is here. A step that fails leaves an
incident and is done again from the start once that is resolved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from .failure import Failure
from .model.elements import Element, Flow
from .state import (
    ACTIVATED,
    ACTIVATING,
    COMPLETED,
    COMPLETING,
    TERMINATED,
    TERMINATING,
    ElementInstance,
    Trigger,
)
from .values import element_value, flow_value

if TYPE_CHECKING:
    from .behaviours.base import Behaviour
    from .core import Core

_GATEWAY = "Expected to be able to activate parallel gateway '{}', but not all sequence flows"


class Lifecycle:
    """Begins, completes and terminates element instances."""

    def __init__(self, core: Core, behaviours: Mapping[str, Behaviour]) -> None:
        self._core = core
        self._behaviours = behaviours

    def behaviour(self, element: Element) -> Behaviour:
        """What elements of its type do."""
        return self._behaviours[element.type]

    # -- beginning

    def activate(
        self,
        element: Element,
        scope: ElementInstance,
        *,
        trigger: Trigger | None = None,
        counter: int = 0,
        flow: bool = False,
    ) -> int:
        """Have an element begin in a scope; returns the key that its instance will have.

        Args:
            trigger: the event that sets it off.
            counter: its place in a loop, from 1.
            flow: whether a sequence flow leads to it.
        """
        instance = self.new_instance(element, scope)
        instance.loop_counter = counter
        if trigger is not None:
            instance.trigger = trigger
        self.activate_instance(instance, flow=flow)
        return instance.key

    def activate_instance(self, instance: ElementInstance, *, flow: bool = False) -> None:
        """Have an instance begin in its scope."""
        self._core.queue(
            "PROCESS_INSTANCE",
            "ACTIVATE_ELEMENT",
            instance.key,
            instance.value,
            self._begin,
            instance,
            flow,
        )

    def new_instance(self, element: Element, scope: ElementInstance) -> ElementInstance:
        """An instance that has not begun."""
        value = element_value(element, scope)
        return ElementInstance(self._core.next_key(), element, scope.definition, scope, value)

    def start(self, instance: ElementInstance) -> None:
        """Have a process instance begin."""
        self._core.instances[instance.key] = instance
        instance.definition.instances += 1
        self._core.queue(
            "PROCESS_INSTANCE",
            "ACTIVATE_ELEMENT",
            instance.key,
            instance.value,
            self._begin_process,
            instance,
        )

    def _begin_process(self, instance: ElementInstance) -> None:
        if not instance.is_ending:
            self.event(instance, ACTIVATING)
            self.activating(instance)

    def _begin(self, instance: ElementInstance, flow: bool) -> None:
        scope, element = instance.around, instance.element
        if reason := self._cannot_begin(element, scope):
            self._core.log.rejection(
                "PROCESS_INSTANCE", "ACTIVATE_ELEMENT", instance.key, instance.value, reason
            )
            return
        self.attach(instance)
        if flow:
            _consume_flows(element, scope)
        self.event(instance, ACTIVATING)
        self.activating(instance)

    def _cannot_begin(self, element: Element, scope: ElementInstance) -> str:
        if not scope.is_active:
            return f"INVALID_STATE: Expected flow scope instance '{scope.key}' to be active"
        if scope.interrupted_by is not None and scope.interrupted_by is not element:
            return f"INVALID_STATE: Expected flow scope '{scope.key}' not to be interrupted"
        if element.type == "PARALLEL_GATEWAY" and not all(
            scope.taken.get(flow.id) for flow in element.incoming
        ):
            return f"INVALID_STATE: {_GATEWAY.format(element.id)} have been taken."
        return ""

    def attach(self, instance: ElementInstance) -> None:
        """Make an instance known, and a child of its scope."""
        self._core.instances[instance.key] = instance
        instance.around.children[instance.key] = instance

    def activating(self, instance: ElementInstance) -> None:
        """The first step: input mappings and what the element needs before its own work."""
        self._guard(instance, self._activate)

    def _activate(self, instance: ElementInstance) -> None:
        if instance.scope is not None:
            self.behaviour(instance.scope.element).child_activating(instance.scope, instance)
        behaviour = self.behaviour(instance.element)
        behaviour.activate(instance)
        if instance.element.start_listeners:
            self._core.listeners.begin(instance, "START")
        else:
            behaviour.activated(instance)

    def activate_after_listeners(self, instance: ElementInstance) -> None:
        """The start listeners are through."""
        self._guard(instance, self.behaviour(instance.element).activated)

    def activated(self, instance: ElementInstance) -> None:
        """It is at its own work from now on."""
        self.event(instance, ACTIVATED)

    # -- completing

    def complete(self, instance: ElementInstance) -> None:
        """Have an instance complete, in a step of its own."""
        self._core.queue(
            "PROCESS_INSTANCE",
            "COMPLETE_ELEMENT",
            instance.key,
            instance.value,
            self._complete,
            instance,
        )

    def _complete(self, instance: ElementInstance) -> None:
        if not instance.is_active:
            reason = f"INVALID_STATE: Expected element instance to be in state '{ACTIVATED}'"
            self._core.log.rejection(
                "PROCESS_INSTANCE", "COMPLETE_ELEMENT", instance.key, instance.value, reason
            )
            return
        self.completing(instance)

    def completing(self, instance: ElementInstance) -> None:
        """Its own work is done: output mappings, then the flows onwards."""
        self.event(instance, COMPLETING)
        self._guard(instance, self._complete_own)

    def _complete_own(self, instance: ElementInstance) -> None:
        behaviour = self.behaviour(instance.element)
        behaviour.complete(instance)
        if instance.element.end_listeners:
            self._core.listeners.begin(instance, "END")
        else:
            self._finish(instance)

    def complete_after_listeners(self, instance: ElementInstance) -> None:
        """The end listeners are through."""
        self._guard(instance, self._finish)

    def _finish(self, instance: ElementInstance) -> None:
        if instance.scope is not None:
            scope = instance.scope
            self.behaviour(scope.element).child_completing(scope, instance)
        self.behaviour(instance.element).completed(instance)

    def completed(self, instance: ElementInstance) -> None:
        """It has ended; the flows behind it are taken, or its path ends here."""
        scope, element = instance.around, instance.element
        self.completed_alone(instance)
        for flow in element.outgoing:
            self.take(flow, scope)
        if not element.outgoing:
            self.behaviour(scope.element).path_ended(scope, instance)

    def pass_through(self, instance: ElementInstance, flows: list[Flow]) -> None:
        """A gateway completes in the step in which it began, and takes these flows."""
        scope = instance.around
        self.event(instance, COMPLETING)
        self.completed_alone(instance)
        for flow in flows:
            self.take(flow, scope)
        if not flows:
            self.behaviour(scope.element).path_ended(scope, instance)

    def completed_alone(self, instance: ElementInstance) -> None:
        """It has ended; what follows is the behaviour's affair."""
        self.event(instance, COMPLETED)
        self.detach(instance)

    def completed_by_link(self, instance: ElementInstance, link: Element) -> None:
        """It has ended, and goes on at the other side of a link."""
        scope = instance.around
        self.completed_alone(instance)
        scope.active_flows += 1
        self.activate(link, scope, flow=True)

    def completed_by_terminating(self, instance: ElementInstance) -> None:
        """It has ended, and with it all else in its scope."""
        scope = instance.around
        self.completed_alone(instance)
        scope.interrupted_by = instance.element
        scope.active_flows = 0
        scope.taken.clear()
        if not self.terminate_children(scope):
            self.behaviour(scope.element).path_ended(scope, instance)

    def take(self, flow: Flow, scope: ElementInstance) -> None:
        """A token goes along a sequence flow."""
        value = flow_value(flow, scope)
        self._core.log.event(
            "PROCESS_INSTANCE", "SEQUENCE_FLOW_TAKEN", self._core.next_key(), value
        )
        scope.active_flows += 1
        if flow.target.type == "PARALLEL_GATEWAY":
            scope.taken[flow.id] = scope.taken.get(flow.id, 0) + 1
        self.activate(flow.target, scope, flow=True)

    # -- terminating

    def terminate(self, instance: ElementInstance) -> None:
        """Have an instance end by force, in a step of its own."""
        self._core.queue(
            "PROCESS_INSTANCE",
            "TERMINATE_ELEMENT",
            instance.key,
            instance.value,
            self._terminate,
            instance,
        )

    def _terminate(self, instance: ElementInstance) -> None:
        if instance.is_ending:
            reason = "INVALID_STATE: Expected element instance not to be terminating"
            self._core.log.rejection(
                "PROCESS_INSTANCE", "TERMINATE_ELEMENT", instance.key, instance.value, reason
            )
            return
        self.event(instance, TERMINATING)
        self.behaviour(instance.element).terminate(instance)

    def terminate_children(self, scope: ElementInstance) -> bool:
        """Have all that runs in a scope end by force; says whether anything does."""
        if not scope.children:
            return False
        value = {"batchElementInstanceKey": scope.key, "processInstanceKey": scope.root.key}
        self._core.queue(
            "PROCESS_INSTANCE_BATCH",
            "TERMINATE",
            self._core.next_key(),
            value,
            self._terminate_batch,
            scope,
        )
        return True

    def _terminate_batch(self, scope: ElementInstance) -> None:
        for child in list(scope.children.values()):
            self.terminate(child)

    def terminated(self, instance: ElementInstance) -> None:
        """It has ended by force; an event that interrupted it goes on in its place."""
        self._core.incidents.drop(instance.incident)
        self.event(instance, TERMINATED)
        self.detach(instance)
        scope, interruption = instance.scope, instance.interruption
        if scope is None:
            self.behaviour(instance.element).terminated(instance)
        elif interruption is not None and interruption.element.attached_to and scope.is_active:
            self._core.events.activate(interruption, scope)
        else:
            self.behaviour(scope.element).child_terminated(scope, instance)

    # -- helpers

    def event(self, instance: ElementInstance, state: str) -> None:
        """Bring an instance into a state."""
        instance.state = state
        self._core.log.event("PROCESS_INSTANCE", state, instance.key, instance.value)

    def detach(self, instance: ElementInstance) -> None:
        """Forget an instance."""
        del self._core.instances[instance.key]
        if instance.scope is not None:
            instance.scope.children.pop(instance.key, None)

    def _guard(self, instance: ElementInstance, step: Callable[[ElementInstance], None]) -> None:
        try:
            step(instance)
        except Failure as failure:
            retry = lambda: self._guard(instance, step)  # noqa: E731 - the step, once more
            self._core.incidents.raise_on(instance, failure, retry)


def _consume_flows(element: Element, scope: ElementInstance) -> None:
    """The flows that led to an element are no longer under way."""
    if element.type != "PARALLEL_GATEWAY":
        scope.active_flows -= 1
        return
    for flow in element.incoming:
        scope.taken[flow.id] -= 1
    scope.active_flows -= len(element.incoming)
