"""How much of a job's lease is left when it is read here.

The broker stamps a job with the end of its lease, on its own clock. That clock can't be compared
with ours, but the differences between jobs can: of two jobs with the same timeout, the one that
spent a second longer on its way (in a push stream's window, in the socket of a process that was
stopped) shows a difference that is a second larger. So the smallest difference seen is taken for
the time of a quick delivery, and what a job's exceeds it by is its age. The smallest one creeps up
slowly, since clocks drift; a difference larger than the whole lease is a clock that was set.
"""

from __future__ import annotations

__all__ = ["LeaseClock"]

CREEP = 0.001


class LeaseClock:
    """Deadlines of the jobs of one subscription, which share a timeout in seconds.

    Attributes:
        margin: seconds before the lease's end at which a handler has to end, so that the job can
            still be failed with a message.
    """

    __slots__ = ("_least", "margin", "timeout")

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self.margin = min(1.0, timeout / 20)
        self._least = float("inf")

    def deadline(self, arrival: float, lease_end: int) -> float:
        """The handler's deadline on trio's clock.

        `arrival` is the trio time at which the job came in; `lease_end` the broker's stamp in
        milliseconds, 0 for none.
        """
        difference = arrival - lease_end / 1000
        age = difference - self._least
        if age < 0 or age > self.timeout:
            self._least = difference
            age = 0.0
        else:
            self._least += age * CREEP
        return arrival + self.timeout - age - self.margin
