"""Loops in which nothing ever waits: Zeebe refuses those that contain more than gateways."""

from __future__ import annotations

from .elements import Element, Process

_TASKS = ("TASK", "MANUAL_TASK")
_GATEWAYS = ("EXCLUSIVE_GATEWAY", "PARALLEL_GATEWAY", "INCLUSIVE_GATEWAY")


def find_loop(process: Process) -> list[str]:
    """The ids of elements on a loop without a wait, the first one again at the end; or nothing."""
    for element in process.elements.values():
        if _is_beginning(element) and (way := _way_back(element)):
            return way
    return []


def _is_beginning(element: Element) -> bool:
    throws_nothing = element.type == "INTERMEDIATE_THROW_EVENT" and element.event_type == "NONE"
    return element.type in _TASKS or throws_nothing


def _passes(element: Element) -> bool:
    """Whether a token goes through without a wait."""
    if element.type in ("START_EVENT", "END_EVENT"):
        return element.event_type == "NONE"
    return element.type in (*_GATEWAYS, "SUB_PROCESS") or _is_beginning(element)


def _next(element: Element) -> list[Element]:
    if element.type == "SUB_PROCESS":
        return element.starts
    if element.type == "END_EVENT" and element.scope.type == "SUB_PROCESS":
        return [flow.target for flow in element.scope.outgoing]
    return [flow.target for flow in element.outgoing]


def _way_back(start: Element) -> list[str]:
    """Depth first, along the flows in the order in which they are taken."""
    way, seen = [start], {start.id}
    ahead = [iter(_next(start))]
    while ahead:
        element = next(ahead[-1], None)
        if element is None:
            ahead.pop()
            way.pop()
        elif element is start:
            return [*(each.id for each in way), start.id]
        elif element.id not in seen and _passes(element):
            seen.add(element.id)
            way.append(element)
            ahead.append(iter(_next(element)))
    return []
