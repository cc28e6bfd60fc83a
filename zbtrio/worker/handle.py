"""What a running worker can be told and asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from zbtrio.client import ZeebeClient
    from zbtrio.worker.worker_run import WorkerRun

__all__ = ["SubscriptionState", "WorkerHandle", "WorkerState"]


@attrs.frozen
class SubscriptionState:
    """A subscription at one moment.

    Attributes:
        state: starting, polling, backing off, reconnecting, paused, draining or stopped.
        reason: why, where that needs to be said.
        running: slots taken.
        held: jobs here, from their arrival until the gateway knows their outcome.
        waiting: those of them that no slot was free for.
        reserved: jobs that the open poll may still bring.
        abandoned: keys of jobs whose threads go on although the job is over.
        counts: what has happened so far: "activated", "Complete", "Fail", "BpmnError", "Release",
            "given back" (unstarted), "overshoot" (pushed beyond the limit), "unreported", "expired"
            (the lease had ended before anything could be said).
    """

    type: str
    state: str
    reason: str
    concurrency: int
    max_jobs_active: int
    running: int
    held: int
    waiting: int
    reserved: int
    abandoned: tuple[int, ...]
    counts: Mapping[str, int]


@attrs.frozen
class WorkerState:
    """A worker at one moment.

    Attributes:
        name: the worker's, as in Zeebe's records.
        state: starting, running, draining or stopped.
        channel: the state of the connection: connecting, ready, reconnecting or closed.
        reported: outcomes that the gateway knows.
        unreported: outcomes that it doesn't know yet.
        subscriptions: by job type.
    """

    name: str
    state: str
    channel: str
    reported: int
    unreported: int
    subscriptions: Mapping[str, SubscriptionState]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        return attrs.asdict(self)


class WorkerHandle:
    """A running worker: `handle = await nursery.start(app.run)`."""

    def __init__(self, run: WorkerRun) -> None:
        self._run = run

    @property
    def state(self) -> WorkerState:
        """What the worker does at this moment."""
        return self._run.state()

    @property
    def client(self) -> ZeebeClient:
        """The client that the worker uses."""
        return self._run.client

    async def drain(self, grace: float | None = None) -> None:
        """Take no more jobs, give back those not begun, let handlers finish, end the worker.

        Handlers that need more than `grace` seconds (the setting, unless given) are cancelled and
        their jobs given back. Comes back when every outcome is reported, at most a second later.
        """
        self.begin_drain(grace)
        await self._run.drained.wait()

    def begin_drain(self, grace: float | None = None) -> None:
        """Begin to drain and come back at once. A second call may shorten the grace."""
        self._run.drain(grace)

    def pause(self, type: str | None = None) -> None:
        """Take no more jobs of a type (of any), and give back those not begun."""
        for each in self._run.chosen(type):
            each.pause()

    def resume(self, type: str | None = None) -> None:
        """Take jobs of a type (of all) again."""
        for each in self._run.chosen(type):
            each.resume()
