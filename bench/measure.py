"""One run of one peer, on a broker that runs already."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import trio

import zbtrio
from bench.peers_environment import Peer

MODEL = (Path(__file__).parent / "one_task.bpmn").read_text()
RUN_WITHIN = 300.0  # seconds
CREATORS = 32

_run_numbers = count()


class Bench:
    """Deploys, creates and runs peers against one gateway."""

    def __init__(self, client: zbtrio.ZeebeClient, address: str) -> None:
        self._client = client
        self._address = address
        self._stem = f"bench-{time.time_ns():x}"

    async def drain(self, peer: Peer, jobs: int, concurrency: int) -> dict[str, Any]:
        """Let `jobs` jobs wait, then let the peer do them."""
        jobs = int(jobs * peer.share)
        name = await self._deploy()
        await self._create_all(name, jobs)
        options = ("--jobs", str(jobs), "--concurrency", str(concurrency))
        async with self._running(peer, "drain", name, options) as process:
            return await _answer(process)

    async def latency(self, peer: Peer, jobs: int, per_second: float) -> dict[str, Any]:
        """Create jobs at a steady rate under the peer's open polls."""
        name = await self._deploy()
        async with self._running(peer, "latency", name, ("--jobs", str(jobs))) as process:
            await _ready(process)
            await trio.sleep(2)
            start = trio.current_time()
            async with trio.open_nursery() as nursery:
                for number in range(jobs):
                    await trio.sleep_until(start + number / per_second)
                    nursery.start_soon(self._create, name, {"sentAt": time.time_ns()})
            return await _answer(process)

    async def idle(self, peer: Peer, subscriptions: int, seconds: float) -> dict[str, Any]:
        """Let the peer hold open so many subscriptions that get no job."""
        name = f"{self._stem}-{next(_run_numbers)}"
        options = ("--subscriptions", str(subscriptions), "--seconds", str(seconds))
        async with self._running(peer, "idle", name, options) as process:
            return await _answer(process)

    async def _deploy(self) -> str:
        """Deploy a process of one task; return its id, which is its job type too."""
        name = f"{self._stem}-{next(_run_numbers)}"
        model = MODEL.replace("PROCESS_ID", name).replace("JOB_TYPE", name)
        await self._client.deploy_resource((f"{name}.bpmn", model.encode()))
        return name

    async def _create(self, name: str, variables: dict[str, Any]) -> None:
        await self._client.create_process_instance(name, variables)

    async def _create_all(self, name: str, jobs: int) -> None:
        left = iter(range(jobs))

        async def creator() -> None:
            for _ in left:
                await self._create(name, {})

        async with trio.open_nursery() as nursery:
            for _ in range(CREATORS):
                nursery.start_soon(creator)

    @asynccontextmanager
    async def _running(
        self, peer: Peer, mode: str, job_type: str, options: tuple[str, ...]
    ) -> AsyncGenerator[trio.Process]:
        command = [*peer.command, mode, "--address", self._address, "--type", job_type]
        async with trio.open_nursery() as nursery:
            run = partial(trio.run_process, check=False, stdout=subprocess.PIPE)
            process = await nursery.start(run, [*command, *options, *peer.options])
            with trio.fail_after(RUN_WITHIN):
                yield process
            nursery.cancel_scope.cancel()


async def _ready(process: trio.Process) -> None:
    assert process.stdout is not None
    if not (await process.stdout.receive_some()).startswith(b"ready"):
        raise RuntimeError("a peer did not get ready: see its output above")


async def _answer(process: trio.Process) -> dict[str, Any]:
    assert process.stdout is not None
    text = b""
    async for chunk in process.stdout:
        text += chunk
    lines = [line for line in text.splitlines() if line.startswith(b"{")]
    if not lines:
        raise RuntimeError("a peer ended without an answer: see its output above")
    return json.loads(lines[-1])
