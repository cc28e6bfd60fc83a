"""JSON documents of variables, in and out, as strictly and as leniently as Zeebe reads them.

Zeebe takes an empty text and `null` as no variables, single quotes for double ones, and ignores
what follows the document. Integers may have 64 bits; a number too large for a double is infinite,
which comes back as the text "Infinity".
"""

from __future__ import annotations

import json
import math
import re
from typing import TypeAlias, cast

import msgspec

from .rejection import Rejection

Document: TypeAlias = dict[str, object]

_DECODE = msgspec.json.Decoder().decode
_ENCODE = msgspec.json.Encoder().encode
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1
_KINDS: dict[type, str] = {
    bool: "BOOLEAN",
    int: "INTEGER",
    float: "FLOAT",
    str: "STRING",
    list: "ARRAY",
}
_LONG_INTEGER = re.compile(r"\d{19}")
_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'((?:[^'\\]|\\.)*)'", re.DOTALL)
_TOKEN = re.compile(r"[A-Za-z0-9_$]*")


def read_document(text: str) -> Document:
    """The variables in a JSON document; raises Rejection."""
    if not text:
        return {}
    try:
        document = _DECODE(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        document = _read_leniently(text)
    if _LONG_INTEGER.search(text):
        _check_integers(document)
    if document is None:
        return {}
    if not isinstance(document, dict):
        kind = _KINDS[type(document)]
        wrong = f"Expected document to be a root level object, but was '{kind}'"
        raise Rejection("INVALID_ARGUMENT", f"Property 'variables' is invalid: {wrong}")
    return cast("Document", document)


def write_json(value: object) -> str:
    """A variable, or an object of them, as JSON."""
    return _ENCODE(value).decode()


def _read_leniently(text: str) -> object:
    plain = _QUOTED.sub(_double_quoted, text.strip())
    decoder = json.JSONDecoder(parse_float=_read_float, parse_constant=_refuse_constant)
    try:
        return _without_surrogates(decoder.raw_decode(plain)[0])
    except json.JSONDecodeError as error:
        raise _invalid(text, error.lineno, _column(plain, error)) from None
    except _ConstantError as error:
        at = plain.index(error.constant) + len(error.constant) + 1
        raise _invalid(text, 1, at) from None
    except RecursionError:
        raise _invalid(text, 1, 1) from None


def _without_surrogates(value: object) -> object:
    """Halves of a surrogate pair, which UTF-8 can't hold, become question marks."""
    return json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))


class _ConstantError(Exception):
    def __init__(self, constant: str) -> None:
        self.constant = constant


def _refuse_constant(constant: str) -> float:
    raise _ConstantError(constant)


def _read_float(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else ("-Infinity" if number < 0 else "Infinity")


def _double_quoted(match: re.Match[str]) -> str:
    single = match[1]
    if single is None:
        return match[0]
    return '"' + single.replace('"', '\\"').replace("\\'", "'") + '"'


def _column(text: str, error: json.JSONDecodeError) -> int:
    """Where Zeebe's parser stops: behind a word it doesn't know, at any other character."""
    word = _TOKEN.match(text, error.pos)
    at_value = error.msg == "Expecting value"
    return error.colno + (len(word[0]) if word and at_value else 0)


def _invalid(text: str, line: int, column: int) -> Rejection:
    where = "[Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled);"
    at = f"at {where} line: {line}, column: {column}]"
    return Rejection("INVALID_ARGUMENT", f"Invalid JSON value: {text}\n {at}")


def _check_integers(value: object) -> None:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            stack.extend(cast("Document", item).values())
        elif isinstance(item, list):
            stack.extend(cast("list[object]", item))
        elif isinstance(item, int) and not _SMALLEST <= item <= _LARGEST:
            raise Rejection(
                "INVALID_ARGUMENT", "MessagePack cannot serialize BigInteger larger than 2^64-1"
            )
