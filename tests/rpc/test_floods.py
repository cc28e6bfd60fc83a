"""What a hostile peer may make a core do: little work, and less memory.

Each flood ends the connection with ENHANCE_YOUR_CALM (RFC 9113 section 10.5), or costs nothing.
"""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from tests.rpc.core import HEADERS_ONLY, REQUEST, WHOLE, Probe, data, names
from tests.rpc.test_rfc9113_frames import assert_connection_error
from zbtrio.rpc import frames
from zbtrio.rpc.frames import ErrorCode, Setting, frame, settings_frame
from zbtrio.rpc.http2 import MAX_CONTINUATIONS, MAX_EMPTY_FRAMES, MAX_REPLIES_QUEUED

CALM = ErrorCode.ENHANCE_YOUR_CALM

REPLY_FLOODS = {
    "pings": frame(frames.PING, 0, 0, bytes(8)),
    "settings": settings_frame({Setting.HEADER_TABLE_SIZE: 100}),
}


@pytest.mark.parametrize("name", REPLY_FLOODS)
def test_frames_that_want_an_answer(name: str) -> None:
    probe = Probe()
    assert len(probe.send(*[REPLY_FLOODS[name]] * MAX_REPLIES_QUEUED)) == MAX_REPLIES_QUEUED
    assert_connection_error(probe, probe.send(REPLY_FLOODS[name]), CALM)


@pytest.mark.parametrize("name", REPLY_FLOODS)
def test_they_may_come_if_the_answers_are_read(name: str) -> None:
    probe = Probe()
    for _ in range(3):
        probe.send(*[REPLY_FLOODS[name]] * MAX_REPLIES_QUEUED)
        assert len(probe.sent()) == MAX_REPLIES_QUEUED
    assert not probe.core.failed


def test_streams_beyond_the_limit() -> None:
    probe = Probe(max_concurrent_streams=0)
    ids = range(1, 2 * MAX_REPLIES_QUEUED + 2, 2)
    assert_connection_error(probe, probe.send(*map(probe.headers, ids)), CALM)


def test_streams_that_are_malformed() -> None:
    probe = Probe()
    ids = range(1, 2 * MAX_REPLIES_QUEUED + 2, 2)
    events = probe.send(*(probe.headers(id, ((b"no", b"request"),)) for id in ids))
    assert_connection_error(probe, events, CALM)
    assert len(probe.core.streams) <= 1


def test_empty_data() -> None:
    probe = Probe()
    probe.send(probe.headers(1))
    assert probe.send(*[data(1)] * MAX_EMPTY_FRAMES) == []
    probe.send(data(1, b"x"), *[data(1)] * MAX_EMPTY_FRAMES)  # a byte makes up for it
    assert_connection_error(probe, probe.send(data(1)), CALM)


@pytest.mark.parametrize("piece", [b"", b"\x83"], ids=["empty", "with fields"])
def test_continuations(piece: bytes) -> None:
    probe = Probe()
    sent = [frame(frames.HEADERS, 0, 1, b"\x83")]
    sent += [frame(frames.CONTINUATION, 0, 1, piece)] * MAX_CONTINUATIONS
    assert_connection_error(probe, probe.send(*sent), CALM)


def test_a_header_block_of_many_bytes() -> None:
    probe = Probe(max_header_list_size=40_000)
    sent = [frame(frames.HEADERS, 0, 1, bytes(16_000))]
    sent += [frame(frames.CONTINUATION, 0, 1, bytes(16_000))] * 2
    assert_connection_error(probe, probe.send(*sent), CALM)


def test_a_header_list_that_is_small_only_on_the_wire() -> None:
    """An HPACK bomb: one large field in the table, named again and again by a byte each."""
    probe = Probe()
    fields = (*REQUEST.fields, (b"bomb", b"x" * 3000))
    probe.send(probe.headers(1, fields, WHOLE))
    bomb = frame(frames.HEADERS, WHOLE, 3, b"\xbe" * 100)
    assert_connection_error(probe, probe.send(bomb), CALM)


def test_table_sizes_changed_again_and_again_leave_two_announcements() -> None:
    """RFC 7541 section 4.2: the smallest one and the last one."""
    probe = Probe(client=True)
    for size in [10, 500, 20, 4096] * 1000:
        probe.send(settings_frame({Setting.HEADER_TABLE_SIZE: size}))
        probe.sent()
    probe.core.open_stream(REQUEST)
    (headers,) = probe.sent()
    assert len(headers.payload) < 100
    probe.decoder.decode(headers.payload)
    assert probe.decoder.header_table_size == 4096


def test_a_window_changed_often_in_one_frame_is_changed_once() -> None:
    """Each change touches every stream: the last one counts."""
    probe = Probe()
    probe.send(probe.headers(1))
    stream = probe.core.streams[1]
    probe.core._resize_send_windows = changes = Mock(wraps=probe.core._resize_send_windows)
    sizes = b"".join(b"\x00\x04" + size.to_bytes(4, "big") for size in range(2700))
    assert names(probe.send(frame(frames.SETTINGS, 0, 0, sizes))) == ["SettingsReceived"]
    assert changes.call_count == 1
    assert stream.send_window == 2699


def test_streams_after_goaway_leave_no_trace() -> None:
    probe = Probe()
    probe.core.send_goaway()
    probe.sent()
    for id in range(1, 10_001, 2):
        assert probe.send(probe.headers(id, flags=HEADERS_ONLY)) == []
    assert not probe.core.streams
    assert probe.sent() == []
    assert len(probe.core._reset_ids) <= 4096


def test_resets_are_counted() -> None:
    probe = Probe()
    for id in range(1, 21, 2):
        probe.send(probe.headers(id), frames.rst_stream(id, ErrorCode.CANCEL))
    assert probe.core.resets_received == 10
    assert not probe.core.streams


def test_byte_by_byte_costs_no_more_than_a_frame() -> None:
    probe = Probe()
    probe.send(probe.headers(1))
    frame = data(1, bytes(16_000))
    for index in range(len(frame) - 1):
        assert probe.send(frame[index : index + 1]) == []
    assert names(probe.send(frame[-1:])) == ["DataReceived"]
