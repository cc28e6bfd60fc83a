"""A worker whose handler takes a given time: `zbtrio run bench.sleeper:app` by environment.

SLEEPER_TYPE, SLEEPER_SECONDS, SLEEPER_CONCURRENCY. Each completed handler writes a line to stdout.
"""

import os
import sys

import trio

import zbtrio

app = zbtrio.Worker()
seconds = float(os.environ["SLEEPER_SECONDS"])


@app.task(
    os.environ["SLEEPER_TYPE"], concurrency=int(os.environ["SLEEPER_CONCURRENCY"]), timeout=30
)
async def sleep(job: zbtrio.Job) -> None:
    await trio.sleep(seconds)
    sys.stdout.write(f"{job.key}\n")
    sys.stdout.flush()
