"""The rules of jobs hold, whatever workers do and in whatever order.

The model beside the engine is what a worker may rely on: a job is handed to nobody else before its
deadline, goes out by key, keeps its retries as they were given, waits for its backoff, is stopped
by an incident when it has none left, and is never lost.
"""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from zbtrio.devgateway.engine import Record, Rejection

from .clock import ClockedEngine
from .models import chain, process, task

KEYS = st.integers(min_value=0, max_value=30)
OPEN = ("ACTIVATABLE", "ACTIVATED")


@attrs.define
class Expected:
    """What is known of a job."""

    retries: int = 3
    state: str = "ACTIVATABLE"
    due: int | None = None  # the end of its deadline or backoff


class JobRules(RuleBasedStateMachine):
    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.engine = ClockedEngine()
        self.engine.deploy_resources(
            [("p.bpmn", process(task("work"), chain("start", "work", "end")))]
        )
        self.engine.log.on_record = self.on_record
        self.expected: dict[int, Expected] = {}
        self.incidents: dict[int, int] = {}
        self.created = 0
        self.ended = 0

    def on_record(self, record: Record) -> None:
        kind = (record.value_type, record.intent)
        if kind == ("JOB", "CREATED"):
            self.expected[record.key] = Expected()
        elif kind == ("INCIDENT", "CREATED"):
            self.incidents[int(str(record.value["jobKey"]))] = record.key
        elif kind == ("PROCESS_INSTANCE", "ELEMENT_COMPLETED") and record.value["elementId"] == "p":
            self.ended += 1

    @property
    def now(self) -> int:
        return self.engine.clock.milliseconds

    def let_time_pass(self) -> None:
        """What is due by now, in the model."""
        for job in self.expected.values():
            if job.due is not None and job.due <= self.now:
                job.state, job.due = "ACTIVATABLE", None

    # -- what happens

    @rule()
    def create(self) -> None:
        self.engine.create_process_instance("p")
        self.created += 1

    @rule(milliseconds=st.sampled_from([0, 1, 10, 500, 5000]))
    def wait(self, milliseconds: int) -> None:
        self.engine.wait(milliseconds)
        self.let_time_pass()

    @rule(target=jobs, limit=st.integers(0, 3), timeout=st.sampled_from([1, 100, 3000]))
    def activate(self, limit: int, timeout: int) -> Any:
        got = self.engine.activate_jobs("work", "w", timeout=timeout, max_jobs=limit)
        free = sorted(key for key, job in self.expected.items() if job.state == "ACTIVATABLE")
        assert [view.key for view in got] == free[:limit]
        for view in got:
            job = self.expected[view.key]
            assert view.retries == job.retries
            assert view.deadline == self.now + timeout
            job.state, job.due = "ACTIVATED", view.deadline
        return got[0].key if got else 0

    @rule(key=jobs)
    def push(self, key: int) -> None:
        job = self.expected.get(key)
        view = self.engine.activate_for_stream(key, "stream", timeout=100)
        assert (view is not None) == (job is not None and job.state == "ACTIVATABLE")
        if job is not None and view is not None:
            job.state, job.due = "ACTIVATED", self.now + 100

    @rule(key=jobs)
    def take_back(self, key: int) -> None:
        self.engine.yield_job(key)
        job = self.expected.get(key)
        if job is not None and job.state == "ACTIVATED":
            job.state, job.due = "ACTIVATABLE", None

    def refused(self, key: int, status: str) -> Any:
        return pytest.raises(Rejection, check=lambda rejection: rejection.status == status)

    def report(self, key: int, call: Any) -> bool:
        """Make a report; says whether the job was open to it."""
        job = self.expected.get(key)
        if job is not None and job.state in OPEN:
            call()
            return True
        with self.refused(key, "NOT_FOUND" if job is None else "FAILED_PRECONDITION"):
            call()
        return False

    @rule(key=consumes(jobs).filter(bool))
    def complete(self, key: int) -> None:
        if self.report(key, lambda: self.engine.complete_job(key)):
            del self.expected[key]

    @rule(
        key=jobs.filter(bool),
        retries=st.integers(-1, 4),
        backoff=st.sampled_from([0, 0, 50, 2000]),
    )
    def fail(self, key: int, retries: int, backoff: int) -> None:
        if not self.report(key, lambda: self.engine.fail_job(key, retries, "no", backoff=backoff)):
            return
        job = self.expected[key]
        job.retries, job.state, job.due = retries, "FAILED", None
        if retries > 0 and backoff:
            job.due = self.now + backoff
        elif retries > 0:
            job.state = "ACTIVATABLE"

    @rule(key=jobs.filter(bool))
    def throw_uncaught(self, key: int) -> None:
        if self.report(key, lambda: self.engine.throw_error(key, "NOBODY")):
            job = self.expected[key]
            job.state, job.due = "ERROR_THROWN", None

    @rule(key=jobs.filter(bool), retries=st.integers(1, 5))
    def update_retries(self, key: int, retries: int) -> None:
        job = self.expected.get(key)
        if job is None:
            with self.refused(key, "NOT_FOUND"):
                self.engine.update_job_retries(key, retries)
            return
        self.engine.update_job_retries(key, retries)
        job.retries = retries

    @rule(key=jobs.filter(bool), timeout=st.sampled_from([-5, 0, 200]))
    def update_timeout(self, key: int, timeout: int) -> None:
        job = self.expected.get(key)
        if job is None or job.state != "ACTIVATED":
            with self.refused(key, "NOT_FOUND" if job is None else "FAILED_PRECONDITION"):
                self.engine.update_job_timeout(key, timeout)
            return
        self.engine.update_job_timeout(key, timeout)
        job.due = self.now + timeout
        self.wait(0)

    @rule(key=jobs.filter(bool))
    def resolve(self, key: int) -> None:
        if key not in self.incidents:
            return
        job = self.expected.get(key)
        if job is None or job.state not in ("FAILED", "ERROR_THROWN") or job.retries <= 0:
            return
        if job.due is not None:  # it waits for its backoff, and its last incident is resolved
            with self.refused(key, "NOT_FOUND"):
                self.engine.resolve_incident(self.incidents[key])
            return
        self.engine.resolve_incident(self.incidents[key])
        job.state = "ACTIVATABLE"

    # -- what is always true

    @invariant()
    def none_is_lost(self) -> None:
        assert len(self.expected) == self.created - self.ended

    @invariant()
    def the_next_due_is_right(self) -> None:
        dues = [job.due for job in self.expected.values() if job.due is not None]
        assert self.engine.next_due() == min(dues, default=None)

    def teardown(self) -> None:
        """Every job can still be brought to an end."""
        self.wait(10_000)
        for key, job in list(self.expected.items()):
            if job.state in ("FAILED", "ERROR_THROWN"):
                self.engine.update_job_retries(key, 1)
                self.engine.resolve_incident(self.incidents[key])
            self.engine.complete_job(key)
            del self.expected[key]
        assert self.ended == self.created


TestJobRules = JobRules.TestCase
TestJobRules.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
