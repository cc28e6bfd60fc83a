"""Files that are no DMN, or hostile."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zbtrio.devgateway import dmn

UNREADABLE = (
    "Failed to parse DMN: org.camunda.bpm.model.dmn.DmnModelException: Unable to parse model"
)
NAMESPACE = "https://www.omg.org/spec/DMN/20191111/MODEL/"


def decision(id: str, *required: str) -> str:
    """A decision of 1, and those that it requires."""
    requirements = "".join(
        f"<informationRequirement><requiredDecision href='#{each}'/></informationRequirement>"
        for each in required
    )
    logic = "<literalExpression><text>1</text></literalExpression>"
    return f"<decision id='{id}' name='{id}'>{requirements}{logic}</decision>"


def evaluate(id: str, decisions: list[str]) -> dmn.DecisionResult:
    graph = dmn.parse(definitions("".join(decisions)))
    return graph.evaluate(id, {}, now=lambda: datetime.now(UTC))


def definitions(body: str) -> bytes:
    head = f'<definitions xmlns="{NAMESPACE}" id="g" name="G" namespace="n">'
    return f"{head}{body}</definitions>".encode()


@given(st.binary(max_size=60))
def test_any_bytes_are_refused(content: bytes):
    with pytest.raises(dmn.DmnError):
        dmn.parse(content)


@pytest.mark.parametrize(
    "content",
    [
        b'<!DOCTYPE a [<!ENTITY b "c">]>' + definitions(""),
        b"<?xml version='1.0' encoding='UTF-99'?>" + definitions(""),
        definitions("<decision>"),
        definitions('<decision name="a" id="x"/><decision name="b" id="x"/>'),
        b'<definitions xmlns="http://example.org" id="g" name="G" namespace="n"/>',
    ],
)
def test_unreadable_files(content: bytes):
    with pytest.raises(dmn.DmnError) as caught:
        dmn.parse(content)
    assert str(caught.value) == UNREADABLE


def test_deeply_nested_elements_are_no_trouble():
    depth = 20_000
    body = "<description>" * depth + "</description>" * depth
    assert dmn.parse(definitions(body)).decisions == []


def test_deeply_nested_logic_is_refused():
    depth = 2_000
    leaf = '<literalExpression id="l"><text>1</text></literalExpression>'
    body = f'<decision id="d" name="d">{"<list>" * depth}{leaf}{"</list>" * depth}</decision>'
    with pytest.raises(dmn.DmnError, match="nested too deeply"):
        dmn.parse(definitions(body))


def test_a_long_chain_of_decisions_is_refused():
    decisions = [decision("d0")]
    decisions += [decision(f"d{number}", f"d{number - 1}") for number in range(1, 3000)]
    with pytest.raises(dmn.DmnError, match="nested too deeply"):
        dmn.parse(definitions("".join(reversed(decisions))))
    result = evaluate("d2999", decisions)
    assert result.failure_message == (
        "Expected to evaluate decision 'd2999', but it requires other decisions through too many"
        " steps"
    )


def test_layers_of_decisions_that_multiply_come_to_an_end():
    decisions = [decision("d0")]
    decisions += [decision(f"d{number}", *[f"d{number - 1}"] * 2) for number in range(1, 40)]
    result = evaluate("d39", decisions)
    assert "more than 10000 decisions would be evaluated for it" in result.failure_message
    assert result.failed_decision_id.startswith("d")
