"""What is made equal before answers are compared: keys, names, orders that mean nothing."""

from __future__ import annotations

import re
from typing import Any

KEY = re.compile(r"(?<![\w.])22517998\d{8}(?![\w.])")
BLOCK = r"- Element: [^\n]*\n(?:    - [^\n]*\n)+"
UNORDERED = ("variables", "customHeaders", "decisionOutput")
TYPES = re.compile(r"(Supported element types are: )\[([A-Z_, ]*)\]")


class Labels:
    """Keys by label: key1, key2, ... in the order in which they appear."""

    def __init__(self) -> None:
        self._labels: dict[int, str] = {}

    def of(self, key: int) -> str | int:
        """The label of a key; 0 and -1 stay."""
        if not key or key == -1:
            return key
        return self._labels.setdefault(int(key), f"key{len(self._labels) + 1}")

    def text(self, text: str) -> str:
        """A text with labels for keys."""
        return KEY.sub(lambda match: str(self.of(int(match.group()))), text)


def tidy(value: Any, inside: bool = False) -> Any:
    """Sort the names in variables and headers, whose order means nothing."""
    if isinstance(value, dict):
        items = sorted(value.items()) if inside else value.items()
        return {k: tidy(v, inside or k in UNORDERED) for k, v in items}
    if isinstance(value, list):
        return [tidy(item, inside) for item in value]
    if value in (float("inf"), float("-inf")):
        return str(value).replace("inf", "Infinity")
    return value


def in_order(text: str) -> str:
    """Zeebe lists the faulty elements of a model, and sets of types, in no fixed order."""
    text = re.sub(r"to [\d.]+:\d+ timed out in PT[\d.]+S", "to ADDRESS timed out in DURATION", text)
    text = TYPES.sub(lambda m: f"{m[1]}[{', '.join(sorted(m[2].split(', ')))}]", text)
    return re.sub(f"(?:{BLOCK})+", _sorted_blocks, text)


def _sorted_blocks(match: re.Match[str]) -> str:
    return "".join(sorted(_sorted_block(block) for block in re.findall(BLOCK, match.group())))


def _sorted_block(block: str) -> str:
    head, *lines = block.splitlines(keepends=True)
    return head + "".join(sorted(lines))


# What is infrastructure or the XML and JSON parsers' own words, not semantics.
PARSERS = re.compile(r"((?:Fatal )?Error: URI=null Line=\d+: |'x\.form': )[^\n]*")
COLUMN = re.compile(r"line: \d+, column: \d+")
TIMED_OUT = "Time out between gateway and broker"


def lenient(answer: Any) -> Any:
    """An answer without what may differ between gateways that mean the same."""
    if isinstance(answer, dict):
        return {key: lenient(value) for key, value in answer.items()}
    if isinstance(answer, list):
        return [lenient(item) for item in answer]
    if not isinstance(answer, str):
        return answer
    text = COLUMN.sub("line and column", PARSERS.sub(r"\1", answer))
    text = TYPES.sub(lambda m: f"{m[1]}[{', '.join(sorted(m[2].split(', ')))}]", text)
    return TIMED_OUT if text.startswith(TIMED_OUT) else text
