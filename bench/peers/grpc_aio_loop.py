"""The yardstick: a loop that a good programmer writes by hand on grpc.aio, with a long poll."""

import asyncio
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, sys.argv.pop(1))  # where gateway_pb2 was generated

import gateway_pb2 as pb
import gateway_pb2_grpc as rpc
import grpc
from common import Meter, arguments, say_ready

THRESHOLD = 0.3  # poll again when so little is left of the capacity, as the Java client does


class Loop:
    def __init__(self, stub: rpc.GatewayStub, args, job_type: str, meter: Meter) -> None:
        self.stub = stub
        self.type = job_type
        self.capacity = args.concurrency
        self.active = 0
        self.room = asyncio.Event()
        self.meter = meter
        self.tasks: set[asyncio.Task[None]] = set()
        self.metadata = [("authorization", "Bearer " + "x" * args.token)] if args.token else None

    async def run(self) -> None:
        while not self.meter.done:
            while self.active > self.capacity * THRESHOLD:
                self.room.clear()
                await self.room.wait()
            request = pb.ActivateJobsRequest(
                type=self.type,
                worker="grpc-aio-loop",
                timeout=60_000,
                maxJobsToActivate=self.capacity - self.active,
                requestTimeout=30_000,
            )
            call = self.stub.ActivateJobs(request, timeout=40, metadata=self.metadata)
            async for response in call:
                for job in response.jobs:
                    self.active += 1
                    task = asyncio.create_task(self.handle(job))
                    self.tasks.add(task)
                    task.add_done_callback(self.tasks.discard)

    async def handle(self, job: pb.ActivatedJob) -> None:
        variables = json.loads(job.variables)
        self.meter.entered(variables.get("sentAt"))
        await self.stub.CompleteJob(
            pb.CompleteJobRequest(jobKey=job.key, variables="{}"),
            timeout=10,
            metadata=self.metadata,
        )
        self.active -= 1
        self.room.set()
        self.meter.completed_one()


async def main() -> None:
    args = arguments()
    async with grpc.aio.insecure_channel(args.address) as channel:
        await channel.channel_ready()
        finished = asyncio.Event()
        meter = Meter(args.jobs, finished.set)
        types = [f"{args.type}-{n}" for n in range(args.subscriptions)]
        if args.subscriptions == 1:
            types = [args.type]
        loops = [Loop(rpc.GatewayStub(channel), args, name, meter) for name in types]
        tasks = [asyncio.create_task(loop.run()) for loop in loops]
        say_ready()
        if args.mode == "idle":
            await asyncio.sleep(5)
            meter.start()
            await asyncio.sleep(args.seconds)
        else:
            await finished.wait()
        meter.report()
        for task in tasks:
            task.cancel()


asyncio.run(main())
