"""What every peer shares: its arguments, its meter, its answer. Standard library only.

A peer is a process of its own that works on one job type and prints one JSON object. `ready` on a
line of its own says that it polls.
"""

import argparse
import json
import pathlib
import resource
import sys
import time
from collections.abc import Callable


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=["drain", "latency", "idle"])
    parser.add_argument("--address", required=True, help="host:port of the gateway")
    parser.add_argument("--type", required=True, help="the job type, or the stem of many")
    parser.add_argument("--jobs", type=int, default=3000)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--subscriptions", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to be idle")
    parser.add_argument("--token", type=int, default=0, help="bytes of bearer token to send along")
    parser.add_argument("--tuned", action="store_true")
    return parser.parse_args()


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_memory() -> int:
    """Bytes. Not ru_maxrss, which a child takes over from its parent."""
    status = pathlib.Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


class Meter:
    """Counts jobs; calls `finished` when the last one is in."""

    def __init__(self, jobs: int, finished: Callable[[], object]) -> None:
        self.jobs = jobs
        self._finished = finished
        self.completed = 0
        self.latencies: list[float] = []
        self.start()

    def start(self) -> None:
        self._cpu, self._wall = cpu_seconds(), time.perf_counter()

    def entered(self, sent_at: int | None) -> None:
        """A handler was entered; `sent_at`: epoch nanoseconds of the create."""
        if sent_at is not None:
            self.latencies.append((time.time_ns() - sent_at) / 1e6)

    def completed_one(self) -> None:
        """A job's completion was acknowledged."""
        self.completed += 1
        if self.completed == self.jobs:
            self._finished()

    @property
    def done(self) -> bool:
        return self.completed >= self.jobs

    def report(self) -> None:
        cpu, wall = cpu_seconds() - self._cpu, time.perf_counter() - self._wall
        answer = {
            "completed": self.completed,
            "cpu_s": cpu,
            "wall_s": wall,
            "cpu_us_per_job": cpu / max(1, self.completed) * 1e6,
            "rss_mb": peak_memory() / 2**20,
            "latency_ms": self.latencies,
        }
        print(json.dumps(answer), flush=True)


def say_ready() -> None:
    print("ready", flush=True)
    sys.stdout.flush()
