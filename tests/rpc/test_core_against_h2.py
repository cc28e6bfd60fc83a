"""The core against h2, an independent implementation: as its peer, and as judge of what it sends.

Hypothesis writes conversations: both sides open, answer, send, reset, change windows and tables,
and the bytes travel in any cut. h2 raises when our side breaks a rule; what either side reports
must be what the other one sent.
"""

from __future__ import annotations

from typing import Any

from attrs import define, field
from h2 import events as h2_events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.rpc.core import REQUEST_FIELDS, RESPONSE_FIELDS, TRAILER_FIELDS
from zbtrio.rpc import frames
from zbtrio.rpc.frames import ErrorCode
from zbtrio.rpc.header_memo import FieldList, Fields, literal
from zbtrio.rpc.http2 import Http2Connection, Stream

EXTRA = st.lists(
    st.tuples(
        st.sampled_from([b"x-a", b"authorization", b"grpc-timeout", b"x-long-bin"]),
        st.sampled_from([b"1", b"2", b"3", b"token-" * 100, b"x" * 3000]),
    ),
    max_size=2,
).map(tuple)
SIZES = st.sampled_from([0, 1, 100, 16_384, 16_385, 40_000, 100_000])


@define(eq=False)
class Half:
    """One direction of a stream: what was sent, what has arrived."""

    headers: list[Fields] = field(factory=list)
    body: bytearray = field(factory=bytearray)
    ended: bool = False
    seen_headers: list[Fields] = field(factory=list)
    seen_body: bytearray = field(factory=bytearray)
    seen_end: bool = False


@define(eq=False)
class Talk:
    """One stream. `dead`: either side has reset it, so what is on its way may not arrive."""

    id: int
    ours: Half = field(factory=Half)
    theirs: Half = field(factory=Half)
    stream: Stream | None = None
    dead: bool = False

    @property
    def over(self) -> bool:
        return self.dead or (self.ours.ended and self.theirs.ended)


class Conversation(RuleBasedStateMachine):
    """Our core and h2, with two wires between them."""

    @initialize(client=st.booleans(), table=st.booleans())
    def connect(self, client: bool, table: bool) -> None:
        self.client = client
        self.core = Http2Connection(client=client, stream_window=80_000, connection_window=100_000)
        configuration = H2Configuration(client_side=not client, header_encoding=None)
        self.h2 = H2Connection(configuration)
        self.h2.initiate_connection()
        self.settings_on_their_way = True
        self.to_h2 = self.to_us = b""
        self.talks: dict[int, Talk] = {}
        self.settle()
        if not table:
            self.change_settings({SettingCodes.HEADER_TABLE_SIZE: 0})

    # The wires

    def collect(self) -> None:
        self.to_h2 += self.core.data_to_send()
        self.to_us += self.h2.data_to_send()

    @rule(size=st.integers(1, 50_000))
    def carry_to_h2(self, size: int) -> None:
        self.collect()
        data, self.to_h2 = self.to_h2[:size], self.to_h2[size:]
        for event in self.h2.receive_data(data):
            self.h2_saw(event)

    @rule(size=st.integers(1, 50_000))
    def carry_to_us(self, size: int) -> None:
        self.collect()
        data, self.to_us = self.to_us[:size], self.to_us[size:]
        for event in self.core.receive_data(data):
            self.we_saw(event)

    def settle(self) -> None:
        self.collect()
        while self.to_h2 or self.to_us:
            self.carry_to_h2(1_000_000)
            self.carry_to_us(1_000_000)
            self.collect()

    def h2_saw(self, event: Any) -> None:
        if isinstance(event, h2_events.SettingsAcknowledged):
            self.settings_on_their_way = False
        talk = self.talks.get(getattr(event, "stream_id", None) or 0)
        if talk is None:
            return
        if isinstance(
            event,
            h2_events.RequestReceived | h2_events.ResponseReceived | h2_events.TrailersReceived,
        ):
            talk.ours.seen_headers.append(tuple(tuple(pair) for pair in event.headers))
        elif isinstance(event, h2_events.DataReceived):
            talk.ours.seen_body += event.data
            self.h2.acknowledge_received_data(event.flow_controlled_length, talk.id)
        elif isinstance(event, h2_events.StreamEnded):
            talk.ours.seen_end = True
        elif isinstance(event, h2_events.StreamReset):
            talk.dead = True

    def we_saw(self, event: frames.Event) -> None:
        assert not isinstance(event, frames.ConnectionFailed), event.error
        if not hasattr(event, "stream"):
            return
        talk = self.talks[event.stream.id]
        talk.stream = event.stream
        if isinstance(event, frames.HeadersReceived):
            talk.theirs.seen_headers.append(event.headers.fields)
            talk.theirs.seen_end |= event.ended
        elif isinstance(event, frames.DataReceived):
            talk.theirs.seen_body += event.data
            talk.theirs.seen_end |= event.ended
            self.core.give_credit(event.stream, event.size)
        elif isinstance(event, frames.StreamReset):
            assert event.fault is None
            talk.dead = True

    # What the two do

    def pick(self, index: int, *, live: bool = True) -> Talk | None:
        found = [talk for talk in self.talks.values() if not (live and talk.over)]
        return found[index % len(found)] if found else None

    @rule(extra=EXTRA, literals=EXTRA)
    def open(self, extra: Fields, literals: Fields) -> None:
        if self.client:
            tail = b"".join(literal(*pair) for pair in literals)
            stream = self.core.open_stream(FieldList(*REQUEST_FIELDS, *extra), tail)
            talk = self.talks[stream.id] = Talk(stream.id, stream=stream)
            talk.ours.headers.append((*REQUEST_FIELDS, *extra, *literals))
        else:
            id = self.h2.get_next_available_stream_id()
            self.h2.send_headers(id, [*REQUEST_FIELDS, *extra])
            self.talks[id] = talk = Talk(id)
            talk.theirs.headers.append((*REQUEST_FIELDS, *extra))

    @rule(index=st.integers(0, 9), extra=EXTRA)
    def we_answer(self, index: int, extra: Fields) -> None:
        talk = self.pick(index)
        if talk and talk.stream and not self.client and not talk.ours.headers:
            self.core.send_headers(talk.stream, FieldList(*RESPONSE_FIELDS, *extra))
            talk.ours.headers.append((*RESPONSE_FIELDS, *extra))

    @rule(index=st.integers(0, 9), extra=EXTRA)
    def they_answer(self, index: int, extra: Fields) -> None:
        talk = self.pick(index)
        if talk and self.client and talk.ours.seen_headers and not talk.theirs.headers:
            self.h2.send_headers(talk.id, [*RESPONSE_FIELDS, *extra])
            talk.theirs.headers.append((*RESPONSE_FIELDS, *extra))

    @rule(index=st.integers(0, 9), size=SIZES, end=st.booleans())
    def we_send(self, index: int, size: int, end: bool) -> None:
        talk = self.pick(index)
        if talk and talk.stream and talk.ours.headers and not talk.ours.ended:
            body = bytes([len(talk.ours.body) % 256]) * size
            self.core.send_data(talk.stream, body, end_stream=end)
            talk.ours.body += body
            talk.ours.ended = end

    @rule(index=st.integers(0, 9))
    def we_send_trailers(self, index: int) -> None:
        talk = self.pick(index)
        if not talk or not talk.stream or not talk.ours.headers or talk.ours.ended:
            return
        if not self.client and not talk.stream.waiting:
            self.core.send_headers(talk.stream, FieldList(*TRAILER_FIELDS), end_stream=True)
            talk.ours.headers.append(TRAILER_FIELDS)
            talk.ours.ended = True

    @rule(index=st.integers(0, 9), size=SIZES, end=st.booleans(), pad=st.sampled_from([None, 0, 9]))
    def they_send(self, index: int, size: int, end: bool, pad: int | None) -> None:
        talk = self.pick(index)
        if not talk or not talk.theirs.headers or talk.theirs.ended:
            return
        window = self.h2.local_flow_control_window(talk.id)
        size = min(size, window - 10, self.h2.max_outbound_frame_size - 10)
        if size >= 0:
            body = bytes([len(talk.theirs.body) % 256]) * size
            self.h2.send_data(talk.id, body, end_stream=end, pad_length=pad)
            talk.theirs.body += body
            talk.theirs.ended = end

    @rule(index=st.integers(0, 9))
    def they_send_trailers(self, index: int) -> None:
        talk = self.pick(index)
        if talk and self.client and talk.theirs.headers and not talk.theirs.ended:
            self.h2.send_headers(talk.id, list(TRAILER_FIELDS), end_stream=True)
            talk.theirs.headers.append(TRAILER_FIELDS)
            talk.theirs.ended = True

    @rule(index=st.integers(0, 9))
    def we_reset(self, index: int) -> None:
        talk = self.pick(index, live=False)
        if talk and talk.stream:
            self.core.reset_stream(talk.stream, ErrorCode.CANCEL)
            talk.dead = True

    @rule(index=st.integers(0, 9))
    def they_reset(self, index: int) -> None:
        talk = self.pick(index)
        if talk and (talk.theirs.headers or talk.ours.seen_headers):
            self.h2.reset_stream(talk.id, ErrorCodes.CANCEL)
            talk.dead = True

    @rule(
        name=st.sampled_from([SettingCodes.INITIAL_WINDOW_SIZE, SettingCodes.HEADER_TABLE_SIZE]),
        value=st.sampled_from([0, 100, 4096, 65_535, 200_000]),
    )
    def they_change_settings(self, name: SettingCodes, value: int) -> None:
        self.change_settings({name: value})

    def change_settings(self, changes: dict[SettingCodes, int]) -> None:
        if not self.settings_on_their_way:  # h2 takes one acknowledgement for all that are
            self.settings_on_their_way = True
            self.h2.update_settings(changes)

    @rule()
    def ping(self) -> None:
        self.core.send_ping(b"\0" * 8)
        self.h2.ping(b"\1" * 8)

    @rule()
    def we_ask_for_an_acknowledgement(self) -> None:
        self.core.send_settings({})

    # What holds

    @invariant()
    @precondition(lambda self: hasattr(self, "talks"))
    def nothing_arrives_that_was_not_sent(self) -> None:
        for talk in self.talks.values():
            for half in (talk.ours, talk.theirs):
                assert half.seen_headers == half.headers[: len(half.seen_headers)]
                assert half.body.startswith(half.seen_body)
                assert half.ended or not half.seen_end

    def teardown(self) -> None:
        if not hasattr(self, "talks"):
            return
        self.settle()
        self.change_settings({SettingCodes.INITIAL_WINDOW_SIZE: 1_000_000})
        self.settle()
        for talk in self.talks.values():
            if talk.dead:
                continue
            for half in (talk.ours, talk.theirs):
                assert half.seen_headers == half.headers
                assert half.seen_body == half.body
                assert half.seen_end == half.ended
        live = {talk.id for talk in self.talks.values() if not talk.over}
        assert set(self.core.streams) == live
        assert not self.core._blocked


TestConversations = Conversation.TestCase
TestConversations.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
