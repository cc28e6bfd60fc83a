"""pyzeebe 4.7, with its defaults or (`--tuned`) without its five seconds of sleep when full."""

import asyncio
import logging
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from common import Meter, arguments, say_ready
from pyzeebe import Job, ZeebeWorker, create_insecure_channel

logging.disable(logging.WARNING)  # it warns whenever it is full


async def main() -> None:
    args = arguments()
    channel = create_insecure_channel(grpc_address=args.address)
    options = {"poll_retry_delay": 0.01} if args.tuned else {}
    worker = ZeebeWorker(channel, request_timeout=30_000, **options)
    finished = asyncio.Event()
    meter = Meter(args.jobs, finished.set)
    types = [f"{args.type}-{n}" for n in range(args.subscriptions)]
    for job_type in [args.type] if args.subscriptions == 1 else types:

        @worker.task(
            task_type=job_type,
            timeout_ms=60_000,
            max_jobs_to_activate=args.concurrency,
            max_running_jobs=args.concurrency,
        )
        async def handle(job: Job) -> dict:
            meter.entered(job.variables.get("sentAt"))
            meter.completed_one()
            return {}

    working = asyncio.create_task(worker.work())
    say_ready()
    if args.mode == "idle":
        await asyncio.sleep(5)
        meter.start()
        await asyncio.sleep(args.seconds)
    else:
        await finished.wait()
        await asyncio.sleep(0.2)  # its last completions are still on their way
    meter.report()
    await worker.stop()
    working.cancel()


asyncio.run(main())
