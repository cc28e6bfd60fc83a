"""Jobs in memory with the life that Zeebe gives them: activatable, activated, ended.


Times are trio's; a lease that has run out makes its job activatable again.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from heapq import heappop, heappush
from itertools import count
from typing import Any

import trio
from attrs import define, field
from grpclib.const import Status
from grpclib.exceptions import GRPCError


@define(eq=False)
class QueuedJob:
    """A job and what became of it.

    Attributes:
        state: ACTIVATABLE, ACTIVATED, FAILED (waits for its back-off), INCIDENT, ERROR_THROWN or
            COMPLETED.
        due: trio time at which the lease or the back-off ends.
        activations, result, error: what workers did with it.
    """

    key: int
    type: str
    variables: str
    retries: int
    headers: str
    tenant: str
    state: str = "ACTIVATABLE"
    due: float = math.inf
    worker: str = ""
    activations: int = 0
    result: dict[str, Any] = field(factory=dict)
    error: str = ""

    @property
    def ended(self) -> bool:
        """Nobody will be given it again."""
        return self.state in ("COMPLETED", "ERROR_THROWN", "INCIDENT")


class JobQueue:
    """All jobs of a gateway."""

    def __init__(self) -> None:
        self.jobs: dict[int, QueuedJob] = {}
        self._keys = count(2251799813685249)
        self._ready: dict[str, deque[QueuedJob]] = defaultdict(deque)
        self._due: list[tuple[float, int, QueuedJob]] = []
        self._waiting: dict[str, trio.lowlevel.ParkingLot] = defaultdict(trio.lowlevel.ParkingLot)
        self._order = count()

    def __iter__(self) -> Iterator[QueuedJob]:
        return iter(self.jobs.values())

    def add(
        self,
        type: str,
        variables: Mapping[str, Any] | None = None,
        *,
        retries: int = 3,
        headers: Mapping[str, str] | None = None,
        tenant: str = "<default>",
    ) -> int:
        """Create a job and return its key."""
        key = next(self._keys)
        texts = json.dumps(variables or {}), json.dumps(headers or {})
        self.jobs[key] = QueuedJob(key, type, texts[0], retries, texts[1], tenant)
        self._make_ready(self.jobs[key])
        return key

    def take(self, type: str, limit: int, timeout: float, worker: str) -> list[QueuedJob]:
        """Activate up to `limit` jobs of a type for `timeout` seconds."""
        self._return_due()
        ready, taken = self._ready[type], list[QueuedJob]()
        while ready and len(taken) < limit:
            job = ready.popleft()
            if job.state == "ACTIVATABLE":
                job.state, job.worker = "ACTIVATED", worker
                job.activations += 1
                self._schedule(job, timeout)
                taken.append(job)
        return taken

    async def wait(self, type: str) -> None:
        """Wait until there may be a job of this type to take."""
        next_due = min((due for due, _, job in self._due if job.type == type), default=math.inf)
        with trio.CancelScope(deadline=next_due):
            await self._waiting[type].park()

    def give_back(self, jobs: list[QueuedJob]) -> None:
        """Undo an activation whose answer could not be sent."""
        for job in jobs:
            if job.state == "ACTIVATED":
                self._make_ready(job)

    def complete(self, key: int, variables: str) -> None:
        """End a job with its result."""
        job = self._find(key, "complete")
        job.state, job.result = "COMPLETED", json.loads(variables or "{}")

    def fail(self, key: int, retries: int, backoff: float, message: str) -> None:
        """Fail a job: again at once, after a back-off, or an incident."""
        job = self._find(key, "fail")
        job.retries, job.error = retries, message
        if retries <= 0:
            job.state = "INCIDENT"
        elif backoff > 0:
            job.state = "FAILED"
            self._schedule(job, backoff)
        else:
            self._make_ready(job)

    def throw(self, key: int, code: str) -> None:
        """End a job with a BPMN error."""
        job = self._find(key, "throw an error for")
        job.state, job.error = "ERROR_THROWN", code

    def extend(self, key: int, timeout: float) -> None:
        """Give an activated job a new deadline."""
        job = self._find(key, "update")
        if job.state != "ACTIVATED":
            raise GRPCError(Status.FAILED_PRECONDITION, f"job {key} is not active")
        self._schedule(job, timeout)

    def _find(self, key: int, verb: str) -> QueuedJob:
        self._return_due()
        job = self.jobs.get(key)
        if job is None or job.ended:
            raise GRPCError(
                Status.NOT_FOUND,
                f"Command '{verb.split()[0].upper()}' rejected with code 'NOT_FOUND': Expected to "
                f"{verb} job with key '{key}', but no such job was found",
            )
        return job

    def _make_ready(self, job: QueuedJob) -> None:
        job.state, job.due = "ACTIVATABLE", math.inf
        self._ready[job.type].append(job)
        self._waiting[job.type].unpark_all()

    def _schedule(self, job: QueuedJob, seconds: float) -> None:
        job.due = trio.current_time() + seconds
        heappush(self._due, (job.due, next(self._order), job))
        self._waiting[job.type].unpark_all()

    def _return_due(self) -> None:
        now = trio.current_time()
        while self._due and self._due[0][0] <= now:
            due, _, job = heappop(self._due)
            if job.due == due and job.state in ("ACTIVATED", "FAILED"):
                self._make_ready(job)
