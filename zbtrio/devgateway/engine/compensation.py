"""Compensation: completed activities that can be undone, and the events that undo them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .model.elements import Element
from .state import (
    ACTIVATED,
    ACTIVATING,
    COMPLETED,
    COMPLETING,
    DEFAULT_TENANT,
    Compensation,
    ElementInstance,
    ProcessInstance,
)

if TYPE_CHECKING:
    from .core import Core


class CompensationRoom:
    """Notes what can be compensated, and runs the handlers."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def note_completed(self, instance: ElementInstance) -> None:
        """An activity with a handler has completed, or a subprocess with such activities in it."""
        element = instance.element
        handler = element.compensation_handler
        root = instance.root
        inside = any(each.scope == instance.key for each in root.compensations)
        if handler is None and not inside:
            return
        scope = instance.around
        key = self._core.next_key()
        subscription = Compensation(key, element, instance.key, scope.key, handler)
        root.compensations.append(subscription)
        self._event("CREATED", subscription, root)

    def throw(self, instance: ElementInstance) -> bool:
        """Run the handlers that a compensation event reaches; says whether there are any."""
        reached = list(self._reached(instance))
        found = [each for each in reached if each.handler is not None]
        for subscription in reached if found else ():
            subscription.throw = instance
            if subscription.handler is not None:
                self._start(subscription, instance)
            else:
                self._event("TRIGGERED", subscription, instance.root)
        return bool(found)

    def _reached(self, throw: ElementInstance) -> Iterator[Compensation]:
        """What completed in the scope of the event, and in subprocesses that completed there."""
        wanted = throw.element.compensates
        open_ones = [each for each in throw.root.compensations if each.throw is None]
        scopes = [throw.around.key]
        while scopes:
            scope = scopes.pop(0)
            for each in open_ones:
                named = not wanted or each.element.id == wanted or scope != throw.around.key
                if each.scope == scope and named:
                    scopes.append(each.instance)
                    yield each

    def _start(self, subscription: Compensation, throw: ElementInstance) -> None:
        core, handler = self._core, subscription.handler
        assert handler is not None
        scope = core.instances.get(subscription.scope) or throw.around
        self._pass_boundary(subscription.element, scope)
        subscription.handler_key = core.lifecycle.activate(handler, scope)
        self._event("TRIGGERED", subscription, throw.root)

    def _pass_boundary(self, activity: Element, scope: ElementInstance) -> None:
        event = next(each for each in activity.boundaries if each.is_compensation)
        instance = self._core.lifecycle.new_instance(event, scope)
        for state in (ACTIVATING, ACTIVATED, COMPLETING, COMPLETED):
            self._core.lifecycle.event(instance, state)

    def handler_ended(self, instance: ElementInstance) -> None:
        """A handler is done; the event goes on once all its handlers are."""
        root = instance.root
        done = next((s for s in root.compensations if s.handler_key == instance.key), None)
        if done is None or done.throw is None:
            return
        self._finish(done, root)
        left = [each for each in root.compensations if each.throw is done.throw]
        if not any(each.handler for each in left):
            for subprocess in left:
                self._finish(subprocess, root)
            self._core.lifecycle.complete(done.throw)

    def _finish(self, subscription: Compensation, root: ProcessInstance) -> None:
        root.compensations.remove(subscription)
        self._event("COMPLETED", subscription, root)

    def forget(self, root: ProcessInstance) -> None:
        """A process instance has ended."""
        for each in root.compensations:
            self._event("DELETED", each, root)

    def cancel(self, throw: ElementInstance) -> None:
        """An event that runs handlers ends by force."""
        for each in throw.root.compensations:
            if each.throw is throw:
                each.throw = None

    def _event(self, intent: str, subscription: Compensation, root: ProcessInstance) -> None:
        handler, throw = subscription.handler, subscription.throw
        value = {
            "compensableActivityId": subscription.element.id,
            "compensableActivityInstanceKey": subscription.instance,
            "compensableActivityScopeKey": subscription.scope,
            "compensationHandlerId": handler.id if handler else "",
            "compensationHandlerInstanceKey": subscription.handler_key,
            "throwEventId": throw.element.id if throw else "",
            "throwEventInstanceKey": throw.key if throw else -1,
            "processInstanceKey": root.key,
            "processDefinitionKey": root.definition.key,
            "tenantId": DEFAULT_TENANT,
        }
        self._core.log.event("COMPENSATION_SUBSCRIPTION", intent, subscription.key, value)
