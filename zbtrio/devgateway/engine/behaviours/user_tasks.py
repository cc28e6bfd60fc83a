"""User tasks: a job of Zeebe's own type, or Zeebe's own kind of task, which has no job.

The gRPC gateway has no call that completes Zeebe's own kind: it waits until something interrupts.
"""

from __future__ import annotations

from zbtrio.devgateway import feel
from zbtrio.devgateway.engine.documents import write_json
from zbtrio.devgateway.engine.evaluation import EvaluationError
from zbtrio.devgateway.engine.failure import Failure
from zbtrio.devgateway.engine.model.elements import Source
from zbtrio.devgateway.engine.state import DEFAULT_TENANT, ElementInstance
from zbtrio.devgateway.engine.variables import ScopeView

from .tasks import JobTask

_PREFIX = "io.camunda.zeebe:"


class UserTask(JobTask):
    """Work for a person."""

    def activated(self, instance: ElementInstance) -> None:
        task = instance.element.user_task
        if task is None or not task.native:
            super().activated(instance)
            return
        try:
            properties = self.headers(instance)
        except EvaluationError as error:
            raise self.extracting(error) from None
        self.core.subscriptions.open(instance, instance.element.boundaries)
        instance.user_task_key = self.core.next_key()
        named = {name.removeprefix(_PREFIX): text for name, text in properties.items()}
        self._record(instance, "CREATING", named)
        self._record(instance, "CREATED", named)
        self.core.lifecycle.activated(instance)

    def terminate(self, instance: ElementInstance) -> None:
        if instance.user_task_key != -1:
            self._record(instance, "CANCELING", {})
            self._record(instance, "CANCELED", {})
        super().terminate(instance)

    def _record(self, instance: ElementInstance, intent: str, properties: dict[str, str]) -> None:
        value = {
            **properties,
            "userTaskKey": instance.user_task_key,
            "elementId": instance.element.id,
            "elementInstanceKey": instance.key,
            "processInstanceKey": instance.root.key,
            "bpmnProcessId": instance.definition.id,
            "tenantId": DEFAULT_TENANT,
        }
        self.core.log.event("USER_TASK", intent, instance.user_task_key, value)

    def headers(self, instance: ElementInstance) -> dict[str, str]:
        task = instance.element.user_task
        assert task is not None
        evaluator, variables = self.core.evaluator, ScopeView(instance)
        found: dict[str, str] = {}
        for name, source in task.texts.items():
            found[name] = _text(source) or evaluator.string(source, variables)
        for name, source in task.lists.items():
            found[name] = write_json(evaluator.strings(source, variables))
        for name, source in task.dates.items():
            if date := evaluator.date_text(source, variables):
                found[name] = date
        if form_key := self._form_key(instance, task.form_key, task.form):
            found["formKey"] = form_key
        return {f"{_PREFIX}{name}": text for name, text in found.items() if text}

    def _form_key(self, instance: ElementInstance, key: str, form: Source | None) -> str:
        if form is None:
            return key
        form_id = _text(form) or self.core.evaluator.string(form, ScopeView(instance))
        deployed = self.core.forms.latest(form_id)
        if deployed is None:
            raise Failure(
                "FORM_NOT_FOUND",
                f"Expected to find a form with id '{form_id}', but no form with this id is found,"
                " at least a form with this id should be available. To resolve the Incident please"
                " deploy a form with the same id",
            )
        return str(deployed.key)


def _text(source: Source) -> str | None:
    """What a static value says: an assignee may be a number."""
    return source.text if isinstance(source, feel.Static) else None
