"""Flow control in both directions (RFC 9113 section 5.2 and 6.9)."""

from __future__ import annotations

import pytest

from tests.rpc.core import REQUEST, RESPONSE, TRAILERS, WHOLE, Duet, Frame, Probe, data, names
from tests.rpc.test_rfc9113_frames import assert_connection_error, assert_stream_error
from zbtrio.rpc import frames
from zbtrio.rpc.frames import (
    DEFAULT_WINDOW,
    DataReceived,
    ErrorCode,
    HeadersReceived,
    Setting,
    StreamWritable,
    settings_frame,
    window_update,
)
from zbtrio.rpc.http2 import Stream

KB = 1024
WIDE = {Setting.INITIAL_WINDOW_SIZE: 1_000_000}  # only the connection's window counts


def bodies(sent: list[Frame]) -> list[tuple[int, int]]:
    """Return stream and size of the DATA frames."""
    return [(frame.stream_id, len(frame.payload)) for frame in sent if frame.kind == frames.DATA]


def initial_window(size: int) -> bytes:
    return settings_frame({Setting.INITIAL_WINDOW_SIZE: size})


def client(settings: dict[Setting, int], streams: int = 1) -> tuple[Probe, list[Stream]]:
    probe = Probe(client=True, settings=settings)
    opened = [probe.core.open_stream(REQUEST) for _ in range(streams)]
    probe.sent()
    return probe, opened


class TestSending:
    def test_a_stream_window_holds_the_rest_back(self) -> None:
        probe, (stream,) = client({Setting.INITIAL_WINDOW_SIZE: 10})
        assert not probe.core.send_data(stream, b"0123456789abcdef", end_stream=True)
        assert bodies(probe.sent()) == [(1, 10)]
        assert probe.send(window_update(1, 2)) == []
        assert bodies(probe.sent()) == [(1, 2)]
        (event,) = probe.send(window_update(1, 100))
        assert isinstance(event, StreamWritable)
        assert event.stream is stream
        (last,) = probe.sent()
        assert (last.payload, last.flags) == (b"cdef", frames.END_STREAM)

    def test_credit_of_another_stream_does_not_help(self) -> None:
        probe, (one, _) = client({Setting.INITIAL_WINDOW_SIZE: 0}, streams=2)
        probe.core.send_data(one, b"x")
        assert probe.send(window_update(3, 100), window_update(0, 100)) == []
        assert probe.sent() == []

    def test_order_is_kept_behind_what_waits(self) -> None:
        probe, (stream,) = client({Setting.INITIAL_WINDOW_SIZE: 2})
        assert not probe.core.send_data(stream, b"abc")
        assert not probe.core.send_data(stream, b"d")
        assert not probe.core.send_data(stream, b"", end_stream=True)
        probe.send(window_update(1, 100))
        sent = probe.sent()
        assert b"".join(frame.payload for frame in sent) == b"abcd"
        assert [bool(frame.flags) for frame in sent][-1]
        assert not any(frame.flags for frame in sent[:-1])

    def test_an_empty_frame_needs_no_window(self) -> None:
        probe, (stream,) = client({Setting.INITIAL_WINDOW_SIZE: 0})
        assert probe.core.send_data(stream, b"", end_stream=True)
        (frame,) = probe.sent()
        assert (frame.payload, frame.flags) == (b"", frames.END_STREAM)

    def test_a_window_that_settings_enlarge(self) -> None:
        probe, (stream,) = client({Setting.INITIAL_WINDOW_SIZE: 4})
        probe.core.send_data(stream, b"0123456789")
        events = probe.send(initial_window(6))
        assert names(events) == ["SettingsReceived"]
        assert bodies(probe.sent()) == [(1, 4), (1, 2)]
        assert names(probe.send(initial_window(50))) == ["StreamWritable", "SettingsReceived"]
        assert bodies(probe.sent()) == [(1, 4)]
        assert stream.send_window == 40

    def test_settings_are_acknowledged_before_they_are_used(self) -> None:
        """The peer enforces the old window until it has the acknowledgement."""
        probe, (stream,) = client({Setting.INITIAL_WINDOW_SIZE: 0})
        probe.core.send_data(stream, b"waits")
        probe.send(initial_window(100))
        assert [frame.kind for frame in probe.sent()] == [frames.SETTINGS, frames.DATA]

    def test_a_window_that_settings_make_negative(self) -> None:
        """Section 6.9.2: it must be earned back before anything is sent."""
        probe, (stream,) = client({Setting.INITIAL_WINDOW_SIZE: 100})
        probe.core.send_data(stream, bytes(80))
        probe.send(initial_window(10))
        assert stream.send_window == -70
        probe.sent()
        assert not probe.core.send_data(stream, bytes(20))
        assert probe.send(window_update(1, 70)) == []
        assert probe.sent() == []
        probe.send(window_update(1, 15))
        assert bodies(probe.sent()) == [(1, 15)]
        assert names(probe.send(window_update(1, 5))) == ["StreamWritable"]

    def test_an_empty_frame_goes_out_under_a_negative_window(self) -> None:
        probe, (stream,) = client({Setting.INITIAL_WINDOW_SIZE: 100})
        probe.core.send_data(stream, bytes(80))
        probe.send(initial_window(10))
        probe.sent()
        assert probe.core.send_data(stream, b"", end_stream=True)
        (frame,) = probe.sent()
        assert (frame.payload, frame.flags) == (b"", frames.END_STREAM)
        assert stream.send_window == -70

    def test_new_streams_have_the_new_window(self) -> None:
        probe, (old,) = client({Setting.INITIAL_WINDOW_SIZE: 100})
        probe.send(initial_window(7))
        assert old.send_window == 7
        assert probe.core.open_stream(REQUEST).send_window == 7

    def test_connection_credit_is_shared_in_turns(self) -> None:
        probe, streams = client(WIDE, streams=3)
        for stream in streams:
            probe.core.send_data(stream, bytes(100 * KB))
        assert sum(size for _, size in bodies(probe.sent())) == DEFAULT_WINDOW
        order = []
        for _ in range(9):
            probe.send(window_update(0, 16 * KB))
            order += bodies(probe.sent())
        # The first stream has used up the window at the start; then each has its frame in turn.
        assert order[:6] == [(id, 16 * KB) for id in (1, 3, 5, 1, 3, 5)]

    def test_a_stream_without_window_is_passed_over(self) -> None:
        probe, (blocked, free) = client({Setting.INITIAL_WINDOW_SIZE: 60 * KB}, streams=2)
        probe.core.send_data(blocked, bytes(100 * KB))
        probe.core.send_data(free, bytes(50 * KB))
        probe.sent()
        events = probe.send(window_update(0, 200 * KB))
        assert [event.stream for event in events if isinstance(event, StreamWritable)] == [free]
        assert {stream for stream, _ in bodies(probe.sent())} == {free.id}

    def test_a_reset_stream_gives_its_turn_away(self) -> None:
        probe, (one, other) = client(WIDE, streams=2)
        probe.core.send_data(one, bytes(100 * KB))
        probe.core.send_data(other, bytes(100))
        probe.sent()
        probe.send(frames.rst_stream(1, ErrorCode.CANCEL))
        assert one.waiting is None
        assert names(probe.send(window_update(0, 100))) == ["StreamWritable"]
        assert bodies(probe.sent()) == [(3, 100)]

    def test_both_windows_count(self) -> None:
        probe, (stream,) = client(WIDE)
        assert not probe.core.send_data(stream, bytes(DEFAULT_WINDOW + 10))
        assert stream.send_window == 1_000_000 - DEFAULT_WINDOW
        assert probe.send(window_update(1, 100)) == []
        assert names(probe.send(window_update(0, 10))) == ["StreamWritable"]


class TestReceiving:
    def test_the_connections_credit_comes_back_on_arrival(self) -> None:
        probe = Probe(connection_window=100_000, stream_window=1_000_000)
        probe.send(probe.headers(1))
        probe.send(*[data(1, bytes(16_000))] * 3)
        assert probe.sent() == []
        probe.send(data(1, bytes(16_000)))
        (update,) = probe.sent()
        assert (update.kind, update.stream_id) == (frames.WINDOW_UPDATE, 0)
        assert update.number == 64_000

    def test_a_streams_credit_comes_back_when_it_is_given(self) -> None:
        probe = Probe(stream_window=100_000)
        (headers,) = probe.send(probe.headers(1))
        assert isinstance(headers, HeadersReceived)
        probe.send(data(1, bytes(16_000)), data(1, bytes(16_000)), data(1, bytes(16_000)))
        assert probe.sent() == []
        probe.core.give_credit(headers.stream, 48_000)
        assert probe.sent() == []  # gathered until half a window is due
        probe.send(data(1, bytes(2_000)))
        probe.core.give_credit(headers.stream, 2_000)
        (update,) = probe.sent()
        assert (update.stream_id, update.number) == (1, 50_000)

    def test_more_than_the_streams_window(self) -> None:
        probe = Probe(stream_window=70_000)
        probe.send(probe.headers(1))
        assert len(probe.send(*[data(1, bytes(14_000))] * 5)) == 5
        events = probe.send(data(1, b"x"))
        assert_stream_error(probe, events, ErrorCode.FLOW_CONTROL_ERROR)

    def test_more_than_the_connections_window(self) -> None:
        probe = Probe(stream_window=10_000_000, connection_window=DEFAULT_WINDOW)
        probe.send(probe.headers(1))
        probe.core._receive_window = 100  # as if no credit had been given back
        events = probe.send(data(1, bytes(101)))
        assert_connection_error(probe, events, ErrorCode.FLOW_CONTROL_ERROR)

    def test_the_default_window_holds_until_a_smaller_one_is_known(self) -> None:
        probe = Probe(handshake=False, stream_window=1000)
        sent = frames.PREFACE, settings_frame({}), probe.headers(1), data(1, bytes(16_000))
        assert names(probe.send(*sent)) == ["SettingsReceived", "HeadersReceived", "DataReceived"]

    def test_no_credit_after_the_end(self) -> None:
        probe = Probe()
        (headers, _) = probe.send(probe.headers(1), data(1, bytes(100), end=True))
        assert isinstance(headers, HeadersReceived)
        probe.core.give_credit(headers.stream, 1_000_000)
        assert probe.sent() == []

    def test_no_credit_after_a_reset(self) -> None:
        probe = Probe()
        (headers,) = probe.send(probe.headers(1))
        assert isinstance(headers, HeadersReceived)
        probe.core.reset_stream(headers.stream, linger=True)
        probe.sent()
        probe.core.give_credit(headers.stream, 1_000_000)
        assert probe.sent() == []

    def test_data_for_streams_that_are_gone_counts_for_the_connection(self) -> None:
        probe = Probe(client=True, connection_window=100_000)
        probe.core.reset_stream(probe.core.open_stream(REQUEST))
        probe.sent()
        probe.send(*[data(1, bytes(16_000))] * 4)
        (update,) = probe.sent()
        assert (update.stream_id, update.number) == (0, 64_000)

    def test_padding_of_an_empty_frame_is_given_back(self) -> None:
        probe = Probe(stream_window=100)
        probe.send(probe.headers(1))
        padded = frames.frame(frames.DATA, frames.PADDED, 1, b"\x09" + bytes(9))
        assert probe.send(*[padded] * 5) == []
        (update,) = probe.sent()
        assert (update.stream_id, update.number) == (1, 50)


def test_a_body_of_many_windows_flows_as_it_is_read() -> None:
    duet = Duet()
    stream = duet.client.open_stream(REQUEST)
    duet.client.send_data(stream, b"", end_stream=True)
    request = duet.pump()[1][0]
    assert isinstance(request, HeadersReceived)
    duet.server.send_headers(request.stream, RESPONSE)
    size = 5_000_000
    assert not duet.server.send_data(request.stream, bytes(size))
    received, writable = 0, False
    while not writable:
        to_client, to_server = duet.pump()
        for event in to_client:
            if isinstance(event, DataReceived):
                received += event.size
                duet.client.give_credit(event.stream, event.size)
        assert stream.receive_window >= 0
        writable = "StreamWritable" in names(to_server)
    duet.server.send_headers(request.stream, TRAILERS, end_stream=True)
    received += sum(e.size for e in duet.pump()[0] if isinstance(e, DataReceived))
    assert received == size
    assert not duet.client.streams


@pytest.mark.parametrize("credit_on", ["stream", "connection"])
def test_a_server_is_held_as_well(credit_on: str) -> None:
    probe = Probe(settings=WIDE if credit_on == "connection" else {Setting.INITIAL_WINDOW_SIZE: 9})
    (request,) = probe.send(probe.headers(1, flags=WHOLE))
    assert isinstance(request, HeadersReceived)
    probe.core.send_headers(request.stream, RESPONSE)
    assert not probe.core.send_data(request.stream, bytes(100_000))
    sent = sum(size for _, size in bodies(probe.sent()))
    assert sent == (DEFAULT_WINDOW if credit_on == "connection" else 9)
    stream = 0 if credit_on == "connection" else 1
    probe.send(window_update(stream, 1000))
    assert sum(size for _, size in bodies(probe.sent())) == 1000
