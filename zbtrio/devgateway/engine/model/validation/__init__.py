"""What Zeebe refuses when a process is deployed, and how it says so.

A rule looks at one kind of node and says what is wrong with it. The texts are Zeebe's; each was
read from the answer of a real broker to a model made to provoke it.
"""

from __future__ import annotations

from zbtrio.devgateway.engine.model.xml import Node

from . import activities, events, expressions, structure
from .rules import Findings, Rule


def _together(*groups: dict[str, list[Rule]]) -> dict[str, list[Rule]]:
    """One dictionary; a tag that several groups look at keeps the rules of all."""
    rules: dict[str, list[Rule]] = {}
    for group in groups:
        for tag, those in group.items():
            rules[tag] = [*rules.get(tag, ()), *those]
    return rules


_RULES: list[dict[str, list[Rule]]] = [
    _together(structure.RULES, activities.ACTIVITY_RULES, activities.RULES, events.RULES),
    expressions.RULES,
]


def find_errors(definitions: Node) -> str:
    """All that is wrong with a file, formatted as Zeebe does; an empty text if nothing is."""
    return "".join(_run(definitions, rules) for rules in _RULES)


def _run(definitions: Node, rules: dict[str, list[Rule]]) -> str:
    findings = Findings()
    for node in definitions.walk():
        for rule in rules.get(node.tag, ()):
            rule(node, findings)
    return findings.text()
