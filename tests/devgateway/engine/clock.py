"""A clock that stands still until it is moved, and an engine on it."""

from __future__ import annotations

from zbtrio.devgateway.engine import Engine


class Clock:
    """Seconds since 1970, as `time.time` gives them."""

    def __init__(self) -> None:
        self.milliseconds = 1_800_000_000_000

    def __call__(self) -> float:
        return self.milliseconds / 1000


class ClockedEngine(Engine):
    """An engine whose time is in the test's hands."""

    def __init__(self, *, log_limit: int | None = None) -> None:
        self.clock = Clock()
        super().__init__(self.clock, log_limit=log_limit)

    def wait(self, milliseconds: int) -> None:
        """Let time go by, and do what is due at the instant at which it is due."""
        until = self.clock.milliseconds + milliseconds
        while (due := self.next_due()) is not None and due <= until:
            self.clock.milliseconds = max(due, self.clock.milliseconds)
            self.advance()
        self.clock.milliseconds = until
