"""What middlewares and observers cost a job, with nothing else around: `python -m bench.hooks`."""

import statistics
import time
from typing import Any, ClassVar

import trio

from zbtrio.hooks import PluginSet, hookimpl

JOBS = 100_000
REPEATS = 7


class NoOp:
    """A middleware and an observer that do nothing."""

    stage: ClassVar = "call"

    @hookimpl
    def around_job(self) -> Any:
        async def middleware(job: Any, call_next: Any) -> Any:
            return await call_next(job)

        return middleware

    @hookimpl
    def job_activated(self, job: Any) -> None:
        pass


async def handler(job: Any) -> Any:
    return job


async def middlewares(plugins: PluginSet) -> float:
    """Seconds for one job."""
    wrap = plugins.middleware_for(None)  # type: ignore[arg-type]
    call = wrap(handler) if wrap else handler
    start = time.process_time()
    for _ in range(JOBS):
        await call(None)
    return (time.process_time() - start) / JOBS


async def observers(plugins: PluginSet) -> float:
    """Seconds for one event."""
    observe = plugins.observers.job_activated
    start = time.process_time()
    for _ in range(JOBS):
        observe(None)  # type: ignore[arg-type]
    return (time.process_time() - start) / JOBS


async def main() -> None:
    print(f"us of CPU per job, median of {REPEATS} x {JOBS} in turns")
    for name, measure in (("middlewares", middlewares), ("observers", observers)):
        sets = {n: PluginSet.of(**{f"no_op{i}": NoOp() for i in range(n)}) for n in (0, 1, 5)}
        found: dict[int, list[float]] = {n: [] for n in sets}
        for _ in range(REPEATS):
            for n, plugins in sets.items():
                found[n].append(await measure(plugins))
        medians = {n: statistics.median(times) * 1e6 for n, times in found.items()}
        print(name, "  ".join(f"{n}: {us:.2f}" for n, us in medians.items()))


if __name__ == "__main__":
    trio.run(main)
