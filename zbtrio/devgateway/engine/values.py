"""What the records of element instances and sequence flows say, under Zeebe's names."""

from __future__ import annotations

from .model.elements import Element, Flow
from .state import DEFAULT_TENANT, Definition, ElementInstance


def element_value(element: Element, scope: ElementInstance) -> dict[str, object]:
    """What the records of an instance in a scope say."""
    value = dict(scope.value)
    value["bpmnElementType"] = element.type
    value["bpmnEventType"] = element.event_type
    value["elementId"] = element.id
    value["flowScopeKey"] = scope.key
    value["parentProcessInstanceKey"] = value["parentElementInstanceKey"] = -1
    return value


def flow_value(flow: Flow, scope: ElementInstance) -> dict[str, object]:
    """What the record of a taken sequence flow says."""
    value = dict(scope.value)
    value["bpmnElementType"] = "SEQUENCE_FLOW"
    value["bpmnEventType"] = "UNSPECIFIED"
    value["elementId"] = flow.id
    value["flowScopeKey"] = scope.key
    return value


def process_value(
    definition: Definition, key: int, caller: ElementInstance | None
) -> dict[str, object]:
    """What the records of a process instance say."""
    return {
        "bpmnElementType": "PROCESS",
        "bpmnEventType": "UNSPECIFIED",
        "elementId": definition.id,
        "bpmnProcessId": definition.id,
        "version": definition.version,
        "processDefinitionKey": definition.key,
        "processInstanceKey": key,
        "flowScopeKey": -1,
        "parentProcessInstanceKey": caller.root.key if caller else -1,
        "parentElementInstanceKey": caller.key if caller else -1,
        "tenantId": DEFAULT_TENANT,
    }
