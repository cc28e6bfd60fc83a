"""Rules on expressions: whether one is given, is FEEL where it must be, and parses."""

from __future__ import annotations

import re

from zbtrio.devgateway import feel
from zbtrio.devgateway.engine.model.xml import Node
from zbtrio.devgateway.engine.times import is_date_time

from .rules import Findings, Rule

_PATH = r"[a-zA-Z_][a-zA-Z0-9_]*(\.[a-zA-Z_][a-zA-Z0-9_]*)*"
_RESERVED = (
    "null",
    "true",
    "false",
    "function",
    "if",
    "then",
    "else",
    "for",
    "between",
    "instance",
    "of",
)
_LIST = re.compile(r"[^,]+(,[^,]+)*")


def _parses(node: Node, text: str, findings: Findings) -> feel.Static | feel.Expression | None:
    try:
        return feel.parse_zeebe(text)
    except feel.FeelSyntaxError as error:
        findings.add(node, str(error))
        return None


def _given(node: Node, text: str, findings: Findings) -> None:
    """A text or an expression must be there."""
    if not text:
        findings.add(node, "Expected expression but not found.")
    else:
        _parses(node, text, findings)


def _expression(node: Node, text: str, findings: Findings) -> None:
    """An expression must be there, a text is not enough."""
    if not text:
        findings.add(node, "Expected expression but not found.")
    else:
        _no_static(node, text, findings)


def _no_static(node: Node, text: str, findings: Findings) -> None:
    if isinstance(_parses(node, text, findings), feel.Static):
        found = f"Expected expression but found static value '{text}'."
        findings.add(node, f"{found} An expression must start with '=' (e.g. '={text}').")


def _optional(node: Node, text: str, findings: Findings) -> None:
    if text:
        _parses(node, text, findings)


def _task_definition(node: Node, findings: Findings) -> None:
    _given(node, node.get("type"), findings)
    _optional(node, node.get("retries"), findings)


def _execution_listener(node: Node, findings: Findings) -> None:
    _optional(node, node.get("type"), findings)
    _optional(node, node.get("retries"), findings)


def _script(node: Node, findings: Findings) -> None:
    _expression(node, node.get("expression"), findings)


def _called_decision(node: Node, findings: Findings) -> None:
    _given(node, node.get("decisionId"), findings)


def _called_element(node: Node, findings: Findings) -> None:
    _given(node, node.get("processId"), findings)


def _input(node: Node, findings: Findings) -> None:
    _given(node, node.get("source"), findings)
    _target(node, findings)


def _output(node: Node, findings: Findings) -> None:
    _expression(node, node.get("source"), findings)
    _target(node, findings)


def _target(node: Node, findings: Findings) -> None:
    target = node.get("target")
    if not target:
        findings.add(node, "Expected path expression but not found.")
    elif not re.fullmatch(_PATH, target):
        pattern = f"but doesn't match the pattern '{_PATH}'."
        findings.add(node, f"Expected path expression '{target}' {pattern}")
    elif target in _RESERVED:
        words = ", ".join(_RESERVED)
        text = f"Expected path expression '{target}' but is one of the reserved words ({words})."
        findings.add(node, text)


def _loop(node: Node, findings: Findings) -> None:
    if condition := node.first("completionCondition"):
        _expression(node, condition.text, findings)


def _loop_characteristics(node: Node, findings: Findings) -> None:
    _expression(node, node.get("inputCollection"), findings)
    if element := node.get("outputElement"):
        _no_static(node, element, findings)


def _subscription(node: Node, findings: Findings) -> None:
    _expression(node, node.get("correlationKey"), findings)


def _name(node: Node, findings: Findings) -> None:
    _optional(node, node.get("name"), findings)


def _condition(node: Node, findings: Findings) -> None:
    _expression(node, node.text, findings)


def _timer(node: Node, findings: Findings) -> None:
    for child in node.all("timeDuration", "timeDate", "timeCycle"):
        _given(node, child.text, findings)


def _code(node: Node, findings: Findings) -> None:
    _optional(node, node.get("errorCode") or node.get("escalationCode"), findings)


def _assignment(node: Node, findings: Findings) -> None:
    _optional(node, node.get("assignee"), findings)
    for name in ("candidateGroups", "candidateUsers"):
        text = node.get(name)
        static = text and isinstance(_parses(node, text, findings), feel.Static)
        if static and not _LIST.fullmatch(text):
            needed = "a list of comma-separated values, e.g. 'a,b,c'"
            findings.add(node, f"Expected static value to be {needed}, but found '{text}'.")


def _schedule(node: Node, findings: Findings) -> None:
    for name in ("dueDate", "followUpDate"):
        text = node.get(name)
        static = text and isinstance(_parses(node, text, findings), feel.Static)
        if static and not is_date_time(text):
            needed = "a valid DateTime String, e.g. '2023-03-02T15:35+02:00'"
            findings.add(node, f"Expected static value to be {needed}, but found '{text}'.")


RULES: dict[str, list[Rule]] = {
    "zeebe:taskDefinition": [_task_definition],
    "zeebe:executionListener": [_execution_listener],
    "zeebe:script": [_script],
    "zeebe:calledDecision": [_called_decision],
    "zeebe:calledElement": [_called_element],
    "zeebe:input": [_input],
    "zeebe:output": [_output],
    "zeebe:loopCharacteristics": [_loop_characteristics],
    "zeebe:subscription": [_subscription],
    "zeebe:assignmentDefinition": [_assignment],
    "zeebe:taskSchedule": [_schedule],
    "multiInstanceLoopCharacteristics": [_loop],
    "conditionExpression": [_condition],
    "timerEventDefinition": [_timer],
    "message": [_name],
    "signal": [_name],
    "error": [_code],
    "escalation": [_code],
}
