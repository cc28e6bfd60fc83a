"""Each method sends what it was given, in the gateway's units, and gives back what came."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio
from grpclib import GRPCError
from grpclib.const import Status

from tests.client.recording_gateway import RecordingGateway, serve
from zbtrio import errors, gateway
from zbtrio._proto import gateway_protocol as proto
from zbtrio.client import Activate, ClientSettings, Move, Terminate, ZeebeClient
from zbtrio.rpc import Method


@pytest.fixture
def service() -> RecordingGateway:
    return RecordingGateway()


@pytest.fixture
async def client(service: RecordingGateway) -> AsyncIterator[ZeebeClient]:
    async with serve(service) as client:
        yield client


METHODS = {value.name: value for value in vars(gateway).values() if isinstance(value, Method)}
WITHOUT_RESULT = {
    "CompleteJob",
    "FailJob",
    "ThrowError",
    "UpdateJobRetries",
    "UpdateJobTimeout",
    "UpdateJobPriority",
    "CancelProcessInstance",
    "ModifyProcessInstance",
    "MigrateProcessInstance",
    "ResolveIncident",
}

CALLS: list[tuple[str, Any, dict[str, Any]]] = [
    (
        "CompleteJob",
        lambda c: c.complete_job(
            7,
            {"a": 1},
            result=proto.JobResult(denied=True),
            lease_token="t",
            business_id="b",
        ),
        {
            "job_key": 7,
            "variables": '{"a":1}',
            "result": proto.JobResult(denied=True),
            "job_lease_token": "t",
            "business_id": "b",
        },
    ),
    ("CompleteJob", lambda c: c.complete_job(7), {"job_key": 7, "variables": "{}"}),
    (
        "FailJob",
        lambda c: c.fail_job(
            7, retries=2, message="no", backoff=1.5, variables={"a": 1}, lease_token="t"
        ),
        {
            "job_key": 7,
            "retries": 2,
            "error_message": "no",
            "retry_back_off": 1500,
            "variables": '{"a":1}',
            "job_lease_token": "t",
        },
    ),
    (
        "ThrowError",
        lambda c: c.throw_error(7, "BAD", "no", variables={"a": 1}, lease_token="t"),
        {
            "job_key": 7,
            "error_code": "BAD",
            "error_message": "no",
            "variables": '{"a":1}',
            "job_lease_token": "t",
        },
    ),
    (
        "UpdateJobRetries",
        lambda c: c.update_job_retries(7, 3, operation_reference=9, lease_token="t"),
        {"job_key": 7, "retries": 3, "operation_reference": 9, "job_lease_token": "t"},
    ),
    (
        "UpdateJobTimeout",
        lambda c: c.update_job_timeout(7, 0.25, operation_reference=9, lease_token="t"),
        {"job_key": 7, "timeout": 250, "operation_reference": 9, "job_lease_token": "t"},
    ),
    (
        "UpdateJobPriority",
        lambda c: c.update_job_priority(7, 50, operation_reference=9, lease_token="t"),
        {"job_key": 7, "priority": 50, "operation_reference": 9, "job_lease_token": "t"},
    ),
    (
        "CreateProcessInstance",
        lambda c: c.create_process_instance("order", {"orderId": "1"}),
        {"bpmn_process_id": "order", "version": -1, "variables": '{"orderId":"1"}'},
    ),
    (
        "CreateProcessInstance",
        lambda c: c.create_process_instance(
            version=2,
            process_definition_key=5,
            start_before=["x"],
            terminate_after=["y"],
            tags=["t"],
            business_id="b",
            tenant_id="red",
            operation_reference=9,
        ),
        {
            "process_definition_key": 5,
            "version": 2,
            "variables": "{}",
            "start_instructions": [proto.ProcessInstanceCreationStartInstruction(element_id="x")],
            "runtime_instructions": [
                proto.ProcessInstanceCreationRuntimeInstruction(
                    terminate=proto.TerminateProcessInstanceInstruction(after_element_id="y")
                )
            ],
            "tags": ["t"],
            "business_id": "b",
            "tenant_id": "red",
            "operation_reference": 9,
        },
    ),
    (
        "CreateProcessInstanceWithResult",
        lambda c: c.create_process_instance_with_result(
            "order", {"a": 1}, fetch_variables=["a"], request_timeout=2.5, tags=["t"]
        ),
        {
            "request": proto.CreateProcessInstanceRequest(
                bpmn_process_id="order", version=-1, variables='{"a":1}', tags=["t"]
            ),
            "request_timeout": 2500,
            "fetch_variables": ["a"],
        },
    ),
    (
        "CancelProcessInstance",
        lambda c: c.cancel_process_instance(7, operation_reference=9),
        {"process_instance_key": 7, "operation_reference": 9},
    ),
    (
        "ModifyProcessInstance",
        lambda c: c.modify_process_instance(
            7,
            activate=[
                Activate(
                    "a",
                    {"x": 1},
                    scoped_variables={"sub": {"y": 2}},
                    ancestor_element_instance_key=3,
                )
            ],
            terminate=[Terminate(4)],
            move=[Move("z", source_element_id="y", infer_ancestor=True)],
            operation_reference=9,
        ),
        {
            "process_instance_key": 7,
            "activate_instructions": [
                proto.ModifyProcessInstanceRequestActivateInstruction(
                    element_id="a",
                    ancestor_element_instance_key=3,
                    variable_instructions=[
                        proto.ModifyProcessInstanceRequestVariableInstruction(variables='{"x":1}'),
                        proto.ModifyProcessInstanceRequestVariableInstruction(
                            variables='{"y":2}', scope_id="sub"
                        ),
                    ],
                )
            ],
            "terminate_instructions": [
                proto.ModifyProcessInstanceRequestTerminateInstruction(element_instance_key=4)
            ],
            "move_instructions": [
                proto.ModifyProcessInstanceRequestMoveInstruction(
                    source_element_id="y",
                    target_element_id="z",
                    infer_ancestor_scope_from_source_hierarchy=True,
                )
            ],
            "operation_reference": 9,
        },
    ),
    (
        "MigrateProcessInstance",
        lambda c: c.migrate_process_instance(7, 8, {"a": "b"}, operation_reference=9),
        {
            "process_instance_key": 7,
            "migration_plan": proto.MigrateProcessInstanceRequestMigrationPlan(
                target_process_definition_key=8,
                mapping_instructions=[
                    proto.MigrateProcessInstanceRequestMappingInstruction(
                        source_element_id="a", target_element_id="b"
                    )
                ],
            ),
            "operation_reference": 9,
        },
    ),
    (
        "SetVariables",
        lambda c: c.set_variables(7, {"a": 1}, local=True, operation_reference=9),
        {
            "element_instance_key": 7,
            "variables": '{"a":1}',
            "local": True,
            "operation_reference": 9,
        },
    ),
    (
        "ResolveIncident",
        lambda c: c.resolve_incident(7, operation_reference=9),
        {"incident_key": 7, "operation_reference": 9},
    ),
    (
        "PublishMessage",
        lambda c: c.publish_message(
            "paid", "1", {"a": 1}, time_to_live=0.5, message_id="m", business_id="b"
        ),
        {
            "name": "paid",
            "correlation_key": "1",
            "variables": '{"a":1}',
            "time_to_live": 500,
            "message_id": "m",
            "business_id": "b",
        },
    ),
    (
        "PublishMessage",
        lambda c: c.publish_message("paid", "1"),
        {"name": "paid", "correlation_key": "1", "variables": "{}", "time_to_live": 3_600_000},
    ),
    (
        "BroadcastSignal",
        lambda c: c.broadcast_signal("stop", {"a": 1}, tenant_id="red"),
        {"signal_name": "stop", "variables": '{"a":1}', "tenant_id": "red"},
    ),
    (
        "EvaluateConditional",
        lambda c: c.evaluate_conditional({"a": 1}, process_definition_key=5, tenant_id="red"),
        {"variables": '{"a":1}', "process_definition_key": 5, "tenant_id": "red"},
    ),
    (
        "EvaluateDecision",
        lambda c: c.evaluate_decision("dish", {"a": 1}, tenant_id="red"),
        {"decision_id": "dish", "variables": '{"a":1}', "tenant_id": "red"},
    ),
    (
        "DeployResource",
        lambda c: c.deploy_resource(("p.bpmn", b"<xml/>"), tenant_id="red"),
        {
            "resources": [proto.Resource(name="p.bpmn", content=b"<xml/>")],
            "tenant_id": "red",
        },
    ),
    (
        "DeployProcess",
        lambda c: c.deploy_process(("p.bpmn", b"<xml/>")),
        {"processes": [proto.ProcessRequestObject(name="p.bpmn", definition=b"<xml/>")]},
    ),
    (
        "DeleteResource",
        lambda c: c.delete_resource(7, delete_history=True, operation_reference=9),
        {"resource_key": 7, "delete_history": True, "operation_reference": 9},
    ),
    ("Topology", lambda c: c.topology(), {}),
]


def test_each_unary_rpc_is_called_below() -> None:
    assert {name for name, _, _ in CALLS} | {"ActivateJobs", "StreamActivatedJobs"} == set(METHODS)


@pytest.mark.parametrize(("name", "call", "sent"), CALLS, ids=[name for name, _, _ in CALLS])
async def test_request(
    name: str, call: Any, sent: dict[str, Any], client: ZeebeClient, service: RecordingGateway
) -> None:
    result = await call(client)
    (request,) = service.requests
    assert request == METHODS[name].request_type(**sent)
    assert (result is None) == (name in WITHOUT_RESULT)


async def test_a_process_result_has_variables(
    client: ZeebeClient, service: RecordingGateway
) -> None:
    service.answers["CreateProcessInstanceWithResult"] = (
        proto.CreateProcessInstanceWithResultResponse(
            process_definition_key=1,
            bpmn_process_id="order",
            version=3,
            process_instance_key=2,
            variables='{"paid":true}',
        )
    )
    result = await client.create_process_instance_with_result("order")
    assert result.variables == {"paid": True}
    assert (result.process_instance_key, result.version) == (2, 3)
    assert "message" not in repr(result)


async def test_a_decision_result_has_its_output(
    client: ZeebeClient, service: RecordingGateway
) -> None:
    service.answers["EvaluateDecision"] = proto.EvaluateDecisionResponse(
        decision_id="dish", decision_output='["soup", 1]'
    )
    assert (await client.evaluate_decision("dish")).output == ["soup", 1]
    service.answers["EvaluateDecision"] = proto.EvaluateDecisionResponse(failure_message="no")
    result = await client.evaluate_decision("dish")
    assert (result.output, result.failure_message) == (None, "no")


async def test_files_are_deployed_by_their_name(
    client: ZeebeClient, service: RecordingGateway, tmp_path: Path
) -> None:
    file = tmp_path / "order.bpmn"
    file.write_bytes(b"<xml/>")
    await client.deploy_resource(file, str(file), ("other.dmn", b""))
    assert [r.name for r in service.requests[0].resources] == ["order.bpmn"] * 2 + ["other.dmn"]
    with pytest.raises(FileNotFoundError):
        await client.deploy_resource(tmp_path / "none.bpmn")


def job(key: int) -> proto.ActivatedJob:
    return proto.ActivatedJob(
        key=key,
        type="pay",
        deadline=1_700_000_000_500,
        variables='{"orderId":"1"}',
        custom_headers='{"h":"v"}',
    )


async def test_jobs_of_several_batches_come_one_by_one(
    client: ZeebeClient, service: RecordingGateway
) -> None:
    service.answers["ActivateJobs"] = [
        proto.ActivateJobsResponse(jobs=[job(1), job(2)]),
        proto.ActivateJobsResponse(),
        proto.ActivateJobsResponse(jobs=[job(3)]),
    ]
    stream = client.activate_jobs(
        "pay",
        max_jobs=5,
        timeout=0.5,
        worker="w",
        fetch_variables=["orderId"],
        request_timeout=30,
        tenant_ids=["red"],
        with_lease=True,
    )
    async with stream as jobs:
        taken = [job async for job in jobs]
    assert [job.key for job in taken] == [1, 2, 3]
    assert taken[0].variables == {"orderId": "1"}
    assert taken[0].custom_headers == {"h": "v"}
    assert taken[0].deadline == 1_700_000_000.5
    assert service.requests == [
        proto.ActivateJobsRequest(
            type="pay",
            worker="w",
            timeout=500,
            max_jobs_to_activate=5,
            fetch_variable=["orderId"],
            request_timeout=30_000,
            tenant_ids=["red"],
            with_lease=True,
        )
    ]


@pytest.mark.parametrize(
    ("seconds", "on_the_wire"), [(None, 0), (0, -1), (-5, -5000), (0.0001, 1), (2.5, 2500)]
)
async def test_how_long_a_poll_waits(
    seconds: float | None, on_the_wire: int, client: ZeebeClient, service: RecordingGateway
) -> None:
    async with client.activate_jobs("pay", request_timeout=seconds) as jobs:
        assert [job async for job in jobs] == []
    assert service.requests[0].request_timeout == on_the_wire


async def test_pushed_jobs(client: ZeebeClient, service: RecordingGateway) -> None:
    service.answers["StreamActivatedJobs"] = [job(1), job(2)]
    async with client.stream_jobs("pay", timeout=1, worker="w") as jobs:
        assert [job.key async for job in jobs] == [1, 2]
    assert service.requests == [
        proto.StreamActivatedJobsRequest(type="pay", worker="w", timeout=1000)
    ]


async def test_a_poll_is_retried_until_its_first_message(
    client: ZeebeClient, service: RecordingGateway
) -> None:
    exhausted = GRPCError(Status.RESOURCE_EXHAUSTED, "slow down")
    answers = iter([[exhausted], [exhausted], [proto.ActivateJobsResponse(jobs=[job(1)])]])
    service._answers = lambda method: next(answers)  # type: ignore
    async with client.activate_jobs("pay") as jobs:
        assert [job.key async for job in jobs] == [1]
    assert len(service.requests) == 3


async def test_a_poll_that_fails_later_raises(
    client: ZeebeClient, service: RecordingGateway
) -> None:
    service.answers["ActivateJobs"] = [
        proto.ActivateJobsResponse(jobs=[job(1)]),
        GRPCError(Status.UNAVAILABLE, "gone"),
    ]
    async with client.activate_jobs("pay") as jobs:
        assert (await anext(jobs)).key == 1
        with pytest.raises(errors.Unavailable, match="ActivateJobs answered UNAVAILABLE: gone"):
            await anext(jobs)
    assert len(service.requests) == 1


async def test_a_batch_that_cant_be_read(
    client: ZeebeClient, service: RecordingGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.answers["ActivateJobs"] = [proto.ActivateJobsResponse(jobs=[job(1)])]
    stream = client.activate_jobs("pay")
    monkeypatch.setattr(stream, "_next_message", lambda: _bytes(b"\x0a\x05x"))
    async with stream as jobs:
        with pytest.raises(errors.InternalError, match=r"ActivateJobs .* can't be read"):
            await anext(jobs)


async def _bytes(data: bytes) -> bytes:
    return data


async def test_a_push_stream_that_fails_raises(
    client: ZeebeClient, service: RecordingGateway
) -> None:
    service.answers["StreamActivatedJobs"] = GRPCError(Status.UNAVAILABLE, "gone")
    async with client.stream_activated_jobs("pay") as jobs:
        with pytest.raises(errors.Unavailable, match="StreamActivatedJobs"):
            await anext(jobs)


async def test_a_stream_is_used_in_a_block(client: ZeebeClient) -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await anext(client.activate_jobs("pay"))


async def test_an_rpc_unknown_there_names_the_version(
    client: ZeebeClient, service: RecordingGateway
) -> None:
    service.answers["EvaluateConditional"] = GRPCError(Status.UNIMPLEMENTED, "unknown method")
    with pytest.raises(
        errors.Unimplemented, match=r"EvaluateConditional needs Zeebe 8\.9 or newer"
    ):
        await client.evaluate_conditional({})
    service.answers["Topology"] = GRPCError(Status.UNIMPLEMENTED)
    with pytest.raises(errors.Unimplemented, match="no Zeebe gateway"):
        await client.topology()


async def test_default_tenant(service: RecordingGateway) -> None:
    async with serve(service, ClientSettings(default_tenant_id="red")) as client:
        await client.create_process_instance("order")
        await client.create_process_instance("order", tenant_id="blue")
        async with client.activate_jobs("pay") as jobs:
            assert [job async for job in jobs] == []
    assert [service.requests[0].tenant_id, service.requests[1].tenant_id] == ["red", "blue"]
    assert service.requests[2].tenant_ids == ["red"]


async def test_physical_tenant_is_sent_with_each_call(service: RecordingGateway) -> None:
    async with serve(service, ClientSettings(physical_tenant="p1")) as client:
        await client.topology()
        async with client.activate_jobs("pay") as jobs:
            assert [job async for job in jobs] == []
    assert [m["camunda-physical-tenant"] for m in service.metadata] == ["p1", "p1"]


async def test_variables_go_through_the_clients_hook(service: RecordingGateway) -> None:
    async with serve(service, enc_hook=lambda value: value.hex()) as client:
        await client.create_process_instance("order", {"a": b"\x01"})
        await client.modify_process_instance(1, activate=[Activate("x", {"a": b"\x02"})])
    assert service.requests[0].variables == '{"a":"01"}'
    instruction = service.requests[1].activate_instructions[0].variable_instructions[0]
    assert instruction.variables == '{"a":"02"}'


async def test_unsendable_variables_send_nothing(
    client: ZeebeClient, service: RecordingGateway
) -> None:
    with pytest.raises(errors.VariablesError, match="Variable a: JSON has no nan"):
        await client.create_process_instance("order", {"a": float("nan")})
    assert service.requests == []


async def test_start_gives_the_call_to_its_callback(client: ZeebeClient) -> None:
    done = trio.Event()
    call = client.start(
        gateway.TOPOLOGY, proto.TopologyRequest(), timeout=5, on_done=lambda call: done.set()
    )
    await done.wait()
    assert call.error is None
    assert call.response() == proto.TopologyResponse()


async def test_a_client_works_only_while_it_is_open(service: RecordingGateway) -> None:
    async with serve(service) as client:
        with pytest.raises(RuntimeError, match="opened once"):
            await client.__aenter__()
    with pytest.raises(RuntimeError, match="async with"):
        await client.topology()


async def test_the_bodys_exception_comes_out_as_it_is(service: RecordingGateway) -> None:
    client = ZeebeClient(settings=ClientSettings(address="127.0.0.1:1"))
    with pytest.raises(KeyError):
        async with client:
            raise KeyError("mine")
