"""The text of a syntax error: Zeebe's own in most cases, and its place always.

Zeebe names what its parser would have taken at that place. That depends on what stands last before
it (an operand may be compared, a comparison's right side may go on with arithmetic, ...) and on
what was begun there and not finished, such as an `if` without `else`.
"""

from __future__ import annotations

from .calls import FunctionDefinition
from .control import For, If, Quantified
from .errors import FeelSyntaxError
from .nodes import Node
from .operators import AnyOf, Equality, InstanceOf, Logic, Not, Ordering
from .tokens import Token
from .unary_tests import In, InputInRange, InputOrdering, TestExpression

EXPRESSION = "(ifOp | forOp | quantifiedOp | disjunction)"  # as unfinished statements name it

_SHOWN = 10  # characters of what was found instead
_AFTER_OPERAND = ["binaryComparison", "between", "instanceOf", "in"]
_AFTER_COMPARISON = ["path", "filter", '"**"', "[*/]", "[+\\\\-]"]
_BEGUN = {
    "and": '"and" ~ (addSub | unaryComparison | range)',
    "or": '"or" ~ conjunction',
    ",": '"," ~ (boolean | unaryComparison | range | ifOp | forOp | quantifiedOp | disjunction)',
}


def syntax_error(
    text: str,
    token: Token,
    read: Node | None,
    *,
    tests: bool,
    unfinished: str | None,
    closed: str | None,
) -> FeelSyntaxError:
    """What was expected where.

    Args:
        text: the whole expression.
        token: what is in the way.
        read: what was understood before it; None when that is nothing.
        tests: whether the text was to be unary tests.
        unfinished: what the statement that begins here would have gone on with.
        closed: `expression` or `tests` when a parenthesis with such in it ended just before.
    """
    if read is None:
        place = 0 if tests or text.strip() else len(text)
        return _error(text, place, _at_start(place, tests))
    wanted = [] if unfinished is None else [unfinished]
    if tests and isinstance(read, Not):
        return _error(text, token.start, ["end-of-input"])
    last = _last(read)
    wanted += _of_operand(last, closed)
    if not (tests and isinstance(last, InputInRange | InputOrdering)):
        wanted += [_begun("and", token), _begun("or", token)]
    if tests:
        wanted.append(_begun(",", token))
    return _error(text, token.start, [*wanted, "end-of-input"])


def _at_start(place: int, tests: bool) -> list[str]:
    if tests:
        return ["start-of-input", "negation", "positiveUnaryTests", "anyInput"]
    return [*(["start-of-input"] if place == 0 else []), *EXPRESSION[1:-1].split(" | ")]


def _error(text: str, place: int, wanted: list[str]) -> FeelSyntaxError:
    line = text.count("\n", 0, place) + 1
    column = place - text.rfind("\n", 0, place)
    shown = f"({' | '.join(wanted)})" if len(wanted) > 1 else wanted[0]
    return FeelSyntaxError(
        f"failed to parse expression '{text}': Expected {shown}"
        f":{line}:{column}, found {_literal(text[place : place + _SHOWN])}"
    )


def _of_operand(last: Node, closed: str | None) -> list[str]:
    if closed == "tests" or isinstance(last, InputInRange):
        return []
    if closed == "expression":
        return _AFTER_OPERAND
    if isinstance(last, Ordering | Equality | InputOrdering):
        return _AFTER_COMPARISON
    if isinstance(last, InstanceOf):
        return [] if " " in last.type or last.type == "function" else ['"."']
    return _AFTER_OPERAND


def _begun(word: str, token: Token) -> str:
    """The word as it is wanted, with what is missing after it where it is there already."""
    return _BEGUN[word] if token.text == word else f'"{word}"'


def _last(node: Node) -> Node:
    """The part of an expression that stands last in its text."""
    while True:
        match node:
            case Logic(_, operands):
                node = operands[-1]
            case AnyOf(tests):
                node = tests[-1]
            case If(_, body) | For(_, body) | Quantified(_, _, body) | FunctionDefinition(_, body):
                node = body
            case In(_, inner) | TestExpression(inner) | Not(inner):
                node = inner
            case _:
                return node


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
