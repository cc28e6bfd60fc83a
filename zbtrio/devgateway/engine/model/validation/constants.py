"""Rules on what must be known when a process is deployed: names and times of start events."""

from __future__ import annotations

from collections.abc import Iterator

from zbtrio.devgateway import feel
from zbtrio.devgateway.engine.evaluation import EvaluationError, Evaluator
from zbtrio.devgateway.engine.model.elements import TimerDefinition
from zbtrio.devgateway.engine.model.reader import EVENTS, executable_processes
from zbtrio.devgateway.engine.model.xml import Node

from .rules import Findings, referenced

_NOTHING: dict[str, object] = {}


def find_errors(definitions: Node, evaluator: Evaluator, now: int) -> str:
    """What is wrong with constants; the file has passed all other rules."""
    findings = Findings()
    for process in executable_processes(definitions):
        for start in process.all("startEvent"):
            _check_names(start, evaluator, findings)
        for event, timer in _timers(process):
            _check_timer(event, timer, evaluator, now, findings)
    return findings.text()


def _check_names(start: Node, evaluator: Evaluator, findings: Findings) -> None:
    for kind in ("message", "signal"):
        for definition in start.all(f"{kind}EventDefinition"):
            node = referenced(definition, kind, f"{kind}Ref")
            name = node.get("name") if node else ""
            result = feel.parse_zeebe(name).evaluate(_NOTHING, now=evaluator.now)
            if not isinstance(result.value, str):
                needed = f"Expected constant expression of type String for {kind} name '{name}'"
                found = feel.result_type(result.value)
                findings.add(start, f"{needed}, but was {found}")


def _timers(process: Node) -> Iterator[tuple[Node, TimerDefinition]]:
    """Timers of the process's start events, and all others that are texts."""
    for event in (node for node in process.walk() if node.tag in EVENTS):
        starts = event.tag == "startEvent" and event.parent is process
        for definition in event.all("timerEventDefinition"):
            for kind in ("timeDuration", "timeDate", "timeCycle"):
                child = definition.first(kind)
                source = feel.parse_zeebe(child.text) if child else None
                if source and (starts or isinstance(source, feel.Static)):
                    yield event, TimerDefinition(kind, source)


def _check_timer(
    event: Node, timer: TimerDefinition, evaluator: Evaluator, now: int, findings: Findings
) -> None:
    try:
        evaluator.timer(timer, _NOTHING, now)
    except EvaluationError as error:
        kind = timer.kind.removeprefix("time").lower()
        findings.add(event, f"Invalid timer {kind} expression ({error})")
