"""Jobs that no gateway knows."""

from __future__ import annotations

import json
import math
from typing import Any

import trio

from zbtrio._proto.gateway_protocol import ActivatedJob
from zbtrio.worker.job import Job


class NoKeeper:
    """Holds jobs that nobody can extend or report."""

    def __init__(self) -> None:
        self.draining = trio.Event()

    async def extend(self, job: Job, seconds: float) -> None:
        raise AssertionError("no gateway")

    async def report(self, job: Job, outcome: object) -> None:
        raise AssertionError("no gateway")


def make_job(variables: Any = None, **fields: Any) -> Job:
    """A job with these variables: a dict, or their JSON text."""
    text = variables if isinstance(variables, str) else json.dumps(variables or {})
    fields = {
        "key": 1,
        "type": "work",
        "process_instance_key": 2,
        "bpmn_process_id": "order",
        "element_id": "task",
        "retries": 3,
        "variables": text,
    } | fields
    return Job(ActivatedJob(**fields), NoKeeper(), math.inf)
