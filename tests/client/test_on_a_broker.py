"""The client on a real Zeebe: each method does what its docstring says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from tests.client import models
from zbtrio import errors
from zbtrio.broker import Broker
from zbtrio.client import Activate, ActivatedJob, Terminate, ZeebeClient
from zbtrio.client.settings import ClientSettings
from zbtrio.variables import MAX_DEPTH, MAX_INT, MIN_INT

GONE = 2**51 + 2**40  # a key of partition 1 that nothing has


@pytest.fixture
async def client(broker: Broker) -> AsyncIterator[ZeebeClient]:
    async with ZeebeClient(settings=ClientSettings(address=broker.address)) as client:
        yield client


@pytest.fixture
async def task(client: ZeebeClient, request: pytest.FixtureRequest) -> str:
    """The id of a deployed process of one task; it is the task's job type too."""
    name = "client_" + request.node.name.split("[")[0]
    await client.deploy_resource(models.task(name, name))
    return name


async def take(client: ZeebeClient, type: str, **more: Any) -> ActivatedJob:
    async with client.activate_jobs(type, max_jobs=1, worker="tests", **more) as jobs:
        return await anext(jobs)


async def start_and_take(client: ZeebeClient, task: str, variables: Any = None) -> ActivatedJob:
    await client.create_process_instance(task, variables)
    return await take(client, task)


async def test_topology(client: ZeebeClient) -> None:
    topology = await client.topology()
    assert topology.gateway_version == "8.6.0"
    assert topology.brokers[0].partitions[0].partition_id == 1


async def test_an_order_from_start_to_end(client: ZeebeClient, task: str, tmp_path: Path) -> None:
    file = tmp_path / "order.bpmn"
    file.write_bytes(models.task(task, task)[1])
    deployed = await client.deploy_resource(file)
    process = deployed.deployments[0].process
    assert process is not None
    assert (process.bpmn_process_id, process.resource_name) == (task, "order.bpmn")
    created = await client.create_process_instance(
        process_definition_key=process.process_definition_key, variables={"orderId": "1"}
    )
    job = await take(client, task, fetch_variables=["orderId"])
    assert job.process_instance_key == created.process_instance_key
    assert job.variables == {"orderId": "1"}
    assert job.custom_headers == {"h": "v"}
    assert (job.element_id, job.retries, job.worker) == ("work", 3, "tests")
    await client.complete_job(job.key, {"paid": True})
    with pytest.raises(errors.NotFound, match="CompleteJob answered NOT_FOUND: Command 'COMPLETE'"):
        await client.complete_job(job.key)
    with pytest.raises(errors.NotFound):
        await client.cancel_process_instance(created.process_instance_key)


async def test_with_result(client: ZeebeClient, task: str) -> None:
    async def work() -> None:
        job = await take(client, task)
        await client.complete_job(job.key, {"a": 1, "b": [1, None]})

    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        result = await client.create_process_instance_with_result(
            task, {"orderId": "1"}, fetch_variables=["orderId", "b"]
        )
    assert result.variables == {"orderId": "1", "b": [1, None]}
    with pytest.raises(errors.DeadlineExceeded, match="CreateProcessInstanceWithResult"):
        await client.create_process_instance_with_result(task, request_timeout=0.2)


VALUES = {
    "ints": [MIN_INT, MAX_INT, 0, -1, 2**53 + 1],
    "floats": [0.1, -0.5, 1e300, 5e-324, 1.0, 1e22],
    "texts": ["", "é", "🚚", "\u0000\u001f\u2028", 'quote " and \\'],
    "rest": [None, True, False, {}, [], [[[]]]],
    "": {"with space": 1, "größe": 2, "dot.ted": 3},
}


async def test_variables_come_back_as_they_were(client: ZeebeClient, task: str) -> None:
    job = await start_and_take(client, task, VALUES)
    assert job.variables == VALUES
    same = msgspec.json.encode(job.variables, order="deterministic")
    assert same == msgspec.json.encode(VALUES, order="deterministic")


async def test_the_rules_of_decimals_hold(client: ZeebeClient, task: str) -> None:
    job = await start_and_take(
        client, task, {"price": Decimal("19.90"), "id": Decimal(2**53 + 1), "e": Decimal("1E+3")}
    )
    assert job.variables == {"price": 19.9, "id": 2**53 + 1, "e": 1000}
    await client.complete_job(job.key)
    more_digits = msgspec.Raw(b'{"n":0.12345678901234567890}')  # what dumps() refuses
    job = await start_and_take(client, task, more_digits)
    assert job.variables == {"n": float("0.12345678901234567890")}


async def test_the_deepest_variable_is_taken(client: ZeebeClient, task: str) -> None:
    value: Any = 1
    for _ in range(MAX_DEPTH - 1):
        value = [value]
    job = await start_and_take(client, task, {"deep": value})
    assert job.variables == {"deep": value}


async def test_the_last_of_two_equal_keys_counts(client: ZeebeClient, task: str) -> None:
    job = await start_and_take(client, task, msgspec.Raw(b'{"a":1,"a":2}'))
    assert job.variables == {"a": 2}


async def test_fail_retries_incident(client: ZeebeClient, task: str) -> None:
    job = await start_and_take(client, task)
    await client.fail_job(job.key, retries=1, message="later", backoff=0.2, variables={"x": 1})
    job = await take(client, task)
    assert (job.retries, job.variables) == (1, {"x": 1})
    await client.fail_job(job.key, retries=0, message="never")
    with pytest.raises(errors.FailedPrecondition):
        await client.complete_job(job.key)
    await client.update_job_retries(job.key, 2)
    with pytest.raises(errors.InvalidArgument):
        await client.update_job_retries(job.key, 0)
    await client.cancel_process_instance(job.process_instance_key)


async def test_throw_error(client: ZeebeClient, task: str) -> None:
    async def work() -> None:
        job = await take(client, task)
        await client.throw_error(job.key, "DECLINED", "no money", variables={"why": "money"})

    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        await client.create_process_instance_with_result(task)


async def test_update_job_timeout(client: ZeebeClient, task: str) -> None:
    job = await start_and_take(client, task)
    await client.update_job_timeout(job.key, 600.0)
    await client.complete_job(job.key)
    with pytest.raises(errors.NotFound):
        await client.update_job_timeout(job.key, 600.0)


async def test_pushed_jobs(client: ZeebeClient, task: str) -> None:
    async with client.stream_jobs(task, worker="tests") as jobs:
        with trio.fail_after(20):
            key = 0
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_keep_creating, client, task)
                key = (await anext(jobs)).key
                nursery.cancel_scope.cancel()
        await client.complete_job(key)


async def _keep_creating(client: ZeebeClient, task: str) -> None:
    """The stream is registered a moment after it is opened: what comes before isn't pushed."""
    while True:
        await client.create_process_instance(task)
        await trio.sleep(0.2)


async def test_set_variables(client: ZeebeClient, task: str) -> None:
    created = await client.create_process_instance(task, {"a": 1})
    await client.set_variables(created.process_instance_key, {"a": 2, "b": 3})
    job = await take(client, task)
    assert job.variables == {"a": 2, "b": 3}
    await client.set_variables(job.element_instance_key, {"a": 4}, local=True)
    await client.fail_job(job.key, retries=1)
    assert (await take(client, task)).variables == {"a": 4, "b": 3}


async def test_modify(client: ZeebeClient, task: str) -> None:
    job = await start_and_take(client, task)
    await client.modify_process_instance(
        job.process_instance_key,
        activate=[Activate("work", {"round": 2}, scoped_variables={"work": {"own": 1}})],
        terminate=[Terminate(job.element_instance_key)],
    )
    again = await take(client, task)
    assert again.variables == {"round": 2, "own": 1}
    assert again.process_instance_key == job.process_instance_key
    with pytest.raises(errors.InvalidArgument, match="nowhere"):
        await client.modify_process_instance(
            job.process_instance_key, activate=[Activate("nowhere")]
        )


async def test_migrate(client: ZeebeClient, task: str) -> None:
    job = await start_and_take(client, task)
    target = await client.deploy_resource(models.task(task + "_2", task))
    process = target.deployments[0].process
    assert process is not None
    await client.migrate_process_instance(
        job.process_instance_key,
        process.process_definition_key,
        {"work": "work", "caught": "caught"},
    )
    await client.complete_job(job.key)


async def test_start_in_the_middle(client: ZeebeClient, task: str) -> None:
    await client.create_process_instance(task, start_before=["work"])
    await client.complete_job((await take(client, task)).key)


async def test_messages(client: ZeebeClient) -> None:
    await client.deploy_resource(models.message_catch("client_message"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.publish_message, "client-paid", "m1", {"paid": True})
        result = await client.create_process_instance_with_result(
            "client_message", {"orderId": "m1"}
        )
    assert result.variables == {"orderId": "m1", "paid": True}
    first = await client.publish_message("client-paid", "m2", message_id="once")
    assert first.key > 0
    with pytest.raises(errors.AlreadyExists, match="It was published before"):
        await client.publish_message("client-paid", "m2", message_id="once")


async def test_signals(client: ZeebeClient) -> None:
    await client.deploy_resource(models.signal_catch("client_signal"))
    created = await client.create_process_instance("client_signal")
    assert (await client.broadcast_signal("client-stop", {"a": 1})).key > 0
    with pytest.raises(errors.NotFound):
        await client.cancel_process_instance(created.process_instance_key)


async def test_decisions(client: ZeebeClient) -> None:
    deployed = await client.deploy_resource(("dishes.dmn", models.DECISION))
    result = await client.evaluate_decision("client_dish", {"name": "Ann"})
    assert result.output == "soup for Ann"
    assert result.decision_version == 1
    failed = await client.evaluate_decision("client_dish", {"name": 1})
    assert failed.output is None or failed.failure_message
    requirements = deployed.deployments[1].decision_requirements
    assert requirements is not None
    await client.delete_resource(requirements.decision_requirements_key)
    with pytest.raises(errors.NotFound):
        await client.delete_resource(requirements.decision_requirements_key)


async def test_mistakes_are_told(client: ZeebeClient, task: str) -> None:
    with pytest.raises(errors.NotFound, match="client_none"):
        await client.create_process_instance("client_none")
    with pytest.raises(errors.InvalidArgument, match="Correct what the text names"):
        await client.deploy_resource(("bad.bpmn", b"<xml/>"))
    with pytest.raises(errors.InvalidArgument):
        async with client.activate_jobs("") as jobs:
            await anext(jobs)
    with pytest.raises(errors.NotFound):
        await client.resolve_incident(GONE)
    with pytest.raises(errors.Unimplemented, match=r"needs Zeebe 8\.9 or newer"):
        await client.evaluate_conditional({})
    with pytest.raises(errors.Unimplemented, match=r"needs Zeebe 8\.10 or newer"):
        await client.update_job_priority(GONE, 1)


async def test_no_jobs_are_no_error(client: ZeebeClient) -> None:
    async with client.activate_jobs("client_nothing", request_timeout=0) as jobs:
        assert [job async for job in jobs] == []
    async with client.activate_jobs("client_nothing", request_timeout=0.3) as jobs:
        assert [job async for job in jobs] == []


async def test_a_message_too_large(client: ZeebeClient, task: str) -> None:
    with pytest.raises(errors.MessageTooLarge, match="Send less"):
        await client.create_process_instance(task, {"big": "x" * 5_000_000})
