"""Java's regular expressions by Python's: what differs in their writing is rewritten.

Sets within sets and their intersections (`[a-z&&[^b]]`) are not supported: such a pattern counts
as invalid, as does an unknown class.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache

# What stands inside the brackets of a set.
_CLASSES = {
    "ASCII": r"\x00-\x7f",
    "Alnum": "a-zA-Z0-9",
    "Alpha": "a-zA-Z",
    "Blank": r" \t",
    "Digit": "0-9",
    "Graph": "!-~",
    "Lower": "a-z",
    "Print": " -~",
    "Punct": r"!-/:-@\[-`{-\~",
    "Space": r" \t\n\x0b\f\r",
    "Upper": "A-Z",
    "XDigit": "0-9a-fA-F",
}
_CATEGORIES = {"IsAlphabetic": "L", "IsLetter": "L", "IsDigit": "Nd", "IsPunctuation": "P"}
_FLAGS = {"s": re.DOTALL, "m": re.MULTILINE, "i": re.IGNORECASE, "x": re.VERBOSE}
_PIECE = re.compile(
    r"\\Q(?P<literal>.*?)(?:\\E|$)"
    r"|(?P<set>\[\^?\]?(?:\\.|[^\]\\])*\])"
    r"|\\p(?:\{(?P<class>\w+)\}|(?P<letter>[A-Z]))"
    r"|\\(?P<blank>h)|\\(?P<end>z)"
    r"|\\k<(?P<backreference>\w+)>"
    r"|\\."
    r"|\(\?<(?P<group>[A-Za-z]\w*)>",
    re.DOTALL,
)
_IN_SET = re.compile(
    r"\\p(?:\{(?P<class>\w+)\}|(?P<letter>[A-Z]))|\\h|\\.|(?P<sign>[\[&|~-])", re.S
)
_REFERENCE = re.compile(r"\\(?P<escaped>.)|\$(?P<number>\d+)|\$\{(?P<name>\w+)\}|\$|\\", re.DOTALL)


def compile_java(pattern: str, flags: str = "") -> re.Pattern[str]:
    """The pattern for Python; raises re.error for one that isn't understood.

    Args:
        pattern: in Java's syntax.
        flags: any of the letters s, m, i and x; others are ignored.
    """
    options = re.ASCII
    for letter in flags:
        options |= _FLAGS.get(letter, re.RegexFlag(0))
    return re.compile(_PIECE.sub(_rewritten, pattern), options)


def _rewritten(match: re.Match[str]) -> str:
    if match["literal"] is not None:
        return re.escape(match["literal"])
    if match["set"] is not None:
        return _rewritten_set(match["set"])
    if match["blank"] or match["end"]:
        return r"[ \t\xa0]" if match["blank"] else r"\Z"
    if match["group"]:
        return f"(?P<{match['group']}>"
    if match["backreference"]:
        return f"(?P={match['backreference']})"
    name = match["class"] or match["letter"]
    return match[0] if name is None else f"[{_class(name)}]"


def _rewritten_set(text: str) -> str:
    opening = 2 if text.startswith("[^") else 1
    if "&&" in text or "[" in text[opening:].replace("\\[", ""):
        raise re.error("sets in sets are not supported")
    return text[:opening] + _IN_SET.sub(_rewritten_in_set, text[opening:-1]) + "]"


def _rewritten_in_set(match: re.Match[str]) -> str:
    name = match["class"] or match["letter"]
    if name is not None:
        return _class(name)
    if match[0] == r"\h":
        return r" \t\xa0"
    return f"\\{match[0]}" if match["sign"] and match["sign"] != "-" else match[0]


@cache
def _class(name: str) -> str:
    """A named class of characters as the inside of a set."""
    if name in _CLASSES:
        return _CLASSES[name]
    category = _CATEGORIES.get(name, name)
    if not re.fullmatch(r"[LMNPSZC][a-z]?", category):
        raise re.error(f"unknown character class {name}")
    return _of_category(category)


def _of_category(category: str) -> str:
    """The ranges of characters of a Unicode category."""
    ranges: list[tuple[int, int]] = []
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code)).startswith(category):
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1] = (ranges[-1][0], code)
            else:
                ranges.append((code, code))
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)


def replace_all(pattern: re.Pattern[str], text: str, replacement: str) -> str:
    """Every match replaced; `$1` and `${name}` stand for groups, a backslash escapes."""

    def expand(match: re.Match[str]) -> str:
        return _REFERENCE.sub(lambda piece: _referred(piece, match), replacement)

    return pattern.sub(expand, text)


def _referred(piece: re.Match[str], match: re.Match[str]) -> str:
    if piece["escaped"] is not None:
        return piece["escaped"]
    if piece["name"]:
        return match[piece["name"]] or ""
    if piece["number"] is None:
        raise re.error("illegal group reference")
    return _numbered(piece["number"], match)


def _numbered(digits: str, match: re.Match[str]) -> str:
    """The longest number that is a group's; what is left over stands for itself."""
    groups = match.re.groups
    used = 1
    while used < len(digits) and int(digits[: used + 1]) <= groups:
        used += 1
    if int(digits[:used]) > groups:
        raise re.error("no such group")
    return (match[int(digits[:used])] or "") + digits[used:]


def split(pattern: re.Pattern[str], text: str) -> list[str]:
    """The pieces between the matches, empty ones too; an empty match at the start cuts nothing."""
    pieces: list[str] = []
    start = 0
    for match in pattern.finditer(text):
        if match.end() == 0:
            continue
        pieces.append(text[start : match.start()])
        start = match.end()
    return [*pieces, text[start:]]
