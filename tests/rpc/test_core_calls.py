"""The core's two roles against each other, in memory: whole and in pieces."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rpc.core import REQUEST, RESPONSE, RESPONSE_FIELDS, TRAILERS, Duet, Probe, data, names
from zbtrio.rpc import frames
from zbtrio.rpc.frames import (
    DataReceived,
    ErrorCode,
    GoAwayReceived,
    HeadersReceived,
    LocalProtocolError,
    PingAcked,
    PingReceived,
    Setting,
    SettingsAcked,
    StreamReset,
    settings_frame,
)
from zbtrio.rpc.header_memo import FieldList, literal
from zbtrio.rpc.http2 import MAX_RESETS_REMEMBERED, Http2Connection, Stream

in_all_cuts = pytest.mark.parametrize("step", [None, 1, 7], ids=["whole", "bytewise", "sevens"])


def serve(duet: Duet, request: Stream, *answers: bytes) -> None:
    duet.server.send_headers(request, RESPONSE)
    for answer in answers:
        duet.server.send_data(request, answer)
    duet.server.send_headers(request, TRAILERS, end_stream=True)


@in_all_cuts
def test_a_unary_call(step: int | None) -> None:
    duet = Duet(step)
    stream = duet.client.open_stream(REQUEST, literal(b"grpc-timeout", b"100m"))
    assert duet.client.send_data(stream, b"question", end_stream=True)
    headers, body = duet.pump()[1]
    assert isinstance(headers, HeadersReceived)
    assert headers.headers.fields[:2] == ((b":method", b"POST"), (b":scheme", b"http"))
    assert headers.headers.fields[-1] == (b"grpc-timeout", b"100m")
    assert not headers.ended
    assert isinstance(body, DataReceived)
    assert (body.data, body.size, body.ended) == (b"question", 8, True)
    serve(duet, body.stream, b"answer")
    headers, body, trailers = duet.pump()[0]
    assert isinstance(headers, HeadersReceived)
    assert headers.headers.fields == RESPONSE_FIELDS
    assert isinstance(body, DataReceived)
    assert (body.stream, body.data, body.ended) == (stream, b"answer", False)
    assert isinstance(trailers, HeadersReceived)
    assert trailers.ended
    assert not duet.client.streams
    assert not duet.server.streams


@in_all_cuts
def test_calls_share_a_connection(step: int | None) -> None:
    duet = Duet(step)
    streams = [duet.client.open_stream(REQUEST) for _ in range(3)]
    for stream in streams:
        duet.client.send_data(stream, b"%d" % stream.id, end_stream=True)
    requests = [event for event in duet.pump()[1] if isinstance(event, DataReceived)]
    assert [event.data for event in requests] == [b"1", b"3", b"5"]
    for event in reversed(requests):
        serve(duet, event.stream, event.data * 2)
    answers = [event for event in duet.pump()[0] if isinstance(event, DataReceived)]
    assert [(event.stream.id, event.data) for event in answers] == [
        (5, b"55"),
        (3, b"33"),
        (1, b"11"),
    ]


def test_long_header_blocks_go_in_pieces() -> None:
    duet = Duet()
    value = b"x" * 20_000
    duet.client.open_stream(FieldList(*REQUEST.fields, (b"long", value)), literal(b"a", b"b"))
    (event,) = duet.pump()[1]
    assert isinstance(event, HeadersReceived)
    assert event.headers.fields[-2:] == ((b"long", value), (b"a", b"b"))
    duet.server.send_headers(
        event.stream, FieldList(*RESPONSE_FIELDS, (b"long", value)), end_stream=True
    )
    (event,) = duet.pump()[0]
    assert isinstance(event, HeadersReceived)
    assert event.ended
    assert event.headers.get(b"long") == value


@settings(deadline=None)
@given(
    size=st.integers(0, 300_000),
    pieces=st.lists(st.integers(1, 50_000), max_size=20),
    step=st.sampled_from([None, 4096, 30_000]),
)
def test_bodies_of_any_size_arrive_whole(size: int, pieces: list[int], step: int | None) -> None:
    duet = Duet(step)
    stream = duet.client.open_stream(REQUEST)
    body = bytes(range(256)) * (size // 256 + 1)
    start = 0
    for piece in pieces:
        duet.client.send_data(stream, body[start : min(size, start + piece)])
        start = min(size, start + piece)
    duet.client.send_data(stream, body[start:size], end_stream=True)
    received, ended = bytearray(), False
    while not ended:
        for event in duet.pump()[1]:
            if isinstance(event, DataReceived):
                received += event.data
                ended = event.ended
                duet.server.give_credit(event.stream, event.size)
    assert received == body[:size]


def test_a_ping_is_answered() -> None:
    duet = Duet()
    duet.client.send_ping(b"12345678")
    to_client, to_server = duet.pump()
    assert isinstance(to_server[0], PingReceived)
    assert isinstance(to_client[0], PingAcked)
    assert to_client[0].payload == b"12345678"


def test_a_settings_ticket_comes_back_when_it_is_acknowledged() -> None:
    duet = Duet()
    tickets = [duet.client.send_settings({}) for _ in range(2)]
    acks = [event.ticket for event in duet.pump()[0] if isinstance(event, SettingsAcked)]
    assert acks == tickets


class TestReset:
    def test_it_ends_the_stream_on_both_sides(self) -> None:
        duet = Duet()
        stream = duet.client.open_stream(REQUEST)
        duet.pump()
        duet.client.reset_stream(stream)
        (event,) = duet.pump()[1]
        assert isinstance(event, StreamReset)
        assert (event.code, event.fault) == (ErrorCode.CANCEL, None)
        assert not duet.client.streams
        assert not duet.server.streams

    def test_what_was_on_its_way_means_nothing(self) -> None:
        duet = Duet()
        stream = duet.client.open_stream(REQUEST)
        (request,) = duet.pump()[1]
        assert isinstance(request, HeadersReceived)
        serve(duet, request.stream, b"late")
        duet.client.reset_stream(stream)
        assert duet.pump()[0] == []

    def test_twice_is_once(self) -> None:
        probe = Probe(client=True)
        stream = probe.core.open_stream(REQUEST)
        probe.sent()
        for _ in range(2):
            probe.core.reset_stream(stream)
        assert [frame.kind for frame in probe.sent()] == [frames.RST_STREAM]

    def test_a_stream_that_has_ended_is_left_alone(self) -> None:
        probe = Probe(client=True)
        stream = probe.core.open_stream(REQUEST)
        probe.core.send_data(stream, b"", end_stream=True)
        probe.send(probe.headers(flags=frames.END_HEADERS | frames.END_STREAM))
        probe.sent()
        probe.core.reset_stream(stream)
        assert probe.sent() == []

    def test_what_waited_for_a_window_is_dropped(self) -> None:
        probe = Probe(client=True, settings={Setting.INITIAL_WINDOW_SIZE: 0})
        stream = probe.core.open_stream(REQUEST)
        assert not probe.core.send_data(stream, b"waits")
        probe.core.reset_stream(stream)
        probe.sent()
        probe.send(frames.window_update(1, 100), frames.window_update(0, 100))
        assert probe.sent() == []

    def test_nothing_can_be_sent_after_it(self) -> None:
        duet = Duet()
        stream = duet.client.open_stream(REQUEST)
        (request,) = duet.pump()[1]
        assert isinstance(request, HeadersReceived)
        duet.client.reset_stream(stream)
        duet.pump()
        for core, ended in ((duet.client, stream), (duet.server, request.stream)):
            with pytest.raises(LocalProtocolError):
                core.send_data(ended, b"x")

    def test_a_lingering_stream_is_read_until_it_is_forgotten(self) -> None:
        probe = Probe(client=True)
        stream = probe.core.open_stream(REQUEST)
        probe.send(probe.headers())
        probe.core.reset_stream(stream, linger=True)
        (event,) = probe.send(data(1, b"late"))
        assert isinstance(event, DataReceived)
        assert event.data == b"late"
        probe.core.forget(stream)
        probe.core.forget(stream)
        assert probe.send(data(1, b"too late")) == []

    def test_a_lingering_stream_may_end_by_itself(self) -> None:
        probe = Probe(client=True)
        stream = probe.core.open_stream(REQUEST)
        probe.core.reset_stream(stream, linger=True)
        (event,) = probe.send(probe.headers(flags=frames.END_HEADERS | frames.END_STREAM))
        assert isinstance(event, HeadersReceived)
        assert event.ended
        assert not probe.core.streams

    def test_a_lingering_stream_that_the_peer_resets_is_gone(self) -> None:
        probe = Probe(client=True)
        stream = probe.core.open_stream(REQUEST)
        probe.core.reset_stream(stream, linger=True)
        (event,) = probe.send(frames.rst_stream(1, ErrorCode.CANCEL))
        assert isinstance(event, StreamReset)
        assert not probe.core.streams

    def test_only_the_newest_resets_are_remembered(self) -> None:
        probe = Probe(client=True)
        for _ in range(MAX_RESETS_REMEMBERED + 10):
            probe.core.reset_stream(probe.core.open_stream(REQUEST))
        probe.sent()
        assert len(probe.core._reset_ids) == MAX_RESETS_REMEMBERED
        assert probe.send(probe.headers(1), probe.headers(19)) == []
        probe.core.send_data(probe.core.open_stream(REQUEST), b"", end_stream=True)
        last = 2 * MAX_RESETS_REMEMBERED + 21
        ended = probe.headers(last, flags=frames.END_HEADERS | frames.END_STREAM)
        assert names(probe.send(ended, ended)) == ["HeadersReceived", "ConnectionFailed"]


class TestGoAway:
    def test_it_is_reported_and_stops_new_streams(self) -> None:
        duet = Duet()
        duet.client.open_stream(REQUEST)
        duet.pump()
        duet.server.send_goaway(ErrorCode.NO_ERROR, b"bye")
        (event,) = duet.pump()[0]
        assert isinstance(event, GoAwayReceived)
        assert (event.last_stream_id, event.code, event.debug) == (1, 0, b"bye")
        assert duet.client.streams_left == 0
        with pytest.raises(LocalProtocolError):
            duet.client.open_stream(REQUEST)

    def test_streams_before_it_finish_and_later_ones_are_not_looked_at(self) -> None:
        duet = Duet()
        first = duet.client.open_stream(REQUEST)
        duet.pump()
        duet.server.send_goaway()
        second = duet.client.open_stream(REQUEST)  # it has not heard of the GOAWAY
        duet.client.send_data(second, b"unheard")
        duet.client.send_data(first, b"heard", end_stream=True)
        to_client, to_server = duet.pump()
        assert names(to_client) == ["GoAwayReceived"]
        (event,) = to_server
        assert isinstance(event, DataReceived)
        assert event.data == b"heard"
        duet.client.send_headers(second, TRAILERS, end_stream=True)
        assert duet.pump()[0] == []

    def test_a_forgotten_stream_sends_nothing_more(self) -> None:
        probe = Probe(client=True, settings={Setting.INITIAL_WINDOW_SIZE: 0})
        stream = probe.core.open_stream(REQUEST)
        probe.core.send_data(stream, b"waits")
        probe.sent()
        probe.core.forget(stream)
        probe.send(settings_frame({Setting.INITIAL_WINDOW_SIZE: 100}))
        assert [frame.kind for frame in probe.sent()] == [frames.SETTINGS]

    def test_a_warning_takes_what_is_on_its_way(self) -> None:
        duet = Duet()
        duet.server.send_goaway(last_stream_id=frames.MAX_WINDOW)
        duet.client.open_stream(REQUEST)
        assert names(duet.pump()[1]) == ["HeadersReceived"]


class TestRoomForStreams:
    def test_nothing_leaves_before_the_first_settings(self) -> None:
        core = Http2Connection(client=True)
        assert core.streams_left == 0
        with pytest.raises(LocalProtocolError):
            core.open_stream(REQUEST)

    def test_the_servers_limit_counts(self) -> None:
        duet = Duet(max_concurrent_streams=2)
        streams = [duet.client.open_stream(REQUEST) for _ in range(2)]
        assert duet.client.streams_left == 0
        with pytest.raises(LocalProtocolError):
            duet.client.open_stream(REQUEST)
        duet.client.reset_stream(streams[0])
        assert duet.client.streams_left == 1

    def test_the_server_refuses_more(self) -> None:
        probe = Probe(max_concurrent_streams=1)
        assert names(probe.send(probe.headers(1), probe.headers(3))) == ["HeadersReceived"]
        (refusal,) = probe.sent()
        assert (refusal.kind, refusal.stream_id) == (frames.RST_STREAM, 3)
        assert refusal.code is ErrorCode.REFUSED_STREAM
        assert probe.send(data(3, b"on its way")) == []

    def test_ids_run_out(self) -> None:
        probe = Probe(client=True)
        probe.core._next_id = frames.MAX_WINDOW
        assert probe.core.open_stream(REQUEST).id == frames.MAX_WINDOW
        assert probe.core.streams_left == 0
        with pytest.raises(LocalProtocolError):
            probe.core.open_stream(REQUEST)


class TestOurOwnFaults:
    def test_sending_after_the_end(self) -> None:
        duet = Duet()
        stream = duet.client.open_stream(REQUEST)
        duet.client.send_data(stream, b"", end_stream=True)
        duet.pump()
        with pytest.raises(LocalProtocolError):
            duet.client.send_data(stream, b"more")
        with pytest.raises(LocalProtocolError):
            duet.client.send_headers(stream, TRAILERS, end_stream=True)
        assert not duet.client.has_data_to_send

    def test_sending_after_an_end_that_waits_for_a_window(self) -> None:
        probe = Probe(client=True, settings={Setting.INITIAL_WINDOW_SIZE: 0})
        stream = probe.core.open_stream(REQUEST)
        probe.core.send_data(stream, b"waits", end_stream=True)
        with pytest.raises(LocalProtocolError):
            probe.core.send_data(stream, b"more")

    def test_trailers_before_the_body_has_gone_out(self) -> None:
        probe = Probe(client=True, settings={Setting.INITIAL_WINDOW_SIZE: 0})
        stream = probe.core.open_stream(REQUEST)
        probe.core.send_data(stream, b"waits")
        with pytest.raises(LocalProtocolError, match="trailers before the body"):
            probe.core.send_headers(stream, TRAILERS, end_stream=True)


def test_reprs_name_what_they_are() -> None:
    assert repr(Stream(7, 0, 0)) == "<Stream 7>"
    assert repr(TRAILERS) == "FieldList(grpc-status)"
    assert frames.error_name(8) == "CANCEL"
    assert frames.error_name(99) == "error code 99"
