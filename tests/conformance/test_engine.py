"""The engine answers as the recorded broker did, and its log tells the same story."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio.testing

from .compare import run_on_engine
from .normal import lenient
from .recorded import CASES, expected_answers, expected_story


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_case(case: Path, autojump_clock: trio.testing.MockClock) -> None:
    got, told = await run_on_engine(case)
    assert lenient(got) == lenient(expected_answers(case))
    assert lenient(told) == lenient(expected_story(case))
