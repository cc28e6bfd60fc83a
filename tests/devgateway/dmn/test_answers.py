"""Every answer in answers.json: outputs, evaluated decisions, failures, and refusals of files."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from zbtrio.devgateway import dmn

CASES = json.loads((Path(__file__).parent / "answers.json").read_text("utf-8"))["cases"]


def answer(case: Mapping[str, Any]) -> dict[str, Any]:
    try:
        graph = dmn.parse(case["file"].encode())
    except dmn.DmnError as error:
        return {"error": str(error)}
    known: dict[str, Any] = {
        "requirements": [graph.id, graph.name, graph.namespace],
        "decisions": sorted([each.id, each.name] for each in graph.decisions),
    }
    if case["decision"] is None:
        return known
    result = graph.evaluate(case["decision"], case["variables"], now=lambda: datetime.now(UTC))
    if result.failed:
        known |= {
            "failure": result.failure_message,
            "failed_decision": result.failed_decision_id,
        }
    else:
        known["output"] = result.output
    return known | {"evaluated": [evaluated(each) for each in result.evaluated_decisions]}


def evaluated(decision: dmn.EvaluatedDecision) -> dict[str, Any]:
    return {
        "id": decision.decision_id,
        "name": decision.decision_name,
        "type": decision.decision_type,
        "output": decision.decision_output,
        "inputs": [
            [each.input_id, each.input_name, each.input_value] for each in decision.evaluated_inputs
        ],
        "rules": [
            [rule.rule_id, rule.rule_index, outputs(rule)] for rule in decision.matched_rules
        ],
    }


def outputs(rule: dmn.MatchedRule) -> list[list[object]]:
    return [
        [each.output_id, each.output_name, each.output_value] for each in rule.evaluated_outputs
    ]


def as_text(value: object) -> str:
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["label"].replace(" ", "-"))
def test_answer(case: Mapping[str, Any]):
    assert as_text(answer(case)) == as_text(case["answer"])
