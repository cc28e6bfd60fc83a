"""Variables as JSON, in and out."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zbtrio.devgateway.engine import Rejection
from zbtrio.devgateway.engine.documents import read_document, write_json

TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_documents_survive(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    assert read_document(text) == document
    assert json.loads(write_json(document)) == document


@settings(deadline=None)
@given(st.text(st.sampled_from("{}[]\"':,aN1.-+e\\u08 \n")))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    with suppress(Rejection):
        document = read_document(text)
        assert isinstance(document, dict)
        write_json(document)


@pytest.mark.parametrize("text", ["", "null", "{}", " {} ", "{} and more"])
def test_no_variables(text: str) -> None:
    assert read_document(text) == {}


@pytest.mark.parametrize(
    ("text", "kind"),
    [("5", "INTEGER"), ("1.5", "FLOAT"), ('"x"', "STRING"), ("[]", "ARRAY"), ("true", "BOOLEAN")],
)
def test_only_objects(text: str, kind: str) -> None:
    with pytest.raises(Rejection, match=f"root level object, but was '{kind}'"):
        read_document(text)


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ("{'a': 'it\\'s \"b\"'}", {"a": 'it\'s "b"'}),
        ('{"a": "it\'s"}', {"a": "it's"}),
        ('{"a": 1E400, "b": -1E400}', {"a": "Infinity", "b": "-Infinity"}),
        ('{"a": "\\ud800"}', {"a": "?"}),
        ('{"a": 1, "a": 2}', {"a": 2}),
    ],
)
def test_what_zeebe_is_lenient_with(text: str, document: object) -> None:
    assert read_document(text) == document


@pytest.mark.parametrize(
    ("text", "column"), [("nope", 5), ("{nope", 2), ('{"a":NaN}', 9), ("[" * 100_000, 1)]
)
def test_where_a_text_stops_to_be_json(text: str, column: int) -> None:
    with pytest.raises(Rejection, match=rf"line: 1, column: {column}\]$"):
        read_document(text)


@pytest.mark.parametrize("number", [-(2**63) - 1, 2**64])
def test_integers_beyond_64_bits(number: int) -> None:
    with pytest.raises(Rejection, match="larger than 2\\^64-1"):
        read_document(f'{{"a": [{{"b": {number}}}]}}')
