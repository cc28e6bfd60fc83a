"""What calls give back where the gateway's message holds JSON: parsed when it is first looked at.

Calls whose answers hold none give the gateway's message itself.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import msgspec
from attrs import field, frozen

from zbtrio._proto import gateway_protocol as proto
from zbtrio.variables import loads


@frozen(slots=False)
class ActivatedJob:
    """A job that the gateway gave to this client; nobody else gets it before `deadline`.

    Attributes:
        deadline: seconds since 1970.
        message: the gateway's message, with what newer versions add (kind, user_task, tags,
            priority, job_lease_token).
    """

    key: int
    type: str
    process_instance_key: int
    bpmn_process_id: str
    process_definition_version: int
    process_definition_key: int
    element_id: str
    element_instance_key: int
    worker: str
    retries: int
    deadline: float
    tenant_id: str
    message: proto.ActivatedJob = field(repr=False, eq=False)

    @classmethod
    def from_message(cls, message: proto.ActivatedJob) -> ActivatedJob:
        """The job of a message."""
        return cls(
            key=message.key,
            type=message.type,
            process_instance_key=message.process_instance_key,
            bpmn_process_id=message.bpmn_process_id,
            process_definition_version=message.process_definition_version,
            process_definition_key=message.process_definition_key,
            element_id=message.element_id,
            element_instance_key=message.element_instance_key,
            worker=message.worker,
            retries=message.retries,
            deadline=message.deadline / 1000,
            tenant_id=message.tenant_id,
            message=message,
        )

    @cached_property
    def variables(self) -> dict[str, Any]:
        """The variables that were fetched. VariablesError if they can't be read."""
        return loads(self.message.variables)

    @cached_property
    def custom_headers(self) -> dict[str, Any]:
        """The headers that the model gives the task."""
        return loads(self.message.custom_headers)


@frozen(slots=False)
class ProcessResult:
    """A process instance that has ended, with its variables."""

    process_definition_key: int
    bpmn_process_id: str
    version: int
    process_instance_key: int
    tenant_id: str
    message: proto.CreateProcessInstanceWithResultResponse = field(repr=False, eq=False)

    @classmethod
    def from_message(cls, message: proto.CreateProcessInstanceWithResultResponse) -> ProcessResult:
        """The result of a message."""
        return cls(
            process_definition_key=message.process_definition_key,
            bpmn_process_id=message.bpmn_process_id,
            version=message.version,
            process_instance_key=message.process_instance_key,
            tenant_id=message.tenant_id,
            message=message,
        )

    @cached_property
    def variables(self) -> dict[str, Any]:
        """The variables that were asked for. VariablesError if they can't be read."""
        return loads(self.message.variables)


@frozen(slots=False)
class DecisionResult:
    """What a decision came to.

    `failed_decision_id` and `failure_message` are set when it could not be evaluated: then there is
    no output. `message` has each decision and rule on the way, their values as JSON text.
    """

    decision_key: int
    decision_id: str
    decision_name: str
    decision_version: int
    failed_decision_id: str
    failure_message: str
    tenant_id: str
    message: proto.EvaluateDecisionResponse = field(repr=False, eq=False)

    @classmethod
    def from_message(cls, message: proto.EvaluateDecisionResponse) -> DecisionResult:
        """The result of a message."""
        return cls(
            decision_key=message.decision_key,
            decision_id=message.decision_id,
            decision_name=message.decision_name,
            decision_version=message.decision_version,
            failed_decision_id=message.failed_decision_id,
            failure_message=message.failure_message,
            tenant_id=message.tenant_id,
            message=message,
        )

    @cached_property
    def output(self) -> Any:
        """The decision's output: whatever JSON has; None after a failure."""
        text = self.message.decision_output
        return msgspec.json.decode(text) if text else None
