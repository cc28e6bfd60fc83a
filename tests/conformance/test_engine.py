"""The engine answers as the recorded broker did, and its log tells the same story."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from .engine_gateway import open_engine
from .normal import lenient, tidy
from .recorded import CASES, expected_answers, expected_story
from .runner import Run
from .story import story


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_case(case: Path, autojump_clock: trio.testing.MockClock) -> None:
    async with open_engine() as gateway, trio.open_nursery() as nursery:
        run = Run(case, gateway, nursery)
        told: list[Any] = []
        run.on_steps_done = lambda: told.append(story(gateway.engine.log.since(), run.labels))
        got = await run.run()
        nursery.cancel_scope.cancel()
    assert lenient(got) == lenient(expected_answers(case))
    assert lenient(tidy(run.plain(told[0]))) == lenient(expected_story(case))
