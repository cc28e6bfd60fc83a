"""`zbtrio run` and `zbtrio.run` as processes of their own, against a gateway on loopback."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from textwrap import dedent

import pytest
import trio
from grpclib.const import Status

from tests.faults import answer
from tests.faulty_gateway import FaultyGateway, open_faulty_gateway

SHOP = """
    import logging
    import trio
    import zbtrio

    app = zbtrio.Worker()
    log = logging.getLogger("shop")

    @app.task("charge-card")
    async def charge_card(order: str) -> dict:
        log.info("charging %s", order)
        return {"paid": order}

    @app.task("slow", retry=False)
    async def slow(seconds: float) -> None:
        log.info("begun")
        await trio.sleep(seconds)

    flaky_runs = []

    @app.task("flaky")
    async def flaky() -> dict:
        flaky_runs.append(1)
        if len(flaky_runs) < 3:
            raise ConnectionError("the first two times")
        return {"runs": len(flaky_runs)}

    if __name__ == "__main__":
        zbtrio.run(app)
    """


class Program:
    """A worker process and what it has written to standard error."""

    def __init__(self, process: trio.Process) -> None:
        self.process = process
        self.text = ""
        self._news = trio.Event()

    async def read(self) -> None:
        assert self.process.stderr is not None
        async for chunk in self.process.stderr:
            self.text += chunk.decode()
            self._news.set()

    async def wrote(self, text: str) -> None:
        """Wait for a text."""
        while text not in self.text:
            self._news = trio.Event()
            await self._news.wait()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def code(self) -> int:
        return await self.process.wait()


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "shop.py").write_text(dedent(SHOP))
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("ZBTRIO_", "ZEEBE_", "CAMUNDA_")):
            monkeypatch.delenv(name)
    return tmp_path


@asynccontextmanager
async def program(*command: str, **environ: str) -> AsyncIterator[Program]:
    """Run Python with these arguments; it is killed if a test leaves it running."""
    open_process = trio.lowlevel.open_process
    process = await open_process(
        [sys.executable, *command], stderr=subprocess.PIPE, env={**os.environ, **environ}
    )
    running = Program(process)
    try:
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(running.read)
                yield running
                nursery.cancel_scope.cancel()
    finally:
        if process.returncode is None:
            process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


def zbtrio_run(gateway: FaultyGateway, *arguments: str):
    return program("-m", "zbtrio", "run", *arguments, "--address", f"http://{gateway.target}")


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(15):
        while not condition():
            await trio.sleep(0.01)


@pytest.fixture
async def gateway() -> AsyncIterator[FaultyGateway]:
    async with open_faulty_gateway(port=0) as gateway:
        yield gateway


async def test_jobs_are_done_until_a_signal_drains(shop: Path, gateway: FaultyGateway) -> None:
    job = gateway.queue.jobs[gateway.queue.add("charge-card", {"order": "A1"})]
    async with zbtrio_run(gateway, "shop:app", "--log-format", "json") as running:
        await until(lambda: job.state == "COMPLETED")
        running.signal(signal.SIGTERM)
        assert await running.code() == 0
    assert job.result == {"paid": "A1"}
    lines = [json.loads(line) for line in running.text.splitlines()]
    (charging,) = [line for line in lines if line["logger"] == "shop"]
    assert charging["message"] == "charging A1"
    assert charging["job_type"] == "charge-card"
    assert charging["job_key"] == job.key
    assert charging["process_instance"] == job.key + 1
    assert any("SIGTERM: the worker drains" in line["message"] for line in lines)


async def test_a_running_handler_may_finish(shop: Path, gateway: FaultyGateway) -> None:
    job = gateway.queue.jobs[gateway.queue.add("slow", {"seconds": 0.5})]
    async with zbtrio_run(gateway, "shop:app") as running:
        await running.wrote("begun")
        running.signal(signal.SIGINT)
        assert await running.code() == 0
    assert job.state == "COMPLETED"
    assert f"[slow, job {job.key}, instance {job.key + 1}]: begun" in running.text


async def test_grace_ends_and_the_job_goes_back(shop: Path, gateway: FaultyGateway) -> None:
    job = gateway.queue.jobs[gateway.queue.add("slow", {"seconds": 60})]
    async with zbtrio_run(gateway, "shop:app", "--grace", "0.3") as running:
        await running.wrote("begun")
        began = trio.current_time()
        running.signal(signal.SIGTERM)
        assert await running.code() == 0
    assert trio.current_time() - began < 1.3 + 1  # grace + 1 s, and a busy machine
    assert (job.state, job.retries) == ("ACTIVATABLE", 3)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_second_signal_ends_at_once(
    shop: Path, gateway: FaultyGateway, number: signal.Signals
) -> None:
    job = gateway.queue.jobs[gateway.queue.add("slow", {"seconds": 60})]
    async with zbtrio_run(gateway, "shop:app") as running:
        await running.wrote("begun")
        running.signal(signal.SIGTERM)
        await running.wrote("drains")
        running.signal(number)
        assert await running.code() == 128 + number
    assert job.state == "ACTIVATABLE"


async def test_a_signal_ends_a_worker_whose_gateway_is_away(
    shop: Path, gateway: FaultyGateway
) -> None:
    gateway.crash()
    async with zbtrio_run(gateway, "shop:app") as running:
        await running.wrote("Connection to the gateway: reconnecting")
        running.signal(signal.SIGTERM)
        assert await running.code() == 0


async def test_a_program_runs_its_own_worker(shop: Path, gateway: FaultyGateway) -> None:
    (shop / "zbtrio.toml").write_text(
        f'[client]\naddress = "http://{gateway.target}"\n[log]\nformat = "json"\n'
    )
    job = gateway.queue.jobs[gateway.queue.add("charge-card", {"order": "A1"})]
    async with program("shop.py") as running:
        await until(lambda: job.state == "COMPLETED")
        running.signal(signal.SIGTERM)
        assert await running.code() == 0
    assert json.loads(running.text.splitlines()[0])


async def test_the_gateways_refusal_is_an_exit_code(shop: Path, gateway: FaultyGateway) -> None:
    gateway.script("ActivateJobs", answer(Status.PERMISSION_DENIED, "no such right"), times=99)
    async with zbtrio_run(gateway, "shop:app") as running:
        assert await running.code() == 3
    assert "The worker has stopped." in running.text
    assert "no such right" in running.text


async def test_an_installed_plugin_takes_part(shop: Path, gateway: FaultyGateway) -> None:
    """zbtrio-retry, through its entry point: two failures, one activation."""
    job = gateway.queue.jobs[gateway.queue.add("flaky")]
    async with zbtrio_run(gateway, "shop:app") as running:
        await until(lambda: job.ended)
        running.signal(signal.SIGTERM)
        assert await running.code() == 0
    assert job.result == {"runs": 3}
    assert job.activations == 1
    assert "zbtrio_retry [flaky, job" in running.text


async def test_without_an_argument_plugins_bring_the_tasks(
    shop: Path, gateway: FaultyGateway
) -> None:
    (shop / "bringing.py").write_text(
        dedent("""
            import attrs
            import zbtrio

            @attrs.define(eq=False)
            class Bringing:
                answer: int = zbtrio.settings.option(1)

                @zbtrio.hookimpl
                def register_tasks(self):
                    tasks = zbtrio.Tasks()

                    @tasks.task("brought")
                    async def brought() -> dict:
                        return {"answer": self.answer}

                    return tasks
            """)
    )
    info = shop / "bringing-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bringing\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[zbtrio]\nbringing = bringing:Bringing\n")
    (shop / "other.toml").write_text("[plugins.bringing]\nanswer = 42\n")
    job = gateway.queue.jobs[gateway.queue.add("brought")]
    os.environ["PYTHONPATH"] = str(shop)
    try:
        async with zbtrio_run(gateway, "--settings", "other.toml") as running:
            await until(lambda: job.ended)
            running.signal(signal.SIGTERM)
            assert await running.code() == 0
    finally:
        del os.environ["PYTHONPATH"]
    assert job.result == {"answer": 42}
