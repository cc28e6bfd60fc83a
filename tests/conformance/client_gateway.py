"""Any gateway with an address, through ZeebeClient.

Its calls are made by their messages: a scenario sends texts that are no JSON, and other arguments
that the client's own methods would not let through.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from zbtrio import gateway
from zbtrio._proto import gateway_protocol as proto
from zbtrio.client import ZeebeClient
from zbtrio.client.job_stream import JobStream
from zbtrio.client.retry import Limits, RetryRule
from zbtrio.client.settings import ClientSettings
from zbtrio.errors import GatewayError
from zbtrio.rpc import Method

from .gateway import Activation, Creation, Refused

SECONDS = 30.0
NEVER = RetryRule(received=frozenset())
KINDS = {
    "process": "process",
    "decision": "decision",
    "decision_requirements": "decisionRequirements",
    "form": "form",
}


class ClientGateway:
    """Calls through a client, each made once."""

    def __init__(self, client: ZeebeClient) -> None:
        self._client = client

    async def _call(self, method: Method, request: Any, seconds: float = SECONDS) -> Any:
        try:
            return await self._client.call(method, request, request_timeout=seconds, rule=NEVER)
        except GatewayError as error:
            raise Refused(error.status.name, error.text) from None

    async def deploy(self, resources: Sequence[tuple[str, bytes]]) -> tuple[int, list[Any]]:
        files = [proto.Resource(name=name, content=content) for name, content in resources]
        request = proto.DeployResourceRequest(resources=files)
        answer = await self._call(gateway.DEPLOY_RESOURCE, request)
        return answer.key, [_deployed(deployment) for deployment in answer.deployments]

    async def create(self, creation: Creation) -> Any:
        return await self._call(gateway.CREATE_PROCESS_INSTANCE, _creation(creation))

    async def create_with_result(
        self, creation: Creation, fetch: Sequence[str], request_timeout: int
    ) -> Any:
        request = proto.CreateProcessInstanceWithResultRequest(
            request=_creation(creation),
            request_timeout=request_timeout,
            fetch_variables=list(fetch),
        )
        return await self._call(gateway.CREATE_PROCESS_INSTANCE_WITH_RESULT, request)

    async def activate(self, activation: Activation) -> list[Any]:
        request = proto.ActivateJobsRequest(
            type=activation.type,
            worker=activation.worker,
            timeout=activation.timeout,
            max_jobs_to_activate=activation.max_jobs,
            fetch_variable=list(activation.fetch),
            request_timeout=activation.request_timeout,
        )
        limits = Limits(SECONDS, SECONDS)
        try:
            async with JobStream(self._client, gateway.ACTIVATE_JOBS, request, limits) as jobs:
                return [job.message async for job in jobs]
        except GatewayError as error:
            raise Refused(error.status.name, error.text) from None

    async def complete(self, key: int, variables: str) -> None:
        request = proto.CompleteJobRequest(job_key=key, variables=variables)
        await self._call(gateway.COMPLETE_JOB, request)

    async def fail(
        self, key: int, retries: int, message: str, backoff: int, variables: str
    ) -> None:
        request = proto.FailJobRequest(
            job_key=key,
            retries=retries,
            error_message=message,
            retry_back_off=backoff,
            variables=variables,
        )
        await self._call(gateway.FAIL_JOB, request)

    async def throw_error(self, key: int, code: str, message: str, variables: str) -> None:
        request = proto.ThrowErrorRequest(
            job_key=key, error_code=code, error_message=message, variables=variables
        )
        await self._call(gateway.THROW_ERROR, request)

    async def update_retries(self, key: int, retries: int) -> None:
        request = proto.UpdateJobRetriesRequest(job_key=key, retries=retries)
        await self._call(gateway.UPDATE_JOB_RETRIES, request)

    async def update_timeout(self, key: int, timeout: int) -> None:
        request = proto.UpdateJobTimeoutRequest(job_key=key, timeout=timeout)
        await self._call(gateway.UPDATE_JOB_TIMEOUT, request)

    async def publish(self, name: str, key: str, ttl: int, id: str, variables: str) -> int:
        request = proto.PublishMessageRequest(
            name=name, correlation_key=key, time_to_live=ttl, message_id=id, variables=variables
        )
        answer = await self._call(gateway.PUBLISH_MESSAGE, request)
        return answer.key

    async def broadcast(self, name: str, variables: str) -> int:
        request = proto.BroadcastSignalRequest(signal_name=name, variables=variables)
        answer = await self._call(gateway.BROADCAST_SIGNAL, request)
        return answer.key

    async def set_variables(self, key: int, variables: str, local: bool) -> int:
        request = proto.SetVariablesRequest(
            element_instance_key=key, variables=variables, local=local
        )
        answer = await self._call(gateway.SET_VARIABLES, request)
        return answer.key

    async def resolve_incident(self, key: int) -> None:
        request = proto.ResolveIncidentRequest(incident_key=key)
        await self._call(gateway.RESOLVE_INCIDENT, request)

    async def cancel(self, key: int) -> None:
        request = proto.CancelProcessInstanceRequest(process_instance_key=key)
        await self._call(gateway.CANCEL_PROCESS_INSTANCE, request)

    async def evaluate(self, decision: str, key: int, variables: str) -> Any:
        request = proto.EvaluateDecisionRequest(
            decision_id=decision, decision_key=key, variables=variables
        )
        return await self._call(gateway.EVALUATE_DECISION, request)

    async def modify(
        self, key: int, activate: Sequence[dict[str, Any]], terminate: Sequence[int]
    ) -> None:
        request = proto.ModifyProcessInstanceRequest(
            process_instance_key=key,
            activate_instructions=[_activate(each) for each in activate],
            terminate_instructions=[
                proto.ModifyProcessInstanceRequestTerminateInstruction(element_instance_key=each)
                for each in terminate
            ],
        )
        await self._call(gateway.MODIFY_PROCESS_INSTANCE, request)

    async def migrate(self, key: int, target: int, mapping: Sequence[Sequence[str]]) -> None:
        instructions = [
            proto.MigrateProcessInstanceRequestMappingInstruction(
                source_element_id=source, target_element_id=to
            )
            for source, to in mapping
        ]
        plan = proto.MigrateProcessInstanceRequestMigrationPlan(
            target_process_definition_key=target, mapping_instructions=instructions
        )
        request = proto.MigrateProcessInstanceRequest(process_instance_key=key, migration_plan=plan)
        await self._call(gateway.MIGRATE_PROCESS_INSTANCE, request)

    async def delete(self, key: int) -> None:
        request = proto.DeleteResourceRequest(resource_key=key)
        await self._call(gateway.DELETE_RESOURCE, request)

    def incident_keys(self) -> list[int] | None:
        return None


def _creation(creation: Creation) -> proto.CreateProcessInstanceRequest:
    return proto.CreateProcessInstanceRequest(
        process_definition_key=creation.definition_key,
        bpmn_process_id=creation.process,
        version=creation.version,
        variables=creation.variables,
        start_instructions=[
            proto.ProcessInstanceCreationStartInstruction(element_id=id) for id in creation.start_at
        ],
    )


def _activate(instruction: dict[str, Any]) -> Any:
    return proto.ModifyProcessInstanceRequestActivateInstruction(
        element_id=instruction["element"],
        ancestor_element_instance_key=instruction["ancestor"],
        variable_instructions=[
            proto.ModifyProcessInstanceRequestVariableInstruction(variables=text, scope_id=scope)
            for text, scope in instruction["variables"]
        ],
    )


def _deployed(deployment: proto.Deployment) -> tuple[str, dict[str, Any]]:
    """The kind of a thing deployed, and its fields under the names that recordings have."""
    for name, kind in KINDS.items():
        message = getattr(deployment, name)
        if message is not None:
            fields = {_camel(k): getattr(message, k) for k in message.__dataclass_fields__}
            fields.pop("tenantId")
            return kind, fields
    raise AssertionError("a deployment of no kind")


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


@asynccontextmanager
async def open_client(address: str) -> AsyncGenerator[ClientGateway, None]:
    """The gateway at an address."""
    async with ZeebeClient(settings=ClientSettings(address=address)) as client:
        yield ClientGateway(client)
