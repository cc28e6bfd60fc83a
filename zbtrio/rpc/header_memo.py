"""HPACK with a memory: a header block seen before is looked up, not computed.

gRPC sends the same few header lists again and again, so after the first calls a block is a pure
function of the dynamic table: every field is an index. Encoding or decoding such a block leaves
the table alone, and its result may be kept until the table changes. Any insertion or size change
empties the memory, because every index has moved.

The trap is a header that differs on each call (grpc-timeout): indexed, it would insert into the
table on every call and the memory would never be warm. Such fields are written by hand as
literals without indexing (RFC 7541 section 6.2.2, `literal`) behind the remembered block.
"""

from __future__ import annotations

from typing import Any

from hpack import Decoder, Encoder
from hpack.table import HeaderTable, table_entry_size

MAX_REMEMBERED = 256
MAX_REMEMBERED_BLOCK = 4096
NAMES_KEPT_OUT_WHEN_LARGE = frozenset({b"authorization", b"cookie"})

Fields = tuple[tuple[bytes, bytes], ...]


class FieldList:
    """A header list to send, often: compared by identity, so that finding its block costs one
    look-up.
    """

    __slots__ = ("fields",)

    def __init__(self, *fields: tuple[bytes, bytes]) -> None:
        self.fields: Fields = fields

    def __repr__(self) -> str:
        return f"FieldList({', '.join(name.decode() for name, _ in self.fields)})"


class HeaderSet:
    """A received header list.

    Blocks that come again share one HeaderSet, so what was worked out for it stays with it:
    `fault` and `content_length`, which header_rules finds, and `meaning`, the reader's own
    interpretation. `checked` is the rule that has looked at it.
    """

    __slots__ = ("checked", "content_length", "fault", "fields", "meaning")

    def __init__(self, fields: Fields) -> None:
        self.fields = fields
        self.checked: object = None
        self.fault: str | None = None
        self.content_length: int | None = None
        self.meaning: Any = None

    def get(self, name: bytes) -> bytes | None:
        """Return the first value of a field, None if absent."""
        return next((value for key, value in self.fields if key == name), None)


class _WatchedTable(HeaderTable):
    """HPACK's table, counting what makes remembered blocks wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.changes = 0

    def add(self, name: bytes, value: bytes) -> None:
        self.changes += 1
        super().add(name, value)

    @property
    def maxsize(self) -> int:
        return self._maxsize

    @maxsize.setter
    def maxsize(self, newmax: int) -> None:
        self.changes += 1
        HeaderTable.maxsize.__set__(self, newmax)


class HeaderEncoder:
    """Turns header lists into blocks for one connection."""

    def __init__(self) -> None:
        self._table = _WatchedTable()
        self._encoder = Encoder()
        self._encoder.header_table = self._table
        self._known: dict[FieldList, bytes] = {}

    def resize(self, size: int) -> None:
        """Obey the peer's SETTINGS_HEADER_TABLE_SIZE (bytes); more than HPACK's default is not
        used.
        """
        size = min(size, HeaderTable.DEFAULT_SIZE)
        if size == self._table.maxsize:
            return  # hpack would take back the announcement of a change that is not sent yet
        self._encoder.header_table_size = size
        self._known.clear()
        changes = self._encoder.table_size_changes
        changes[:] = sorted({min(changes), size})  # the smallest and the last (RFC 7541, 4.2)

    def encode(self, headers: FieldList) -> bytes:
        """Return the header block of `headers`."""
        block = self._known.get(headers)
        if block is None:
            block = self._encode_new(headers)
        return block

    def _encode_new(self, headers: FieldList) -> bytes:
        resized, before = self._table.resized, self._table.changes
        room = self._table.maxsize
        block = self._encoder.encode(
            [(name, value, _keep_out(name, value, room)) for name, value in headers.fields]
        )
        if self._table.changes != before or len(self._known) >= MAX_REMEMBERED:
            self._known.clear()
        if self._table.changes == before and not resized:
            self._known[headers] = block
        return block


def _keep_out(name: bytes, value: bytes, room: int) -> bool:
    """A field that fills the table would push everything else out of it, a token again at each
    refresh.
    """
    limit = room // 4 if name in NAMES_KEPT_OUT_WHEN_LARGE else room
    return table_entry_size(name, value) > limit


class HeaderDecoder:
    """Turns header blocks into header sets for one connection; raises hpack.HPACKError."""

    def __init__(self, max_header_list_size: int) -> None:
        self._table = _WatchedTable()
        self._decoder = Decoder(max_header_list_size)
        self._decoder.header_table = self._table
        self._known: dict[bytes, HeaderSet] = {}

    def decode(self, block: bytes) -> HeaderSet:
        """Return the header set of `block`; a block known from before gives the same object."""
        known = self._known.get(block)
        return known if known is not None else self._decode_new(block)

    def _decode_new(self, block: bytes) -> HeaderSet:
        before = self._table.changes
        fields = self._decoder.decode(block, raw=True)
        headers = HeaderSet(tuple((bytes(name), bytes(value)) for name, value in fields))
        if self._table.changes != before or len(self._known) >= MAX_REMEMBERED:
            self._known.clear()
        if self._table.changes == before and len(block) <= MAX_REMEMBERED_BLOCK:
            self._known[block] = headers
        return headers


def literal(name: bytes, value: bytes) -> bytes:
    """Return one field as a literal without indexing and without Huffman code (RFC 7541 section
    6.2.2).
    """
    return b"\x00" + _string(name) + _string(value)


def _string(text: bytes) -> bytes:
    length = len(text)
    if length < 127:
        return bytes((length,)) + text
    rest, octets = length - 127, bytearray(b"\x7f")
    while rest >= 128:
        octets.append((rest & 127) | 128)
        rest >>= 7
    octets.append(rest)
    return bytes(octets) + text
