"""Whatever a server answers, a call ends, with a response or an RpcError; the channel goes on."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.rpc.puppet import Puppet, channel_to
from tests.rpc.services import ask
from zbtrio.rpc import RpcError
from zbtrio.rpc.frames import ErrorCode, HeadersReceived
from zbtrio.rpc.grpc import frame_message
from zbtrio.rpc.header_memo import FieldList
from zbtrio.rpc.http2 import Http2Connection, Stream

FIELDS = st.lists(
    st.one_of(
        st.tuples(st.just(b":status"), st.sampled_from([b"200", b"404", b"503", b"100", b"x"])),
        st.tuples(
            st.just(b"content-type"), st.sampled_from([b"application/grpc", b"text/html", b""])
        ),
        st.tuples(
            st.just(b"grpc-status"), st.sampled_from([b"0", b"5", b"99", b"-1", b"x", b"9" * 5000])
        ),
        st.tuples(st.just(b"grpc-message"), st.binary(max_size=10)),
        st.tuples(st.just(b"grpc-encoding"), st.sampled_from([b"gzip", b"identity", b"zip"])),
        st.tuples(st.sampled_from([b"a", b"a-bin", b"A"]), st.binary(max_size=10)),
    ),
    max_size=4,
)
GOOD = st.just([(b":status", b"200"), (b"content-type", b"application/grpc")])
BODY = st.one_of(st.binary(max_size=30), st.binary(max_size=9).map(frame_message))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("headers"), st.one_of(FIELDS, GOOD), st.booleans()),
        st.tuples(st.just("data"), BODY, st.booleans()),
        st.tuples(st.just("reset"), st.sampled_from(list(ErrorCode)), st.booleans()),
        st.tuples(st.just("goaway"), st.integers(0, 3), st.booleans()),
        st.tuples(st.just("raw"), st.binary(max_size=20), st.booleans()),
    ),
    max_size=5,
)


async def misbehave(puppet: Puppet, steps: list[tuple[str, Any, bool]]) -> None:
    """Answer the first call with these steps, and those of later connections well."""
    with suppress(trio.BrokenResourceError):
        first = (await puppet.expect(HeadersReceived)).stream
        core, transport = puppet.core, puppet.transport
        for step in steps:
            take_step(core, first, *step)
            raw = step[1] if step[0] == "raw" else b""
            await transport.send_all(core.data_to_send() + raw)
        await trio.sleep(1)
        await transport.aclose()
    while True:
        try:
            request = (await puppet.expect(HeadersReceived)).stream
            await puppet.answer(request, b"well")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            await trio.sleep(0.1)


def take_step(core: Http2Connection, stream: Stream, kind: str, what: Any, end: bool) -> None:
    """Do one thing that a server may do to a call."""
    if kind == "headers" and stream.local_open:
        core.send_headers(stream, FieldList(*what), end_stream=end)
    elif kind == "data" and stream.local_open:
        core.send_data(stream, what, end_stream=end)
    elif kind == "reset":
        core.reset_stream(stream, what)
    elif kind == "goaway":
        core.send_goaway(last_stream_id=what)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_any_answer(steps: list[tuple[str, Any, bool]]) -> None:
    async def main() -> None:
        puppet = Puppet()
        async with channel_to(puppet.connect) as channel, trio.open_nursery() as nursery:
            nursery.start_soon(misbehave, puppet, steps)
            for _ in range(2):
                try:
                    await ask(channel, "Any", timeout=20)
                except RpcError:
                    continue
            assert await ask(channel, "Any", timeout=20) == b"well"
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))
