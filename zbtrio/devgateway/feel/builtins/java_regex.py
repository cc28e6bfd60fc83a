"""Java's regular expressions by Python's: what differs in their writing is rewritten."""

from __future__ import annotations

import re

_CLASSES = {
    "L": r"[^\W\d_]",
    "IsAlphabetic": r"[^\W\d_]",
    "Lu": "[A-ZÀ-ÖØ-Þ]",
    "Ll": "[a-zß-öø-ÿ]",
    "N": r"\d",
    "Nd": r"\d",
    "Lower": "[a-z]",
    "Upper": "[A-Z]",
    "ASCII": r"[\x00-\x7f]",
    "Alpha": "[a-zA-Z]",
    "Digit": "[0-9]",
    "Alnum": "[a-zA-Z0-9]",
    "Punct": r"[!-/:-@\[-`{-~]",
    "Graph": "[!-~]",
    "Print": "[ -~]",
    "Blank": r"[ \t]",
    "XDigit": "[0-9a-fA-F]",
    "Space": r"[ \t\n\x0b\f\r]",
}
_FLAGS = {"s": re.DOTALL, "m": re.MULTILINE, "i": re.IGNORECASE, "x": re.VERBOSE}
_PIECE = re.compile(
    r"\\Q(?P<literal>.*?)(?:\\E|$)"
    r"|\\p(?:\{(?P<class>\w+)\}|(?P<letter>[A-Z]))"
    r"|\\h(?P<blank>)|\\z(?P<end>)"
    r"|\\k<(?P<backreference>\w+)>"
    r"|\\."
    r"|\(\?<(?P<group>[A-Za-z]\w*)>",
    re.DOTALL,
)
_REFERENCE = re.compile(r"\\(?P<escaped>.)|\$(?P<number>\d+)|\$\{(?P<name>\w+)\}|\$|\\", re.DOTALL)


def compile_java(pattern: str, flags: str = "") -> re.Pattern[str]:
    """The pattern for Python; raises re.error for one that isn't understood.

    Args:
        pattern: in Java's syntax.
        flags: any of the letters s, m, i and x; others are ignored.
    """
    options = re.RegexFlag(0)
    for letter in flags:
        options |= _FLAGS.get(letter, re.RegexFlag(0))
    unicode_class = re.search(r"\\p\{?(?:L|N|Is)", pattern)
    return re.compile(_PIECE.sub(_rewritten, pattern), options | (0 if unicode_class else re.ASCII))


def _rewritten(match: re.Match[str]) -> str:
    if match["literal"] is not None:
        return re.escape(match["literal"])
    if match["blank"] is not None:
        return r"[ \t\xa0]"
    if match["end"] is not None:
        return r"\Z"
    if match["group"]:
        return f"(?P<{match['group']}>"
    if match["backreference"]:
        return f"(?P={match['backreference']})"
    name = match["class"] or match["letter"]
    if name is None:
        return match[0]
    if name not in _CLASSES:
        raise re.error(f"unknown class {name}")
    inside = _CLASSES[name]
    return inside


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
