"""`zbtrio run` beside a real Zeebe: a worker that is ended hands its jobs to the next one."""

import re
import signal
from pathlib import Path

import pytest
import trio

import zbtrio
from tests.cli.test_run import program, until
from zbtrio.broker import Broker

PROCESS = """<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
                  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"
                  id="run" targetNamespace="http://example.org">
  <bpmn:process id="cli-run" isExecutable="true">
    <bpmn:startEvent id="start"/>
    <bpmn:sequenceFlow id="in" sourceRef="start" targetRef="task"/>
    <bpmn:serviceTask id="task">
      <bpmn:extensionElements><zeebe:taskDefinition type="cli-run"/></bpmn:extensionElements>
    </bpmn:serviceTask>
    <bpmn:sequenceFlow id="out" sourceRef="task" targetRef="end"/>
    <bpmn:endEvent id="end"/>
  </bpmn:process>
</bpmn:definitions>
"""
WORKER = """
import logging, trio, zbtrio
app = zbtrio.Worker()
@app.task("cli-run", concurrency=4)
async def handler(number: int) -> dict:
    logging.getLogger("shop").info("begun")
    await trio.sleep(0.5)
    return {"doubled": 2 * number}
"""
ORDERS = 30


async def test_two_workers_one_after_the_other(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runner.py").write_text(WORKER)
    monkeypatch.chdir(tmp_path)
    command = ("-m", "zbtrio", "run", "runner:app", "--address", broker.address)
    results: dict[int, object] = {}

    async with (
        zbtrio.ZeebeClient(address=broker.address) as client,
        trio.open_nursery() as nursery,
    ):
        await client.deploy_resource(("run.bpmn", PROCESS.encode()))

        async def order(number: int) -> None:
            ended = await client.create_process_instance_with_result(
                "cli-run", {"number": number}, request_timeout=60
            )
            results[number] = ended.variables["doubled"]

        for number in range(ORDERS):
            nursery.start_soon(order, number)
        async with program(*command) as first:
            await until(lambda: len(results) >= 4)
            began = trio.current_time()
            first.signal(signal.SIGTERM)
            assert await first.code() == 0
            assert trio.current_time() - began < 2  # its handlers need half a second
        done_by_first = len(re.findall("INFO shop .*begun", first.text))
        async with program(*command) as second:
            await until(lambda: len(results) == ORDERS)
            second.signal(signal.SIGTERM)
            assert await second.code() == 0
    done_by_second = len(re.findall("INFO shop .*begun", second.text))
    assert results == {number: 2 * number for number in range(ORDERS)}
    assert done_by_first + done_by_second == ORDERS  # no handler ran twice for a job
