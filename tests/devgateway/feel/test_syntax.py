"""Texts that are no expressions: always a FeelSyntaxError, soon, and in Zeebe's form."""

import re
import time
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zbtrio.devgateway import feel

PIECES = re.findall(
    r"\S+",
    "( ) [ ] { } , . .. : ? @ = != < <= > >= + - * / ** \" ' ` \\ // /* */ 1 2.5 .5 a b item x"
    ' "s" null true false if then else for in return some every satisfies and or not between'
    ' instance of function external date time duration date("2024-01-01") @"P1D" count( {a: f(x)'
    " 漢 🎉 é $ #",
)
texts = st.one_of(
    st.text(max_size=40),
    st.lists(st.sampled_from(PIECES), max_size=15).map(" ".join),
    st.lists(st.sampled_from(PIECES), max_size=15).map("".join),
)


def parses(text: str) -> bool:
    try:
        expression = feel.parse_expression(text)
    except feel.FeelSyntaxError as error:
        assert f"expression '{text}'" in str(error)  # noqa: PT017 - it may parse as well
        return False
    expression.evaluate({"a": 1, "x": [1, {"a": "b"}]}, now=lambda: datetime.now(UTC))
    return True


@settings(max_examples=500, deadline=None)
@given(texts)
@example("[[[[[[[[1..")
@example("f(f(f(f(f(")
@example("-" * 50)
@example("1 in (1 in (1 in (1 in (")
def test_any_text_parses_or_is_refused(text: str):
    parses(text)


@settings(max_examples=300, deadline=None)
@given(texts)
def test_any_text_as_unary_tests(text: str):
    try:
        tests = feel.parse_unary_tests(text)
    except feel.FeelSyntaxError:
        return
    tests.evaluate("a", {}, now=lambda: datetime.now(UTC))


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("(", ")"),
        ("[", "]"),
        ("{a: ", "}"),
        ("f(", ")"),
        ("x[", "]"),
        ("[1..", "]"),
        ("1 in (", ")"),
        ("if true then ", " else 1"),
        ("if ", " then 1 else 2"),
        ("for x in ", " return x"),
        ("x between (", ") and (2)"),
        ("function(x) ", ""),
        ("not(", ")"),
        ("1 + (", ")"),
        ("- (", ")"),
        ("some x in [1] satisfies ", ""),
    ],
)
def test_deep_nesting_is_refused_at_once(opening: str, closing: str):
    started = time.perf_counter()
    assert parses(opening * 10 + "1" + closing * 10) is (opening not in ("[1..", "for x in "))
    for depth in (40, 500, 5_000):
        for text in (opening * depth, opening * depth + "1" + closing * depth):
            parses(text)
    assert time.perf_counter() - started < 10


def test_nesting_has_a_bound_that_is_named():
    with pytest.raises(feel.FeelSyntaxError, match="nested deeper than 40 levels"):
        feel.parse_expression("(" * 40 + "1" + ")" * 40)
    feel.parse_expression("(" * 39 + "1" + ")" * 39)


def test_the_deepest_allowed_expressions_can_be_evaluated():
    nested = "1"
    for _ in range(12):
        nested = f"[{{a: {nested} + 1}}][item.a != null][1].a"
    result = feel.parse_expression(nested).evaluate({}, now=lambda: datetime.now(UTC))
    assert result.failure is None
    assert result.value == 13


def test_external_functions_are_refused():
    text = 'function(a) external {java: {class: "C", method signature: "m(int)"}}'
    with pytest.raises(feel.FeelSyntaxError, match="External functions are disabled"):
        feel.parse_expression(text)


def test_the_place_of_an_error():
    with pytest.raises(feel.FeelSyntaxError) as caught:
        feel.parse_expression("1 +\n  2 x")
    assert str(caught.value).endswith(':2:5, found "x"')
