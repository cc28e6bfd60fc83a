"""Durations, dates, cycles and cron expressions, as Zeebe reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zbtrio.devgateway.engine.cron import Cron
from zbtrio.devgateway.engine.times import (
    INFINITE,
    Cycle,
    Interval,
    from_millis,
    is_date_time,
    parse_date_time,
    to_millis,
)

NOW = to_millis(datetime(2026, 1, 31, 23, 59, 58, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "later"),
    [
        ("PT1.5S", timedelta(seconds=1.5)),
        ("P1DT2H", timedelta(days=1, hours=2)),
        ("P1W", timedelta(days=7)),
        ("-P1D", timedelta(days=-1)),
        ("P-1D", timedelta(days=-1)),
        ("PT-1S", timedelta(seconds=-1)),
        ("+PT1S", timedelta(seconds=1)),
        ("PT0.0000001S", timedelta()),
    ],
)
def test_an_interval(text: str, later: timedelta) -> None:
    assert from_millis(Interval.parse(text).after(NOW)) == from_millis(NOW) + later


def test_a_month_from_the_31st() -> None:
    assert from_millis(Interval.parse("P1M").after(NOW)).date().isoformat() == "2026-02-28"


@pytest.mark.parametrize("text", ["", "P", "PT", "P1", "1S", "PT1", "pt1s", "PT1H30", " PT1S"])
def test_no_interval(text: str) -> None:
    with pytest.raises(ValueError, match="Text cannot be parsed to a Period"):
        Interval.parse(text)


def test_an_interval_beyond_all_time() -> None:
    with pytest.raises(ValueError, match="too far"):
        Interval.parse("P999999999999D")


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("2020-01-01T00:00Z", True),
        ("2020-01-01T00:00:00.123456789+01:00", True),
        ("2020-01-01T00:00:00+01:00[Europe/Berlin]", True),
        ("2020-01-01t00:00:00z", True),
        ("2020-01-01", False),
        ("2020-01-01T00:00:00", False),
        ("2020-01-01T00:00:00-0500", False),
        ("2020-13-01T00:00Z", False),
        ("2020-01-01T00:00:00+01:00[Nowhere/Else]", False),
    ],
)
def test_dates(text: str, good: bool) -> None:
    assert is_date_time(text) is good


def test_a_date_in_a_zone() -> None:
    moment = parse_date_time("2020-07-01T12:00:00+02:00[Europe/Berlin]")
    assert moment == datetime(2020, 7, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "repetitions"), [("R3/PT1S", 3), ("R/PT1S", INFINITE), ("R0/PT1S", 0), ("R//PT1S", -1)]
)
def test_a_cycle(text: str, repetitions: int) -> None:
    cycle = Cycle.parse(text)
    assert cycle.repetitions == repetitions
    assert cycle.first_due(NOW) == NOW + 1000
    assert cycle.due_after(NOW + 1000, NOW + 1700) == NOW + 2000


def test_the_start_of_a_cycle_counts_while_it_is_to_come() -> None:
    assert Cycle.parse("R/2030-01-01T00:00:00Z/P1D").first_due(NOW) == to_millis(
        datetime(2030, 1, 1, tzinfo=UTC)
    )
    assert Cycle.parse("R/2020-01-01T00:00:00Z/PT5S").first_due(NOW) == NOW + 5000


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("R/foo", "Text cannot be parsed to a Period"),
        ("Rx/PT1S", "Cannot parse repetitions count"),
        ("R99999999999/PT1S", "Cannot parse repetitions count"),
        ("R5", "No interval given"),
        ("R/PT1S/PT1S", "Text 'PT1S' could not be parsed at index 0"),
        ("R2/2020/PT1S", "Text '2020' could not be parsed at index 4"),
        ("", "Empty expression!"),
        ("often", "Cron expression contains 1 parts but we expect one of [6]"),
        ("* * * * *", "Cron expression contains 5 parts but we expect one of [6]"),
        ("61 * * * * *", "Failed to parse cron expression. Value 61 not in range [0, 59]"),
    ],
)
def test_no_cycle(text: str, why: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared below
        Cycle.parse(text)
    assert str(caught.value) == why


@pytest.mark.parametrize(
    ("text", "next_time"),
    [
        ("*/1 * * * * *", "2026-01-31T23:59:59"),
        ("0 0 9-17 * * MON-FRI", "2026-02-02T09:00:00"),
        ("@daily", "2026-02-01T00:00:00"),
        ("0 30 6 L * ?", "2026-02-28T06:30:00"),
        ("0 0 0 LW * *", "2026-02-27T00:00:00"),
        ("0 0 0 L-3 * *", "2026-02-25T00:00:00"),
        ("0 0 0 15W * *", "2026-02-16T00:00:00"),
        ("0 0 0 ? * 1#2", "2026-02-09T00:00:00"),
        ("0 0 0 ? * 5L", "2026-02-27T00:00:00"),
        ("0 0 0 29 FEB *", "2028-02-29T00:00:00"),
        ("10/20 5,50 0 * * *", "2026-02-01T00:05:10"),
    ],
)
def test_cron(text: str, next_time: str) -> None:
    assert Cron.parse(text).after(from_millis(NOW)).isoformat() == f"{next_time}+00:00"


def test_a_cron_expression_that_never_happens() -> None:
    with pytest.raises(ValueError, match="never"):
        Cron.parse("0 0 0 31 2 *").after(from_millis(NOW))


@given(
    st.sampled_from(["*", "0", "*/7", "3-9", "1,30"]),
    st.sampled_from(["*", "0", "*/13", "59"]),
    st.sampled_from(["*", "23", "8-10/2"]),
    st.datetimes(datetime(2000, 1, 1), datetime(2060, 1, 1)),  # noqa: DTZ001 - see below
)
def test_cron_finds_the_first_time_that_fits(
    second: str, minute: str, hour: str, moment: datetime
) -> None:
    cron = Cron.parse(f"{second} {minute} {hour} * * *")
    start = moment.replace(tzinfo=UTC)
    found = cron.after(start)
    assert start < found
    assert found.second in cron.seconds
    assert found.minute in cron.minutes
    assert found.hour in cron.hours
    assert cron.after(found - timedelta(seconds=1)) == found
