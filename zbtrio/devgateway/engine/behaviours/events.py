"""Start, end, catch, throw and boundary events."""

from __future__ import annotations

from zbtrio.devgateway.engine.evaluation import EvaluationError
from zbtrio.devgateway.engine.model.elements import Code
from zbtrio.devgateway.engine.state import DEFAULT_TENANT, ElementInstance
from zbtrio.devgateway.engine.variables import ScopeView

from .base import Behaviour
from .tasks import JobTask


class StartEvent(Behaviour):
    """When it is through, its scope listens: at its boundary, and for event subprocesses."""

    def complete(self, instance: ElementInstance) -> None:
        self.map_outputs(instance)

    def completed(self, instance: ElementInstance) -> None:
        scope = instance.around
        element = scope.element
        self.core.subscriptions.open(scope, [*element.boundaries, *element.event_starts])
        super().completed(instance)


class BoundaryEvent(Behaviour):
    """Begun by its trigger; see `Events.activate`."""

    def complete(self, instance: ElementInstance) -> None:
        self.map_outputs(instance)


class CatchEvent(Behaviour):
    """Waits for a message, a timer or a signal; the catching side of a link waits for nothing."""

    def activate(self, instance: ElementInstance) -> None:
        if instance.element.catches:
            self.map_inputs(instance)

    def activated(self, instance: ElementInstance) -> None:
        self.core.subscriptions.open(instance, instance.element.catches)
        self.core.lifecycle.activated(instance)
        if not instance.element.catches:
            self.core.lifecycle.complete(instance)

    def complete(self, instance: ElementInstance) -> None:
        self.map_outputs(instance)
        self.core.subscriptions.close(instance)


class _Throwing(JobTask):
    """Events that send something: messages by a job, the others by themselves."""

    def activate(self, instance: ElementInstance) -> None:
        if instance.element.event_type in ("MESSAGE", "SIGNAL"):
            self.map_inputs(instance)

    def activated(self, instance: ElementInstance) -> None:
        element = instance.element
        if element.work is not None and element.event_type == "MESSAGE":
            super().activated(instance)
        elif element.signal is not None:
            self._throw_signal(instance)
        elif element.escalation is not None:
            self._throw_escalation(instance, element.escalation)
        elif element.is_compensation:
            self.core.lifecycle.activated(instance)
            if not self.core.compensation.throw(instance):
                self.core.lifecycle.complete(instance)
        else:
            Behaviour.activated(self, instance)

    def complete(self, instance: ElementInstance) -> None:
        self.map_outputs(instance)

    def terminate(self, instance: ElementInstance) -> None:
        self.core.compensation.cancel(instance)
        super().terminate(instance)

    def _throw_signal(self, instance: ElementInstance) -> None:
        signal = instance.element.signal
        assert signal is not None
        try:
            name = self.core.evaluator.string(signal, ScopeView(instance))
        except EvaluationError as error:
            raise self.extracting(error) from None
        self.core.signals.throw(instance, name, self.core.variables.local_document(instance))
        self.core.lifecycle.activated(instance)
        self.core.lifecycle.complete(instance)

    def _throw_escalation(self, instance: ElementInstance, escalation: Code) -> None:
        code = self.code(instance, escalation)
        self.core.lifecycle.activated(instance)
        caught = self.core.events.find_escalation(instance, code)
        key = self.core.next_key()
        if caught is not None:
            self.core.events.trigger(*caught, {})
        value = {
            "escalationCode": code,
            "throwElementId": instance.element.id,
            "catchElementId": caught[1].id if caught else "",
            "processInstanceKey": instance.root.key,
            "tenantId": DEFAULT_TENANT,
        }
        intent = "ESCALATED" if caught else "NOT_ESCALATED"
        self.core.log.event("ESCALATION", intent, key, value)
        if caught is None or not caught[1].interrupting:
            self.core.lifecycle.complete(instance)

    def code(self, instance: ElementInstance, code: Code) -> str:
        """The code that is thrown: a text as it is, or what an expression gives."""
        if code.text is not None:
            return code.text
        assert code.source is not None  # throwing events have one
        try:
            return self.core.evaluator.string(code.source, ScopeView(instance))
        except EvaluationError as error:
            raise self.extracting(error) from None


class ThrowEvent(_Throwing):
    """An intermediate event that sends something, or goes on at the other side of a link."""

    def completed(self, instance: ElementInstance) -> None:
        link = instance.element.link
        if link is not None:
            self.core.lifecycle.completed_by_link(instance, link)
        else:
            super().completed(instance)


class EndEvent(_Throwing):
    """The end of a path."""

    def activated(self, instance: ElementInstance) -> None:
        if instance.element.error is not None:
            self._throw_error(instance, instance.element.error)
        else:
            super().activated(instance)

    def _throw_error(self, instance: ElementInstance, error: Code) -> None:
        code = self.code(instance, error)
        catcher = self.core.events.find_error(instance, code)
        if catcher.found is None:
            raise catcher.failure(code, "")
        self.core.lifecycle.activated(instance)
        self.core.events.trigger(*catcher.found, {})

    def completed(self, instance: ElementInstance) -> None:
        if instance.element.terminates:
            self.core.lifecycle.completed_by_terminating(instance)
        else:
            super().completed(instance)
