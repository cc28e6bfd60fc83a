"""The gateway's RPCs about jobs. Workers make these calls by themselves."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

from zbtrio import gateway
from zbtrio._proto import gateway_protocol as proto
from zbtrio.client.calls import Caller, milliseconds
from zbtrio.client.job_stream import JobStream

GATEWAY_POLL = 10.0
"""Seconds that a gateway holds a poll which doesn't say how long."""


class JobCalls(Caller):
    """Activate jobs and tell how they ended."""

    def activate_jobs(
        self,
        type: str,
        *,
        max_jobs: int = 32,
        timeout: float = 60.0,
        worker: str | None = None,
        fetch_variables: Sequence[str] | None = None,
        request_timeout: float | None = None,
        tenant_ids: Sequence[str] | None = None,
        with_lease: bool = False,
    ) -> JobStream:
        """Take jobs of a type: `async with client.activate_jobs("charge-card") as jobs`.

        Then `async for job in jobs` gives them as `ActivatedJob`.

        What was taken and not worked on is given to others only after its timeout. The iteration
        ends when the gateway has no more to give; that there were none is no error.

        Args:
            type: the job type, as the model's task definition has it.
            max_jobs: how many at most.
            timeout: seconds for which nobody else gets the jobs.
            worker: the name shown with the jobs; None: this machine's.
            fetch_variables: only these; None: all of them.
            request_timeout: seconds that the gateway waits for a first job; None: its default
                (10 s); 0: it does not wait.
            tenant_ids: the tenants to take jobs of; None: the default tenant.
            with_lease: ask for lease tokens (Zeebe 8.10 and newer).

        Raises, from the iteration:
            InvalidArgument: an empty type, a timeout below 1 ms, an unknown tenant.
            ResourceExhausted: the broker asked to slow down for as long as the client tried.
            GatewayError: any other status.

        RPC: ActivateJobs.
        """
        request = proto.ActivateJobsRequest(
            type=type,
            worker=_worker_name(worker),
            timeout=milliseconds(timeout),
            max_jobs_to_activate=max_jobs,
            fetch_variable=list(fetch_variables or ()),
            request_timeout=_poll_time(request_timeout),
            tenant_ids=self._tenant_ids(tenant_ids),
            with_lease=with_lease,
        )
        held = GATEWAY_POLL if request_timeout is None else max(0.0, request_timeout)
        limits = self.limits(None, held + self.settings.deadline_offset)
        return JobStream(self, gateway.ACTIVATE_JOBS, request, limits)

    def stream_activated_jobs(
        self,
        type: str,
        *,
        timeout: float = 60.0,
        worker: str | None = None,
        fetch_variables: Sequence[str] | None = None,
        tenant_ids: Sequence[str] | None = None,
        with_lease: bool = False,
    ) -> JobStream:
        """Have the jobs of a type pushed from now on; what waits already needs `activate_jobs`.

        Used as `activate_jobs`. It goes on until the block is left or an error ends it: open it
        again then. The gateway pushes without regard to how much is being worked on.

        Args:
            type, timeout, worker, fetch_variables, tenant_ids, with_lease: as in activate_jobs.

        Raises, from the iteration:
            Unimplemented: the gateway is older than 8.4.
            Unavailable: the connection was lost.
            GatewayError: any other status.

        RPC: StreamActivatedJobs.
        """
        request = proto.StreamActivatedJobsRequest(
            type=type,
            worker=_worker_name(worker),
            timeout=milliseconds(timeout),
            fetch_variable=list(fetch_variables or ()),
            tenant_ids=self._tenant_ids(tenant_ids),
            with_lease=with_lease,
        )
        return JobStream(self, gateway.STREAM_ACTIVATED_JOBS, request, None)

    stream_jobs = stream_activated_jobs

    async def complete_job(
        self,
        job_key: int,
        variables: Any = None,
        *,
        result: proto.JobResult | None = None,
        lease_token: str | None = None,
        business_id: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Tell that a job is done.

        Repeating is safe: a completion that was repeated and finds no job any more counts as done.

        Args:
            variables: set in the process instance, by the task's output mappings if it has some.
            result: the answer of a listener's or user task's job (Zeebe 8.8 and newer).
            lease_token: the job's, if it was taken with one (8.10).
            business_id: given to the process instance (8.10).
            timeout: seconds with all retries.

        Raises:
            NotFound: no such job, or it has ended.
            FailedPrecondition: it failed without retries, or threw an error, and has an incident.
            VariablesError: the variables can't be JSON.
            OutcomeUnknown: no answer came, nor to any retry.

        RPC: CompleteJob.
        """
        request = proto.CompleteJobRequest(
            job_key=job_key,
            variables=self.to_json(variables),
            result=result,
            job_lease_token=lease_token,
            business_id=business_id,
        )
        await self.call(gateway.COMPLETE_JOB, request, timeout=timeout)

    async def fail_job(
        self,
        job_key: int,
        *,
        retries: int,
        message: str = "",
        backoff: float = 0.0,
        variables: Any = None,
        lease_token: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Tell that a job could not be done.

        Args:
            retries: how many tries are left now; 0 or less raises an incident.
            message: shown with the job and the incident; the broker cuts it at 10,000 characters.
            backoff: seconds until somebody gets it again.
            variables: set in the task's own scope.
            lease_token, timeout: as in complete_job.

        Raises:
            NotFound, FailedPrecondition, VariablesError, OutcomeUnknown: as complete_job.

        RPC: FailJob.
        """
        request = proto.FailJobRequest(
            job_key=job_key,
            retries=retries,
            error_message=message,
            retry_back_off=milliseconds(backoff),
            variables=self.to_json(variables),
            job_lease_token=lease_token,
        )
        await self.call(gateway.FAIL_JOB, request, timeout=timeout)

    async def throw_error(
        self,
        job_key: int,
        error_code: str,
        message: str = "",
        *,
        variables: Any = None,
        lease_token: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """End a job with a BPMN error, for an error event of the process to catch.

        Args:
            error_code: what the event catches; one that nothing catches raises an incident.
            message: shown with the error.
            variables: given to the scope of the event that catches it.
            lease_token, timeout: as in complete_job.

        Raises:
            NotFound, FailedPrecondition, VariablesError, OutcomeUnknown: as complete_job.

        RPC: ThrowError.
        """
        request = proto.ThrowErrorRequest(
            job_key=job_key,
            error_code=error_code,
            error_message=message,
            variables=self.to_json(variables),
            job_lease_token=lease_token,
        )
        await self.call(gateway.THROW_ERROR, request, timeout=timeout)

    async def update_job_retries(
        self,
        job_key: int,
        retries: int,
        *,
        operation_reference: int | None = None,
        lease_token: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Give a job new retries, for instance before its incident is resolved.

        Args:
            retries: 1 or more.
            operation_reference: a number that the records of this change will carry.
            lease_token, timeout: as in complete_job.

        Raises:
            InvalidArgument: retries below 1.
            NotFound: no such job, or it has ended.

        RPC: UpdateJobRetries.
        """
        request = proto.UpdateJobRetriesRequest(
            job_key=job_key,
            retries=retries,
            operation_reference=operation_reference,
            job_lease_token=lease_token,
        )
        await self.call(gateway.UPDATE_JOB_RETRIES, request, timeout=timeout)

    async def update_job_timeout(
        self,
        job_key: int,
        job_timeout: float,
        *,
        operation_reference: int | None = None,
        lease_token: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Give the job's holder a new time, counted from now.

        Args:
            job_timeout: seconds from now for which nobody else gets the job.
            operation_reference, lease_token, timeout: as in update_job_retries.

        Raises:
            NotFound: no such job, or it has ended.
            FailedPrecondition: nobody holds it at the moment.
            Unimplemented: the gateway is older than 8.5.

        RPC: UpdateJobTimeout.
        """
        request = proto.UpdateJobTimeoutRequest(
            job_key=job_key,
            timeout=milliseconds(job_timeout),
            operation_reference=operation_reference,
            job_lease_token=lease_token,
        )
        await self.call(gateway.UPDATE_JOB_TIMEOUT, request, timeout=timeout)

    async def update_job_priority(
        self,
        job_key: int,
        priority: int,
        *,
        operation_reference: int | None = None,
        lease_token: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Change in which order a waiting job is given out.

        Args:
            priority: higher ones come first.
            operation_reference, lease_token, timeout: as in update_job_retries.

        Raises:
            NotFound: no such job, or it has ended.
            Unimplemented: the gateway is older than 8.10.

        RPC: UpdateJobPriority.
        """
        request = proto.UpdateJobPriorityRequest(
            job_key=job_key,
            priority=priority,
            operation_reference=operation_reference,
            job_lease_token=lease_token,
        )
        await self.call(gateway.UPDATE_JOB_PRIORITY, request, timeout=timeout)

    def _tenant_ids(self, tenant_ids: Sequence[str] | None) -> list[str]:
        if tenant_ids is not None:
            return list(tenant_ids)
        default = self.settings.default_tenant_id
        return [default] if default else []


def _worker_name(name: str | None) -> str:
    return socket.gethostname() if name is None else name


def _poll_time(request_timeout: float | None) -> int:
    """As the gateway reads it: 0 is its default, below 0 is not to wait."""
    if request_timeout is None:
        return 0
    return milliseconds(request_timeout) or -1
