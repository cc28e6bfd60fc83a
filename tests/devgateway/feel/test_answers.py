"""Every answer in answers.json: value, type, warnings, failures and syntax errors, to the letter.

The file says where the answers come from. Numbers are compared as JSON text: 1 and 1.0 differ.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from zbtrio.devgateway import feel
from zbtrio.devgateway.feel.builtins import BUILTINS

ANSWERS = json.loads((Path(__file__).parent / "answers.json").read_text("utf-8"))
VARIABLES = ANSWERS["variables"]


def clock() -> datetime:
    text, _, zone = ANSWERS["now"].rstrip("]").partition("[")
    return datetime.fromisoformat(text).astimezone(ZoneInfo(zone))


def told(result: feel.Result) -> dict[str, Any]:
    """A result as answers.json writes one, without what an entry leaves out."""
    known: dict[str, Any] = {}
    if result.failure is None:
        known["value"] = feel.to_json_value(result.value)
    else:
        known["failure"] = result.failure
    if result.warnings:
        known["warnings"] = [[warning.type, warning.message] for warning in result.warnings]
    return known


def evaluate(entry: Mapping[str, Any]) -> dict[str, Any]:
    try:
        expression = feel.parse_zeebe("=" + entry["expression"])
    except feel.FeelSyntaxError as error:
        return {"syntax_error": str(error)}
    result = expression.evaluate(VARIABLES, now=clock)
    answer = told(result)
    return answer | ({} if "failure" in answer else {"type": feel.result_type(result.value)})


def evaluate_tests(entry: Mapping[str, Any]) -> dict[str, Any]:
    try:
        tests = feel.parse_unary_tests(entry["tests"])
    except feel.FeelSyntaxError as error:
        return {"syntax_error": str(error)}
    known = {name: feel.from_json_value(value) for name, value in VARIABLES.items()}
    return told(tests.evaluate(feel.from_json_value(entry["input"]), known, now=clock))


def as_text(answer: Mapping[str, Any], *leave_out: str) -> str:
    kept = {key: value for key, value in answer.items() if key not in leave_out}
    return json.dumps(kept, sort_keys=True, ensure_ascii=False)


def test_expressions():
    wrong = [
        f"{entry['expression']}\n  Zeebe: {as_text(entry, 'expression')}"
        f"\n  here:  {as_text(answer)}"
        for entry in ANSWERS["expressions"]
        if as_text(answer := evaluate(entry)) != as_text(entry, "expression")
    ]
    assert not wrong, "\n".join(wrong)


def test_unary_tests():
    wrong = [
        f"{entry['tests']} of {entry['input']}\n  Zeebe: {as_text(entry, 'tests', 'input')}"
        f"\n  here:  {as_text(answer)}"
        for entry in ANSWERS["unary_tests"]
        if as_text(answer := evaluate_tests(entry)) != as_text(entry, "tests", "input")
    ]
    assert not wrong, "\n".join(wrong)


def test_enough_is_asked():
    assert len(ANSWERS["expressions"]) > 1500
    assert len(ANSWERS["unary_tests"]) > 100


@pytest.mark.parametrize("name", sorted(BUILTINS))
def test_every_function_is_asked_for(name: str):
    assert any(f"{name}(" in entry["expression"] for entry in ANSWERS["expressions"])
