"""Protobuf's variable-length integers, and the skipping of fields that nobody knows.

A varint is little-endian in groups of seven bits; the top bit of each byte says that another one
follows. Reading functions take the position of the first byte and return the value and the
position after the last one; they raise IndexError where the data ends too early.
"""

_ONE_BYTE = [bytes((value,)) for value in range(128)]
_WRAP = 1 << 64
_SEVEN_GROUPS = 1 << 49
_EIGHT_GROUPS = 1 << 56


class DecodeError(ValueError):
    """Bytes that are no message of the type asked for: cut short, or not protobuf at all."""


def varint(value: int) -> bytes:
    """Write an integer; a negative one as 64-bit two's complement, ten bytes long.

    Raises ValueError below -2**63.
    """
    if 0 <= value < 128:
        return _ONE_BYTE[value]
    if _SEVEN_GROUPS <= value < _EIGHT_GROUPS:
        return _eight_byte_varint(value)
    if value < 0:
        if value < -_WRAP // 2:
            raise ValueError(f"{value} is below the smallest 64-bit integer")
        value += _WRAP
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _eight_byte_varint(value: int) -> bytes:
    # Keys that a gateway gives out (partition << 51 | counter) are this long, and each completion
    # carries one: the eight groups are spread at once, in half the time of the loop.
    value = value & 0xFFFFFFF | (value & 0xFFFFFFF0000000) << 4
    value = value & 0x00003FFF00003FFF | (value & 0x0FFFC0000FFFC000) << 2
    value = value & 0x007F007F007F007F | (value & 0x3F803F803F803F80) << 1
    return (value | 0x0080808080808080).to_bytes(8, "little")


def read_varint(data: bytes, pos: int, depth: int = 0) -> tuple[int, int]:
    """Read up to ten bytes, as they stand: the caller folds what is too large for its type."""
    # Four groups at a time, without a loop: arithmetic is slower beyond 30 bits.
    byte = data[pos]
    if byte < 128:
        return byte, pos + 1
    value = byte & 127
    byte = data[pos + 1]
    if byte < 128:
        return value | byte << 7, pos + 2
    value |= (byte & 127) << 7
    byte = data[pos + 2]
    if byte < 128:
        return value | byte << 14, pos + 3
    value |= (byte & 127) << 14
    byte = data[pos + 3]
    if byte < 128:
        return value | byte << 21, pos + 4
    value |= (byte & 127) << 21
    if depth < 2:
        high, end = read_varint(data, pos + 4, depth + 1)
        if end - pos <= 10:
            return value | high << 28, end
    raise DecodeError(f"byte {pos}: a varint of more than ten bytes")


def skip_field(data: bytes, pos: int, known: frozenset[int]) -> int:
    """Return the position after a field whose tag the caller didn't recognise.

    `known` are the tags that the caller does recognise in their shortest form, the only one that
    encoders write. Groups (wire types 3 and 4) are older than proto3 and refused.
    """
    tag, end = read_varint(data, pos)
    data[end]  # raises IndexError where the data ends inside the tag
    if tag in known:
        raise DecodeError(f"byte {pos}: tag {tag} is written longer than it need be")
    if tag < 8:
        raise DecodeError(f"byte {pos}: 0 is no field number")
    match tag & 7:
        case 0:
            return read_varint(data, end)[1]
        case 1:
            return end + 8
        case 2:
            size, end = read_varint(data, end)
            return end + size
        case 5:
            return end + 4
        case wire_type:
            raise DecodeError(f"byte {pos}: wire type {wire_type} is not supported")
