"""The text of a syntax error, as close to Zeebe's own as the place that can't be read allows."""

from __future__ import annotations

from .errors import FeelSyntaxError
from .nodes import Node
from .operators import Equality, InstanceOf, Not, Ordering
from .unary_tests import In, InputInRange

_SHOWN = 10  # characters of what was found instead

_AT_START = "(start-of-input | ifOp | forOp | quantifiedOp | disjunction)"
_AT_START_OF_TESTS = "(start-of-input | negation | positiveUnaryTests | anyInput)"
_AFTER_OPERAND = '(binaryComparison | between | instanceOf | in | "and" | "or" | end-of-input)'
_AFTER_COMPARISON = '(path | filter | "**" | [*/] | [+\\-] | "and" | "or" | end-of-input)'
_AFTER_RANGE = '("and" | "or" | end-of-input)'


def syntax_error(text: str, place: int, read: Node | None, *, tests: bool) -> FeelSyntaxError:
    """What was expected where.

    Args:
        text: the whole expression.
        place: the index of the character that is in the way.
        read: what was understood before it; None when that is nothing.
        tests: whether the text was to be unary tests.
    """
    if read is None and text.strip():
        place = 0
    line = text.count("\n", 0, place) + 1
    column = place - text.rfind("\n", 0, place)
    found = _literal(text[place : place + _SHOWN])
    return FeelSyntaxError(
        f"failed to parse expression '{text}': Expected {_expected(read, tests)}"
        f":{line}:{column}, found {found}"
    )


def _expected(read: Node | None, tests: bool) -> str:
    if read is None:
        return _AT_START_OF_TESTS if tests else _AT_START
    if isinstance(read, InputInRange):
        return _AFTER_RANGE
    if isinstance(read, Equality | Ordering | Not | In | InstanceOf):
        return _AFTER_COMPARISON
    return _AFTER_OPERAND


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
