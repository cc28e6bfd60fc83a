"""Waiting in tests, on virtual time."""

from collections.abc import Callable

import trio


async def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until the condition holds; TooSlowError after so many seconds."""
    with trio.fail_after(seconds):
        while not condition():
            await trio.sleep(0.05)
