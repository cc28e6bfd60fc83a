"""What a core does with frames that RFC 9113 forbids: sections 3 to 6, each case with its rule."""

from __future__ import annotations

import pytest

from tests.rpc.core import HEADERS_ONLY, REQUEST, WHOLE, Probe, data, names
from zbtrio.rpc import frames
from zbtrio.rpc.frames import (
    ConnectionFailed,
    ErrorCode,
    Event,
    GoAwayReceived,
    Setting,
    StreamReset,
    frame,
    settings_frame,
    window_update,
)

PROTOCOL_ERROR = ErrorCode.PROTOCOL_ERROR
FRAME_SIZE_ERROR = ErrorCode.FRAME_SIZE_ERROR
FLOW_CONTROL_ERROR = ErrorCode.FLOW_CONTROL_ERROR
COMPRESSION_ERROR = ErrorCode.COMPRESSION_ERROR
STREAM_CLOSED = ErrorCode.STREAM_CLOSED


def assert_connection_error(probe: Probe, events: list[Event], code: ErrorCode) -> None:
    """GOAWAY goes out with the code, the event tells it, and nothing more is read."""
    failure = events[-1]
    assert isinstance(failure, ConnectionFailed), names(events)
    assert failure.error.code is code
    goaway = probe.sent()[-1]
    assert goaway.kind == frames.GOAWAY
    assert goaway.code is code
    assert probe.core.failed
    assert probe.core.streams_left == 0
    assert probe.send(probe.headers(99)) == []


def assert_stream_error(probe: Probe, events: list[Event], code: ErrorCode) -> None:
    """RST_STREAM goes out with the code, the event tells it, and the connection goes on."""
    failure = events[-1]
    assert isinstance(failure, StreamReset), names(events)
    assert failure.fault
    assert failure.code is code
    reset = probe.sent()[-1]
    assert (reset.kind, reset.stream_id) == (frames.RST_STREAM, failure.stream.id)
    assert reset.code is code
    assert names(probe.send(probe.headers(99))) == ["HeadersReceived"]


class TestPreface:
    """Section 3.4."""

    def test_a_client_that_speaks_something_else(self) -> None:
        probe = Probe(handshake=False)
        events = probe.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert_connection_error(probe, events, PROTOCOL_ERROR)

    def test_the_first_wrong_byte_tells(self) -> None:
        probe = Probe(handshake=False)
        assert probe.send(b"P") == []
        assert_connection_error(probe, probe.send(b"O"), PROTOCOL_ERROR)

    @pytest.mark.parametrize("client", [False, True], ids=["server", "client"])
    @pytest.mark.parametrize(
        "first",
        [
            frame(frames.PING, 0, 0, bytes(8)),
            frame(frames.SETTINGS, frames.ACK, 0),
            frame(77, 0, 0),
        ],
        ids=["ping", "settings ack", "unknown"],
    )
    def test_the_first_frame_is_settings(self, client: bool, first: bytes) -> None:
        probe = Probe(client=client, handshake=False)
        events = probe.send(b"" if client else frames.PREFACE, first)
        assert_connection_error(probe, events, PROTOCOL_ERROR)

    @pytest.mark.parametrize("client", [False, True], ids=["server", "client"])
    def test_our_own_comes_first(self, client: bool) -> None:
        greeting = Probe(client=client, handshake=False).greeting
        assert greeting.startswith(frames.PREFACE) is client
        greeting = greeting.removeprefix(frames.PREFACE)
        assert greeting[3] == frames.SETTINGS


# name: section, frames sent to a server on which stream 1 is open, the connection error
CONNECTION_ERRORS: dict[str, tuple[str, list[bytes], ErrorCode]] = {
    "a frame above the size limit": ("4.2", [frame(0, 0, 1, bytes(16_385))], FRAME_SIZE_ERROR),
    "a long SETTINGS": ("4.2", [frame(4, 0, 0, bytes(16_386))], FRAME_SIZE_ERROR),
    "a block that does not decompress": ("4.3", [frame(1, WHOLE, 3, b"\xff")], COMPRESSION_ERROR),
    "a block with an index too high": ("4.3", [frame(1, WHOLE, 3, b"\xfe")], COMPRESSION_ERROR),
    "a table update too large": (
        "4.3.1",
        [frame(1, WHOLE, 3, b"\x3f\xe1\xff\x03")],
        COMPRESSION_ERROR,
    ),
    "a block interrupted by another frame": (
        "4.3",
        [frame(1, 0, 3, b"\x83"), frame(frames.PING, 0, 0, bytes(8))],
        PROTOCOL_ERROR,
    ),
    "a block interrupted by another stream": (
        "4.3",
        [frame(1, 0, 3, b"\x83"), frame(frames.CONTINUATION, HEADERS_ONLY, 5)],
        PROTOCOL_ERROR,
    ),
    "a block interrupted by an unknown frame": (
        "5.5",
        [frame(1, 0, 3, b"\x83"), frame(77, 0, 0)],
        PROTOCOL_ERROR,
    ),
    "DATA on stream 0": ("6.1", [data(0, b"x")], PROTOCOL_ERROR),
    "DATA with too much padding": ("6.1", [frame(0, frames.PADDED, 1, b"\x04abc")], PROTOCOL_ERROR),
    "DATA padded, and empty": ("6.1", [frame(0, frames.PADDED, 1)], PROTOCOL_ERROR),
    "HEADERS on stream 0": ("6.2", [frame(1, WHOLE, 0, b"\x83")], PROTOCOL_ERROR),
    "HEADERS with too much padding": (
        "6.2",
        [frame(1, WHOLE | frames.PADDED, 3, b"\x02\x83")],
        PROTOCOL_ERROR,
    ),
    "HEADERS too short for its priority": (
        "6.2",
        [frame(1, WHOLE | frames.WITH_PRIORITY, 3, b"\x83")],
        FRAME_SIZE_ERROR,
    ),
    "PRIORITY on stream 0": ("6.3", [frame(2, 0, 0, bytes(5))], PROTOCOL_ERROR),
    "PRIORITY of a wrong size, idle stream": ("6.3", [frame(2, 0, 9, b"1")], FRAME_SIZE_ERROR),
    "RST_STREAM on stream 0": ("6.4", [frame(3, 0, 0, bytes(4))], PROTOCOL_ERROR),
    "RST_STREAM on an idle stream": ("6.4", [frame(3, 0, 3, bytes(4))], PROTOCOL_ERROR),
    "RST_STREAM on a stream of the server's": ("6.4", [frame(3, 0, 2, bytes(4))], PROTOCOL_ERROR),
    "RST_STREAM of a wrong size": ("6.4", [frame(3, 0, 1, bytes(3))], FRAME_SIZE_ERROR),
    "SETTINGS on a stream": ("6.5", [frame(4, 0, 1)], PROTOCOL_ERROR),
    "SETTINGS of an odd size": ("6.5", [frame(4, 0, 0, bytes(5))], FRAME_SIZE_ERROR),
    "a SETTINGS acknowledgement with payload": (
        "6.5",
        [frame(4, frames.ACK, 0, bytes(6))],
        FRAME_SIZE_ERROR,
    ),
    "ENABLE_PUSH above 1": ("6.5.2", [settings_frame({Setting.ENABLE_PUSH: 2})], PROTOCOL_ERROR),
    "a window above 2^31-1": (
        "6.5.2",
        [settings_frame({Setting.INITIAL_WINDOW_SIZE: 2**31})],
        FLOW_CONTROL_ERROR,
    ),
    "MAX_FRAME_SIZE too small": (
        "6.5.2",
        [settings_frame({Setting.MAX_FRAME_SIZE: 16_383})],
        PROTOCOL_ERROR,
    ),
    "MAX_FRAME_SIZE too large": (
        "6.5.2",
        [settings_frame({Setting.MAX_FRAME_SIZE: 2**24})],
        PROTOCOL_ERROR,
    ),
    "an acknowledgement of nothing": (
        "6.5.3",
        [frame(4, frames.ACK, 0), frame(4, frames.ACK, 0)],
        PROTOCOL_ERROR,
    ),
    "PUSH_PROMISE from a client": ("6.6", [frame(5, HEADERS_ONLY, 1, bytes(4))], PROTOCOL_ERROR),
    "PING on a stream": ("6.7", [frame(6, 0, 1, bytes(8))], PROTOCOL_ERROR),
    "PING of a wrong size": ("6.7", [frame(6, 0, 0, bytes(7))], FRAME_SIZE_ERROR),
    "GOAWAY on a stream": ("6.8", [frame(7, 0, 1, bytes(8))], PROTOCOL_ERROR),
    "GOAWAY too short": ("6.8", [frame(7, 0, 0, bytes(7))], FRAME_SIZE_ERROR),
    "WINDOW_UPDATE of a wrong size": ("6.9", [frame(8, 0, 1, bytes(3))], FRAME_SIZE_ERROR),
    "WINDOW_UPDATE by 0 on the connection": ("6.9", [window_update(0, 0)], PROTOCOL_ERROR),
    "WINDOW_UPDATE on an idle stream": ("5.1", [window_update(3, 1)], PROTOCOL_ERROR),
    "a connection window above 2^31-1": (
        "6.9.1",
        [window_update(0, 2**31 - 1)],
        FLOW_CONTROL_ERROR,
    ),
    "a stream window above 2^31-1 by SETTINGS": (
        "6.9.2",
        [
            settings_frame({Setting.INITIAL_WINDOW_SIZE: 0}),
            window_update(1, 100_000),
            settings_frame({Setting.INITIAL_WINDOW_SIZE: 2**31 - 1}),
        ],
        FLOW_CONTROL_ERROR,
    ),
    "CONTINUATION after nothing": (
        "6.10",
        [frame(frames.CONTINUATION, HEADERS_ONLY, 1, b"\x83")],
        PROTOCOL_ERROR,
    ),
    "CONTINUATION after a whole block": (
        "6.10",
        [frame(1, WHOLE, 1, b""), frame(frames.CONTINUATION, HEADERS_ONLY, 1)],
        PROTOCOL_ERROR,
    ),
    "CONTINUATION on stream 0": (
        "6.10",
        [frame(1, 0, 3, b"\x83"), frame(frames.CONTINUATION, HEADERS_ONLY, 0)],
        PROTOCOL_ERROR,
    ),
}


@pytest.mark.parametrize("name", CONNECTION_ERRORS)
def test_connection_errors(name: str) -> None:
    _, sent, code = CONNECTION_ERRORS[name]
    probe = Probe()
    probe.send(probe.headers(1))
    assert_connection_error(probe, probe.send(*sent), code)


STREAM_ERRORS: dict[str, tuple[str, list[bytes], ErrorCode]] = {
    "PRIORITY of a wrong size": ("6.3", [frame(2, 0, 1, bytes(4))], FRAME_SIZE_ERROR),
    "PRIORITY on itself": ("5.3", [frame(2, 0, 1, b"\0\0\0\x01\0")], PROTOCOL_ERROR),
    "WINDOW_UPDATE by 0": ("6.9", [window_update(1, 0)], PROTOCOL_ERROR),
    "a stream window above 2^31-1": ("6.9.1", [window_update(1, 2**31 - 1)], FLOW_CONTROL_ERROR),
}


@pytest.mark.parametrize("name", STREAM_ERRORS)
def test_stream_errors(name: str) -> None:
    _, sent, code = STREAM_ERRORS[name]
    probe = Probe()
    probe.send(probe.headers(1))
    assert_stream_error(probe, probe.send(*sent), code)


# name: section, frames of a server to a client on which stream 1 is open
CLIENT_CONNECTION_ERRORS: dict[str, tuple[str, list[bytes], ErrorCode]] = {
    "server push": ("8.4", [frame(5, HEADERS_ONLY, 1, bytes(4))], PROTOCOL_ERROR),
    "a server that asks for push": (
        "6.5.2",
        [settings_frame({Setting.ENABLE_PUSH: 1})],
        PROTOCOL_ERROR,
    ),
    "a stream that the server opens": ("5.1.1", [frame(1, WHOLE, 2, b"\x88")], PROTOCOL_ERROR),
    "an answer to a stream not opened": ("5.1", [frame(1, WHOLE, 3, b"\x88")], PROTOCOL_ERROR),
    "DATA for a stream not opened": ("5.1", [data(3, b"x")], PROTOCOL_ERROR),
}


@pytest.mark.parametrize("name", CLIENT_CONNECTION_ERRORS)
def test_connection_errors_of_a_server(name: str) -> None:
    _, sent, code = CLIENT_CONNECTION_ERRORS[name]
    probe = Probe(client=True)
    probe.core.open_stream(REQUEST)
    assert_connection_error(probe, probe.send(*sent), code)


# name: section, frames that a server reads over
HARMLESS: dict[str, tuple[str, list[bytes]]] = {
    "an unknown frame": ("4.1", [frame(77, 0xFF, 1, b"whatever"), frame(77, 0, 0)]),
    "an unknown setting": ("6.5.2", [frame(4, 0, 0, b"\xff\xff\0\0\0\x01")]),
    "unknown flags": ("4.1", [frame(frames.PING, 0xFE, 0, bytes(8))]),
    "the reserved bit": ("4.1", [window_update(1 | 1 << 31, 5)]),
    "the reserved bit of an increment": ("6.9", [window_update(1, 5 | 1 << 31)]),
    "PRIORITY": ("5.3", [frame(2, 0, 1, b"\0\0\0\x03\x10"), frame(2, 0, 9, b"\0\0\0\x09\0")]),
    "padding": ("6.1", [frame(0, frames.PADDED, 1, b"\x03abc\0\0\0"), data(1, b"abc")]),
    "an unknown error code": ("7", [frame(7, 0, 0, b"\0\0\0\0\0\0\xff\xff")]),
    "an empty SETTINGS": ("6.5", [frame(4, 0, 0)]),
    "MAX_HEADER_LIST_SIZE": ("6.5.2", [settings_frame({Setting.MAX_HEADER_LIST_SIZE: 1})]),
    "ENABLE_PUSH from a client": ("6.5.2", [settings_frame({Setting.ENABLE_PUSH: 1})]),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless(name: str) -> None:
    probe = Probe()
    probe.send(probe.headers(1))
    probe.send(*HARMLESS[name][1])
    assert not probe.core.failed
    assert list(probe.core.streams) == [1]
    assert names(probe.send(data(1, b"goes on", end=True))) == ["DataReceived"]


def test_padding_counts_against_the_window_and_is_cut_off() -> None:
    probe = Probe()
    probe.send(probe.headers(1))
    (event,) = probe.send(frame(frames.DATA, frames.PADDED, 1, b"\x03abc\0\0\0"))
    assert isinstance(event, frames.DataReceived)
    assert (event.data, event.size) == (b"abc", 7)


def test_padding_and_priority_of_headers_are_cut_off() -> None:
    probe = Probe()
    payload = b"\x04" + b"\x80\0\0\x07\x10" + probe.block(REQUEST.fields) + bytes(4)
    flags = HEADERS_ONLY | frames.PADDED | frames.WITH_PRIORITY
    (event,) = probe.send(frame(frames.HEADERS, flags, 1, payload))
    assert isinstance(event, frames.HeadersReceived)
    assert event.headers.fields == REQUEST.fields


def test_a_ping_is_answered_with_its_payload() -> None:
    probe = Probe()
    assert names(probe.send(frame(frames.PING, 0, 0, b"abcdefgh"))) == ["PingReceived"]
    (answer,) = probe.sent()
    assert (answer.kind, answer.flags, answer.payload) == (frames.PING, frames.ACK, b"abcdefgh")


def test_settings_are_acknowledged() -> None:
    probe = Probe()
    events = probe.send(settings_frame({Setting.MAX_CONCURRENT_STREAMS: 7}))
    assert names(events) == ["SettingsReceived"]
    assert probe.core.remote_max_streams == 7
    (answer,) = probe.sent()
    assert (answer.kind, answer.flags, answer.payload) == (frames.SETTINGS, frames.ACK, b"")


def test_an_unknown_goaway_code_is_passed_on() -> None:
    probe = Probe(client=True)
    (event,) = probe.send(frame(frames.GOAWAY, 0, 0, b"\x80\0\0\x05\0\0\xff\xff" + b"why"))
    assert isinstance(event, GoAwayReceived)
    assert (event.last_stream_id, event.code, event.debug) == (5, 0xFFFF, b"why")
    assert probe.core.going_away


def test_frames_are_cut_to_the_size_that_the_peer_takes() -> None:
    probe = Probe(
        client=True,
        settings={Setting.MAX_FRAME_SIZE: 20_000, Setting.INITIAL_WINDOW_SIZE: 100_000},
    )
    stream = probe.core.open_stream(REQUEST)
    probe.sent()
    assert probe.core.send_data(stream, bytes(50_000), end_stream=True)
    sent = probe.sent()
    assert [len(frame.payload) for frame in sent] == [20_000, 20_000, 10_000]
    assert [frame.flags for frame in sent] == [0, 0, frames.END_STREAM]
