"""gRPC's own rules: message frames in any cut, timeouts, metadata, what responses mean."""

from __future__ import annotations

import gzip

import pytest
from grpclib.const import Status
from hypothesis import given, settings
from hypothesis import strategies as st

from zbtrio.rpc.frames import ErrorCode
from zbtrio.rpc.grpc import (
    MessageReader,
    Method,
    RpcError,
    decode_metadata,
    decode_timeout,
    encode_timeout,
    error_of_reset,
    frame_message,
    read_call_metadata,
    read_response,
    read_trailers,
)
from zbtrio.rpc.header_memo import HeaderDecoder, HeaderSet

LIMIT = 1000


def zipped(data: bytes) -> bytes:
    packed = gzip.compress(data)
    return b"\x01" + len(packed).to_bytes(4, "big") + packed


def reader(encoding: bytes = b"identity") -> MessageReader:
    made = MessageReader(LIMIT)
    made.encoding = encoding
    return made


class TestMessageReader:
    @settings(deadline=None)
    @given(
        messages=st.lists(st.tuples(st.binary(max_size=300), st.booleans()), max_size=8),
        cuts=st.lists(st.integers(1, 60)),
    )
    def test_messages_come_out_as_they_went_in(
        self, messages: list[tuple[bytes, bool]], cuts: list[int]
    ) -> None:
        made = reader(b"gzip")
        data = b"".join(
            zipped(body) if packed else frame_message(body) for body, packed in messages
        )
        seen: list[bytes] = []
        for cut in [*cuts, len(data)]:
            seen += made.feed(data[:cut])
            data = data[cut:]
        assert seen == [body for body, _ in messages]
        assert made.incomplete == 0

    def test_what_is_incomplete_is_told(self) -> None:
        made = reader()
        assert made.feed(frame_message(b"whole") + frame_message(b"half")[:7]) == [b"whole"]
        assert made.incomplete == 7

    def test_the_limit_is_allowed(self) -> None:
        for encoding, body in ((b"identity", frame_message), (b"gzip", zipped)):
            assert reader(encoding).feed(body(bytes(LIMIT))) == [bytes(LIMIT)]

    @pytest.mark.parametrize(
        ("encoding", "data", "status"),
        [
            (b"identity", frame_message(bytes(LIMIT + 1)), Status.RESOURCE_EXHAUSTED),
            (b"identity", b"\0\xff\xff\xff\xff", Status.RESOURCE_EXHAUSTED),
            (b"gzip", zipped(bytes(LIMIT + 1)), Status.RESOURCE_EXHAUSTED),
            (b"gzip", zipped(bytes(10_000_000)), Status.RESOURCE_EXHAUSTED),
            (b"gzip", b"\x01\0\0\0\x03abc", Status.INTERNAL),
            (b"identity", zipped(b"x"), Status.INTERNAL),
            (b"snappy", zipped(b"x"), Status.INTERNAL),
        ],
    )
    def test_unusable_messages(self, encoding: bytes, data: bytes, status: Status) -> None:
        with pytest.raises(RpcError) as failure:
            reader(encoding).feed(data)
        assert failure.value.status is status

    def test_a_gzip_stream_that_is_cut_off(self) -> None:
        packed = gzip.compress(b"x" * 500)[:-9]
        with pytest.raises(RpcError) as failure:
            reader(b"gzip").feed(b"\x01" + len(packed).to_bytes(4, "big") + packed)
        assert failure.value.status is Status.INTERNAL


class TestTimeouts:
    @settings(deadline=None)
    @given(st.floats(0, 1e12))
    def test_they_are_never_shorter_than_asked(self, seconds: float) -> None:
        encoded = encode_timeout(seconds)
        assert len(encoded) <= 9
        decoded = decode_timeout(encoded)
        assert decoded >= min(seconds, 99_999_999) * (1 - 1e-9)
        assert decoded <= seconds + max(0.001, seconds * 0.01)

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            (b"1H", 3600),
            (b"2M", 120),
            (b"3S", 3),
            (b"4m", 0.004),
            (b"5u", 0.000005),
            (b"99999999n", 0.099999999),
            (b"0S", 0),
        ],
    )
    def test_units(self, text: bytes, seconds: float) -> None:
        assert decode_timeout(text) == pytest.approx(seconds)

    @pytest.mark.parametrize(
        "text", [b"", b"1", b"S", b"-1S", b"1.5S", b"123456789S", b"1s", b" 1S", b"\xb2S"]
    )
    def test_what_is_none(self, text: bytes) -> None:
        with pytest.raises(ValueError, match="is no grpc-timeout"):
            decode_timeout(text)


KEYS = st.from_regex(r"[a-z0-9_.\-]{1,10}", fullmatch=True).filter(
    lambda key: not key.startswith("grpc-") and key not in ("te", "content-type", "user-agent")
)
TEXTS = st.from_regex(r"[!-~]([ -~]{0,10}[!-~])?", fullmatch=True)
METADATA = st.lists(
    st.one_of(
        st.tuples(KEYS.filter(lambda key: not key.endswith("-bin")), TEXTS),
        st.tuples(KEYS.map(lambda key: key + "-bin"), st.binary(max_size=20)),
    )
)


class TestMetadata:
    @settings(deadline=None)
    @given(METADATA)
    def test_there_and_back(self, metadata: list[tuple[str, str | bytes]]) -> None:
        headers = read_call_metadata(metadata)
        decoded = list(decode_metadata(HeaderDecoder(1_000_000).decode(headers.literals)))
        tokens = [value for key, value in metadata if key == "authorization"]
        assert decoded == [item for item in metadata if item[0] != "authorization"]
        assert headers.token == (str(tokens[-1]).encode() if tokens else None)

    @pytest.mark.parametrize(
        ("item", "error"),
        [
            (("Upper", "x"), ValueError),
            (("grpc-status", "0"), ValueError),
            (("te", "x"), ValueError),
            (("a b", "x"), ValueError),
            (("a", "line\nbreak"), ValueError),
            (("a", "ä"), ValueError),
            (("a", b"bytes"), TypeError),
            (("a-bin", "text"), TypeError),
        ],
    )
    def test_what_grpc_forbids(self, item: tuple[str, str | bytes], error: type[Exception]) -> None:
        with pytest.raises(error):
            read_call_metadata([item])

    def test_several_binary_values_in_one_field(self) -> None:
        headers = HeaderSet(((b"a-bin", b"YQ==,Yg"), (b"a-bin", b"Yw"), (b"grpc-x", b"no")))
        assert decode_metadata(headers) == [("a-bin", b"a"), ("a-bin", b"b"), ("a-bin", b"c")]

    def test_binary_values_that_are_none(self) -> None:
        assert decode_metadata(HeaderSet(((b"a-bin", b"a"),))) == [("a-bin", b"")]


def response(*fields: tuple[bytes, bytes], status: bytes = b"200") -> HeaderSet:
    return HeaderSet(((b":status", status), *fields))


GRPC = (b"content-type", b"application/grpc")


class TestResponses:
    def test_a_good_one(self) -> None:
        head = read_response(response(GRPC, (b"grpc-encoding", b"gzip"), (b"a", b"b")))
        assert (head.encoding, list(head.metadata), head.error) == (b"gzip", [("a", "b")], None)

    def test_it_is_read_once(self) -> None:
        headers = response(GRPC)
        assert read_response(headers) is read_response(headers)

    @pytest.mark.parametrize(
        ("http", "status"),
        [
            (b"400", Status.INTERNAL),
            (b"401", Status.UNAUTHENTICATED),
            (b"403", Status.PERMISSION_DENIED),
            (b"404", Status.UNIMPLEMENTED),
            (b"429", Status.UNAVAILABLE),
            (b"502", Status.UNAVAILABLE),
            (b"503", Status.UNAVAILABLE),
            (b"504", Status.UNAVAILABLE),
            (b"418", Status.UNKNOWN),
        ],
    )
    def test_a_proxy_answers(self, http: bytes, status: Status) -> None:
        error = read_response(response(status=http)).error
        assert error is not None
        assert error.status is status
        assert http.decode() in str(error)

    def test_something_else_than_grpc(self) -> None:
        error = read_response(response((b"content-type", b"text/html"))).error
        assert error is not None
        assert "text/html" in str(error)

    def test_a_status_at_once(self) -> None:
        headers = response((b"content-type", b"text/html"), (b"grpc-status", b"5"), status=b"404")
        assert read_response(headers).error is None
        error = read_trailers(headers)
        assert error is not None
        assert error.status is Status.NOT_FOUND


class TestTrailers:
    def test_ok(self) -> None:
        headers = HeaderSet(((b"grpc-status", b"0"),))
        assert read_trailers(headers) is None
        assert read_trailers(headers) is None
        assert read_trailers(HeaderSet(((b"grpc-status", b"0"), (b"a", b"b")))) is None

    @pytest.mark.parametrize(
        ("code", "status"),
        [
            (b"5", Status.NOT_FOUND),
            (b"16", Status.UNAUTHENTICATED),
            (b"17", Status.UNKNOWN),
            (b"-1", Status.UNKNOWN),
            (b"x", Status.UNKNOWN),
            (b"", Status.UNKNOWN),
            (b"9" * 5000, Status.UNKNOWN),
        ],
    )
    def test_an_error(self, code: bytes, status: Status) -> None:
        fields = ((b"grpc-status", code), (b"grpc-message", b"a%20b%C3%A4%"), (b"c", b"d"))
        error = read_trailers(HeaderSet(fields))
        assert error is not None
        assert error.status is status
        assert error.received
        assert not error.unprocessed
        assert error.message == "a bä%"
        assert list(error.trailers) == [("c", "d")]

    def test_no_status(self) -> None:
        error = read_trailers(HeaderSet(()))
        assert error is not None
        assert error.status is Status.UNKNOWN
        assert not error.received


class TestHttpStatus:
    @pytest.mark.parametrize(
        ("http", "status", "received"),
        [
            (b"401", Status.UNAUTHENTICATED, True),
            (b"403", Status.PERMISSION_DENIED, True),
            (b"404", Status.UNIMPLEMENTED, True),
            (b"429", Status.UNAVAILABLE, False),
            (b"502", Status.UNAVAILABLE, False),
            (b"504", Status.UNAVAILABLE, False),
            (b"500", Status.UNKNOWN, False),
            (b"abc", Status.UNKNOWN, False),
        ],
    )
    def test_a_proxy_speaks(self, http: bytes, status: Status, received: bool) -> None:
        """Only a refusal is an answer: behind a 504, the gateway may have done the work."""
        error = read_response(HeaderSet(((b":status", http),))).error
        assert error is not None
        assert (error.status, error.received) == (status, received)


class TestResets:
    @pytest.mark.parametrize(
        ("code", "status", "unprocessed"),
        [
            (ErrorCode.REFUSED_STREAM, Status.UNAVAILABLE, True),
            (ErrorCode.CANCEL, Status.CANCELLED, False),
            (ErrorCode.ENHANCE_YOUR_CALM, Status.RESOURCE_EXHAUSTED, False),
            (ErrorCode.INADEQUATE_SECURITY, Status.PERMISSION_DENIED, False),
            (ErrorCode.INTERNAL_ERROR, Status.INTERNAL, False),
            (4711, Status.UNKNOWN, False),
        ],
    )
    def test_by_the_server(self, code: int, status: Status, unprocessed: bool) -> None:
        """No status of the call: a server may reset what it has processed."""
        error = error_of_reset(code, None)
        assert error.status is status
        assert (error.received, error.unprocessed) == (False, unprocessed)

    def test_by_us(self) -> None:
        error = error_of_reset(ErrorCode.PROTOCOL_ERROR, "it sent nonsense")
        assert error.status is Status.INTERNAL
        assert not error.received
        assert "it sent nonsense" in str(error)


def test_an_error_reads_well() -> None:
    assert str(RpcError(Status.NOT_FOUND, "no job")) == "NOT_FOUND: no job"
    assert str(RpcError(Status.NOT_FOUND)) == "NOT_FOUND"


def test_a_method_has_a_name() -> None:
    assert Method("/package.Service/CompleteJob", bytes, bytes).name == "CompleteJob"
