"""Incidents: raised where a step can't be done, resolved by doing it again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .failure import Failure
from .rejection import rejected
from .state import ElementInstance
from .waiting import Incident, Job

if TYPE_CHECKING:
    from .core import Core


class Incidents:
    """All incidents that are not resolved."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.by_key: dict[int, Incident] = {}

    def raise_on(
        self, instance: ElementInstance, failure: Failure, retry: Callable[[], None]
    ) -> None:
        """An element instance can't go on; `retry` is what to do once that is put right."""
        incident = self._create(instance, failure, instance.element.id, None, retry)
        instance.incident = incident

    def raise_on_job(self, job: Job, failure: Failure, element_id: str | None = None) -> None:
        """A job can't go on."""
        element = element_id or job.instance.element.id
        job.incident = self._create(job.instance, failure, element, job, None)

    def _create(
        self,
        instance: ElementInstance,
        failure: Failure,
        element_id: str,
        job: Job | None,
        retry: Callable[[], None] | None,
    ) -> Incident:
        key = self._core.next_key()
        incident = Incident(key, failure.type, failure.message, instance, element_id, job, retry)
        self.by_key[key] = incident
        self._core.log.event("INCIDENT", "CREATED", key, incident.value())
        return incident

    def resolve(self, key: int) -> None:
        """A person says that it is put right; raises Rejection."""
        incident = self.by_key.get(key)
        text = f"Expected to resolve incident with key '{key}'"
        if incident is None:
            raise rejected("RESOLVE", "NOT_FOUND", f"{text}, but no such incident was found")
        job = incident.job
        if job is not None and job.retries <= 0:
            left = f"job with key '{job.key}' has no retries left. Please update the job retries"
            reason = f"{text}, but {left} and retry resolving the incident"
            raise rejected("RESOLVE", "NOT_FOUND", reason)
        self.drop(incident)
        if job is not None:
            self._core.jobs.make_available(job)
        elif incident.retry is not None:
            incident.retry()

    def drop(self, incident: Incident | None) -> None:
        """It is no longer there, because it was resolved or what it stopped has ended."""
        if incident is None or self.by_key.pop(incident.key, None) is None:
            return
        if incident.job is not None:
            incident.job.incident = None
        else:
            incident.instance.incident = None
        self._core.log.event("INCIDENT", "RESOLVED", incident.key, incident.value())
