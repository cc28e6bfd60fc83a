"""The face that the engine sees: names asked for, values in and out, failures as results."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest

from zbtrio.devgateway import feel


def noon() -> datetime:
    return datetime(2024, 3, 10, 12, tzinfo=UTC)


def value(text: str, **variables: Any) -> object:
    result = feel.parse_expression(text).evaluate(variables, now=noon)
    assert result.failure is None
    return result.value


class Asked(Mapping[str, object]):
    """Variables that know which of them were asked for."""

    def __init__(self, variables: dict[str, object]) -> None:
        self.variables = variables
        self.names: list[str] = []

    def __getitem__(self, name: str) -> object:
        self.names.append(name)
        return self.variables[name]

    def __contains__(self, name: object) -> bool:
        return name in self.variables

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("nobody needs all variables")

    def __len__(self) -> int:
        raise AssertionError("nobody needs all variables")


def test_only_names_that_occur_are_asked_for():
    variables = Asked({"x": 1, "y": 2, "z": 3})
    result = feel.parse_expression("x + y").evaluate(variables, now=noon)
    assert result.value == 3
    assert set(variables.names) <= {"x", "y"}


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("null", type(None)),
        ("true", bool),
        ("1.50", Decimal),
        ('"a"', str),
        ('date("2024-03-10")', date),
        ('time("10:00:00")', time),
        ('time("10:00:00Z")', feel.ZonedTime),
        ('date and time("2024-03-10T10:00:00")', datetime),
        ('duration("P1D")', timedelta),
        ('duration("P1M")', feel.YearsMonths),
        ("[1]", list),
        ("{a: 1}", dict),
        ("function(x) x", feel.Function),
        ("get or else([1..2], null)", feel.Range),
    ],
)
def test_values_are_plain(text: str, type_: type):
    assert type(value(text)) is type_


@pytest.mark.parametrize(
    ("json_value", "text"),
    [
        (1, "1"),
        (1.0, "1.0"),
        (1e-09, "1.0E-9"),
        (12345678.5, "12345678.5"),
        (10000000.0, "1.0E+7"),
        (2**64 - 1, "18446744073709551615"),
        (float("inf"), None),
        (float("nan"), None),
        ([1, {"a": None}], "[1, {a:null}]"),
    ],
)
def test_json_values_come_in(json_value: object, text: str | None):
    assert value("string(x)", x=json_value) == text


@pytest.mark.parametrize(
    ("text", "json_value"),
    [
        ("1.0", 1),
        ("1.5", 1.5),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", -(2**63)),
        ("10 ** 1000", 0),
        ("function(x) x", None),
        ("{a: 1, f: function(x) x}", {"a": 1}),
        ('duration("PT36H")', "PT36H"),
        ('time("10:30:00")', "10:30"),
    ],
)
def test_values_go_out_as_zeebe_writes_them(text: str, json_value: object):
    found = feel.to_json_value(feel.parse_expression(text).evaluate({}, now=noon).value)
    assert found == json_value
    assert type(found) is type(json_value)


def test_what_is_no_json_is_refused():
    with pytest.raises(TypeError, match="object is no JSON value"):
        feel.from_json_value(object())


def test_the_clock_is_the_caller_s():
    assert value("now()") == noon()
    assert value("today()") == date(2024, 3, 10)


def test_an_expression_is_evaluated_again_and_again():
    expression = feel.parse_expression("x + 1")
    assert [expression.evaluate({"x": x}, now=noon).value for x in (1, 2)] == [2, 3]


@pytest.mark.parametrize(
    ("text", "name"),
    [("x", "x"), ("x.y", "x"), ("`a b`", "a b"), ("x + 1", None), ("x[1]", None), ("1", None)],
)
def test_variable_name(text: str, name: str | None):
    assert feel.parse_expression(text).variable_name == name


@pytest.mark.parametrize(
    ("text", "static"),
    [("abc", "abc"), ("", ""), ("=", "="), (" = 1", " = 1"), ("12", Decimal(12)), ("true", "true")],
)
def test_a_text_without_equals_sign_stands_for_itself(text: str, static: object):
    found = feel.parse_zeebe(text)
    assert isinstance(found, feel.Static)
    assert found.evaluate({}, now=noon).value == static


def test_an_incident_s_text():
    result = feel.parse_expression("missing > 10").evaluate({}, now=noon)
    assert feel.result_type(result.value) == "NULL"
    assert result.with_warnings("Expected a BOOLEAN.") == (
        "Expected a BOOLEAN. The evaluation reported the following warnings:\n"
        "[NO_VARIABLE_FOUND] No variable found with name 'missing'\n"
        "[NOT_COMPARABLE] Can't compare 'null' with '10'"
    )
    assert feel.Result(None, []).with_warnings("Just so.") == "Just so."


def test_a_function_does_not_see_what_comes_after_it():
    assert value("{f: function(x) later, later: 1, r: f(0)}.r", later="outer") == "outer"


def test_a_failure_is_no_exception():
    result = feel.parse_expression("substring(s, 9)").evaluate({"s": "abc"}, now=noon)
    assert result.value is None
    assert result.failure is not None
    assert "out of bounds" in result.failure


def test_a_function_that_calls_itself_is_stopped():
    endless = "{f: function(g, x) g.call(g, x), r: f({call: f}, 1)}.r"
    result = feel.parse_expression(endless).evaluate({}, now=noon)
    assert result.value is None


def test_a_range_too_long_to_walk_is_refused():
    result = feel.parse_expression("for i in 1..2000000000 return i").evaluate({}, now=noon)
    assert result.value is None
    assert [warning.message for warning in result.warnings] == [
        "Expected at most 1000000 steps in a range but found 2000000000"
    ]


def test_variables_nested_too_deeply_fail_the_evaluation():
    nested: list[object] = []
    for _ in range(5000):
        nested = [nested]
    result = feel.parse_expression("count(x)").evaluate({"x": nested}, now=noon)
    assert result.failure is not None
    assert "nested too deeply" in result.failure


def test_long_chains_do_not_nest():
    assert value(" + ".join(["1"] * 5000)) == 5000
    assert value(" and ".join(["true"] * 5000)) is True
    branches = "".join(f"if x = {n} then {n} else " for n in range(500))
    assert value(branches + "-1", x=499) == 499
    assert value("x" + ".a" * 300, x=None) is None


def test_partial_results_do_not_cost_a_copy_each():
    assert value("count(for i in 1..20000 return i)") == 20000
