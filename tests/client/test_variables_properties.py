"""What is written reads back equal, or is refused: nothing changes in silence."""

import contextlib
import json
import math
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from zbtrio.errors import VariablesError
from zbtrio.variables import MAX_INT, MIN_INT, dumps, loads

texts = st.text(max_size=5)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(MIN_INT, MAX_INT)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
strange = st.sampled_from(
    [math.nan, math.inf, -math.inf, MAX_INT + 1, MIN_INT - 1, {1}, b"", 1j, "\ud800", {1: 2}]
)


@given(st.dictionaries(texts, values, max_size=4))
def test_round_trip(variables: dict[str, Any]) -> None:
    text = dumps(variables)
    assert loads(text) == variables == json.loads(text)
    assert dumps(loads(text)) == text


def has_strange(value: Any) -> bool:
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return any(map(has_strange, value.values()))
    if isinstance(value, list):
        return any(map(has_strange, value))
    return (
        isinstance(value, set | bytes | complex | dict) or value == "\ud800" or not sendable(value)
    )


def sendable(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, int) or MIN_INT <= value <= MAX_INT


@given(
    st.dictionaries(
        texts,
        st.recursive(
            scalars | strange,
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
            max_leaves=6,
        ),
        max_size=4,
    )
)
def test_strange_values_are_refused_wherever_they_are(variables: dict[str, Any]) -> None:
    try:
        text = dumps(variables)
    except VariablesError:
        assert has_strange(variables)
    else:
        assert not has_strange(variables)
        assert loads(text) == variables


@given(st.decimals())
def test_a_decimal_keeps_its_value_or_is_refused(number: Decimal) -> None:
    try:
        text = dumps({"n": number})
    except VariablesError:
        return
    received = json.loads(text)["n"]  # a 64-bit float, or an int, as a broker holds it
    assert Decimal(repr(received)) == number


@given(st.text() | st.binary())
def test_loads_gives_a_dict_or_the_documented_error(text: str | bytes) -> None:
    with contextlib.suppress(VariablesError):
        assert isinstance(loads(text), dict)
