"""An expression's text as tokens.

Nothing is refused here: what is no token becomes one of kind `bad`, at which the parser stops and
says so. Words that Zeebe's FEEL reserves are names too; the parser knows where they mean more.
"""

from __future__ import annotations

import re

import attrs

# DMN 1.5 lists more space characters than Python's \s has.
_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u180e\u2000-\u200b\u2028\u2029\u202f\u205f\u3000\ufeff"

_TOKEN = re.compile(
    rf"""
    (?P<space>  [{_SPACE}]+ | //[^\n]* | /\*.*?\*/ )
  | (?P<number> [0-9]+(?:\.[0-9]+)? | \.[0-9]+ )
  | (?P<name>   (?:[^\W\d]|\$)[\w$]* )
  | (?P<string> "(?:\\.|[^"\\])*" )
  | (?P<quoted> `[^`]+` )
  | (?P<sign>   \.\. | \*\* | <= | >= | != | [-+*/<>=()\[\]{{}},:.?@] )
  | (?P<bad>    . )
    """,
    re.VERBOSE | re.DOTALL,
)


@attrs.frozen
class Token:
    """A piece of the text: its kind (`number`, `name`, `string`, `quoted`, `sign`, `bad` or
    `end`), its characters, and where they start and end."""

    kind: str
    text: str
    start: int
    end: int


def tokenize(text: str) -> list[Token]:
    """All tokens without spaces and comments, and one of kind `end`."""
    tokens = [
        Token(match.lastgroup or "", match[0], match.start(), match.end())
        for match in _TOKEN.finditer(text)
        if match.lastgroup != "space"
    ]
    return [*tokens, Token("end", "", len(text), len(text))]


# In this order, and a backslash before a backslash is nothing special: as Zeebe does it.
_ESCAPES = (
    ("\\n", "\n"),
    ("\\r", "\r"),
    ("\\t", "\t"),
    ("\\b", "\b"),
    ("\\f", "\f"),
    ("\\'", "'"),
    ('\\"', '"'),
)


def unescape(literal: str) -> str:
    """What a string literal (without its quotes) stands for."""
    for escape, character in _ESCAPES:
        literal = literal.replace(escape, character)
    return literal
