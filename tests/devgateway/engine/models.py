"""BPMN for tests, by element."""

from __future__ import annotations

from itertools import pairwise
from xml.sax.saxutils import escape, quoteattr

HEAD = (
    '<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"'
    ' xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" targetNamespace="http://test">'
)


def element(tag: str, id: str, *inside: str, **attributes: str) -> str:
    """An element with what is in it."""
    given = "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())
    return f'<bpmn:{tag} id="{id}"{given}>{"".join(inside)}</bpmn:{tag}>'


def extension(*inside: str) -> str:
    """Zeebe's extension elements."""
    return f"<bpmn:extensionElements>{''.join(inside)}</bpmn:extensionElements>"


def task(id: str, type: str | None = None, *inside: str, retries: str = "3") -> str:
    """A service task; its job type is its id."""
    definition = f'<zeebe:taskDefinition type="{type or id}" retries="{retries}"/>'
    return element("serviceTask", id, extension(definition), *inside)


def flow(source: str, target: str, condition: str = "") -> str:
    """A sequence flow."""
    text = f"<bpmn:conditionExpression>{escape(condition)}</bpmn:conditionExpression>"
    ends = {"sourceRef": source, "targetRef": target}
    return element("sequenceFlow", f"{source}_{target}", text if condition else "", **ends)


def chain(*ids: str) -> str:
    """Flows from each element to the next."""
    return "".join(flow(source, target) for source, target in pairwise(ids))


def process(*inside: str, id: str = "p", shared: str = "") -> bytes:
    """A file of one process."""
    start, end = element("startEvent", "start"), element("endEvent", "end")
    body = element("process", id, start, *inside, end, isExecutable="true")
    return f"{HEAD}{shared}{body}</bpmn:definitions>".encode()
