"""What the engine answers: plain values, for the service to put into the gateway's messages.

Keys are integers, times epoch milliseconds, variables JSON texts of objects.
"""

from __future__ import annotations

import attrs


@attrs.frozen
class JobView:
    """A job as a worker gets it."""

    key: int
    type: str
    process_instance_key: int
    bpmn_process_id: str
    process_definition_version: int
    process_definition_key: int
    element_id: str
    element_instance_key: int
    custom_headers: str
    worker: str
    retries: int
    deadline: int
    variables: str
    tenant_id: str


@attrs.frozen
class CreatedInstance:
    """A new process instance."""

    process_definition_key: int
    bpmn_process_id: str
    version: int
    process_instance_key: int
    tenant_id: str


@attrs.frozen
class DeployedProcess:
    """A process of a deployment."""

    bpmn_process_id: str
    version: int
    process_definition_key: int
    resource_name: str


@attrs.frozen
class DeployedDecision:
    """A decision of a deployment."""

    decision_id: str
    decision_name: str
    version: int
    decision_key: int
    requirements_id: str
    requirements_key: int


@attrs.frozen
class DeployedRequirements:
    """A DMN file of a deployment: the decisions that require each other."""

    requirements_id: str
    requirements_name: str
    version: int
    requirements_key: int
    resource_name: str


@attrs.frozen
class DeployedForm:
    """A form of a deployment."""

    form_id: str
    version: int
    form_key: int
    resource_name: str


@attrs.frozen
class Deployment:
    """What a deployment came to, in the order in which the gateway lists it."""

    key: int
    processes: list[DeployedProcess]
    decisions: list[DeployedDecision]
    requirements: list[DeployedRequirements]
    forms: list[DeployedForm]
    tenant_id: str
