"""Texts. Positions and lengths count UTF-16 units, as Java does."""

from __future__ import annotations

import base64
import re
import uuid
from decimal import Decimal

from zbtrio.devgateway.feel.errors import Crash, FunctionFailure
from zbtrio.devgateway.feel.values import Value

from .java_regex import compile_java, replace_all, split
from .library import Library

strings = Library()


def _units(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass")


def _slice(text: str, start: int, end: int | None = None) -> str:
    units = _units(text)
    length = len(units) // 2
    stop = length if end is None else end
    if not 0 <= start <= stop <= length:
        raise Crash(
            f"java.lang.StringIndexOutOfBoundsException: Range [{start}, {stop}) out of bounds"
            f" for length {length}"
        )
    return units[start * 2 : stop * 2].decode("utf-16-le", "surrogatepass")


def _index(text: str, position: Decimal) -> int:
    number = int(position)
    return number - 1 if number > 0 else len(_units(text)) // 2 + number


def _compiled(pattern: str, flags: str = "") -> re.Pattern[str]:
    try:
        return compile_java(pattern, flags)
    except (re.error, OverflowError, RecursionError):
        raise FunctionFailure(f"Invalid pattern '{pattern}'") from None


@strings.define("substring(string: string, start position: number)")
def substring(string: str, start: Decimal) -> Value:
    return _slice(string, _index(string, start))


@strings.define("substring(string: string, start position: number, length: number)")
def substring_of_length(string: str, start: Decimal, length: Decimal) -> Value:
    first = _index(string, start)
    return _slice(string, first, min(first + int(length), len(_units(string)) // 2))


@strings.define("string length(string: string)")
def string_length(string: str) -> Value:
    return Decimal(len(_units(string)) // 2)


@strings.define("upper case(string: string)")
def upper_case(string: str) -> Value:
    return string.upper()


@strings.define("lower case(string: string)")
def lower_case(string: str) -> Value:
    return string.lower()


@strings.define("substring before(string: string, match: string)")
def substring_before(string: str, match: str) -> Value:
    before, found, _ = string.partition(match) if match else ("", "", "")
    return before if found else ""


@strings.define("substring after(string: string, match: string)")
def substring_after(string: str, match: str) -> Value:
    return string.partition(match)[2] if match else string


@strings.define("replace(input: string, pattern: string, replacement: string)")
def replace(text: str, pattern: str, replacement: str) -> Value:
    return replace_with_flags(text, pattern, replacement, "")


@strings.define("replace(input: string, pattern: string, replacement: string, flags: string)")
def replace_with_flags(text: str, pattern: str, replacement: str, flags: str) -> Value:
    compiled = _compiled(pattern, flags)
    try:
        return replace_all(compiled, text, replacement)
    except (re.error, IndexError):
        raise FunctionFailure(f"Invalid pattern '{pattern}'") from None


@strings.define("contains(string: string, match: string)")
def contains(string: str, match: str) -> Value:
    return match in string


@strings.define("starts with(string: string, match: string)")
def starts_with(string: str, match: str) -> Value:
    return string.startswith(match)


@strings.define("ends with(string: string, match: string)")
def ends_with(string: str, match: str) -> Value:
    return string.endswith(match)


@strings.define("matches(input: string, pattern: string)")
def matches(text: str, pattern: str) -> Value:
    return _compiled(pattern).search(text) is not None


@strings.define("matches(input: string, pattern: string, flags: string)")
def matches_with_flags(text: str, pattern: str, flags: str) -> Value:
    return _compiled(pattern, flags).search(text) is not None


@strings.define("split(string: string, delimiter: string)")
def split_string(string: str, delimiter: str) -> Value:
    try:
        return [*split(compile_java(delimiter), string)]
    except (re.error, OverflowError, RecursionError):
        raise FunctionFailure(f"Invalid pattern for delimiter '{delimiter}'") from None


@strings.define("extract(input: string, pattern: string)")
def extract(text: str, pattern: str) -> Value:
    return [match[0] for match in _compiled(pattern).finditer(text)]


@strings.define("trim(string: string)")
def trim(string: str) -> Value:
    return string.strip("".join(map(chr, range(33))))


@strings.define("uuid()")
def random_uuid() -> Value:
    return str(uuid.uuid4())


@strings.define("to base64(value: string)")
def to_base64(value: str) -> Value:
    return base64.b64encode(value.encode("utf-8", "replace")).decode()
