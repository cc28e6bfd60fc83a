"""Commands from outside: noted, done with all that follows from them, noted again if refused."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager

from .core import PARTITION, Core
from .rejection import Rejection


class Commands:
    """What the engine's calls share.

    Args:
        now: the time in seconds since the epoch.
        log_limit: how many records the log keeps, the newest; None for all.
    """

    def __init__(self, now: Callable[[], float], *, log_limit: int | None = None) -> None:
        self._core = Core(now, log_limit)

    @contextmanager
    def _command(
        self, value_type: str, intent: str, key: int, value: Mapping[str, object]
    ) -> Generator[None]:
        """Note a command, do it and all that follows; note it too when it is refused."""
        core = self._core
        core.tick()
        core.log.command(value_type, intent, key, value)
        try:
            yield
        except Rejection as rejection:
            core.log.rejection(value_type, intent, key, value, rejection.reason)
            raise
        core.run()


def check_partition(key: int) -> None:
    """A key tells its partition; there is one."""
    partition = key >> 51
    if partition != PARTITION:
        text = f"Expected to execute command on partition {partition}, but either it does not"
        raise Rejection("UNAVAILABLE", f"{text} exist, or the gateway is not yet aware of it")
