"""Pauses between attempts."""

import random

__all__ = ["FIRST", "LONGEST", "pause"]

FIRST = 0.05
LONGEST = 5.0


def pause(failures: int, longest: float = LONGEST) -> float:
    """Seconds to wait after so many failures in a row: doubling from 50 ms, with jitter."""
    return random.uniform(0.5, 1.0) * min(longest, FIRST * 2 ** min(failures, 20))
