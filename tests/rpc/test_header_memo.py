"""Header blocks with a memory, against plain HPACK: the same result, whatever came before."""

from __future__ import annotations

import pytest
from hpack import Decoder, Encoder, HPACKError
from hypothesis import given, settings
from hypothesis import strategies as st

from zbtrio.rpc.header_memo import (
    MAX_REMEMBERED,
    MAX_REMEMBERED_BLOCK,
    FieldList,
    Fields,
    HeaderDecoder,
    HeaderEncoder,
    HeaderSet,
    literal,
)

NAMES = st.sampled_from([b":path", b":status", b"te", b"grpc-status", b"authorization", b"x-a"])
VALUES = st.one_of(
    st.sampled_from([b"", b"0", b"200", b"trailers"]),
    st.binary(max_size=20),
    st.integers(1, 40).map(lambda size: b"v" * (size * 100)),
)
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=6).map(tuple)
SIZES = st.sampled_from([0, 1, 100, 1000, 4096, 65_536])


def plain(fields: object) -> Fields:
    return tuple((bytes(name), bytes(value)) for name, value in fields)  # type: ignore[attr-defined]


@settings(deadline=None)
@given(
    lists=st.lists(FIELDS, min_size=1, max_size=5),
    steps=st.lists(st.one_of(st.integers(0, 4), SIZES.map(lambda size: ("resize", size)))),
)
def test_blocks_mean_what_was_encoded(lists: list[Fields], steps: list[object]) -> None:
    """Lists come again in any order, with table changes between: a plain decoder reads them."""
    encoder, decoder = HeaderEncoder(), Decoder()
    known = [FieldList(*fields) for fields in lists]
    for step in steps:
        if isinstance(step, tuple):
            encoder.resize(step[1])
            decoder.max_allowed_table_size = min(step[1], 4096)
        else:
            headers = known[step % len(known)]
            assert plain(decoder.decode(encoder.encode(headers), raw=True)) == headers.fields


@settings(deadline=None)
@given(
    lists=st.lists(FIELDS, min_size=1, max_size=5),
    steps=st.lists(st.one_of(st.integers(0, 4), SIZES.map(lambda size: ("resize", size)))),
)
def test_blocks_are_read_as_they_are(lists: list[Fields], steps: list[object]) -> None:
    """A plain encoder writes, with its own choice of what to index."""
    encoder, decoder = Encoder(), HeaderDecoder(1_000_000)
    for step in steps:
        if isinstance(step, tuple):
            encoder.header_table_size = min(step[1], 4096)
        else:
            fields = lists[step % len(lists)]
            assert decoder.decode(encoder.encode(list(fields))).fields == fields


@settings(deadline=None)
@given(lists=st.lists(FIELDS), literals=st.lists(st.tuples(NAMES, st.binary(max_size=300))))
def test_literals_behind_a_block(lists: list[Fields], literals: list[tuple[bytes, bytes]]) -> None:
    encoder, decoder = HeaderEncoder(), HeaderDecoder(1_000_000)
    tail = b"".join(literal(name, value) for name, value in literals)
    for fields in lists:
        block = encoder.encode(FieldList(*fields)) + tail
        assert decoder.decode(block).fields == (*fields, *literals)


@pytest.mark.parametrize("size", [0, 1, 126, 127, 128, 254, 255, 16_510, 16_511, 100_000])
def test_the_length_of_a_literal(size: int) -> None:
    (field,) = Decoder(1_000_000).decode(literal(b"name", bytes(size)), raw=True)
    assert plain([field]) == ((b"name", bytes(size)),)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=8))
def test_arbitrary_blocks_give_what_plain_hpack_gives(blocks: list[bytes]) -> None:
    ours, theirs = HeaderDecoder(65_536), Decoder()
    for block in blocks:
        try:
            expected = plain(theirs.decode(block, raw=True))
        except HPACKError:
            with pytest.raises(HPACKError):
                ours.decode(block)
            return
        assert ours.decode(block).fields == expected


class TestEncoderMemory:
    def test_a_list_is_computed_twice_at_most(self, monkeypatch: pytest.MonkeyPatch) -> None:
        encoder = HeaderEncoder()
        headers = FieldList((b"a", b"b"), (b"c", b"d"))
        encoder.encode(headers)
        block = encoder.encode(headers)
        assert len(block) == 2  # indexes only
        monkeypatch.setattr(encoder, "_encode_new", lambda _: pytest.fail("computed again"))
        assert encoder.encode(headers) == block

    def test_an_insertion_moves_every_index(self) -> None:
        encoder, decoder = HeaderEncoder(), Decoder()
        first, second = FieldList((b"a", b"b")), FieldList((b"c", b"d"))
        for headers in (first, first, second, first, second, second, first):
            assert plain(decoder.decode(encoder.encode(headers), raw=True)) == headers.fields

    def test_a_large_token_stays_out_of_the_table(self) -> None:
        encoder = HeaderEncoder()
        path = FieldList((b":path", b"/a/b"), (b"authorization", b"x" * 2000))
        for _ in range(2):
            encoder.encode(path)
        assert len(encoder._table.dynamic_entries) == 1
        assert path in encoder._known

    def test_a_small_token_is_indexed(self) -> None:
        encoder = HeaderEncoder()
        headers = FieldList((b"authorization", b"x" * 900))
        encoder.encode(headers)
        assert len(encoder.encode(headers)) == 1

    def test_a_peer_without_a_table_is_remembered_too(self) -> None:
        encoder, decoder = HeaderEncoder(), Decoder()
        encoder.resize(0)
        decoder.max_allowed_table_size = 0
        headers = FieldList((b":method", b"POST"), (b":path", b"/a/b"), (b"a", b"b"))
        for _ in range(3):
            assert plain(decoder.decode(encoder.encode(headers), raw=True)) == headers.fields
        assert headers in encoder._known

    def test_a_size_announced_twice_is_still_announced(self) -> None:
        encoder, decoder = HeaderEncoder(), Decoder()
        encoder.encode(FieldList((b"a", b"b")))
        encoder.resize(100)
        encoder.resize(100)
        decoder.max_allowed_table_size = 100  # it insists on the announcement
        decoder.decode(encoder.encode(FieldList((b"c", b"d"))))
        assert decoder.header_table_size == 100

    def test_a_size_is_announced_once(self) -> None:
        encoder = HeaderEncoder()
        encoder.resize(0)
        headers = FieldList((b":method", b"POST"))
        assert encoder.encode(headers) == b"\x20\x83"
        assert encoder.encode(headers) == b"\x83"

    def test_it_is_bounded(self) -> None:
        encoder = HeaderEncoder()
        for _ in range(3 * MAX_REMEMBERED):
            encoder.encode(FieldList((b":method", b"POST")))
        assert len(encoder._known) <= MAX_REMEMBERED
        assert encoder._known  # the newest have their place


class TestDecoderMemory:
    def test_a_block_that_comes_again_is_the_same_object(self) -> None:
        decoder = HeaderDecoder(65_536)
        assert decoder.decode(b"\x83") is decoder.decode(b"\x83")

    def test_an_insertion_makes_it_forget(self) -> None:
        encoder, decoder = Encoder(), HeaderDecoder(65_536)
        decoder.decode(encoder.encode([(b"a", b"b")]))
        block = encoder.encode([(b"a", b"b")])
        before = decoder.decode(block)
        decoder.decode(encoder.encode([(b"c", b"d")]))
        assert decoder.decode(block).fields == ((b"c", b"d"),)
        assert before.fields == ((b"a", b"b"),)

    def test_a_size_update_makes_it_forget(self) -> None:
        encoder, decoder = Encoder(), HeaderDecoder(65_536)
        decoder.decode(encoder.encode([(b"a", b"b")]))
        block = encoder.encode([(b"a", b"b")])
        decoder.decode(block)
        decoder.decode(b"\x20")  # the table is emptied
        with pytest.raises(HPACKError):
            decoder.decode(block)

    def test_it_is_bounded(self) -> None:
        decoder = HeaderDecoder(65_536)
        for number in range(3 * MAX_REMEMBERED):
            decoder.decode(literal(b"a", b"%d" % number))
        assert 0 < len(decoder._known) <= MAX_REMEMBERED
        large = literal(b"a", bytes(MAX_REMEMBERED_BLOCK))
        assert decoder.decode(large) is not decoder.decode(large)


def test_a_header_set_gives_the_first_value() -> None:
    headers = HeaderSet(((b"a", b"1"), (b"a", b"2")))
    assert headers.get(b"a") == b"1"
    assert headers.get(b"b") is None
