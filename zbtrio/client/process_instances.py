"""The gateway's RPCs about process instances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zbtrio import gateway
from zbtrio._proto import gateway_protocol as proto
from zbtrio.client.calls import Caller, milliseconds
from zbtrio.client.instructions import Activate, Move, Terminate
from zbtrio.client.results import ProcessResult


class ProcessInstanceCalls(Caller):
    """Create process instances and change them."""

    async def create_process_instance(
        self,
        process_id: str = "",
        variables: Any = None,
        *,
        version: int = -1,
        process_definition_key: int = 0,
        start_before: Sequence[str] = (),
        terminate_after: Sequence[str] = (),
        tags: Sequence[str] = (),
        business_id: str | None = None,
        tenant_id: str | None = None,
        operation_reference: int | None = None,
        timeout: float | None = None,
    ) -> proto.CreateProcessInstanceResponse:
        """Start a process instance and come back at once.

        It is never started twice: a lost answer raises OutcomeUnknown.

        Args:
            process_id: the process's id in its model; or give process_definition_key.
            variables: its first variables.
            version: which version of the process, -1 for the latest.
            start_before: ids of elements to start before, in place of the start event.
            terminate_after: ids of elements after which the instance ends (8.8).
            tags: words to find the instance by (8.8).
            business_id: your own id of what it is about (8.9).
            tenant_id: the tenant that owns the process; None: the setting default_tenant_id.
            operation_reference: a number that the records of this start will carry.
            timeout: seconds with all retries.

        Raises:
            NotFound: no such process or version.
            InvalidArgument: neither id nor key, or a process without a none start event.
            VariablesError: the variables can't be JSON.
            OutcomeUnknown: the answer was lost.

        RPC: CreateProcessInstance.
        """
        request = proto.CreateProcessInstanceRequest(
            process_definition_key=process_definition_key,
            bpmn_process_id=process_id,
            version=version,
            variables=self.to_json(variables),
            start_instructions=list(map(_start_before, start_before)),
            tenant_id=self.tenant(tenant_id),
            operation_reference=operation_reference,
            runtime_instructions=list(map(_terminate_after, terminate_after)),
            tags=list(tags),
            business_id=business_id,
        )
        return await self.call(gateway.CREATE_PROCESS_INSTANCE, request, timeout=timeout)

    async def create_process_instance_with_result(
        self,
        process_id: str = "",
        variables: Any = None,
        *,
        version: int = -1,
        process_definition_key: int = 0,
        fetch_variables: Sequence[str] | None = None,
        request_timeout: float | None = None,
        start_before: Sequence[str] = (),
        tags: Sequence[str] = (),
        business_id: str | None = None,
        tenant_id: str | None = None,
        operation_reference: int | None = None,
        timeout: float | None = None,
    ) -> ProcessResult:
        """Start a process instance and wait for its end.

        Args:
            fetch_variables: only these come back; None: all of them.
            request_timeout: seconds that the gateway waits for the end; None: the setting.
            others: as in create_process_instance.

        Raises:
            DeadlineExceeded: it has not ended in time; it goes on.
            others: as create_process_instance.

        RPC: CreateProcessInstanceWithResult.
        """
        wait = self.settings.request_timeout if request_timeout is None else request_timeout
        request = proto.CreateProcessInstanceWithResultRequest(
            request=proto.CreateProcessInstanceRequest(
                process_definition_key=process_definition_key,
                bpmn_process_id=process_id,
                version=version,
                variables=self.to_json(variables),
                start_instructions=list(map(_start_before, start_before)),
                tenant_id=self.tenant(tenant_id),
                operation_reference=operation_reference,
                tags=list(tags),
                business_id=business_id,
            ),
            request_timeout=milliseconds(wait),
            fetch_variables=list(fetch_variables or ()),
        )
        message = await self.call(
            gateway.CREATE_PROCESS_INSTANCE_WITH_RESULT,
            request,
            timeout=timeout,
            request_timeout=wait + self.settings.deadline_offset,
        )
        return ProcessResult.from_message(message)

    async def cancel_process_instance(
        self,
        process_instance_key: int,
        *,
        operation_reference: int | None = None,
        timeout: float | None = None,
    ) -> None:
        """End a process instance with all that runs in it.

        Repeating is safe: one that was repeated and finds no instance any more counts as done.

        Args:
            operation_reference: a number that the records of this change will carry.
            timeout: seconds with all retries.

        Raises:
            NotFound: no such process instance, or it has ended.
            OutcomeUnknown: no answer came, nor to any retry.

        RPC: CancelProcessInstance.
        """
        request = proto.CancelProcessInstanceRequest(
            process_instance_key=process_instance_key, operation_reference=operation_reference
        )
        await self.call(gateway.CANCEL_PROCESS_INSTANCE, request, timeout=timeout)

    async def modify_process_instance(
        self,
        process_instance_key: int,
        *,
        activate: Sequence[Activate] = (),
        terminate: Sequence[Terminate] = (),
        move: Sequence[Move] = (),
        operation_reference: int | None = None,
        timeout: float | None = None,
    ) -> None:
        """Activate, terminate and move elements of a running process instance, all or nothing.

        Args:
            operation_reference: a number that the records of this change will carry.
            timeout: seconds with all retries.

        Raises:
            NotFound: no such process instance, or it has ended.
            InvalidArgument: an instruction that doesn't fit the process.
            VariablesError: an instruction's variables can't be JSON.
            OutcomeUnknown: the answer was lost; it is not sent again.

        RPC: ModifyProcessInstance.
        """
        request = proto.ModifyProcessInstanceRequest(
            process_instance_key=process_instance_key,
            activate_instructions=[part.to_message(self.to_json) for part in activate],
            terminate_instructions=[part.to_message() for part in terminate],
            operation_reference=operation_reference,
            move_instructions=[part.to_message(self.to_json) for part in move],
        )
        await self.call(gateway.MODIFY_PROCESS_INSTANCE, request, timeout=timeout)

    async def migrate_process_instance(
        self,
        process_instance_key: int,
        target_process_definition_key: int,
        mapping: Mapping[str, str],
        *,
        operation_reference: int | None = None,
        timeout: float | None = None,
    ) -> None:
        """Let a running process instance go on in another version of its process, or another one.

        Args:
            target_process_definition_key: the process to go on in.
            mapping: ids of elements: where it is now, to where it goes on.
            operation_reference: a number that the records of this change will carry.
            timeout: seconds with all retries.

        Raises:
            NotFound: no such process instance or process.
            InvalidArgument, FailedPrecondition: the mapping doesn't fit.
            OutcomeUnknown: no answer came, nor to any retry.

        RPC: MigrateProcessInstance.
        """
        plan = proto.MigrateProcessInstanceRequestMigrationPlan(
            target_process_definition_key=target_process_definition_key,
            mapping_instructions=[
                proto.MigrateProcessInstanceRequestMappingInstruction(
                    source_element_id=source, target_element_id=target
                )
                for source, target in mapping.items()
            ],
        )
        request = proto.MigrateProcessInstanceRequest(
            process_instance_key=process_instance_key,
            migration_plan=plan,
            operation_reference=operation_reference,
        )
        await self.call(gateway.MIGRATE_PROCESS_INSTANCE, request, timeout=timeout)

    async def set_variables(
        self,
        element_instance_key: int,
        variables: Any,
        *,
        local: bool = False,
        operation_reference: int | None = None,
        timeout: float | None = None,
    ) -> proto.SetVariablesResponse:
        """Set variables of a process instance or of one of its elements.

        Args:
            element_instance_key: an element instance's key, or a process instance's.
            local: set them right there; otherwise each goes to the scope that has it, and new ones
                to the process instance.
            operation_reference: a number that the records of this change will carry.
            timeout: seconds with all retries.

        Raises:
            NotFound: no such element instance, or it has ended.
            VariablesError: the variables can't be JSON.
            OutcomeUnknown: no answer came, nor to any retry.

        RPC: SetVariables.
        """
        request = proto.SetVariablesRequest(
            element_instance_key=element_instance_key,
            variables=self.to_json(variables),
            local=local,
            operation_reference=operation_reference,
        )
        return await self.call(gateway.SET_VARIABLES, request, timeout=timeout)

    async def resolve_incident(
        self,
        incident_key: int,
        *,
        operation_reference: int | None = None,
        timeout: float | None = None,
    ) -> None:
        """Let an instance go on where an incident has stopped it, after its cause was removed.

        For a job without retries give it some first (update_job_retries).

        Args:
            operation_reference: a number that the records of this change will carry.
            timeout: seconds with all retries.

        Raises:
            NotFound: no such incident, or its job still has no retries.
            OutcomeUnknown: no answer came, nor to any retry.

        RPC: ResolveIncident.
        """
        request = proto.ResolveIncidentRequest(
            incident_key=incident_key, operation_reference=operation_reference
        )
        await self.call(gateway.RESOLVE_INCIDENT, request, timeout=timeout)


def _start_before(element_id: str) -> proto.ProcessInstanceCreationStartInstruction:
    return proto.ProcessInstanceCreationStartInstruction(element_id=element_id)


def _terminate_after(element_id: str) -> proto.ProcessInstanceCreationRuntimeInstruction:
    return proto.ProcessInstanceCreationRuntimeInstruction(
        terminate=proto.TerminateProcessInstanceInstruction(after_element_id=element_id)
    )
