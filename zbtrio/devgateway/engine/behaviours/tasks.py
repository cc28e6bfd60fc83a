"""Tasks: by jobs, by scripts and decisions, by waiting for a message, or by nothing."""

from __future__ import annotations

from zbtrio.devgateway.engine.documents import Document
from zbtrio.devgateway.engine.evaluation import EvaluationError
from zbtrio.devgateway.engine.failure import Failure
from zbtrio.devgateway.engine.state import ElementInstance
from zbtrio.devgateway.engine.variables import ScopeView

from .base import Behaviour


class Activity(Behaviour):
    """A task with mappings, boundary events and compensation."""

    def activate(self, instance: ElementInstance) -> None:
        self.map_inputs(instance)

    def complete(self, instance: ElementInstance) -> None:
        self.map_outputs(instance)
        self.core.subscriptions.close(instance)

    def completed(self, instance: ElementInstance) -> None:
        self.finish_activity(instance)


class PassingTask(Behaviour):
    """A manual task, or one without a type: nothing is done, not even its mappings."""


class JobTask(Activity):
    """A task whose work is a job."""

    def activated(self, instance: ElementInstance) -> None:
        work = instance.element.work
        assert work is not None  # validated
        evaluator, variables = self.core.evaluator, ScopeView(instance)
        try:
            type = evaluator.string(work.type, variables)
            retries = evaluator.number(work.retries, variables)
            headers = {**work.headers, **self.headers(instance)}
        except EvaluationError as error:
            raise self.extracting(error) from None
        if not type:
            text = "to be a not-empty string, but was an empty string."
            expression = f"Expected result of the expression '{work.type.text}'"
            raise Failure("EXTRACT_VALUE_ERROR", f"{expression} {text}")
        self.core.subscriptions.open(instance, instance.element.boundaries)
        self.core.jobs.create(instance, type, retries, headers)
        self.core.lifecycle.activated(instance)

    def headers(self, instance: ElementInstance) -> dict[str, str]:
        """Headers beside those of the model; raises EvaluationError."""
        return {}


class ReceiveTask(Activity):
    """A task that waits for a message."""

    def activated(self, instance: ElementInstance) -> None:
        element = instance.element
        self.core.subscriptions.open(instance, [*element.catches, *element.boundaries])
        self.core.lifecycle.activated(instance)


class _Computed(JobTask):
    """A task that the engine does by itself, or by a job where the model says so."""

    def activated(self, instance: ElementInstance) -> None:
        if instance.element.work is not None:
            super().activated(instance)
            return
        self.core.events.note_work(instance, self.compute(instance))
        self.core.lifecycle.activated(instance)
        self.core.lifecycle.complete(instance)

    def compute(self, instance: ElementInstance) -> Document:
        """The variables that the task gives; raises Failure."""
        raise NotImplementedError


class ScriptTask(_Computed):
    """A FEEL script."""

    def compute(self, instance: ElementInstance) -> Document:
        script = instance.element.script
        assert script is not None
        try:
            value = self.core.evaluator.value(script.expression, ScopeView(instance))
        except EvaluationError as error:
            raise self.extracting(error) from None
        return {script.result: value}


class RuleTask(_Computed):
    """A decision."""

    def compute(self, instance: ElementInstance) -> Document:
        called = instance.element.decision
        assert called is not None
        variables = ScopeView(instance)
        try:
            decision_id = self.core.evaluator.string(called.decision, variables)
        except EvaluationError as error:
            raise self.extracting(error) from None
        decision = self.core.decisions.latest(decision_id)
        if decision is None:
            text = f"Expected to evaluate decision '{decision_id}', but no decision found for id"
            raise Failure("CALLED_DECISION_ERROR", f"{text} '{decision_id}'")
        document = self.core.variables.document(instance)
        outcome = self.core.decisions.evaluate(decision, document, instance)
        if outcome.failure:
            raise Failure("DECISION_EVALUATION_ERROR", outcome.failure)
        return {called.result: outcome.output}
