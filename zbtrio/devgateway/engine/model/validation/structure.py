"""Rules on files, processes, subprocesses, gateways and flows."""

from __future__ import annotations

from collections.abc import Iterable

from zbtrio.devgateway.engine.model.reader import (
    EVENT_DEFINITIONS,
    TYPES,
    event_definition,
    executable_processes,
)
from zbtrio.devgateway.engine.model.xml import Node

from .rules import (
    Findings,
    Rule,
    definitions_of,
    flows_from,
    flows_to,
    is_event_subprocess,
    referenced,
    sibling,
    twice,
)

_COVERAGE = "https://docs.camunda.io/docs/components/modeler/bpmn/bpmn-coverage/"
_UNSUPPORTED = ("complexGateway", "transaction", "adHocSubProcess", "callChoreography")
_TRIGGERS = ("MESSAGE", "TIMER", "ERROR", "SIGNAL", "ESCALATION")


def _definitions(node: Node, findings: Findings) -> None:
    if not executable_processes(node):
        findings.add(node, "Must contain at least one executable process")


def _process(node: Node, findings: Findings) -> None:
    if node.get("isExecutable") != "true":
        return
    starts = node.all("startEvent")
    if not starts:
        findings.add(node, "Must have at least one start event")
    if sum(not definitions_of(start) for start in starts) > 1:
        findings.add(node, "Multiple none start events are not allowed")
    _event_subprocess_starts(node, findings)
    _links(node, findings)
    signals = [definition for start in starts for definition in start.all("signalEventDefinition")]
    _same_names(node, signals, "signal", findings)
    for message in _started_twice(starts):
        findings.add(message, "A message cannot be referred by more than one start event")


def _started_twice(starts: list[Node]) -> list[Node]:
    definitions = [each for start in starts for each in start.all("messageEventDefinition")]
    refs = twice(definition.get("messageRef") for definition in definitions)
    messages = (referenced(definition, "message", "messageRef") for definition in definitions)
    return list({m.id: m for m in messages if m is not None and m.id in refs}.values())


def _subprocess(node: Node, findings: Findings) -> None:
    starts = node.all("startEvent")
    if len(starts) != 1:
        findings.add(node, "Must have exactly one start event")
    _event_subprocess_starts(node, findings)
    _links(node, findings)
    if is_event_subprocess(node):
        for start in starts:
            _triggered_start(node, start, findings)
    elif any(definitions_of(start) for start in starts):
        findings.add(node, "Start events in subprocesses must be of type none")


def _triggered_start(node: Node, start: Node, findings: Findings) -> None:
    definition = event_definition(start)
    kind = EVENT_DEFINITIONS[definition.tag] if definition else "NONE"
    if kind == "COMPENSATION" and node.parent and node.parent.tag == "process":
        message = "A compensation event subprocess is not allowed on the process level"
        findings.add(node, message)
    if kind not in _TRIGGERS:
        allowed = "message, timer, error, signal or escalation"
        findings.add(node, f"Start events in event subprocesses must be one of: {allowed}")
    interrupting = start.get("isInterrupting") != "false"
    if kind == "ERROR" and not interrupting:
        findings.add(node, "Non-Interrupting event of this type is not allowed")
    if interrupting and definition and definition.first("timeCycle"):
        findings.add(node, "Interrupting timer event with time cycle is not allowed.")


def _event_subprocess_starts(node: Node, findings: Findings) -> None:
    starts = [s for sub in node.all("subProcess") if is_event_subprocess(sub) for s in sub.children]
    check_catches(node, [start for start in starts if start.tag == "startEvent"], findings)


def check_catches(node: Node, events: Iterable[Node], findings: Findings) -> None:
    """Several events of one scope must be told apart by name or code."""
    parts = [definition for event in events for definition in definitions_of(event)]
    for kind in ("message", "signal"):
        same = [part for part in parts if part.tag == f"{kind}EventDefinition"]
        _same_names(node, same, kind, findings)
    for kind in ("error", "escalation"):
        _same_codes(node, [p for p in parts if p.tag == f"{kind}EventDefinition"], kind, findings)


def _same_names(node: Node, parts: list[Node], kind: str, findings: Findings) -> None:
    named = (referenced(part, kind, f"{kind}Ref") for part in parts)
    for name in twice(each.get("name") for each in named if each):
        text = f"Multiple {kind} event definitions with the same name '{name}' are not allowed."
        findings.add(node, text)


def _same_codes(node: Node, parts: list[Node], kind: str, findings: Findings) -> None:
    named = (referenced(part, kind, f"{kind}Ref") for part in parts)
    codes = [each.get(f"{kind}Code") if each else "" for each in named]
    for code in twice(codes):
        if code:
            same = f"the same {kind} code '{code}'"
            text = f"Multiple {kind} catch events with {same} are not supported on the same scope."
        else:
            text = (
                f"The same scope can not contain more than one {kind} catch event without {kind}"
                f" code. An {kind} catch event without {kind} code catches all {kind}s."
            )
        findings.add(node, text)


def _links(node: Node, findings: Findings) -> None:
    catches = _link_names(node, "intermediateCatchEvent")
    for name in dict.fromkeys(_link_names(node, "intermediateThrowEvent")):
        if name and name not in catches:
            text = (
                f"Can't find an catch link event for the throw link event with the name '{name}'."
            )
            findings.add(node, text)
    for name in twice(name for name in catches if name):
        what = "intermediate catch link event definitions"
        findings.add(node, f"Multiple {what} with the same name '{name}' are not allowed.")


def _link_names(node: Node, tag: str) -> list[str]:
    return [link.get("name") for e in node.all(tag) for link in e.all("linkEventDefinition")]


def _unsupported(node: Node, findings: Findings) -> None:
    kind = node.tag[0].upper() + node.tag[1:]
    findings.add(
        node,
        f"Elements of type '{kind}' are currently not supported. Please refer to the documentation"
        f" for a list of supported elements: {_COVERAGE}",
    )


def _exclusive(node: Node, findings: Findings) -> None:
    _check_default(node, findings)
    flows = flows_from(node)
    for flow in flows if len(flows) > 1 else ():
        if flow.id != node.get("default") and flow.first("conditionExpression") is None:
            findings.add(flow, "Must have a condition or be default flow")


def _inclusive(node: Node, findings: Findings) -> None:
    _check_default(node, findings)
    flows = flows_from(node)
    for flow in flows if len(flows) > 1 else ():
        if flow.id != node.get("default") and flow.first("conditionExpression") is None:
            findings.add(flow, "Must have a condition")


def _check_default(node: Node, findings: Findings) -> None:
    default = node.get("default")
    if default and default not in [flow.id for flow in flows_from(node)]:
        findings.add(node, "Default flow must start at gateway")


def _event_based(node: Node, findings: Findings) -> None:
    flows = flows_from(node)
    if len(flows) < 2:
        findings.add(node, "Event-based gateway must have at least 2 outgoing sequence flows.")
    targets = [target for flow in flows if (target := sibling(node, flow.get("targetRef")))]
    if any(not _may_follow_event_gateway(target) for target in targets):
        others = "other elements than message/timer/signal intermediate catch events."
        text = f"Event-based gateway must not have an outgoing sequence flow to {others}"
        findings.add(node, text)
    messages = [part for target in targets for part in target.all("messageEventDefinition")]
    _same_names(node, messages, "message", findings)
    if any(len(flows_to(target)) > 1 for target in targets):
        text = "sequence flows other than that from the event gateway."
        findings.add(
            node,
            f"Target elements of an event gateway must not have any additional incoming {text}",
        )


def _may_follow_event_gateway(node: Node) -> bool:
    kinds = ("messageEventDefinition", "timerEventDefinition", "signalEventDefinition")
    return node.tag == "intermediateCatchEvent" and bool(node.all(*kinds))


def _flow(node: Node, findings: Findings) -> None:
    source = sibling(node, node.get("sourceRef"))
    ends = [end for end in (source, sibling(node, node.get("targetRef"))) if end]
    if any(end.tag not in (*TYPES, *_UNSUPPORTED) for end in ends):
        findings.add(node, "Must connect two flow nodes")
    conditional = node.first("conditionExpression") is not None
    if conditional and source and source.tag not in ("exclusiveGateway", "inclusiveGateway"):
        where = "at exclusive or inclusive gateway"
        findings.add(source, f"Conditional sequence flows are only supported {where}")


RULES: dict[str, list[Rule]] = {
    "definitions": [_definitions],
    "process": [_process],
    "subProcess": [_subprocess],
    "exclusiveGateway": [_exclusive],
    "inclusiveGateway": [_inclusive],
    "eventBasedGateway": [_event_based],
    "sequenceFlow": [_flow],
    **{tag: [_unsupported] for tag in _UNSUPPORTED},
}
