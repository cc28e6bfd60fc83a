"""Rules on events and on the messages, signals, errors and escalations that they refer to."""

from __future__ import annotations

from zbtrio.devgateway.engine.model.reader import ACTIVITIES
from zbtrio.devgateway.engine.model.xml import Node

from .rules import (
    UNSUPPORTED_DEFINITIONS,
    Findings,
    Rule,
    definitions_of,
    flows_from,
    flows_to,
    is_event_subprocess,
    referenced,
    root_of,
    siblings,
)

_ENDS = frozenset(
    f"{kind}EventDefinition"
    for kind in ("error", "message", "terminate", "signal", "escalation", "compensate")
)
_CATCHES = frozenset(f"{kind}EventDefinition" for kind in ("message", "timer", "signal", "link"))
_BOUNDARIES = frozenset(
    f"{kind}EventDefinition"
    for kind in ("timer", "message", "error", "signal", "escalation", "compensate")
)
_ONE = "Must have exactly one event definition"
_SEND = (
    "Must have either one 'zeebe:publishMessage' or one 'zeebe:taskDefinition' extension element"
)


def _start(node: Node, findings: Findings) -> None:
    if len(definitions_of(node)) > 1:
        findings.add(node, "Start event can't have more than one type")


def _end(node: Node, findings: Findings) -> None:
    definitions = definitions_of(node)
    if flows_from(node):
        text = "End events must not have outgoing sequence flows to other elements."
        findings.add(node, text)
    if len(definitions) > 1:
        findings.add(node, "Must have at most one event definition")
    if any(definition.tag not in _ENDS for definition in definitions):
        allowed = "none, error, message, terminate, signal, escalation or compensation"
        findings.add(node, f"End events must be one of: {allowed}")
    _thrown_message(node, findings)


def _throw(node: Node, findings: Findings) -> None:
    _thrown_message(node, findings)


def _thrown_message(node: Node, findings: Findings) -> None:
    if node.first("messageEventDefinition") and len(node.extensions("taskDefinition")) != 1:
        findings.add(node, _SEND)


def _catch(node: Node, findings: Findings) -> None:
    definitions = definitions_of(node)
    if len(definitions) != 1:
        findings.add(node, _ONE)
    if any(definition.tag not in _CATCHES for definition in definitions):
        text = "Event definition must be one of: message, timer, signal, or link"
        findings.add(node, text)
    for timer in node.all("timerEventDefinition"):
        if not timer.all("timeDuration", "timeDate"):
            needed = "either a time duration or a time date."
            findings.add(node, f"Intermediate timer catch event must have {needed}")


def _boundary(node: Node, findings: Findings) -> None:
    definitions = definitions_of(node)
    if not any(each.tag in ACTIVITIES for each in _attached(node)):
        findings.add(node, "Must be attached to an activity")
    if not flows_from(node) and not _is_associated(node):
        text = "Must have at least one outgoing sequence flow or association"
        findings.add(node, text)
    if flows_to(node):
        findings.add(node, "Cannot have incoming sequence flows")
    if len(definitions) != 1:
        findings.add(node, _ONE)
    for definition in definitions:
        _boundary_definition(node, definition, findings)


def _boundary_definition(node: Node, definition: Node, findings: Findings) -> None:
    interrupting = node.get("cancelActivity") != "false"
    if definition.tag not in _BOUNDARIES:
        allowed = "timer, message, error, signal, escalation"
        findings.add(node, f"Boundary events must be one of: {allowed}")
    elif definition.tag == "errorEventDefinition" and not interrupting:
        findings.add(node, "Non-Interrupting event of this type is not allowed")
    elif interrupting and definition.first("timeCycle"):
        findings.add(node, "Interrupting timer event with time cycle is not allowed.")
    elif definition.tag == "escalationEventDefinition" and not _can_escalate(node):
        where = "a subprocess, or a call activity."
        text = f"An escalation boundary event should only be attached to {where}"
        findings.add(node, text)


def _is_associated(node: Node) -> bool:
    return any(
        each.tag == "association" and each.get("sourceRef") == node.id for each in siblings(node)
    )


def _can_escalate(node: Node) -> bool:
    return any(each.tag in ("subProcess", "callActivity") for each in _attached(node))


def _attached(node: Node) -> list[Node]:
    return [each for each in siblings(node) if each.id == node.get("attachedToRef")]


def _unsupported_definition(node: Node, findings: Findings) -> None:
    findings.add(node, "Event definition of this type is not supported")


def _timer(node: Node, findings: Findings) -> None:
    if len(node.all("timeDuration", "timeDate", "timeCycle")) != 1:
        kinds = "timeDuration, timeDate or timeCycle"
        findings.add(node, f"Must be exactly one type of timer: {kinds}")


def _message_reference(node: Node, findings: Findings) -> None:
    if referenced(node, "message", "messageRef") is None:
        findings.add(node, "Must reference a message")


def _message(node: Node, findings: Findings) -> None:
    users = [each for each in root_of(node).walk() if each.get("messageRef") == node.id]
    if users and not node.get("name"):
        findings.add(node, "Name must be present and not empty")
    if any(map(_needs_key, users)) and len(node.extensions("subscription")) != 1:
        findings.add(node, "Must have exactly one zeebe:subscription extension element")


def _needs_key(user: Node) -> bool:
    """Whether a message event or receive task waits for a message of its own instance."""
    event = user if user.tag == "receiveTask" else user.parent
    if event is None or event.tag in ("intermediateThrowEvent", "endEvent"):
        return False
    return event.tag != "startEvent" or (
        event.parent is not None and is_event_subprocess(event.parent)
    )


def _signal_reference(node: Node, findings: Findings) -> None:
    if referenced(node, "signal", "signalRef") is None:
        findings.add(node, "Must reference a signal")


def _signal(node: Node, findings: Findings) -> None:
    used = any(each.get("signalRef") == node.id for each in root_of(node).walk())
    if used and not node.get("name"):
        findings.add(node, "Name must be present and not empty")


def _error_definition(node: Node, findings: Findings) -> None:
    error = referenced(node, "error", "errorRef")
    if node.parent and node.parent.tag == "endEvent":
        if error is None:
            findings.add(node, "Must reference an error")
        elif not error.get("errorCode"):
            findings.add(node, "ErrorCode must be present and not empty")
    elif error and error.get("errorCode").startswith("="):
        text = "The errorCode of the error catch event is not allowed to be an expression"
        findings.add(node, text)


def _escalation_definition(node: Node, findings: Findings) -> None:
    escalation = referenced(node, "escalation", "escalationRef")
    if node.parent and node.parent.tag in ("endEvent", "intermediateThrowEvent"):
        if escalation is None:
            findings.add(node, "Must reference an escalation")
        elif not escalation.get("escalationCode"):
            findings.add(escalation, "EscalationCode must be present and not empty")
    elif escalation and escalation.get("escalationCode").startswith("="):
        what = "The escalationCode of the escalation catch event"
        findings.add(node, f"{what} is not allowed to be an expression")


def _link(node: Node, findings: Findings) -> None:
    if not node.get("name"):
        findings.add(node, "Link name must be present and not empty.")


RULES: dict[str, list[Rule]] = {
    "startEvent": [_start],
    "endEvent": [_end],
    "intermediateThrowEvent": [_throw],
    "intermediateCatchEvent": [_catch],
    "boundaryEvent": [_boundary],
    "timerEventDefinition": [_timer],
    "messageEventDefinition": [_message_reference],
    "signalEventDefinition": [_signal_reference],
    "errorEventDefinition": [_error_definition],
    "escalationEventDefinition": [_escalation_definition],
    "linkEventDefinition": [_link],
    "message": [_message],
    "signal": [_signal],
    **{tag: [_unsupported_definition] for tag in UNSUPPORTED_DEFINITIONS},
}
