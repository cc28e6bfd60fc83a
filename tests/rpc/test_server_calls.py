"""Calls on the server: messages, metadata, status, and what a request may look like."""

from __future__ import annotations

import gzip
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from grpclib.const import Status
from grpclib.exceptions import GRPCError
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.rpc.services import (
    CHAT,
    COLLECT,
    PARTS,
    UNARY,
    Answer,
    RawClient,
    Service,
    ask,
    echo,
    method,
    park,
    path,
    serving,
    serving_channel,
)
from zbtrio._proto import gateway_protocol as proto
from zbtrio.rpc import Channel, Method, RpcError, ServerCall, current_call
from zbtrio.rpc.frames import ErrorCode
from zbtrio.rpc.grpc import frame_message
from zbtrio.rpc.header_memo import FieldList
from zbtrio.rpc.server_call import MAX_STATUS_MESSAGE, status_message

EVERYTHING = bytes(range(256))


async def parts(call: ServerCall) -> None:
    """Answer with each byte of the request."""
    for byte in await call.recv_message():
        await call.send_message(bytes([byte]))


async def collect(call: ServerCall) -> None:
    """Answer with all requests in one."""
    await call.send_message(b"".join([message async for message in call]))


async def chat(call: ServerCall) -> None:
    """Answer each request at once."""
    async for message in call:
        await call.send_message(message)


SERVICE = Service(
    Echo=(UNARY, echo),
    Parts=(PARTS, parts),
    Collect=(COLLECT, collect),
    Chat=(CHAT, chat),
    Park=(UNARY, park),
)


async def ask_for_parts(
    channel: Channel, name: str, body: bytes, seen: list[bytes] | None = None
) -> list[bytes]:
    seen = [] if seen is None else seen
    async with channel.stream(method(name), body) as stream:
        async for message in stream:
            seen.append(message)
    return seen


class TestMessages:
    @pytest.mark.parametrize("body", [b"", b"x", EVERYTHING, bytes(3_000_000)])
    async def test_a_unary_call(self, body: bytes) -> None:
        async with serving_channel(SERVICE) as channel:
            assert await ask(channel, "Echo", body) == body

    async def test_a_stream_of_responses(self) -> None:
        async with serving_channel(SERVICE) as channel:
            assert b"".join(await ask_for_parts(channel, "Parts", EVERYTHING)) == EVERYTHING

    async def test_an_empty_stream(self) -> None:
        async with serving_channel(SERVICE) as channel:
            assert await ask_for_parts(channel, "Parts", b"") == []

    async def test_calls_run_side_by_side(self) -> None:
        answers: list[bytes] = []
        async with serving_channel(SERVICE) as channel, trio.open_nursery() as nursery:

            async def one(number: int) -> None:
                answers.append(await ask(channel, "Echo", b"%d" % number))

            for number in range(100):
                nursery.start_soon(one, number)
        assert sorted(answers) == sorted(b"%d" % number for number in range(100))

    async def test_a_stream_of_requests(self) -> None:
        async with serving(SERVICE) as (_, connect):
            client = await RawClient(await connect()).start()
            stream = await client.request("Collect", b"a", end=False)
            await client.send(stream, frame_message(b"b") + frame_message(b"c")[:3])
            await client.send(stream, frame_message(b"c")[3:])
            await client.send(stream, b"", end=True)
            answer = await client.answer(stream)
            assert answer.body == frame_message(b"abc")
            assert answer.get(b"grpc-status") == b"0"

    async def test_a_conversation(self) -> None:
        async with serving(SERVICE) as (_, connect):
            client = await RawClient(await connect()).start()
            stream = await client.request("Chat", None, end=False)
            answer = client.answers[stream.id]
            for text in (b"one", b"two"):
                answer.body.clear()
                await client.send(stream, frame_message(text))
                while answer.body != frame_message(text):
                    await client.read()
            await client.send(stream, b"", end=True)
            assert (await client.answer(stream)).get(b"grpc-status") == b"0"

    async def test_requests_beyond_the_window_are_taken_one_by_one(self) -> None:
        sizes: list[int] = []

        async def count(call: ServerCall) -> None:
            async for message in call:
                sizes.append(len(message))
            await call.send_message(b"")

        async with serving(Service(Count=(COLLECT, count))) as (_, connect):
            client = await RawClient(await connect()).start()
            stream = await client.request("Count", None, end=False)
            for _ in range(20):
                await client.send(stream, frame_message(bytes(100_000)))
            client.core.send_data(stream, b"", end_stream=True)
            assert (await client.answer(stream)).get(b"grpc-status") == b"0"
        assert sizes == [100_000] * 20

    async def test_a_request_in_single_bytes(self) -> None:
        async with serving(SERVICE) as (_, connect):
            client = await RawClient(await connect()).start()
            stream = await client.request("Echo", None, end=False)
            for byte in frame_message(b"slow"):
                await client.send(stream, bytes([byte]))
            await client.send(stream, b"", end=True)
            assert (await client.answer(stream)).body == frame_message(b"slow")

    async def test_trailers_may_end_a_request(self) -> None:
        async with serving(SERVICE) as (_, connect):
            client = await RawClient(await connect()).start()
            stream = await client.request("Echo", b"x", end=False)
            client.core.send_headers(stream, FieldList((b"a", b"b")), end_stream=True)
            await client.flush()
            assert (await client.answer(stream)).body == frame_message(b"x")


class TestGeneratedServices:
    """betterproto2's stubs and services, on both ends."""

    class Gateway(proto.GatewayBase):
        async def topology(self, message: proto.TopologyRequest) -> proto.TopologyResponse:
            assert current_call().route == "/gateway_protocol.Gateway/Topology"
            return proto.TopologyResponse(cluster_size=3, gateway_version="äöü")

        async def activate_jobs(
            self, message: proto.ActivateJobsRequest
        ) -> AsyncIterator[proto.ActivateJobsResponse]:
            for key in range(message.max_jobs_to_activate):
                yield proto.ActivateJobsResponse([proto.ActivatedJob(key=key)])

    async def test_they_work(self) -> None:
        async with serving_channel(self.Gateway()) as channel:
            stub = proto.GatewayStub(channel)
            assert await stub.topology(proto.TopologyRequest()) == proto.TopologyResponse(
                cluster_size=3, gateway_version="äöü"
            )
            request = proto.ActivateJobsRequest(max_jobs_to_activate=3)
            jobs = [answer.jobs[0].key async for answer in stub.activate_jobs(request)]
            assert jobs == [0, 1, 2]

    async def test_what_is_not_written_is_unimplemented(self) -> None:
        async with serving_channel(self.Gateway()) as channel:
            stub = proto.GatewayStub(channel)
            with pytest.raises(RpcError) as failure:
                await stub.complete_job(proto.CompleteJobRequest())
            assert failure.value.status is Status.UNIMPLEMENTED
            with pytest.raises(RpcError) as failure:
                async for _ in stub.stream_activated_jobs(proto.StreamActivatedJobsRequest()):
                    pass
            assert failure.value.status is Status.UNIMPLEMENTED

    async def test_bytes_that_are_no_such_message(self) -> None:
        async with serving_channel(self.Gateway()) as channel:
            route = "/gateway_protocol.Gateway/ActivateJobs"
            with pytest.raises(
                RpcError, match="unreadable request: ActivateJobsRequest"
            ) as failure:
                await channel.unary(Method(route, bytes, bytes), b"\xff")
            assert failure.value.status is Status.INTERNAL


class TestMetadata:
    async def test_of_the_request(self) -> None:
        seen: list[Any] = []

        async def look(call: ServerCall) -> None:
            seen.extend(call.metadata)
            await echo(call)

        async with serving_channel(Service(Look=(UNARY, look))) as channel:
            sent = [("a", "1"), ("b-bin", EVERYTHING), ("a", "2"), ("authorization", "Bearer x")]
            await ask(channel, "Look", metadata=sent)
        assert sorted(seen) == sorted(sent)

    async def test_of_the_response(self) -> None:
        async def answer(call: ServerCall) -> None:
            await call.send_initial_metadata([("early", "1"), ("early-bin", EVERYTHING)])
            await call.send_message(b"")
            call.trailing_metadata += [("late", "2"), ("late-bin", EVERYTHING)]

        async with serving_channel(Service(Answer=(PARTS, answer))) as channel:
            async with channel.stream(method("Answer"), b"") as stream:
                assert [message async for message in stream] == [b""]
            early = [item for item in stream.initial_metadata if item[0].startswith("early")]
            assert early == [("early", "1"), ("early-bin", EVERYTHING)]

    async def test_it_is_sent_once(self) -> None:
        async def twice(call: ServerCall) -> None:
            await call.send_initial_metadata()
            with pytest.raises(RuntimeError, match="already sent"):
                await call.send_initial_metadata()
            await call.send_message(b"")

        async with serving_channel(Service(Twice=(UNARY, twice))) as channel:
            assert await ask(channel, "Twice") == b""

    async def test_of_an_error(self) -> None:
        async def fail(call: ServerCall) -> None:
            call.trailing_metadata.append(("a", "1"))
            raise RpcError(Status.ABORTED, "no", trailers=[("b-bin", b"2")])

        async with serving_channel(Service(Fail=(UNARY, fail))) as channel:
            with pytest.raises(RpcError) as failure:
                await ask(channel, "Fail")
            assert list(failure.value.trailers) == [("a", "1"), ("b-bin", b"2")]


class TestStatus:
    @pytest.mark.parametrize("status", [status for status in Status if status is not Status.OK])
    async def test_of_an_error(self, status: Status) -> None:
        async def fail(call: ServerCall) -> None:
            raise GRPCError(status, f"because {status.name}")

        async with serving_channel(Service(Fail=(UNARY, fail))) as channel:
            with pytest.raises(RpcError, match=f"because {status.name}") as failure:
                await ask(channel, "Fail")
            assert failure.value.status is status
            assert failure.value.received

    @pytest.mark.parametrize(
        "text", ["", "plain", "100 %", "\t\nÄ ☺ 😈\r\n", " spaces around ", "%41", "x" * 2000]
    )
    async def test_messages_arrive_as_they_are(self, text: str) -> None:
        async def fail(call: ServerCall) -> None:
            raise GRPCError(Status.ABORTED, text)

        async with serving_channel(Service(Fail=(UNARY, fail))) as channel:
            with pytest.raises(RpcError) as failure:
                await ask(channel, "Fail")
            assert (failure.value.message or "") == text

    def test_a_message_has_no_spaces_at_its_ends_and_is_cut(self) -> None:
        assert status_message(" a b  ") == b"%20a b%20%20"
        assert status_message("ends in %") == b"ends in %25"
        for text in ("x" * 10_000, "😈" * 10_000, "ab" + "😈" * 10_000):
            encoded = status_message(text)
            assert MAX_STATUS_MESSAGE - 3 < len(encoded) <= MAX_STATUS_MESSAGE
            assert encoded[-3:-2] == b"%" or encoded.endswith(b"x")

    async def test_after_some_messages(self) -> None:
        async def fail_later(call: ServerCall) -> None:
            await call.send_message(b"1")
            await call.send_message(b"2")
            raise GRPCError(Status.DATA_LOSS, "the rest is gone")

        seen: list[bytes] = []
        async with serving_channel(Service(Fail=(PARTS, fail_later))) as channel:
            with pytest.raises(RpcError, match="the rest is gone"):
                await ask_for_parts(channel, "Fail", b"", seen)
        assert seen == [b"1", b"2"]

    async def test_from_a_task_of_the_handler(self) -> None:
        async def fail(call: ServerCall) -> None:
            async def child() -> None:
                raise GRPCError(Status.NOT_FOUND, "from a child")

            async with trio.open_nursery() as nursery:
                nursery.start_soon(child)
                nursery.start_soon(trio.sleep_forever)

        async with serving_channel(Service(Fail=(UNARY, fail))) as channel:
            with pytest.raises(RpcError, match="from a child"):
                await ask(channel, "Fail")

    @pytest.mark.parametrize("debug", [False, True])
    async def test_a_defect_is_logged_once_and_not_told(
        self, debug: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def fail(call: ServerCall) -> None:
            raise ValueError("the password is 1234")

        async with serving_channel(Service(Fail=(UNARY, fail)), debug=debug) as channel:
            with pytest.raises(RpcError) as failure:
                await ask(channel, "Fail")
        assert failure.value.status is Status.UNKNOWN
        assert ("1234" in str(failure.value)) is debug
        (record,) = caplog.records
        assert record.levelno == logging.ERROR
        assert path("Fail") in record.getMessage()
        assert record.exc_info

    async def test_defects_of_several_tasks_are_a_defect(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def fail(call: ServerCall) -> None:
            raise ExceptionGroup("two", [GRPCError(Status.OK), ValueError()])

        async with serving_channel(Service(Fail=(UNARY, fail))) as channel:
            with pytest.raises(RpcError) as failure:
                await ask(channel, "Fail")
        assert failure.value.status is Status.UNKNOWN
        assert len(caplog.records) == 1

    @pytest.mark.parametrize("answers", [0, 2])
    async def test_a_unary_handler_answers_once(
        self, answers: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def answer(call: ServerCall) -> None:
            for _ in range(answers):
                await call.send_message(b"")

        async with serving_channel(Service(Answer=(UNARY, answer))) as channel:
            with pytest.raises(RpcError) as failure:
                await ask(channel, "Answer")
        assert failure.value.status is Status.UNKNOWN
        assert len(caplog.records) == 1


def request_fields(**changes: bytes | None) -> FieldList:
    fields: dict[str, bytes | None] = {
        ":method": b"POST",
        ":scheme": b"http",
        ":path": path("Echo").encode(),
        "te": b"trailers",
        "content-type": b"application/grpc",
    }
    fields |= {name.replace("_", "-"): value for name, value in changes.items()}
    return FieldList(*((name.encode(), value) for name, value in fields.items() if value))


REFUSED: dict[str, tuple[dict[str, bytes | None], bytes, bytes | None]] = {
    "an unknown method": ({":path": b"/test.Service/Nothing"}, b"200", b"12"),
    "an unknown service": ({":path": b"/x"}, b"200", b"12"),
    "another verb": ({":method": b"GET"}, b"405", None),
    "no content type": ({"content-type": None}, b"415", None),
    "JSON": ({"content-type": b"application/json"}, b"415", None),
    "gRPC-Web": ({"content-type": b"application/grpc-web"}, b"415", None),
    "a timeout that is none": ({"grpc-timeout": b"soon"}, b"200", b"13"),
    "an unknown compression": ({"grpc-encoding": b"snappy"}, b"200", b"12"),
}


@pytest.mark.parametrize("end", [True, False], ids=["whole", "unfinished"])
@pytest.mark.parametrize("name", REFUSED)
async def test_requests_that_are_no_calls(name: str, end: bool) -> None:
    changes, http, status = REFUSED[name]
    async with serving(SERVICE) as (_, connect):
        client = await RawClient(await connect()).start()
        stream = await client.request_with(request_fields(**changes), frame_message(b""), end)
        answer = await client.answer(stream)
        assert answer.get(b":status") == http
        assert answer.get(b"grpc-status") == status
        assert answer.get(b"grpc-message")
        while not end and answer.reset is None:
            await client.read()  # the rest of the request is not wanted
        stream = await client.request("Echo", b"goes on")
        assert (await client.answer(stream)).body == frame_message(b"goes on")


@pytest.mark.parametrize("kind", [b"application/grpc+proto", b"application/grpc;charset=utf-8"])
async def test_content_types_of_grpc(kind: bytes) -> None:
    async with serving(SERVICE) as (_, connect):
        client = await RawClient(await connect()).start()
        headers = request_fields(**{"content-type": kind})
        stream = await client.request_with(headers, frame_message(b"x"), True)
        assert (await client.answer(stream)).get(b"grpc-status") == b"0"


BAD_BODIES: dict[str, tuple[bytes, bytes]] = {
    "no message": (b"", b"13"),
    "two messages": (frame_message(b"") * 2, b"13"),
    "half a message": (frame_message(b"1234")[:7], b"13"),
    "half a prefix": (b"\0\0", b"13"),
    "a message too large": (b"\0" + (1_000_001).to_bytes(4, "big"), b"8"),
    "compressed, and nobody said how": (b"\x01\0\0\0\x01x", b"13"),
}


@pytest.mark.parametrize("name", BAD_BODIES)
async def test_bodies_that_are_no_message(name: str) -> None:
    body, status = BAD_BODIES[name]
    async with serving(SERVICE, max_message_size=1_000_000) as (_, connect):
        client = await RawClient(await connect()).start()
        stream = await client.request_with(request_fields(), body, True)
        answer = await client.answer(stream)
        assert answer.get(b"grpc-status") == status
        assert answer.get(b"grpc-message")


async def test_a_request_of_headers_only() -> None:
    async with serving(SERVICE) as (_, connect):
        client = await RawClient(await connect()).start()
        stream = client.core._new_stream(1)
        client.answers[1] = Answer()
        client.core.send_headers(stream, request_fields(), end_stream=True)
        await client.flush()
        answer = await client.answer(stream)
        assert answer.get(b"grpc-status") == b"13"
        assert answer.get(b"grpc-message") == b"0 request messages for an RPC that takes one"


async def test_a_request_that_is_no_call_and_reset_at_once() -> None:
    async with serving(SERVICE) as (_, connect):
        client = await RawClient(await connect()).start()
        client.core.reset_stream(client.core.open_stream(request_fields(**{":path": b"/x"})))
        stream = await client.request("Echo", b"goes on")
        assert (await client.answer(stream)).get(b"grpc-status") == b"0"


async def test_a_bad_request_message_while_a_response_waits() -> None:
    """The client's credit comes right behind its fault."""
    async with serving(SERVICE) as (_, connect):
        client = await RawClient(await connect(), stream_window=50).start()
        stream = await client.request("Chat", bytes(1000), end=False)
        await wait_all_tasks_blocked()
        client.core.send_data(stream, b"\xff" * 10)
        client.core.give_credit(stream, 10_000)
        await client.flush()
        assert (await client.answer(stream)).get(b"grpc-status") == b"8"


async def test_a_call_that_has_failed_reads_no_more() -> None:
    async with serving(SERVICE, max_message_size=1000) as (_, connect):
        client = await RawClient(await connect()).start()
        stream = await client.request("Echo", bytes(100_000))
        assert (await client.answer(stream)).get(b"grpc-status") == b"8"
        stream = await client.request("Echo", b"goes on")
        assert (await client.answer(stream)).get(b"grpc-status") == b"0"


class TestCompression:
    def zipped(self, data: bytes) -> bytes:
        packed = gzip.compress(data)
        return b"\x01" + len(packed).to_bytes(4, "big") + packed

    async def call(self, body: bytes) -> tuple[bytes | None, bytes]:
        async with serving(SERVICE, max_message_size=1_000_000) as (_, connect):
            client = await RawClient(await connect()).start()
            headers = request_fields(**{"grpc-encoding": b"gzip"})
            answer = await client.answer(await client.request_with(headers, body, True))
            return answer.get(b"grpc-status"), bytes(answer.body)

    async def test_a_gzip_request(self) -> None:
        assert await self.call(self.zipped(EVERYTHING)) == (b"0", frame_message(EVERYTHING))

    async def test_a_plain_message_among_gzip(self) -> None:
        assert await self.call(frame_message(b"x")) == (b"0", frame_message(b"x"))

    async def test_a_bomb(self) -> None:
        assert await self.call(self.zipped(bytes(50_000_000))) == (b"8", b"")

    async def test_damage(self) -> None:
        assert await self.call(b"\x01\0\0\0\x04abcd") == (b"13", b"")


class TestDeadlines:
    async def test_a_handler_is_cancelled_and_the_client_told(
        self, autojump_clock: MockClock
    ) -> None:
        async with serving(SERVICE) as (_, connect):
            client = await RawClient(await connect()).start()
            start = trio.current_time()
            stream = await client.request("Park", b"", (b"grpc-timeout", b"1500m"))
            answer = await client.answer(stream)
            assert answer.get(b"grpc-status") == b"4"
            assert trio.current_time() - start == pytest.approx(1.5)

    async def test_it_ends_a_response_that_nobody_reads(self, autojump_clock: MockClock) -> None:
        async with serving(SERVICE) as (_, connect):
            client = await RawClient(await connect(), stream_window=50).start()
            stream = await client.request("Echo", bytes(1000), (b"grpc-timeout", b"1S"))
            await trio.sleep(2)
            assert (await client.answer(stream)).reset == ErrorCode.CANCEL

    async def test_a_handler_sees_its_deadline(self, autojump_clock: MockClock) -> None:
        seen: list[float] = []

        async def look(call: ServerCall) -> None:
            seen.append(call.deadline - trio.current_time())
            await echo(call)

        async with serving_channel(Service(Look=(UNARY, look))) as channel:
            await ask(channel, "Look", timeout=7)
            await ask(channel, "Look")
        assert seen == [pytest.approx(7), float("inf")]

    async def test_nothing_is_sent_after_it(self, autojump_clock: MockClock) -> None:
        """A handler that shields itself goes on, but not on the wire."""
        caught: list[BaseException] = []

        async def stubborn(call: ServerCall) -> None:
            with trio.CancelScope(shield=True):
                await trio.sleep(5)
                try:
                    await call.send_message(b"late")
                except trio.BrokenResourceError as error:
                    caught.append(error)
                    raise

        async with serving_channel(Service(Stubborn=(UNARY, stubborn))) as channel:
            with pytest.raises(RpcError) as failure:
                await ask(channel, "Stubborn", timeout=1)
            assert failure.value.status is Status.DEADLINE_EXCEEDED
            await trio.sleep(10)
        assert len(caught) == 1


async def test_two_services_cannot_serve_one_rpc() -> None:
    with pytest.raises(ValueError, match="two services serve"):
        async with serving(SERVICE, SERVICE):
            pass


def test_there_is_no_current_call_outside_of_one() -> None:
    with pytest.raises(LookupError):
        current_call()


async def test_a_call_tells_what_it_is() -> None:
    seen: list[str] = []

    async def look(call: ServerCall) -> None:
        seen.append(repr(call))
        await echo(call)

    async with serving_channel(Service(Look=(UNARY, look))) as channel:
        await ask(channel, "Look")
    assert seen == ["<ServerCall /test.Service/Look from memory>"]
