"""A case run against the engine or against an address, and whether the answers are the recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import trio
import trio.testing

from .client_gateway import ClientGateway
from .engine_gateway import open_engine
from .normal import lenient, tidy
from .recorded import expected_answers, expected_story
from .runner import Answer, Run
from .story import story


async def run_on_engine(case: Path) -> tuple[Answer, Answer]:
    """The answers, and the story that the engine's log tells; needs a clock that jumps."""
    async with open_engine() as gateway, trio.open_nursery() as nursery:
        run = Run(case, gateway, nursery)
        told: list[Any] = []
        run.on_steps_done = lambda: told.append(story(gateway.engine.log.since(), run.labels))
        got = await run.run()
        nursery.cancel_scope.cancel()
    return got, tidy(run.plain(told[0]))


async def run_on_client(case: Path, gateway: ClientGateway) -> Answer:
    """The answers of any gateway."""
    async with trio.open_nursery() as nursery:
        got = await Run(case, gateway, nursery).run()
        nursery.cancel_scope.cancel()
    return got


def engine_agrees(case: Path) -> bool:
    """Whether the engine answers as it was recorded and its log tells the same."""
    clock = trio.testing.MockClock(autojump_threshold=0)
    got, told = trio.run(run_on_engine, case, clock=clock)
    same = lenient(got) == lenient(expected_answers(case))
    return same and lenient(told) == lenient(expected_story(case))


async def client_agrees(case: Path, gateway: ClientGateway) -> bool:
    """Whether a gateway answers as it was recorded; a busy one is asked twice."""
    expected = lenient(expected_answers(case))
    for _ in range(2):
        if lenient(await run_on_client(case, gateway)) == expected:
            return True
    return False
