"""Gateways: they begin and complete in one step, and take the flows that they choose."""

from __future__ import annotations

from zbtrio.devgateway.engine.evaluation import EvaluationError
from zbtrio.devgateway.engine.failure import Failure
from zbtrio.devgateway.engine.model.elements import Flow
from zbtrio.devgateway.engine.state import ElementInstance
from zbtrio.devgateway.engine.variables import ScopeView

from .base import Behaviour

_NO_FLOW = "Expected at least one condition to evaluate to true, or to have a default flow"


class _Choosing(Behaviour):
    """A gateway that chooses among its flows before it is activated, so that it can fail."""

    def activated(self, instance: ElementInstance) -> None:
        flows = self.choose(instance)
        self.core.lifecycle.activated(instance)
        self.core.lifecycle.pass_through(instance, flows)

    def choose(self, instance: ElementInstance) -> list[Flow]:
        """The flows to take; raises Failure."""
        return instance.element.outgoing

    def _fits(self, flow: Flow, instance: ElementInstance) -> bool:
        assert flow.condition is not None
        try:
            return self.core.evaluator.boolean(flow.condition, ScopeView(instance))
        except EvaluationError as error:
            raise self.extracting(error) from None


class ExclusiveGateway(_Choosing):
    """Takes the first flow whose condition holds, or the default."""

    def choose(self, instance: ElementInstance) -> list[Flow]:
        element = instance.element
        conditional = [f for f in element.outgoing if f.condition and f is not element.default]
        for flow in conditional:
            if self._fits(flow, instance):
                return [flow]
        if element.default is not None:
            return [element.default]
        if conditional:
            raise Failure("CONDITION_ERROR", _NO_FLOW)
        return element.outgoing


class InclusiveGateway(_Choosing):
    """Takes all flows whose conditions hold, or the default; does not wait for others to arrive."""

    def choose(self, instance: ElementInstance) -> list[Flow]:
        element = instance.element
        conditional = [f for f in element.outgoing if f.condition and f is not element.default]
        fitting = [flow for flow in conditional if self._fits(flow, instance)]
        if fitting:
            return fitting
        if element.default is not None:
            return [element.default]
        if conditional:
            raise Failure("CONDITION_ERROR", _NO_FLOW)
        return element.outgoing


class ParallelGateway(_Choosing):
    """Takes all flows, once all that lead to it were taken."""


class EventBasedGateway(Behaviour):
    """Waits for the first of the events behind it."""

    def activated(self, instance: ElementInstance) -> None:
        self.core.subscriptions.open(instance, instance.element.catches)
        self.core.lifecycle.activated(instance)

    def complete(self, instance: ElementInstance) -> None:
        self.core.subscriptions.close(instance)

    def completed(self, instance: ElementInstance) -> None:
        trigger, scope = instance.trigger, instance.around
        assert trigger is not None  # nothing else completes it
        self.core.lifecycle.completed_alone(instance)
        self.core.events.activate(trigger, scope)
