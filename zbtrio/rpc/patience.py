"""How much a server takes from one client of what costs the client next to nothing."""

from __future__ import annotations

import math

MAX_PING_STRIKES = 2


class PingStrikes:
    """Counts keepalive pings that come too often, by the rules of gRPC's servers.

    Args:
        interval: seconds that a client leaves between pings; None: pings are free.
    """

    IDLE_INTERVAL = 7200.0  # seconds, while no call is open

    def __init__(self, interval: float | None) -> None:
        self._interval = interval
        self._last = -math.inf
        self._strikes = 0

    def forgive(self) -> None:
        """The server has sent headers or data: a ping with them may measure the bandwidth."""
        self._last = -math.inf
        self._strikes = 0

    def accept(self, now: float, calls_open: bool) -> bool:
        """Note a ping; False if it was one too many and the connection is to end."""
        if self._interval is None:
            return True
        if now >= self._last + (self._interval if calls_open else self.IDLE_INTERVAL):
            self._last = now
            return True
        self._strikes += 1
        return self._strikes <= MAX_PING_STRIKES


class Patience:
    """A budget that refills with time, for frames that cost the server more than the client (resets
    of calls just begun, CVE-2023-44487; changes of settings).

    Args:
        budget: how many may come at once.
        refill: how many more each second.
    """

    def __init__(self, budget: int, refill: float) -> None:
        self._budget = float(budget)
        self._refill = refill
        self._left = self._budget
        self._as_of = -math.inf

    def spend(self, now: float) -> bool:
        """Note one; False if it was one too many."""
        if self._left < 1 or now > self._as_of + 1:
            self._left = min(self._budget, self._left + (now - self._as_of) * self._refill)
            self._as_of = now
        self._left -= 1
        return self._left >= 0
