"""A gateway in memory that does what a healthy one won't, and remembers all that it saw.

    async with open_faulty_gateway() as gateway:
        key = gateway.queue.add("charge-card", {"orderId": "1"})
        gateway.script("CompleteJob", answer(Status.UNAVAILABLE), times=3)
        async with Channel(gateway.target, connector=gateway.connector) as channel:
            ...
        assert gateway.queue.jobs[key].state == "COMPLETED"
        assert [seen.outcome for seen in gateway.seen("CompleteJob")] == [...]

A fault is an async function that takes the Exchange and stands between the request and its RPC; the
ones that are often needed are in tests/faults.py.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from typing import Any

import trio
from attrs import define, field
from grpclib.const import Handler, Status
from grpclib.exceptions import GRPCError
from trio.testing import memory_stream_pair

from tests.job_queue import JobQueue, QueuedJob
from zbtrio._proto import gateway_protocol as proto
from zbtrio.rpc import Server, ServerCall
from zbtrio.rpc.health import Health

Connector = Callable[[str], Awaitable[trio.abc.Stream]]
Fault = Callable[["Exchange"], Awaitable[None]]

LONG_POLL = 10.0  # seconds, where a request leaves it to the gateway


@define(eq=False)
class Seen:
    """One call in the ledger. `outcome`: a status name, `cancelled`, or `open` while it runs."""

    when: float
    rpc: str
    request: Any
    metadata: dict[str, str | bytes]
    outcome: str = "open"
    responses: list[Any] = field(factory=list)


@define(eq=False)
class _Script:
    rpc: str
    fault: Fault
    left: float
    type: str | None
    skip: int

    def applies(self, rpc: str, type: str | None) -> bool:
        if self.left <= 0 or rpc != self.rpc or (self.type is not None and type != self.type):
            return False
        self.skip -= 1
        return self.skip < 0


class Exchange:
    """One call on its way: what a fault may look at and do."""

    def __init__(
        self, gateway: FaultyGateway, handler: Handler, call: ServerCall, seen: Seen
    ) -> None:
        self.gateway = gateway
        self.call = call
        self.seen = seen
        self._handler = handler
        self._silent = False

    @property
    def rpc(self) -> str:
        """The RPC's name, as in CompleteJob."""
        return self.seen.rpc

    @property
    def request(self) -> Any:
        """The request message."""
        return self.seen.request

    async def work(self) -> None:
        """Do what the RPC does, and send the answer."""
        await self._handler.func(self)

    async def work_silently(self) -> None:
        """Do what the RPC does; the client hears nothing of it."""
        self._silent = True
        await self._handler.func(self)

    # The generated service takes this object for its stream.

    async def recv_message(self) -> Any:
        """Give the request that was already read."""
        return self.request

    async def send_message(self, message: Any) -> None:
        """Pass an answer on."""
        if not self._silent:
            await self.call.send_message(message)
        self.seen.responses.append(message)


class FaultyGateway(proto.GatewayBase):
    """Serves jobs of a queue, with scripted faults. Made by `open_faulty_gateway`.

    Attributes:
        queue: the jobs.
        ledger: every call, in the order in which they came.
        target: the address to give to a channel.
        running: whether clients can connect.
        connects: how many connections were made so far.
    """

    def __init__(self, nursery: trio.Nursery, port: int | None, options: dict[str, Any]) -> None:
        self.queue = JobQueue()
        self.ledger: list[Seen] = []
        self.target = "memory:26500"
        self.running = False
        self.connects = 0
        self._nursery = nursery
        self._port = port
        self._options = options
        self._scripts: list[_Script] = []
        self._keys = count(1)
        self._epoch = time.time() - trio.current_time()

    # For tests

    def script(
        self,
        rpc: str,
        fault: Fault,
        *,
        times: float = 1,
        type: str | None = None,
        after: int = 0,
    ) -> None:
        """Let a fault happen to the next `times` calls of an RPC.

        Args:
            type: only to calls that name this job type, or a job of it.
            after: let so many calls pass first.
        """
        self._scripts.append(_Script(rpc, fault, times, type, after))

    def clear_scripts(self) -> None:
        """Be healthy again."""
        self._scripts.clear()

    def seen(self, rpc: str) -> list[Seen]:
        """Return the ledger's calls of an RPC."""
        return [seen for seen in self.ledger if seen.rpc == rpc]

    def outcomes(self, rpc: str) -> list[str]:
        """Return how the calls of an RPC ended."""
        return [seen.outcome for seen in self.seen(rpc)]

    @property
    def connections(self) -> int:
        """How many clients are connected now."""
        return self.server.connections

    @property
    def connector(self) -> Connector | None:
        """For `Channel(connector=...)`: connects in memory; None if the gateway listens on TCP."""
        return self._connect if self._port is None else None

    def crash(self) -> None:
        """End all connections at once and take no new ones; jobs stay."""
        self.running = False
        self._generation.cancel_scope.cancel()

    async def shutdown(self, grace: float = 0) -> None:
        """Stop as a server that is told to: GOAWAY, `grace` seconds, end."""
        self.running = False
        await self.server.shutdown(grace)

    async def restart(self) -> None:
        """Come back after `crash` or `shutdown`, on the same address."""
        self._generation.cancel_scope.cancel()
        await self._nursery.start(self.run)

    # The server

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until `crash`, or for ever."""
        self.server = Server([self, Health("gateway_protocol.Gateway")], **self._options)
        async with trio.open_nursery() as self._generation:
            if self._port is not None:
                listeners = await self._generation.start(self.server.serve_tcp, self._port)
                self._port = listeners[0].socket.getsockname()[1]
                self.target = f"127.0.0.1:{self._port}"
            self.running = True
            task_status.started()
            await trio.sleep_forever()

    async def _connect(self, target: str) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        if not self.running:
            raise ConnectionRefusedError(f"{target} is down")
        ours, theirs = memory_stream_pair()
        self._generation.start_soon(self.server.serve_stream, ours)
        self.connects += 1
        return theirs

    def __mapping__(self) -> dict[str, Handler]:
        return {
            path: handler._replace(func=partial(self._serve, path.rpartition("/")[2], handler))
            for path, handler in super().__mapping__().items()
        }

    async def _serve(self, rpc: str, handler: Handler, call: ServerCall) -> None:
        request = await call.recv_message()
        seen = Seen(trio.current_time(), rpc, request, dict(call.metadata))
        self.ledger.append(seen)
        exchange = Exchange(self, handler, call, seen)
        fault = self._next_fault(rpc, request)
        try:
            await (exchange.work() if fault is None else fault(exchange))
        except GRPCError as error:
            seen.outcome = error.status.name
            raise
        except BaseException:
            seen.outcome = "cancelled"
            raise
        seen.outcome = "OK"

    def _next_fault(self, rpc: str, request: Any) -> Fault | None:
        job = self.queue.jobs.get(getattr(request, "job_key", 0))
        type = getattr(request, "type", None) if job is None else job.type
        for script in self._scripts:
            if script.applies(rpc, type):
                script.left -= 1
                return script.fault
        return None

    # The RPCs

    async def activate_jobs(
        self, message: proto.ActivateJobsRequest
    ) -> AsyncIterator[proto.ActivateJobsResponse]:
        wait = message.request_timeout / 1000 or LONG_POLL
        with trio.move_on_after(max(0, wait)):
            while not (jobs := self._take(message, message.max_jobs_to_activate)):
                await self.queue.wait(message.type)
        if not jobs:
            return
        try:
            yield proto.ActivateJobsResponse([self._activated(job, message) for job in jobs])
        except BaseException:
            self.queue.give_back(jobs)
            raise

    async def stream_activated_jobs(
        self, message: proto.StreamActivatedJobsRequest
    ) -> AsyncIterator[proto.ActivatedJob]:
        while True:
            await self.queue.wait(message.type)
            for job in self._take(message, 1_000_000):
                try:
                    yield self._activated(job, message)
                except BaseException:
                    self.queue.give_back([job])
                    raise

    def _take(
        self, message: proto.ActivateJobsRequest | proto.StreamActivatedJobsRequest, limit: int
    ) -> list[QueuedJob]:
        if not message.type or message.timeout < 1:
            raise GRPCError(Status.INVALID_ARGUMENT, "a job type and a timeout are needed")
        return self.queue.take(message.type, limit, message.timeout / 1000, message.worker)

    def _activated(self, job: QueuedJob, message: Any) -> proto.ActivatedJob:
        variables: dict[str, Any] = json.loads(job.variables)
        if message.fetch_variable:
            variables = {k: v for k, v in variables.items() if k in message.fetch_variable}
        return proto.ActivatedJob(
            key=job.key,
            type=job.type,
            process_instance_key=job.key + 1,
            bpmn_process_id="process",
            process_definition_version=1,
            process_definition_key=1,
            element_id=job.type,
            element_instance_key=job.key + 2,
            custom_headers=job.headers,
            worker=message.worker,
            retries=job.retries,
            deadline=round((self._epoch + job.due) * 1000),
            variables=json.dumps(variables),
            tenant_id=job.tenant,
        )

    async def complete_job(self, message: proto.CompleteJobRequest) -> proto.CompleteJobResponse:
        self.queue.complete(message.job_key, message.variables)
        return proto.CompleteJobResponse()

    async def fail_job(self, message: proto.FailJobRequest) -> proto.FailJobResponse:
        self.queue.fail(
            message.job_key,
            message.retries,
            message.retry_back_off / 1000,
            message.error_message,
        )
        return proto.FailJobResponse()

    async def throw_error(self, message: proto.ThrowErrorRequest) -> proto.ThrowErrorResponse:
        self.queue.throw(message.job_key, message.error_code)
        return proto.ThrowErrorResponse()

    async def update_job_timeout(
        self, message: proto.UpdateJobTimeoutRequest
    ) -> proto.UpdateJobTimeoutResponse:
        self.queue.extend(message.job_key, message.timeout / 1000)
        return proto.UpdateJobTimeoutResponse()

    async def create_process_instance(
        self, message: proto.CreateProcessInstanceRequest
    ) -> proto.CreateProcessInstanceResponse:
        return proto.CreateProcessInstanceResponse(
            process_definition_key=1,
            bpmn_process_id=message.bpmn_process_id,
            version=1,
            process_instance_key=next(self._keys),
            tenant_id="<default>",
        )

    async def publish_message(
        self, message: proto.PublishMessageRequest
    ) -> proto.PublishMessageResponse:
        return proto.PublishMessageResponse(key=next(self._keys), tenant_id="<default>")

    async def topology(self, message: proto.TopologyRequest) -> proto.TopologyResponse:
        leader = proto.Partition(1, proto.PartitionPartitionBrokerRole.LEADER)
        broker = proto.BrokerInfo(0, "127.0.0.1", 26501, [leader], "8.6.0")
        return proto.TopologyResponse([broker], 1, 1, 1, "8.6.0")


@asynccontextmanager
async def open_faulty_gateway(
    *, port: int | None = None, **options: Any
) -> AsyncIterator[FaultyGateway]:
    """Run a gateway inside a block.

    Args:
        port: listen on TCP there (0: any free one); None: in memory only.
        options: for zbtrio.rpc.Server.
    """
    async with trio.open_nursery() as nursery:
        gateway = FaultyGateway(nursery, port, options)
        await nursery.start(gateway.run)
        yield gateway
        nursery.cancel_scope.cancel()
