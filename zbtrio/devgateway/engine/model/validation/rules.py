"""The form of a rule, and the nodes that rules ask about."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

import attrs

from zbtrio.devgateway.engine.model.reader import EVENT_DEFINITIONS
from zbtrio.devgateway.engine.model.xml import Node

UNSUPPORTED_DEFINITIONS = ("conditionalEventDefinition", "cancelEventDefinition")


@attrs.define
class Findings:
    """What is wrong, by node, in the order in which it was found."""

    _errors: dict[int, tuple[Node, list[str]]] = attrs.Factory(dict[int, tuple[Node, list[str]]])

    def add(self, node: Node, message: str) -> None:
        """Note an error of a node."""
        self._errors.setdefault(id(node), (node, []))[1].append(message)

    def text(self) -> str:
        """Zeebe's list of errors by element."""
        return "".join(
            f"- Element: {node.path}\n" + "".join(f"    - ERROR: {line}\n" for line in lines)
            for node, lines in self._errors.values()
        )


Rule: TypeAlias = Callable[[Node, Findings], None]


def definitions_of(event: Node) -> list[Node]:
    """An event's definitions, the unsupported ones included."""
    return event.all(*EVENT_DEFINITIONS, *UNSUPPORTED_DEFINITIONS)


def root_of(node: Node) -> Node:
    """The definitions element."""
    while node.parent is not None:
        node = node.parent
    return node


def referenced(node: Node, tag: str, reference: str) -> Node | None:
    """The shared definition (a message, a signal, ...) that a node refers to."""
    shared = root_of(node).all(tag)
    return next((each for each in shared if each.id == node.get(reference)), None)


def flows_from(node: Node) -> list[Node]:
    """The sequence flows that leave a node."""
    return _flows(node, "sourceRef")


def flows_to(node: Node) -> list[Node]:
    """The sequence flows that enter a node."""
    return _flows(node, "targetRef")


def _flows(node: Node, end: str) -> list[Node]:
    around = node.parent.all("sequenceFlow") if node.parent else []
    return [flow for flow in around if flow.get(end) == node.id]


def siblings(node: Node) -> list[Node]:
    """All nodes beside this one, itself included."""
    return node.parent.children if node.parent else []


def sibling(node: Node, id: str) -> Node | None:
    """The node of that id beside this one."""
    return next((each for each in siblings(node) if each.id == id), None)


def boundaries_of(node: Node) -> list[Node]:
    """The boundary events attached to an activity."""
    return [
        each
        for each in siblings(node)
        if each.tag == "boundaryEvent" and each.get("attachedToRef") == node.id
    ]


def is_event_subprocess(node: Node) -> bool:
    """Whether the node is a subprocess that an event triggers."""
    return node.tag == "subProcess" and node.get("triggeredByEvent") == "true"


def twice(values: Iterable[str]) -> list[str]:
    """The values that occur more than once, each once."""
    seen: dict[str, int] = {}
    for value in values:
        seen[value] = seen.get(value, 0) + 1
    return [value for value, times in seen.items() if times > 1]
