"""The story that a log tells: elements and flows in order, incidents, the last of each variable."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zbtrio.devgateway.engine import Record

from .normal import Labels

TRACED = {
    "SEQUENCE_FLOW_TAKEN": "taken",
    "ELEMENT_ACTIVATED": "activated",
    "ELEMENT_COMPLETED": "completed",
    "ELEMENT_TERMINATED": "terminated",
}


def story(records: Iterable[Record], labels: Labels) -> dict[str, Any]:
    """As `broker_log` of a case has it."""
    events = [record for record in records if record.record_type == "EVENT"]
    scopes = _scope_names(events)
    trace: list[str] = []
    incidents: dict[int, dict[str, Any]] = {}
    variables: dict[str, dict[str, Any]] = {}
    for record in events:
        value: Any = record.value
        if record.value_type == "PROCESS_INSTANCE" and record.intent in TRACED:
            trace.append(f"{TRACED[record.intent]} {value['elementId']}")
        elif record.value_type == "INCIDENT" and record.key not in incidents:
            incidents[record.key] = {
                "errorType": value["errorType"],
                "elementId": value["elementId"],
                "errorMessage": labels.text(value["errorMessage"]),
                "onJob": value["jobKey"] != -1,
            }
        elif record.value_type == "VARIABLE":
            scope = variables.setdefault(scopes.get(value["scopeKey"], "?"), {})
            scope[value["name"]] = value["value"]
    return {"trace": trace, "incidents": list(incidents.values()), "variables": variables}


def _scope_names(events: list[Record]) -> dict[int, str]:
    """Element instances by key: `a`, and `a#2` for the second instance of element a."""
    names: dict[str, int] = {}
    scopes: dict[int, str] = {}
    for record in events:
        begins = record.value_type == "PROCESS_INSTANCE" and record.intent == "ELEMENT_ACTIVATING"
        if begins and record.key not in scopes:
            element = str(record.value["elementId"])
            names[element] = count = names.get(element, 0) + 1
            scopes[record.key] = element + (f"#{count}" if count > 1 else "")
    return scopes
