"""zbtrio, as its users write it."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import trio
from common import Meter, arguments, say_ready

import zbtrio


async def main() -> None:
    args = arguments()
    credentials = {"token": "x" * args.token} if args.token else {}
    app = zbtrio.Worker(address=args.address, **credentials)
    meter = Meter(args.jobs)
    types = [f"{args.type}-{n}" for n in range(args.subscriptions)]

    async def handle(job: zbtrio.Job) -> None:
        meter.entered(job.variables.get("sentAt"))

    for job_type in [args.type] if args.subscriptions == 1 else types:
        app.task(job_type, concurrency=args.concurrency, timeout=60, fetch=["sentAt"])(handle)

    async with trio.open_nursery() as nursery:
        handle_ = await nursery.start(app.run)
        say_ready()
        if args.mode == "idle":
            await trio.sleep(5)
            meter.start()
            await trio.sleep(args.seconds)
        else:
            while not meter.done:
                await trio.sleep(0.01)
                meter.completed = handle_.state.reported
        meter.report()
        nursery.cancel_scope.cancel()


trio.run(main)
