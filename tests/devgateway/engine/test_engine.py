"""What the recorded cases can't show: streams, limits, loops without end, the log."""

from __future__ import annotations

import json
from typing import Any

import pytest

from zbtrio.devgateway.engine import Activation, Record, Rejection, check_tenant
from zbtrio.devgateway.engine.behaviours.calls import MAX_DEPTH
from zbtrio.devgateway.engine.jobs import MAX_MESSAGE_BYTES

from .clock import ClockedEngine
from .models import HEAD, chain, element, extension, flow, process, task

ONE = process(task("work"), chain("start", "work", "end"))


@pytest.fixture
def engine() -> ClockedEngine:
    engine = ClockedEngine()
    engine.deploy_resources([("one.bpmn", ONE)])
    return engine


def incidents(engine: ClockedEngine) -> list[Record]:
    records = engine.log.since()
    return [r for r in records if (r.value_type, r.intent) == ("INCIDENT", "CREATED")]


def take(engine: ClockedEngine, type: str = "work", **more: Any) -> Any:
    return engine.activate_jobs(type, "w", timeout=1000, max_jobs=10, **more)


# -- jobs becoming available


def test_listeners_hear_of_jobs_after_the_command(engine: ClockedEngine) -> None:
    heard: list[tuple[str, list[int]]] = []
    engine.on_jobs_available = lambda type, keys: heard.append((type, keys))
    engine.create_process_instance("p")
    [job] = take(engine)
    assert heard == [("work", [job.key])]
    engine.fail_job(job.key, 2, "again")
    engine.fail_job(job.key, 1, "later", backoff=50)
    engine.wait(50)
    assert heard == [("work", [job.key])] * 3
    take(engine)
    engine.wait(1000)
    assert len(heard) == 4


def test_a_listener_may_activate_at_once(engine: ClockedEngine) -> None:
    got: list[Any] = []
    engine.on_jobs_available = lambda type, keys: got.extend(take(engine, type))
    engine.create_process_instance("p")
    engine.create_process_instance("p")
    assert len(got) == 2


def test_a_pushed_job_is_nobody_elses(engine: ClockedEngine) -> None:
    engine.create_process_instance("p", variables='{"a": 1, "b": 2}')
    key = next(r.key for r in engine.log.since() if r.intent == "CREATED" and r.value_type == "JOB")
    pushed = engine.activate_for_stream(key, "s", timeout=500, fetch_variables=["b"])
    assert pushed is not None
    assert pushed.variables == '{"b":2}'
    assert engine.activate_for_stream(key, "s", timeout=500) is None
    assert take(engine) == []
    engine.yield_job(key)
    [job] = take(engine)
    assert (job.key, job.retries) == (key, 3)


@pytest.mark.parametrize(("type", "timeout"), [("", 1), ("x", 0)])
def test_streams_that_are_refused(engine: ClockedEngine, type: str, timeout: int) -> None:
    with pytest.raises(Rejection, match="Expected to stream activated jobs with"):
        engine.check_stream(type, timeout)


def test_an_answer_holds_what_a_message_may(engine: ClockedEngine) -> None:
    large = json.dumps({"text": "x" * (MAX_MESSAGE_BYTES // 3)})
    for _ in range(4):
        engine.create_process_instance("p", variables=large)
    assert [len(take(engine)), len(take(engine)), len(take(engine))] == [2, 2, 0]


def test_a_job_too_large_for_any_answer(engine: ClockedEngine) -> None:
    text = json.dumps({"text": "x" * MAX_MESSAGE_BYTES})
    instance = engine.create_process_instance("p", variables=text)
    engine.create_process_instance("p")
    [job] = take(engine)
    assert job.variables == "{}"
    [incident] = incidents(engine)
    assert incident.value["errorType"] == "MESSAGE_SIZE_EXCEEDED"
    engine.set_variables(instance.process_instance_key, '{"text": "short"}')
    engine.resolve_incident(incident.key)
    [job] = take(engine)
    assert job.variables == '{"text":"short"}'


# -- results and tenants


def test_a_result_comes_when_the_instance_ends(engine: ClockedEngine) -> None:
    results: list[str] = []
    engine.create_process_instance_with_result(
        results.append, "p", variables='{"a": 1, "b": 2}', fetch=["b", "c"]
    )
    assert results == []
    engine.complete_job(take(engine)[0].key, '{"c": 3}')
    assert [json.loads(result) for result in results] == [{"b": 2, "c": 3}]


def test_a_cancelled_instance_has_no_result(engine: ClockedEngine) -> None:
    results: list[str] = []
    created = engine.create_process_instance_with_result(results.append, "p")
    engine.cancel_process_instance(created.process_instance_key)
    assert results == []


def test_tenants() -> None:
    check_tenant("CreateProcessInstance", "")
    check_tenant("CreateProcessInstance", "<default>")
    with pytest.raises(Rejection, match="but multi-tenancy is disabled"):
        check_tenant("CreateProcessInstance", "acme")


@pytest.mark.parametrize("key", [0, 123, 2 << 51, -1])
def test_keys_of_other_partitions(engine: ClockedEngine, key: int) -> None:
    with pytest.raises(Rejection, match=f"on partition {key >> 51}, but") as caught:
        engine.complete_job(key)
    assert caught.value.status == "UNAVAILABLE"


# -- what has no end


def calling(id: str, other: str) -> bytes:
    called = extension(f'<zeebe:calledElement processId="{other}"/>')
    return process(element("callActivity", "call", called), chain("start", "call", "end"), id=id)


def test_calls_in_a_circle_end_at_a_depth() -> None:
    engine = ClockedEngine()
    engine.deploy_resources([("a.bpmn", calling("a", "b")), ("b.bpmn", calling("b", "a"))])
    created = engine.create_process_instance("a")
    [incident] = incidents(engine)
    assert f"maximum depth of {MAX_DEPTH}" in str(incident.value["errorMessage"])
    engine.cancel_process_instance(created.process_instance_key)
    terminated = [r for r in engine.log.since() if r.intent == "ELEMENT_TERMINATED"]
    assert len(terminated) == 2 * MAX_DEPTH
    engine.delete_resource(created.process_definition_key)


def test_terminating_calls_in_a_circle_by_modification() -> None:
    engine = ClockedEngine()
    engine.deploy_resources([("a.bpmn", calling("a", "b")), ("b.bpmn", calling("b", "a"))])
    created = engine.create_process_instance("a")
    engine.modify_process_instance(
        created.process_instance_key, terminate=[created.process_instance_key]
    )
    engine.delete_resource(created.process_definition_key)


def test_a_process_in_a_circle_does_not_hold_the_engine(engine: ClockedEngine) -> None:
    circle = process(
        element("exclusiveGateway", "g"),
        element("exclusiveGateway", "h"),
        chain("start", "g", "h", "g"),
        id="circle",
    )
    engine.deploy_resources([("circle.bpmn", circle)])
    created = engine.create_process_instance("circle")
    assert engine.next_due() == engine.clock.milliseconds
    engine.create_process_instance("p")
    engine.advance()
    assert len(take(engine)) == 1
    engine.cancel_process_instance(created.process_instance_key)
    engine.advance()
    assert engine.next_due() == engine.clock.milliseconds + 1000  # the job's deadline


def test_a_file_nested_too_deep(engine: ClockedEngine) -> None:
    with pytest.raises(Rejection, match="nested more than"):
        engine.deploy_resources([("deep.bpmn", f"{HEAD}{'<a>' * 100_000}".encode())])


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"<" * 1000, b"\xff\xfe<", b"<a", HEAD.encode() + b"&lol;"]
)
def test_files_that_are_no_xml(engine: ClockedEngine, content: bytes) -> None:
    with pytest.raises(Rejection, match="Fatal Error: URI=null Line=1: ") as caught:
        engine.deploy_resources([("x.bpmn", content)])
    assert caught.value.status == "INVALID_ARGUMENT"


def test_entities_are_not_read(engine: ClockedEngine) -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY b "bb">]>' + ONE
    with pytest.raises(Rejection, match="DOCTYPE is disallowed"):
        engine.deploy_resources([("bomb.bpmn", bomb)])


# -- the log


def test_an_idle_poll_writes_two_records(engine: ClockedEngine) -> None:
    before = engine.log.position
    take(engine)
    written = [(r.record_type, r.value_type, r.intent) for r in engine.log.since(before)]
    assert written == [("COMMAND", "JOB_BATCH", "ACTIVATE"), ("EVENT", "JOB_BATCH", "ACTIVATED")]


def test_a_refused_command_is_in_the_log(engine: ClockedEngine) -> None:
    with pytest.raises(Rejection):
        engine.cancel_process_instance(1 << 51)
    last = engine.log.since(engine.log.position - 1)[0]
    assert (last.record_type, last.intent) == ("COMMAND_REJECTION", "CANCEL")
    assert last.rejection.startswith("NOT_FOUND: Expected to cancel")


def test_the_log_keeps_the_newest() -> None:
    engine = ClockedEngine(log_limit=5)
    engine.deploy_resources([("one.bpmn", ONE)])
    seen: list[Record] = []
    engine.log.on_record = seen.append
    start = engine.log.position
    engine.create_process_instance("p")
    assert engine.log.since() == seen[-5:]
    assert engine.log.since(start) == seen[-5:]
    assert engine.log.since(engine.log.position - 2) == seen[-2:]
    assert engine.log.since(engine.log.position) == []
    assert [record.position for record in seen] == list(range(start + 1, engine.log.position + 1))


def test_variables_of_a_modification_are_checked_before_anything_is_done(
    engine: ClockedEngine,
) -> None:
    created = engine.create_process_instance("p")
    before = engine.log.position
    with pytest.raises(Rejection, match="Invalid JSON value"):
        engine.modify_process_instance(
            created.process_instance_key, [Activation("work", variables=[("{", "")])]
        )
    assert engine.log.position == before


def test_a_long_loop_ends(engine: ClockedEngine) -> None:
    script = '<zeebe:script expression="=n + 1" resultVariable="n"/>'
    loop = process(
        element("exclusiveGateway", "again"),
        element("scriptTask", "count", extension(script)),
        element("exclusiveGateway", "enough", default="enough_again"),
        chain("start", "again", "count", "enough", "again"),
        flow("enough", "end", "=n >= 400"),
        id="loop",
    )
    engine.deploy_resources([("loop.bpmn", loop)])
    results: list[str] = []
    engine.create_process_instance_with_result(results.append, "loop", variables='{"n": 0}')
    engine.wait(0)
    assert results == ['{"n":400}']
