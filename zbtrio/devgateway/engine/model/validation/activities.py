"""Rules on tasks, calls, loops, compensation, and on Zeebe's extension elements."""

from __future__ import annotations

import re

from zbtrio.devgateway.engine.model.reader import ACTIVITIES
from zbtrio.devgateway.engine.model.xml import Node

from .rules import (
    Findings,
    Rule,
    boundaries_of,
    definitions_of,
    flows_from,
    flows_to,
    sibling,
    twice,
)
from .structure import check_catches

_BINDINGS = ("deployment", "latest", "versionTag")
_GATEWAY_ENDS = "Execution listeners of type 'end' are not supported by gateway element"
_NO_START = {
    "startEvent": "Execution listeners of type 'start' are not supported by start events",
    "boundaryEvent": "Execution listeners of type 'start' are not supported by boundary events",
}


def _one_of(first: str | None, findings: Findings, node: Node) -> None:
    count = len(node.extensions("taskDefinition"))
    if first is None:
        if count != 1:
            findings.add(node, "Must have exactly one 'zeebe:taskDefinition' extension element")
        return
    if count + len(node.extensions(first)) != 1:
        either = f"'zeebe:{first}' or one 'zeebe:taskDefinition' extension element"
        findings.add(node, f"Must have either one {either}")


def _service_task(node: Node, findings: Findings) -> None:
    _one_of(None, findings, node)


def _send_task(node: Node, findings: Findings) -> None:
    _one_of("publishMessage", findings, node)


def _script_task(node: Node, findings: Findings) -> None:
    _one_of("script", findings, node)


def _rule_task(node: Node, findings: Findings) -> None:
    _one_of("calledDecision", findings, node)


def _receive_task(node: Node, findings: Findings) -> None:
    if not node.get("messageRef"):
        findings.add(node, "Must reference a message")


def _call_activity(node: Node, findings: Findings) -> None:
    if len(node.extensions("calledElement")) != 1:
        findings.add(node, "Must have exactly one 'zeebe:calledElement' extension element")


def _activity(node: Node, findings: Findings) -> None:
    check_catches(node, boundaries_of(node), findings)
    if node.get("isForCompensation") == "true":
        if flows_to(node):
            findings.add(node, "A compensation handler should have no incoming sequence flows")
        if flows_from(node):
            findings.add(node, "A compensation handler should have no outgoing sequence flows")


def _loop(node: Node, findings: Findings) -> None:
    if len(node.extensions("loopCharacteristics")) != 1:
        findings.add(node, "Must have exactly one 'zeebe:loopCharacteristics' extension element")


def _loop_characteristics(node: Node, findings: Findings) -> None:
    collection, element = node.get("outputCollection"), node.get("outputElement")
    if collection and not element:
        text = (
            "Attribute 'outputElement' must be present if the attribute 'outputCollection' is set"
        )
        findings.add(node, text)
    if element and not collection:
        text = (
            "Attribute 'outputCollection' must be present if the attribute 'outputElement' is set"
        )
        findings.add(node, text)


def _result_variable(node: Node, findings: Findings) -> None:
    if not node.get("resultVariable"):
        findings.add(node, "Attribute 'resultVariable' must be present and not empty")


def _called_element(node: Node, findings: Findings) -> None:
    binding = node.get("bindingType")
    if binding and binding not in _BINDINGS:
        findings.add(node, f"Attribute 'bindingType' must be one of: {', '.join(_BINDINGS)}")
    if binding == "versionTag" and not node.get("versionTag"):
        text = "must be present and not empty if 'bindingType' is 'versionTag'"
        findings.add(node, f"Attribute 'versionTag' {text}")


def _form_definition(node: Node, findings: Findings) -> None:
    if len([name for name in ("formId", "formKey") if node.get(name).strip()]) != 1:
        which = "'formId, formKey' must be present and not blank"
        findings.add(node, f"Exactly one of the attributes {which}")


def _priority(node: Node, findings: Findings) -> None:
    text = node.get("priority")
    if re.fullmatch(r"-?\d+", text) and not 0 <= int(text) <= 100:
        findings.add(node, f"Priority must be a number between 0 and 100, but was '{text}'.")


def _listener(node: Node, findings: Findings) -> None:
    if not node.get("type"):
        findings.add(node, "Attribute 'type' must be present and not empty")
    if node.get("eventType") not in ("start", "end"):
        what = "io.camunda.zeebe.model.bpmn.instance.zeebe.ZeebeExecutionListenerEventType"
        findings.add(node, f"No enum constant {what}.{node.get('eventType')}")


def _listeners(node: Node, findings: Findings) -> None:
    listeners = node.all("zeebe:executionListener")
    pairs = [
        f"eventType[{each.get('eventType')}] and type[{each.get('type')}]" for each in listeners
    ]
    for pair in twice(pairs):
        text = f"Found '{pairs.count(pair)}' duplicates based on {pair}"
        findings.add(node, f"{text}, these combinations should be unique.")
    owner = node.parent.parent if node.parent else None
    if owner is not None:
        _listener_events(owner, {each.get("eventType") for each in listeners}, findings)


def _listener_events(owner: Node, kinds: set[str], findings: Findings) -> None:
    if owner.tag.endswith("Gateway") and "end" in kinds:
        findings.add(owner, _GATEWAY_ENDS)
    if owner.tag in _NO_START and "start" in kinds:
        findings.add(owner, _NO_START[owner.tag])


def _compensation(node: Node, findings: Findings) -> None:
    activity = node.get("activityRef")
    if not activity or node.parent is None:
        return
    target = sibling(node.parent, activity)
    what = f"The referenced compensation activity '{activity}'"
    if target is None:
        findings.add(node, f"{what} doesn't exist")
    elif target.tag != "subProcess" and not _is_compensated(target):
        either = "must have either a compensation boundary event or be a subprocess"
        findings.add(node, f"{what} {either}")


def _is_compensated(activity: Node) -> bool:
    definitions = (d for event in boundaries_of(activity) for d in definitions_of(event))
    return any(definition.tag == "compensateEventDefinition" for definition in definitions)


RULES: dict[str, list[Rule]] = {
    "multiInstanceLoopCharacteristics": [_loop],
    "compensateEventDefinition": [_compensation],
    "zeebe:loopCharacteristics": [_loop_characteristics],
    "zeebe:script": [_result_variable],
    "zeebe:calledDecision": [_result_variable],
    "zeebe:calledElement": [_called_element],
    "zeebe:formDefinition": [_form_definition],
    "zeebe:priorityDefinition": [_priority],
    "zeebe:executionListener": [_listener],
    "zeebe:executionListeners": [_listeners],
}
_TASKS: dict[str, Rule] = {
    "serviceTask": _service_task,
    "sendTask": _send_task,
    "scriptTask": _script_task,
    "businessRuleTask": _rule_task,
    "receiveTask": _receive_task,
    "callActivity": _call_activity,
}
ACTIVITY_RULES: dict[str, list[Rule]] = {
    tag: [*([_TASKS[tag]] if tag in _TASKS else []), _activity] for tag in ACTIVITIES
}
