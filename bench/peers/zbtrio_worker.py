"""zbtrio, as its users write it."""

import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

os.environ["ZBTRIO_PLUGINS_DISABLED"] = "retry"  # installed here for the tests

import trio
from common import Meter, arguments, say_ready

import zbtrio


def credentials(size: int) -> dict[str, str]:
    """Basic credentials whose header has about as many bytes."""
    return {"username": "bench", "password": "x" * (size * 3 // 4)} if size else {}


async def main() -> None:
    args = arguments()
    finished = trio.Event()
    meter = Meter(args.jobs, finished.set)

    class Acknowledged:
        @zbtrio.hookimpl
        def connection_changed(self, state, reason) -> None:
            if state == "ready":
                meter.start()  # as the grpc.aio loop's after channel_ready()

        @zbtrio.hookimpl
        def report_finished(self, job, outcome, seconds, error) -> None:
            meter.completed_one()

    app = zbtrio.Worker(
        args.address, client=credentials(args.token), plugins={"bench": Acknowledged()}
    )
    types = [f"{args.type}-{n}" for n in range(args.subscriptions)]

    async def handle(job: zbtrio.Job) -> None:
        meter.entered(job.variables.get("sentAt"))

    for job_type in [args.type] if args.subscriptions == 1 else types:
        app.task(job_type, concurrency=args.concurrency, timeout=60, fetch=["sentAt"])(handle)

    async with trio.open_nursery() as nursery:
        await nursery.start(app.run)
        say_ready()
        if args.mode == "idle":
            await trio.sleep(5)
            meter.start()
            await trio.sleep(args.seconds)
        else:
            await finished.wait()
        meter.report()
        nursery.cancel_scope.cancel()


trio.run(main)
