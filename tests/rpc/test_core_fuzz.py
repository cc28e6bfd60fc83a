"""Whatever bytes come, in any pieces: no exception, bounded output, the same in every cut."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.rpc.core import REQUEST, REQUEST_FIELDS, RESPONSE_FIELDS, TRAILER_FIELDS, Probe
from zbtrio.rpc import frames
from zbtrio.rpc.frames import Event, Setting, frame, settings_frame
from zbtrio.rpc.header_memo import literal
from zbtrio.rpc.http2 import Http2Connection

BLOCKS = st.one_of(
    st.sampled_from(
        [
            b"".join(literal(*field) for field in fields)
            for fields in (REQUEST_FIELDS, RESPONSE_FIELDS, TRAILER_FIELDS)
        ]
    ),
    st.binary(max_size=30),
)
STREAM_IDS = st.sampled_from([0, 1, 1, 1, 2, 3, 3, 5, 7, 2**31 - 1, 2**31 + 1])
SETTINGS = st.dictionaries(
    st.sampled_from(list(Setting)),
    st.sampled_from([0, 1, 2, 100, 16_384, 65_536, 2**31 - 1, 2**31, 2**32 - 1]),
    max_size=3,
)
LIKELY_FRAMES = st.one_of(
    st.builds(
        frame, st.just(frames.HEADERS), st.sampled_from([0, 1, 4, 5, 13]), STREAM_IDS, BLOCKS
    ),
    st.builds(frame, st.just(frames.CONTINUATION), st.sampled_from([0, 4]), STREAM_IDS, BLOCKS),
    st.builds(frame, st.just(frames.DATA), st.integers(0, 9), STREAM_IDS, st.binary(max_size=20)),
    st.builds(frames.window_update, STREAM_IDS, st.integers(0, 2**32 - 1)),
    st.builds(frames.rst_stream, STREAM_IDS, st.sampled_from(list(frames.ErrorCode))),
    st.builds(settings_frame, SETTINGS),
    st.builds(frames.goaway, STREAM_IDS, st.just(frames.ErrorCode.NO_ERROR), st.binary(max_size=9)),
    st.just(frame(frames.SETTINGS, frames.ACK, 0)),
    st.just(frame(frames.PING, 0, 0, bytes(8))),
)
ANY_FRAMES = st.builds(
    frame, st.integers(0, 12), st.integers(0, 255), STREAM_IDS, st.binary(max_size=20)
)
SOUP = st.lists(st.one_of(LIKELY_FRAMES, LIKELY_FRAMES, ANY_FRAMES), max_size=25)
CUTS = st.lists(st.integers(1, 40), max_size=60)


def core_with_streams(client: bool) -> Http2Connection:
    """A core in the middle of its work: requests sent or received, one of them reset."""
    probe = Probe(client=client, max_concurrent_streams=3, settings={})
    core = probe.core
    if client:
        opened = [core.open_stream(REQUEST) for _ in range(3)]
        core.send_data(opened[0], bytes(100_000), end_stream=True)
    else:
        probe.send(probe.headers(1), probe.headers(3), probe.headers(5))
        opened = list(core.streams.values())
    core.reset_stream(opened[1])
    core.reset_stream(opened[2], linger=True)
    core.data_to_send()
    return core


def told(event: Event) -> tuple[Any, ...]:
    """Return an event as a value that can be compared."""
    values = [getattr(event, name) for name in type(event).__slots__]
    shown = [str(v) if isinstance(v, Exception) else getattr(v, "fields", v) for v in values]
    return (type(event).__name__, *(getattr(v, "id", v) for v in shown))


def feed(client: bool, data: bytes, cuts: list[int]) -> tuple[list[Any], bytes]:
    core = core_with_streams(client)
    events: list[Any] = []
    for cut in [*cuts, len(data)]:
        events += map(told, core.receive_data(data[:cut]))
        data = data[cut:]
    return events, core.data_to_send()


@settings(max_examples=300, deadline=None)
@given(client=st.booleans(), soup=SOUP, cuts=CUTS)
@example(client=True, soup=[frame(1, 5, 1, b"\x88"), frame(0, 1, 1, b"")], cuts=[])
def test_frames_in_any_order(client: bool, soup: list[bytes], cuts: list[int]) -> None:
    data = b"".join(soup)
    events, output = feed(client, data, [])
    assert feed(client, data, cuts) == (events, output)
    # Each frame costs at most an answer; the one thing more is what credit sets free.
    assert len(output) <= 100_000 + 9 * 10 + 300 * (len(soup) + 1)
    failures = [event for event in events if event[0] == "ConnectionFailed"]
    assert failures in ([], events[-1:])


@settings(max_examples=200, deadline=None)
@given(client=st.booleans(), data=st.binary(max_size=300), cuts=CUTS, preface=st.booleans())
def test_any_bytes(client: bool, data: bytes, cuts: list[int], preface: bool) -> None:
    core = Http2Connection(client=client)
    core.data_to_send()
    if preface and not client:
        data = frames.PREFACE + data
    for cut in [*cuts, len(data)]:
        core.receive_data(data[:cut])
        data = data[cut:]
    assert len(core.data_to_send()) < 1000


@settings(max_examples=150, deadline=None)
@given(data=st.data(), client=st.booleans())
def test_what_we_ask_for_amid_any_frames(data: st.DataObject, client: bool) -> None:
    """Legal intents stay legal whatever the peer does between them."""
    core = core_with_streams(client)
    known = list(core.streams.values())
    for _ in range(data.draw(st.integers(1, 15))):
        for event in core.receive_data(data.draw(LIKELY_FRAMES)):
            if isinstance(event, frames.HeadersReceived) and event.stream not in known:
                known.append(event.stream)
        if client and core.streams_left > 0:
            known.append(core.open_stream(REQUEST))
        stream = data.draw(st.sampled_from(known))
        core.give_credit(stream, data.draw(st.integers(0, 200_000)))
        if stream.local_open and not stream.end_waiting:
            core.send_data(
                stream, bytes(data.draw(st.integers(0, 30_000))), data.draw(st.booleans())
            )
        else:
            core.reset_stream(stream)
        assert all(id == stream.id for id, stream in core.streams.items())
        assert set(core._blocked) <= set(core.streams)
    core.data_to_send()
