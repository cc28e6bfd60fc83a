"""The order in which Zeebe goes through a context's entries.

A context of up to four entries keeps the order in which they were written. A larger one is a hash
map in Zeebe's evaluator, and its order shows: in `get entries`, in `string(context)`, in warnings
that list keys. It is the order of a tree whose nodes branch by five bits of the key's hash, a
node's own entries before its branches.
"""

from __future__ import annotations

from collections.abc import Collection

_KEPT = 4
_BITS = 5
_MASK = 0xFFFFFFFF


def ordered(keys: Collection[str]) -> list[str]:
    """The keys in the order in which Zeebe goes through them."""
    if len(keys) <= _KEPT:
        return list(keys)
    return _walk([(_mixed(_java_hash(key)), key) for key in keys], 0)


def _walk(hashed: list[tuple[int, str]], shift: int) -> list[str]:
    branches: dict[int, list[tuple[int, str]]] = {}
    for entry in hashed:
        branches.setdefault((entry[0] >> shift) & 31, []).append(entry)
    in_order = [branches[branch] for branch in sorted(branches)]
    result = [group[0][1] for group in in_order if len(group) == 1]
    for group in in_order:
        if len(group) > 1:
            collided = shift >= 32 or len({code for code, _ in group}) == 1
            result += [key for _, key in group] if collided else _walk(group, shift + _BITS)
    return result


def _java_hash(text: str) -> int:
    code = 0
    units = text.encode("utf-16-be", "surrogatepass")
    for high, low in zip(units[::2], units[1::2], strict=True):
        code = (31 * code + (high << 8 | low)) & _MASK
    return code


def _mixed(code: int) -> int:
    """Scala's improvement of a hash, so that low bits differ."""
    code = (code + ~(code << 9)) & _MASK
    code ^= code >> 14
    code = (code + (code << 4)) & _MASK
    return code ^ (code >> 10)
