"""`python -m bench.promises`: what the README promises about capacity and faults, measured.

Each function starts what it needs on a real broker, measures, and returns rows of (promise, goal,
measured). Nothing is judged here; the tables go into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from statistics import median

import trio

import zbtrio
from bench.measure import CREATORS, MODEL
from zbtrio import broker

Row = tuple[str, str, str]
Measurement = Callable[[broker.Broker, zbtrio.ZeebeClient], Awaitable[list[Row]]]


async def deploy(client: zbtrio.ZeebeClient) -> str:
    """Deploy a process of one task under a new name, which is its job type too."""
    name = f"promise-{time.time_ns():x}"
    model = MODEL.replace("PROCESS_ID", name).replace("JOB_TYPE", name)
    await client.deploy_resource((f"{name}.bpmn", model.encode()))
    return name


async def create(client: zbtrio.ZeebeClient, name: str, count: int) -> None:
    """Start so many instances."""
    left = iter(range(count))

    async def creator() -> None:
        for _ in left:
            await client.create_process_instance(name)

    async with trio.open_nursery() as nursery:
        for _ in range(CREATORS):
            nursery.start_soon(creator)


@asynccontextmanager
async def sleepers(
    running: broker.Broker, name: str, *, processes: int, seconds: float, concurrency: int
) -> AsyncGenerator[list[tuple[trio.Process, list[float]]]]:
    """Run bench/sleeper.py so many times; give processes and their completions."""
    environment = {
        **os.environ,
        "SLEEPER_TYPE": name,
        "SLEEPER_SECONDS": str(seconds),
        "SLEEPER_CONCURRENCY": str(concurrency),
    }
    command = [sys.executable, "-m", "zbtrio", "run", "bench.sleeper:app"]
    run = partial(
        trio.run_process,
        [*command, "--address", running.address],
        check=False,
        stdout=subprocess.PIPE,
        env=environment,
        cwd=Path(__file__).parent.parent,
    )

    async def read(process: trio.Process, finished: list[float]) -> None:
        assert process.stdout is not None
        async for chunk in process.stdout:
            finished += [trio.current_time()] * chunk.count(b"\n")

    async with trio.open_nursery() as nursery:
        started: list[tuple[trio.Process, list[float]]] = []
        for _ in range(processes):
            process = await nursery.start(run)
            started.append((process, []))
            nursery.start_soon(read, *started[-1])
        yield started
        for process, _ in started:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)


async def blocked(running: broker.Broker, client: zbtrio.ZeebeClient) -> list[Row]:
    """Five of eight slots blocked: the other three must not idle."""
    name = await deploy(client)
    app = zbtrio.Worker(running.address)
    entered: dict[int, float] = {}

    @app.task(name, concurrency=8, timeout=60)
    async def handle(number: int, block: bool) -> None:
        entered[number] = trio.current_time()
        if block:
            await trio.sleep(30)

    delays: list[float] = []
    async with trio.open_nursery() as nursery:
        await nursery.start(app.run)
        for number in range(5):
            await client.create_process_instance(name, {"number": number, "block": True})
        await trio.sleep(1)
        for number in range(5, 65, 3):
            sent: dict[int, float] = {}
            for job in range(number, number + 3):
                sent[job] = trio.current_time()
                await client.create_process_instance(name, {"number": job, "block": False})
            await trio.sleep(0.5)
            delays += [entered[job] - sent[job] for job in sent]
        nursery.cancel_scope.cancel()
    figure = f"{median(delays) * 1000:.1f} ms median, {max(delays) * 1000:.0f} ms worst of 60"
    return [("creation to handler, 5 of 8 slots blocked", "median 50 ms", figure)]


async def capacity(running: broker.Broker, client: zbtrio.ZeebeClient) -> list[Row]:
    """100 ms handlers, concurrency 32, an endless backlog."""
    name = await deploy(client)
    await create(client, name, 7500)
    async with sleepers(running, name, processes=1, seconds=0.1, concurrency=32) as started:
        done = started[0][1]
        while not done:
            await trio.sleep(0.01)
        await trio.sleep_until(done[0] + 20)
        figure = f"{sum(when < done[0] + 20 for when in done)}"
    return [("100 ms handlers, 32 at once, 20 s: jobs", "6000 of 6400", figure)]


async def scale(running: broker.Broker, client: zbtrio.ZeebeClient) -> list[Row]:
    """The same command started 1, 2 and 4 times on one backlog."""
    rows: list[Row] = []
    rates: dict[int, float] = {}
    for processes, goal in ((1, "1"), (2, "1.9"), (4, "3.6")):
        name = await deploy(client)
        await create(client, name, 100 * processes * 12)
        async with sleepers(
            running, name, processes=processes, seconds=0.1, concurrency=8
        ) as started:
            while not all(done for _, done in started):
                await trio.sleep(0.05)
            start = trio.current_time() + 1
            await trio.sleep_until(start + 8)
            shares = [sum(start <= when < start + 8 for when in done) for _, done in started]
        rates[processes] = sum(shares) / 8
        worst = max(abs(share * processes / sum(shares) - 1) for share in shares)
        figure = f"{rates[processes]:.0f} jobs/s = {rates[processes] / rates[1]:.2f} x"
        figure += f", shares within {worst:.0%}"
        rows.append((f"{processes} processes, 8 slots of 100 ms each", f"{goal} x, 20 %", figure))
    return rows


async def restart(running: broker.Broker, client: zbtrio.ZeebeClient) -> list[Row]:
    """SIGKILL of the broker in the middle of 2000 jobs, and its return on the same data."""
    name = await deploy(client)
    polls: list[float] = []

    class Polls:
        @zbtrio.hookimpl
        def poll_finished(self, seconds: float, error: Exception | None) -> None:
            if error is None:
                polls.append(trio.current_time() - seconds)

    app = zbtrio.Worker(running.address, plugins={"polls": Polls()})
    runs: dict[int, int] = {}

    @app.task(name, concurrency=32, timeout=10)
    async def handle(job: zbtrio.Job) -> None:
        runs[job.key] = runs.get(job.key, 0) + 1
        await trio.sleep(0.05)

    await create(client, name, 2000)
    async with trio.open_nursery() as nursery:
        worker = await nursery.start(app.run)
        while len(runs) < 700:
            await trio.sleep(0.01)
        await running.kill()
        killed = trio.current_time()
        await running.restart()
        reachable = trio.current_time()
        before = len(runs)
        while len(runs) == before:
            await trio.sleep(0.005)
        again = trio.current_time() - reachable
        polled = max(0.0, min(when for when in polls if when > killed) - reachable)
        with trio.move_on_after(90):
            while worker.state.reported < 2000:
                await trio.sleep(0.05)
        nursery.cancel_scope.cancel()
    left = await left_over(client, name)
    twice = sum(count - 1 for count in runs.values())
    return [
        (
            "broker killed and restarted: first good poll once it is ready",
            "2 s",
            f"{polled:.2f} s",
        ),
        ("  first job after it is ready", "soon", f"{again:.2f} s"),
        ("  jobs done of 2000, left over", "2000, 0", f"{len(runs)}, {left}"),
        ("  handler runs beyond one per job", "counted", str(twice)),
    ]


async def terminate(running: broker.Broker, client: zbtrio.ZeebeClient) -> list[Row]:
    """SIGTERM in the middle of a backlog: what is left must be activatable at once."""
    name = await deploy(client)
    await create(client, name, 600)
    async with sleepers(running, name, processes=1, seconds=0.2, concurrency=32) as started:
        process, done = started[0]
        while len(done) < 150:
            await trio.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        start = trio.current_time()
        code = await process.wait()
        took = trio.current_time() - start
    left = await left_over(client, name)
    waiting = 600 - len(done) - left
    return [
        ("SIGTERM: seconds to the end, exit code", "grace + 1 s, 0", f"{took:.2f} s, {code}"),
        (
            "  of the jobs left, those that wait for their timeout",
            "5 %",
            f"{waiting} of {600 - len(done)}",
        ),
    ]


async def left_over(client: zbtrio.ZeebeClient, name: str) -> int:
    """Count, and complete, the jobs that can be had now."""
    found = 0
    while True:
        before = found
        async with client.activate_jobs(
            name, max_jobs=1000, timeout=30, worker="leftovers", request_timeout=0
        ) as stream:
            async for job in stream:
                found += 1
                await client.complete_job(job.key)
        if found == before:
            return found


MEASUREMENTS: dict[str, Measurement] = {
    "blocked": blocked,
    "capacity": capacity,
    "scale": scale,
    "restart": restart,
    "terminate": terminate,
}


async def main(names: list[str], version: str) -> None:
    print("| promise | goal | measured |\n|---|---|---|")
    async with broker.running(version) as running:
        for name in names:
            async with zbtrio.ZeebeClient(running.address) as client:
                for row in await MEASUREMENTS[name](running, client):
                    print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.promises", description=__doc__)
    parser.add_argument("names", nargs="*", default=list(MEASUREMENTS), metavar="NAME")
    parser.add_argument("--version", default="8.6.0", help="of the broker (%(default)s)")
    arguments = parser.parse_args()
    trio.run(main, arguments.names, arguments.version)
