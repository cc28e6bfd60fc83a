"""Stream states (RFC 9113 section 5.1) and malformed messages (section 8), in both roles."""

from __future__ import annotations

import pytest

from tests.rpc.core import (
    HEADERS_ONLY,
    REQUEST,
    REQUEST_FIELDS,
    RESPONSE,
    RESPONSE_FIELDS,
    TRAILER_FIELDS,
    TRAILERS,
    WHOLE,
    Probe,
    data,
    names,
)
from tests.rpc.test_rfc9113_frames import assert_connection_error, assert_stream_error
from zbtrio.rpc import frames
from zbtrio.rpc.frames import ErrorCode, HeadersReceived, StreamReset, window_update
from zbtrio.rpc.header_memo import Fields
from zbtrio.rpc.http2 import Stream

PROTOCOL_ERROR = ErrorCode.PROTOCOL_ERROR
STREAM_CLOSED = ErrorCode.STREAM_CLOSED


def opened(probe: Probe, *, end: bool = False) -> Stream:
    """Have the peer of a server open stream 1."""
    (event,) = probe.send(probe.headers(1, flags=WHOLE if end else HEADERS_ONLY))
    assert isinstance(event, HeadersReceived)
    return event.stream


class TestIdle:
    def test_data(self) -> None:
        probe = Probe()
        assert_connection_error(probe, probe.send(data(1, b"x")), PROTOCOL_ERROR)

    def test_a_stream_with_an_even_number(self) -> None:
        probe = Probe()
        assert_connection_error(probe, probe.send(probe.headers(2)), PROTOCOL_ERROR)

    def test_lower_streams_are_closed_by_a_higher_one(self) -> None:
        probe = Probe()
        probe.send(probe.headers(5))
        assert_connection_error(probe, probe.send(probe.headers(3)), STREAM_CLOSED)


class TestHalfClosedRemote:
    """The peer has ended its side: what it sends then is a stream error."""

    def test_data(self) -> None:
        probe = Probe()
        opened(probe, end=True)
        assert_stream_error(probe, probe.send(data(1, b"x")), STREAM_CLOSED)

    def test_headers(self) -> None:
        probe = Probe()
        opened(probe, end=True)
        trailers = probe.headers(1, TRAILER_FIELDS, WHOLE)
        assert_stream_error(probe, probe.send(trailers), STREAM_CLOSED)

    def test_what_does_no_harm(self) -> None:
        probe = Probe()
        stream = opened(probe, end=True)
        probe.send(window_update(1, 10), frames.frame(frames.PRIORITY, 0, 1, bytes(5)))
        assert stream.send_window == frames.DEFAULT_WINDOW + 10


class TestClosed:
    def closed(self, probe: Probe) -> None:
        probe.core.send_headers(opened(probe, end=True), TRAILERS, end_stream=True)
        assert not probe.core.streams
        probe.sent()

    def test_data(self) -> None:
        probe = Probe()
        self.closed(probe)
        assert_connection_error(probe, probe.send(data(1, b"x")), STREAM_CLOSED)

    def test_headers(self) -> None:
        probe = Probe()
        self.closed(probe)
        assert_connection_error(probe, probe.send(probe.headers(1)), STREAM_CLOSED)

    def test_frames_that_crossed_the_end(self) -> None:
        probe = Probe()
        self.closed(probe)
        sent = window_update(1, 10), window_update(1, 0), frames.rst_stream(1, ErrorCode.CANCEL)
        assert probe.send(*sent) == []

    def test_data_after_the_peers_own_reset(self) -> None:
        probe = Probe()
        opened(probe)
        events = probe.send(frames.rst_stream(1, ErrorCode.CANCEL), data(1, b"x"))
        assert_connection_error(probe, events, STREAM_CLOSED)

    def test_frames_after_our_reset(self) -> None:
        probe = Probe()
        probe.core.reset_stream(opened(probe))
        probe.sent()
        sent = (
            data(1, b"x"),
            window_update(1, 0),
            probe.headers(1, TRAILER_FIELDS, WHOLE),
            frames.rst_stream(1, ErrorCode.CANCEL),
        )
        assert probe.send(*sent) == []
        assert probe.sent() == []


class TestSequence:
    """Section 8.1."""

    def test_trailers_end_the_request(self) -> None:
        probe = Probe()
        opened(probe)
        (event,) = probe.send(probe.headers(1, TRAILER_FIELDS, WHOLE))
        assert isinstance(event, HeadersReceived)
        assert event.ended

    def test_a_second_block_that_does_not_end_the_stream(self) -> None:
        probe = Probe()
        opened(probe)
        events = probe.send(probe.headers(1, TRAILER_FIELDS))
        assert_stream_error(probe, events, PROTOCOL_ERROR)

    def test_data_before_the_response(self) -> None:
        probe = Probe(client=True)
        probe.core.open_stream(REQUEST)
        (event,) = probe.send(data(1, b"x"))
        assert isinstance(event, StreamReset)
        assert event.fault == "DATA before HEADERS"

    def test_informational_responses_are_read_over(self) -> None:
        probe = Probe(client=True)
        probe.core.open_stream(REQUEST)
        early = probe.headers(1, ((b":status", b"103"),))
        (event,) = probe.send(early, early, probe.headers(1))
        assert isinstance(event, HeadersReceived)
        assert event.headers.fields == RESPONSE_FIELDS

    def test_an_informational_response_ends_nothing(self) -> None:
        probe = Probe(client=True)
        probe.core.open_stream(REQUEST)
        (event,) = probe.send(probe.headers(1, ((b":status", b"103"),), WHOLE))
        assert isinstance(event, StreamReset)
        assert event.fault

    def test_a_stream_that_depends_on_itself(self) -> None:
        probe = Probe()
        payload = b"\0\0\0\x01\0" + probe.block(REQUEST_FIELDS)
        flags = HEADERS_ONLY | frames.WITH_PRIORITY
        events = probe.send(frames.frame(frames.HEADERS, flags, 1, payload))
        assert_stream_error(probe, events, PROTOCOL_ERROR)


def without(name: bytes) -> Fields:
    return tuple(field for field in REQUEST_FIELDS if field[0] != name)


MALFORMED_REQUESTS: dict[str, Fields] = {
    "8.2 a name in capitals": (*REQUEST_FIELDS, (b"Grpc-Status", b"0")),
    "8.2.1 a name with a space": (*REQUEST_FIELDS, (b"a b", b"0")),
    "8.2.1 a name with a colon inside": (*REQUEST_FIELDS, (b"a:b", b"0")),
    "8.2.1 an empty name": (*REQUEST_FIELDS, (b"", b"0")),
    "8.2.1 a value with a line feed": (*REQUEST_FIELDS, (b"a", b"b\nc: d")),
    "8.2.1 a value with a carriage return": (*REQUEST_FIELDS, (b"a", b"b\rc")),
    "8.2.1 a value with a NUL": (*REQUEST_FIELDS, (b"a", b"b\0")),
    "8.2.1 a value that starts with a space": (*REQUEST_FIELDS, (b"a", b" b")),
    "8.2.1 a value that ends with a tab": (*REQUEST_FIELDS, (b"a", b"b\t")),
    "8.2.2 connection": (*REQUEST_FIELDS, (b"connection", b"keep-alive")),
    "8.2.2 transfer-encoding": (*REQUEST_FIELDS, (b"transfer-encoding", b"chunked")),
    "8.2.2 upgrade": (*REQUEST_FIELDS, (b"upgrade", b"h2c")),
    "8.2.2 keep-alive": (*REQUEST_FIELDS, (b"keep-alive", b"1")),
    "8.2.2 proxy-connection": (*REQUEST_FIELDS, (b"proxy-connection", b"close")),
    "8.2.2 te other than trailers": (*without(b"te"), (b"te", b"trailers, deflate")),
    "8.3 an unknown pseudo-header": ((b":protocol", b"websocket"), *REQUEST_FIELDS),
    "8.3 a response's pseudo-header": ((b":status", b"200"), *REQUEST_FIELDS),
    "8.3 a pseudo-header after a field": (*REQUEST_FIELDS[:3], (b"a", b"b"), *REQUEST_FIELDS[3:]),
    "8.3 a pseudo-header twice": ((b":path", b"/"), *REQUEST_FIELDS),
    "8.3.1 no method": without(b":method"),
    "8.3.1 no scheme": without(b":scheme"),
    "8.3.1 no path": without(b":path"),
    "8.3.1 an empty path": (*without(b":path")[:2], (b":path", b""), *without(b":path")[2:]),
    "8.1.1 a content-length that is none": (*REQUEST_FIELDS, (b"content-length", b"-1")),
    "8.1.1 a content-length without end": (*REQUEST_FIELDS, (b"content-length", b"9" * 5000)),
    "no fields at all": (),
}


@pytest.mark.parametrize("name", MALFORMED_REQUESTS)
def test_malformed_requests(name: str) -> None:
    probe = Probe()
    events = probe.send(probe.headers(1, MALFORMED_REQUESTS[name], WHOLE))
    assert_stream_error(probe, events, PROTOCOL_ERROR)


@pytest.mark.parametrize(
    "fields",
    [
        (*REQUEST_FIELDS, (b"a", b"")),
        (*REQUEST_FIELDS, (b"a", b"\x80\xff in \t the middle")),
        (*REQUEST_FIELDS, (b"!#$%&'*+-.^_`|~09az", b"token")),
        without(b":authority"),
        without(b"te"),
    ],
)
def test_odd_requests_that_are_well_formed(fields: Fields) -> None:
    probe = Probe()
    assert names(probe.send(probe.headers(1, fields, WHOLE))) == ["HeadersReceived"]


MALFORMED_RESPONSES: dict[str, Fields] = {
    "8.3.2 no status": RESPONSE_FIELDS[1:],
    "8.3 a request's pseudo-header": ((b":path", b"/"), *RESPONSE_FIELDS),
    "8.2 a name in capitals": (*RESPONSE_FIELDS, (b"Server", b"x")),
    "8.3.2 an empty status": ((b":status", b""),),
    "8.3.2 a status that is no number": ((b":status", b"2OO"),),
    "8.3.2 a status of too many digits": ((b":status", b"2000"),),
}


@pytest.mark.parametrize("name", MALFORMED_RESPONSES)
def test_malformed_responses(name: str) -> None:
    probe = Probe(client=True)
    probe.core.open_stream(REQUEST)
    (event,) = probe.send(probe.headers(1, MALFORMED_RESPONSES[name]))
    assert isinstance(event, StreamReset)
    assert event.code is PROTOCOL_ERROR
    assert not probe.core.failed


def test_pseudo_headers_in_trailers() -> None:
    for client in (False, True):
        probe = Probe(client=client)
        if client:
            probe.core.open_stream(REQUEST)
        probe.send(probe.headers(1))
        (event,) = probe.send(probe.headers(1, ((b":status", b"200"), *TRAILER_FIELDS), WHOLE))
        assert isinstance(event, StreamReset)
        assert event.fault


def test_space_around_a_status_message_is_let_through() -> None:
    """gRPC percent-encodes control characters, but not the spaces at the ends of a message."""
    probe = Probe(client=True)
    probe.core.open_stream(REQUEST)
    fields = (*RESPONSE_FIELDS, *TRAILER_FIELDS, (b"grpc-message", b" expected: "))
    assert names(probe.send(probe.headers(1, fields, WHOLE))) == ["HeadersReceived"]


class TestContentLength:
    """Section 8.1.1: the body is as long as announced."""

    def request(self, length: int, *, end: bool = False) -> tuple[Probe, bytes]:
        probe = Probe()
        fields = (*REQUEST_FIELDS, (b"content-length", b"%d" % length))
        return probe, probe.headers(1, fields, WHOLE if end else HEADERS_ONLY)

    def test_kept(self) -> None:
        probe, headers = self.request(5)
        events = probe.send(headers, data(1, b"123"), data(1, b"45"), data(1, b"", end=True))
        assert names(events) == ["HeadersReceived"] + ["DataReceived"] * 3

    def test_kept_with_trailers(self) -> None:
        probe, headers = self.request(3)
        trailers = probe.headers(1, TRAILER_FIELDS, WHOLE)
        events = probe.send(headers, data(1, b"123"), trailers)
        assert names(events) == ["HeadersReceived", "DataReceived", "HeadersReceived"]

    def test_zero_without_a_body(self) -> None:
        probe, headers = self.request(0, end=True)
        assert names(probe.send(headers)) == ["HeadersReceived"]

    @pytest.mark.parametrize(
        "body",
        [[data(1, b"123456")], [data(1, b"1234", end=True)], [data(1, b"123"), data(1, b"456")]],
    )
    def test_broken_by_data(self, body: list[bytes]) -> None:
        probe, headers = self.request(5)
        assert_stream_error(probe, probe.send(headers, *body), PROTOCOL_ERROR)

    def test_broken_by_the_end_of_headers(self) -> None:
        probe, headers = self.request(5, end=True)
        assert_stream_error(probe, probe.send(headers), PROTOCOL_ERROR)

    def test_broken_by_trailers(self) -> None:
        probe, headers = self.request(5)
        trailers = probe.headers(1, TRAILER_FIELDS, WHOLE)
        assert_stream_error(probe, probe.send(headers, data(1, b"1"), trailers), PROTOCOL_ERROR)


def test_a_request_is_answered_before_it_has_ended() -> None:
    """Section 8.1: the rest of the request is not wanted then."""
    probe = Probe()
    stream = opened(probe)
    probe.core.send_headers(stream, RESPONSE, end_stream=True)
    probe.core.reset_stream(stream, ErrorCode.NO_ERROR)
    headers, reset = probe.sent()
    assert headers.flags & frames.END_STREAM
    assert reset.code is ErrorCode.NO_ERROR
    assert probe.send(data(1, b"not wanted", end=True)) == []
