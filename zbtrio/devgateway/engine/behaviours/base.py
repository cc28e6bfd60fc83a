"""What a behaviour may say about each step of an element instance's life.

`activate` and `complete` prepare and end the element's work and may raise Failure; start listeners
run between `activate` and `activated`, end listeners between `complete` and `completed`. Containers
hear of their children: before one begins its work, before it has completed, when its path ends
without a further flow, and when it was terminated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from zbtrio.devgateway.engine.documents import Document
from zbtrio.devgateway.engine.evaluation import EvaluationError
from zbtrio.devgateway.engine.failure import Failure
from zbtrio.devgateway.engine.model.elements import Source
from zbtrio.devgateway.engine.state import ElementInstance
from zbtrio.devgateway.engine.variables import ScopeView

if TYPE_CHECKING:
    from zbtrio.devgateway.engine.core import Core


class Behaviour:
    """An element that begins, waits for nothing, and completes."""

    def __init__(self, core: Core) -> None:
        self.core = core

    # -- its own life

    def activate(self, instance: ElementInstance) -> None:
        """Before its own work."""

    def activated(self, instance: ElementInstance) -> None:
        """Its own work."""
        self.core.lifecycle.activated(instance)
        self.core.lifecycle.complete(instance)

    def complete(self, instance: ElementInstance) -> None:
        """After its own work."""

    def completed(self, instance: ElementInstance) -> None:
        """At the end."""
        self.core.lifecycle.completed(instance)

    def terminate(self, instance: ElementInstance) -> None:
        """It ends by force."""
        self.core.jobs.cancel(instance)
        self.core.subscriptions.close(instance)
        self.core.lifecycle.terminated(instance)

    def terminated(self, instance: ElementInstance) -> None:
        """A process instance has ended by force."""

    # -- its children

    def child_activating(self, scope: ElementInstance, child: ElementInstance) -> None:
        """A child begins."""

    def child_completing(self, scope: ElementInstance, child: ElementInstance) -> None:
        """A child is about to have completed."""

    def path_ended(self, scope: ElementInstance, child: ElementInstance) -> None:
        """A child has completed and no flow leads on from it."""

    def child_terminated(self, scope: ElementInstance, child: ElementInstance) -> None:
        """A child has ended by force."""

    # -- mappings, expressions, compensation

    def finish_activity(self, instance: ElementInstance) -> None:
        """An activity has completed: it may be compensated later, or has compensated another."""
        handles = instance.element.is_compensation_handler
        if not handles:
            self.core.compensation.note_completed(instance)
        self.core.lifecycle.completed(instance)
        if handles:
            self.core.compensation.handler_ended(instance)

    def map_inputs(self, instance: ElementInstance) -> None:
        """Create the instance's own variables by its input mappings."""
        inputs = instance.element.inputs
        if inputs is not None:
            document = self._map(inputs, instance.variable_scope)
            self.core.variables.merge_local(instance, document)

    def map_outputs(self, instance: ElementInstance) -> None:
        """Give what came with the element's event or job, or what is mapped of it, to the scope."""
        variables, element = self.core.variables, instance.element
        come = self._take_trigger(instance)
        if element.outputs is not None:
            variables.merge_local(instance, come)
            document = self._map(element.outputs, instance)
            variables.merge(instance.variable_scope, document)
        elif come:
            variables.merge(instance, come)
        elif instance.carried:
            variables.merge(instance.variable_scope, instance.carried)

    def _take_trigger(self, instance: ElementInstance) -> Document:
        trigger, instance.trigger = instance.trigger, None
        if trigger is None:
            return {}
        self.core.events.taken(trigger, instance)
        return trigger.variables

    def _map(self, mappings: Source, scope: ElementInstance) -> Document:
        try:
            value = self.core.evaluator.value(mappings, ScopeView(scope))
        except EvaluationError as error:
            raise Failure("IO_MAPPING_ERROR", str(error)) from None
        return cast("Document", value)  # mappings are one FEEL context

    def extracting(self, error: EvaluationError) -> Failure:
        """The incident of an expression that is no mapping."""
        return Failure("EXTRACT_VALUE_ERROR", str(error))
