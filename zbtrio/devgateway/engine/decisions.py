"""Deployed decisions, and their evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

from zbtrio.devgateway import dmn

from .documents import write_json
from .rejection import rejected
from .state import DEFAULT_TENANT, ElementInstance

if TYPE_CHECKING:
    from .core import Core


@attrs.define(eq=False)
class Requirements:
    """A deployed DMN file."""

    key: int
    version: int
    graph: dmn.DecisionRequirements
    resource: str
    checksum: str


@attrs.define(eq=False)
class Decision:
    """A deployed decision."""

    key: int
    version: int
    id: str
    name: str
    requirements: Requirements


@attrs.frozen
class DecisionOutcome:
    """What an evaluation came to."""

    key: int
    decision: Decision
    result: dmn.DecisionResult

    @property
    def output(self) -> object:
        """The decision's output."""
        return self.result.output

    @property
    def failure(self) -> str:
        """Why there is none, or an empty text."""
        return self.result.failure_message


class Decisions:
    """All decisions that are deployed and not deleted."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.by_key: dict[int, Decision] = {}
        self.requirements: dict[int, Requirements] = {}
        self._newest: dict[str, int] = {}
        self._newest_requirements: dict[str, int] = {}

    def latest(self, decision_id: str) -> Decision | None:
        """The newest version of a decision that is not deleted."""
        versions = [each for each in self.by_key.values() if each.id == decision_id]
        return max(versions, key=lambda each: each.version, default=None)

    def latest_requirements(self, id: str) -> Requirements | None:
        """The newest version of a DMN file that is not deleted."""
        versions = [each for each in self.requirements.values() if each.graph.id == id]
        return max(versions, key=lambda each: each.version, default=None)

    def add(self, graph: dmn.DecisionRequirements, resource: str, checksum: str) -> Requirements:
        """A new version of a DMN file and of the decisions in it."""
        version = self._newest_requirements.get(graph.id, 0) + 1
        self._newest_requirements[graph.id] = version
        requirements = Requirements(self._core.next_key(), version, graph, resource, checksum)
        self.requirements[requirements.key] = requirements
        value = {"decisionRequirementsId": graph.id, "decisionRequirementsVersion": version}
        self._core.log.event("DECISION_REQUIREMENTS", "CREATED", requirements.key, value)
        for each in graph.decisions:
            self._add_decision(each, requirements)
        return requirements

    def _add_decision(self, each: dmn.Decision, requirements: Requirements) -> None:
        version = self._newest[each.id] = self._newest.get(each.id, 0) + 1
        decision = Decision(self._core.next_key(), version, each.id, each.name, requirements)
        self.by_key[decision.key] = decision
        self._core.log.event("DECISION", "CREATED", decision.key, _value(decision))

    def of(self, requirements: Requirements) -> list[Decision]:
        """The decisions of a DMN file."""
        return [each for each in self.by_key.values() if each.requirements is requirements]

    def remove(self, requirements: Requirements) -> None:
        """A DMN file is deleted, and its decisions with it."""
        for decision in self.of(requirements):
            del self.by_key[decision.key]
            self._core.log.event("DECISION", "DELETED", decision.key, _value(decision))
        del self.requirements[requirements.key]
        value = {"decisionRequirementsId": requirements.graph.id}
        self._core.log.event("DECISION_REQUIREMENTS", "DELETED", requirements.key, value)

    def find(self, decision_id: str, key: int) -> Decision:
        """The newest decision of that id, or the one of that key; raises Rejection."""
        if decision_id:
            decision, how, name = self.latest(decision_id), "id", decision_id
        else:
            decision, how, name = self.by_key.get(key), "key", str(key)
        if decision is None:
            text = f"Expected to evaluate decision '{name}', but no decision found for {how}"
            raise rejected("EVALUATE", "INVALID_ARGUMENT", f"{text} '{name}'")
        return decision

    def evaluate(
        self, decision: Decision, variables: Mapping[str, object], instance: ElementInstance | None
    ) -> DecisionOutcome:
        """Evaluate a decision, for an element instance or on request."""
        graph = decision.requirements.graph
        result = graph.evaluate(decision.id, variables, now=self._core.moment)
        key = self._core.next_key()
        value = {
            **_value(decision),
            "decisionOutput": write_json(result.output),
            "evaluationFailureMessage": result.failure_message,
            "failedDecisionId": result.failed_decision_id,
            "elementId": instance.element.id if instance else "",
            "elementInstanceKey": instance.key if instance else -1,
            "processInstanceKey": instance.root.key if instance else -1,
        }
        intent = "FAILED" if result.failed else "EVALUATED"
        self._core.log.event("DECISION_EVALUATION", intent, key, value)
        return DecisionOutcome(key, decision, result)


def _value(decision: Decision) -> dict[str, object]:
    return {
        "decisionId": decision.id,
        "decisionName": decision.name,
        "version": decision.version,
        "decisionKey": decision.key,
        "decisionRequirementsId": decision.requirements.graph.id,
        "decisionRequirementsKey": decision.requirements.key,
        "tenantId": DEFAULT_TENANT,
    }
