"""What BPMN attributes hold: `=` and an expression, or a text that stands for itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

import attrs

from .expression import Clock, Expression, Result, parse_expression
from .values import Value, kind

_EXPRESSION = re.compile(r"=(.+)", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")

_RESULT_TYPES = {
    "null": "NULL",
    "boolean": "BOOLEAN",
    "number": "NUMBER",
    "string": "STRING",
    "days and time duration": "DURATION",
    "years and months duration": "PERIOD",
    "date": "DATE",
    "date and time": "DATE_TIME",
    "local date and time": "DATE_TIME",
    "list": "ARRAY",
    "context": "OBJECT",
}


@attrs.frozen
class Static:
    """A text without `=`: a number if it reads as one, else a string."""

    text: str

    @property
    def value(self) -> Value:
        """The number or the text."""
        return Decimal(self.text) if _NUMBER.fullmatch(self.text) else self.text

    def evaluate(self, context: Mapping[str, object], *, now: Clock) -> Result:
        """Always the same value, so that callers need not tell the two apart."""
        return Result(self.value, [])


def parse_zeebe(text: str) -> Static | Expression:
    """An attribute's value; raises FeelSyntaxError when what follows the `=` doesn't parse."""
    match = _EXPRESSION.fullmatch(text)
    return parse_expression(match[1]) if match else Static(text)


def result_type(value: Value) -> str:
    """Zeebe's name of a result's type, for `Expected result ... to be 'BOOLEAN', but was ...`."""
    return _RESULT_TYPES.get(kind(value), "UNKNOWN")
