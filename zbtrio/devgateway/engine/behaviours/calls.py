"""Call activities: an instance of another process, begun and ended with the activity."""

from __future__ import annotations

from zbtrio.devgateway.engine.evaluation import EvaluationError
from zbtrio.devgateway.engine.failure import Failure
from zbtrio.devgateway.engine.model.elements import CalledProcess
from zbtrio.devgateway.engine.state import Definition, ElementInstance
from zbtrio.devgateway.engine.variables import ScopeView

from .tasks import Activity

MAX_DEPTH = 1000


class CallActivity(Activity):
    """Calls a process and waits for its end."""

    def activated(self, instance: ElementInstance) -> None:
        definition = self._called(instance)
        self.core.subscriptions.open(instance, instance.element.boundaries)
        self.core.lifecycle.activated(instance)
        call, variables = instance.element.call, self.core.variables
        assert call is not None
        document = variables.local_document(instance)
        if call.parent_variables:
            document = variables.document(instance)
        child = self.core.definitions.new_instance(definition, caller=instance)
        instance.called = child
        self.core.lifecycle.start(child)
        variables.merge_local(child, document)

    def _called(self, instance: ElementInstance) -> Definition:
        call = instance.element.call
        assert call is not None
        try:
            process_id = self.core.evaluator.string(call.process, ScopeView(instance))
        except EvaluationError as error:
            raise self.extracting(error) from None
        definition = self.core.definitions.called(process_id, call, instance.definition)
        if definition is None:
            raise _not_found(process_id, call, instance.definition)
        text = f"Expected process with BPMN process id '{process_id}'"
        if definition.process.root.none_start is None:
            needed = "to have a none start event, but not found."
            raise Failure("CALLED_ELEMENT_ERROR", f"{text} {needed}")
        if instance.root.depth >= MAX_DEPTH:
            raise Failure(
                "CALLED_ELEMENT_ERROR",
                f"The call activity has reached the maximum depth of {MAX_DEPTH}. This is likely"
                " due to a recursive call. Cancel the root process instance if this was"
                " unintentional, or change the process so that its calls come to an end.",
            )
        return definition

    def terminate(self, instance: ElementInstance) -> None:
        self.core.jobs.cancel(instance)
        self.core.subscriptions.close(instance)
        if instance.called is not None and not instance.called.is_ending:
            self.core.lifecycle.terminate(instance.called)
        else:
            self.core.lifecycle.terminated(instance)


def _not_found(process_id: str, call: CalledProcess, caller: Definition) -> Failure:
    if call.binding == "latest":
        text = (
            f"Expected process with BPMN process id '{process_id}' to be deployed, but not found."
        )
        return Failure("CALLED_ELEMENT_ERROR", text)
    text = f"Expected to call process with BPMN process id '{process_id}'"
    if call.binding == "deployment":
        text += (
            f" with binding type 'deployment', but no such process found in the deployment with key"
            f" {caller.deployment_key} which contained the current process. To resolve this"
            " incident, migrate the process instance to a process definition that is deployed"
            " together with the intended process definition to call."
        )
    else:
        text += (
            f" and version tag '{call.version_tag}', but no such process found. To resolve this"
            " incident, deploy a process with the given process id and version tag."
        )
    return Failure("CALLED_ELEMENT_ERROR", text)
