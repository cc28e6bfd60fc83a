"""`python -m bench`: zbtrio beside pyzeebe and a hand-written grpc.aio loop, on a real broker.

Runs are interleaved (each round runs every peer once), figures are medians over the rounds, and the
comparison is the median of the rounds' ratios: a shared machine's speed drifts, but not within a
round.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import trio

import zbtrio
from bench.measure import Bench
from bench.peers_environment import Peer, peers
from bench.table import markdown
from zbtrio import broker


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--address", help="of a gateway that runs; else a broker is started")
    parser.add_argument("--rounds", type=int, default=5, help="of the drain (%(default)s)")
    parser.add_argument("--latency-rounds", type=int, default=7, help="(%(default)s)")
    parser.add_argument("--jobs", type=int, default=3000, help="per drain (%(default)s)")
    parser.add_argument("--latency-jobs", type=int, default=1500, help="(%(default)s)")
    parser.add_argument("--concurrency", type=int, default=32, help="(%(default)s)")
    parser.add_argument("--token", type=int, default=1000, help="bytes of bearer token sent")
    parser.add_argument("--only", nargs="*", default=["drain", "latency", "idle"])
    parser.add_argument("--peers", nargs="*", help="names, to leave the others out")
    parser.add_argument("--json", type=Path, default=Path("bench/results.json"))
    return parser.parse_args()


async def main(args: argparse.Namespace) -> None:
    with peers(token=args.token) as contestants:
        if args.peers:
            contestants = [peer for peer in contestants if peer.name in args.peers]
        async with AsyncExitStack() as stack:
            address = args.address
            if address is None:
                address = (await stack.enter_async_context(broker.running())).address
            client = await stack.enter_async_context(zbtrio.ZeebeClient(address))
            version = (await client.topology()).gateway_version
            runs = await measure(Bench(client, address), args, contestants)
    results = {
        "machine": {
            "cpus": os.cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
            "zeebe": version,
        },
        "settings": {
            "jobs": args.jobs,
            "concurrency": args.concurrency,
            "token_bytes": args.token,
            "latency_jobs": args.latency_jobs,
        },
        "runs": runs,
    }
    args.json.write_text(json.dumps(results, indent=1))
    print(markdown(results))


async def measure(
    bench: Bench, args: argparse.Namespace, contestants: list[Peer]
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return the answers, by measurement and peer."""
    runs: dict[str, dict[str, list[dict[str, Any]]]] = {}

    async def rounds(name: str, number: int, run: Any) -> None:
        if name not in args.only:
            return
        for _ in range(number):
            for peer in contestants:
                if name in peer.measures:
                    answer = await run(peer)
                    summarise(answer)
                    runs.setdefault(name, {}).setdefault(peer.name, []).append(answer)
                    print(f"{name}: {peer.name}: {short(answer)}", flush=True)

    await rounds("drain", args.rounds, lambda p: bench.drain(p, args.jobs, args.concurrency))
    await rounds("idle", 3, lambda p: bench.idle(p, 50, 20))
    await rounds("latency", args.latency_rounds, lambda p: bench.latency(p, args.latency_jobs, 50))
    return runs


def summarise(answer: dict[str, Any]) -> None:
    """Replace a run's latencies by their quantiles."""
    latencies = sorted(answer.pop("latency_ms"))
    for name, share in (("p50_ms", 0.5), ("p90_ms", 0.9), ("p99_ms", 0.99)):
        if latencies:
            answer[name] = latencies[min(len(latencies) - 1, int(share * len(latencies)))]


def short(answer: dict[str, Any]) -> str:
    """A run in one line."""
    return ", ".join(f"{name} {value:.4g}" for name, value in answer.items())


if __name__ == "__main__":
    trio.run(main, arguments())
