"""What Java does otherwise than Python: regular expressions, texts of temporals, order of maps."""

import re
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zbtrio.devgateway.feel.builtins.java_regex import compile_java, replace_all, split
from zbtrio.devgateway.feel.scala_order import ordered
from zbtrio.devgateway.feel.temporal import YearsMonths, add_months, to_java_text, to_text
from zbtrio.devgateway.feel.temporal_parsing import (
    parse_date,
    parse_days_time,
    parse_literal,
    parse_years_months,
    parse_zoned_date_time,
    parse_zoned_time,
)

LATE = datetime.fromisoformat("2024-03-01T10:00:00.120")


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"\p{Lu}\p{Ll}+", "Żółw", "Żółw"),
        (r"[\p{L}\d]+", "é1-", "é1"),
        (r"\p{Punct}", "a~b", "~"),
        (r"\pN", "x5", "5"),
        (r"(?<year>\d{4})-\k<year>", "2024-2024", "2024-2024"),
        (r"\Qa.b\E", "axb a.b", "a.b"),
        (r"a\h+b", "a \tb", "a \tb"),
        (r"[~~|]", "x|", "|"),
        (r"[]a]", "]", "]"),
        (r"\d", "٣3", "3"),
        (r"a\z", "a", "a"),
    ],
)
def test_java_patterns(pattern: str, text: str, found: str):
    match = compile_java(pattern).search(text)
    assert match is not None
    assert match[0] == found


@pytest.mark.parametrize("pattern", ["(", "[a&&b]", "[a[b]]", r"\p{Klingon}", "*"])
def test_invalid_patterns(pattern: str):
    with pytest.raises(re.error):
        compile_java(pattern)


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_pattern_compiles_or_is_refused(pattern: str, text: str):
    try:
        compile_java(pattern)
    except (re.error, OverflowError):
        return


def test_replacements_name_groups():
    pattern = compile_java("(?<a>x)(y)?")
    assert replace_all(pattern, "x", r"${a}$2$11\$") == "xx1$"
    with pytest.raises(re.error):
        replace_all(pattern, "x", "$")


def test_an_empty_match_at_the_start_splits_nothing():
    assert split(compile_java(""), "ab") == ["a", "b", ""]
    assert split(compile_java(","), ",a,") == ["", "a", ""]


@pytest.mark.parametrize(
    ("value", "feel_text", "java_text"),
    [
        (timedelta(hours=36), "P1DT12H", "PT36H"),
        (-timedelta(hours=1, minutes=30), "-PT1H30M", "PT-1H-30M"),
        (timedelta(), "P0D", "PT0S"),
        (timedelta(seconds=-0.5), "-PT1S", "PT-0.5S"),
        (YearsMonths(14), "P1Y2M", "P1Y2M"),
        (YearsMonths(-14), "-P1Y2M", "P-1Y-2M"),
        (YearsMonths(0), "P0Y", "P0D"),
        (date(2024, 3, 1), "2024-03-01", "2024-03-01"),
        (
            LATE,
            "2024-03-01T10:00:00.12",
            "2024-03-01T10:00:00.120",
        ),
    ],
)
def test_two_texts_of_one_value(value: object, feel_text: str, java_text: str):
    assert to_text(value) == feel_text  # type: ignore[arg-type]
    assert to_java_text(value) == java_text  # type: ignore[arg-type]


@given(st.timedeltas())
def test_durations_are_read_back(value: timedelta):
    assert parse_days_time(to_java_text(value)) == value


@given(st.integers(-100_000, 100_000).map(YearsMonths))
def test_periods_are_read_back(value: YearsMonths):
    assert parse_years_months(to_java_text(value)) == (value if value.months else None)
    assert parse_years_months(to_text(value)) == value


@given(st.text(max_size=30))
def test_any_text_is_a_temporal_or_none(text: str):
    for parse in (parse_literal, parse_date, parse_zoned_time, parse_zoned_date_time):
        parse(text)


@given(st.dates(), st.integers(-3000, 3000))
def test_months_are_added_within_the_calendar(day: date, months: int):
    try:
        moved = add_months(day, months)
    except OverflowError:
        return
    assert (moved.year - day.year) * 12 + moved.month - day.month == months
    assert moved.day <= day.day


def test_small_maps_keep_their_order_and_large_ones_have_scala_s():
    assert ordered(list("dcba")) == list("dcba")
    assert ordered(list("gfedcba")) == list("efabgcd")
    names = ["hour", "minute", "second", "timezone", "year", "month"]
    assert ordered(names) == ["minute", "timezone", "year", "hour", "second", "month"]


@given(st.sets(st.text(max_size=3), max_size=200))
def test_no_key_is_lost_in_the_order(keys: set[str]):
    assert sorted(ordered(list(keys))) == sorted(keys)


def test_keys_whose_hashes_collide_are_kept():
    assert sorted(ordered(["Aa", "BB", "AaAa", "BBBB", "AaBB", "c"])) == sorted(
        ["Aa", "BB", "AaAa", "BBBB", "AaBB", "c"]
    )
