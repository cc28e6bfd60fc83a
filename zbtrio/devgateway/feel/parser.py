"""Expression texts to trees of nodes: recursive descent, one method per rule of the grammar.

Zeebe's own parser falls back where it can't go on: `a +` is the expression `a`, and then the `+`
is in the way. That decides where an error is reported and, now and then, what a text means, so the
same is done here: a continuation that doesn't fit is undone (`_optional`). Rules that fall back
could read the same text again and again; `expression` therefore remembers what it made of each
place.

A bracket may open a list, an expression in parentheses or a range (`[1..3]`, `(1..3)`, `]1..3[`);
which one is clear only at the `..`, so one method reads all three. A range is a test of the input
value, except as an argument, where it is a value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TypeVar

from .arithmetic import Arithmetic, Negation
from .calls import Arguments, Call, FunctionDefinition, QualifiedCall
from .control import For, If, Iterators, Quantified, Steps
from .errors import FeelSyntaxError
from .nodes import (
    Constant,
    ContextLiteral,
    Filter,
    InputSymbol,
    ListLiteral,
    Node,
    Path,
    RangeLiteral,
    Reference,
)
from .operators import AnyOf, Equality, InstanceOf, Logic, Not, Ordering
from .syntax_errors import syntax_error
from .temporal_parsing import (
    parse_date,
    parse_date_time,
    parse_duration,
    parse_literal,
    parse_time,
)
from .tokens import Token, tokenize, unescape
from .unary_tests import In, InputEquals, InputInRange, InputOrdering, TestExpression
from .values import Value

T = TypeVar("T")

MAX_DEPTH = 50  # nested brackets, functions and branches; the interpreter's stack is the bound

_RESERVED = frozenset("null true false function in return then else satisfies and or".split())
_RESERVED_FUNCTIONS = (
    ("date", "and", "time"),
    ("years", "and", "months", "duration"),
    ("get", "or", "else"),
    ("and",),
    ("or",),
)
_RANKS = (("+", "-"), ("*", "/"), ("**",))
_ORDERINGS = ("<=", ">=", "<", ">")
_SPECIAL_TYPES = (
    ("years", "and", "months", "duration"),
    ("days", "and", "time", "duration"),
    ("date", "and", "time"),
    ("function",),
)
_LITERAL_FUNCTIONS: dict[str, Callable[[str], Value]] = {
    "duration": parse_duration,
    "date and time": parse_date_time,
    "date": parse_date,
    "time": parse_time,
}
_CONSTANTS: dict[str, Value] = {"null": None, "true": True, "false": False}


class _NoMatch(Exception):  # noqa: N818
    """The rule doesn't fit here; whoever tried it may try another."""


class Parser:
    """Reads one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokenize(text)
        self._at = 0
        self._depth = 0
        self._expressions: dict[int, tuple[Node, int] | None] = {}

    def parse_expression(self) -> Node:
        """The whole text as an expression; raises FeelSyntaxError."""
        return self._whole(self._expression)

    def parse_unary_tests(self) -> Node:
        """The whole text as tests of an input value; raises FeelSyntaxError."""
        return self._whole(self._unary_tests)

    def _whole(self, rule: Callable[[], Node]) -> Node:
        node = self._optional(rule)
        if node is None or self._token.kind != "end":
            raise syntax_error(self._text, self._token.start, node, tests=rule != self._expression)
        return node

    # Tokens

    @property
    def _token(self) -> Token:
        return self._tokens[self._at]

    def _next(self) -> Token:
        token = self._token
        self._at += 1
        return token

    def _sees(self, *texts: str) -> bool:
        token = self._token
        return token.text in texts and token.kind in ("sign", "name")

    def _accept(self, *texts: str) -> bool:
        if self._sees(*texts):
            self._at += 1
            return True
        return False

    def _expect(self, *texts: str) -> str:
        if not self._sees(*texts):
            raise _NoMatch
        return self._next().text

    def _accept_words(self, words: Sequence[str]) -> bool:
        """Words with one space between them, as in `date and time`."""
        tokens = self._tokens[self._at : self._at + len(words)]
        start = self._token.start
        if self._text.startswith(" ".join(words), start) and [t.text for t in tokens] == [*words]:
            self._at += len(words)
            return True
        return False

    def _optional(self, rule: Callable[[], T]) -> T | None:
        mark = self._at
        try:
            return rule()
        except _NoMatch:
            self._at = mark
            return None

    def _separated(self, rule: Callable[[], T]) -> list[T]:
        """One or more, with commas between them."""
        found = [rule()]
        while self._sees(","):
            more = self._optional(lambda: self._after(",", rule))
            if more is None:
                break
            found.append(more)
        return found

    def _after(self, sign: str, rule: Callable[[], T]) -> T:
        self._expect(sign)
        return rule()

    # Expressions

    def _expression(self) -> Node:
        start = self._at
        if start not in self._expressions:
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise FeelSyntaxError(
                    f"failed to parse expression '{self._text}': nested deeper than {MAX_DEPTH}"
                    " levels. Split it into several expressions"
                )
            node = self._optional(self._statement_or_logic)
            self._expressions[start] = None if node is None else (node, self._at)
            self._depth -= 1
        known = self._expressions[start]
        if known is None:
            raise _NoMatch
        self._at = known[1]
        return known[0]

    def _statement_or_logic(self) -> Node:
        statement = {"if": self._if, "for": self._for, "some": self._some, "every": self._every}
        token = self._token
        if token.kind == "name" and token.text in statement:
            node = self._optional(statement[token.text])
            if node is not None:
                return node
        return self._logic()

    def _logic(self) -> Node:
        return self._chain("or", lambda: self._chain("and", self._comparison, False), True)

    def _chain(self, word: str, rule: Callable[[], Node], decisive: bool) -> Node:
        operands = [rule()]
        while self._sees(word):
            operand = self._optional(lambda: self._after(word, rule))
            if operand is None:
                break
            operands.append(operand)
        return operands[0] if len(operands) == 1 else Logic(decisive, operands)

    def _if(self) -> Node:
        branches: list[tuple[Node, Node]] = []
        while self._accept("if"):
            condition = self._expression()
            self._expect("then")
            branches.append((condition, self._expression()))
            self._expect("else")
        return If(branches, self._expression())

    def _for(self) -> Node:
        self._expect("for")
        iterators = Iterators(self._separated(self._iterator))
        self._expect("return")
        return For(iterators, self._expression())

    def _some(self) -> Node:
        return self._quantified("some", decisive=True)

    def _every(self) -> Node:
        return self._quantified("every", decisive=False)

    def _quantified(self, word: str, *, decisive: bool) -> Node:
        self._expect(word)
        iterators = Iterators(self._separated(self._iterator))
        self._expect("satisfies")
        return Quantified(decisive, iterators, self._expression())

    def _iterator(self) -> tuple[str, Node]:
        name = self._name()
        self._expect("in")
        return name, self._optional(self._steps) or self._value()

    def _steps(self) -> Node:
        start = self._arithmetic()
        self._expect("..")
        return Steps(start, self._arithmetic())

    # Comparisons

    def _comparison(self) -> Node:
        if self._sees(*_ORDERINGS):
            return self._input_ordering()
        opened = self._bracket() if self._sees("(", "[", "]") else None
        if isinstance(opened, RangeLiteral):
            return InputInRange(opened)
        left = self._arithmetic(opened and self._postfix(opened))
        return self._optional(lambda: self._compared(left)) or left

    def _input_ordering(self) -> Node:
        return InputOrdering(self._expect(*_ORDERINGS), self._arithmetic())

    def _compared(self, left: Node) -> Node:
        if self._sees(*_ORDERINGS):
            return Ordering(self._next().text, left, self._arithmetic())
        if self._accept("="):
            return Equality(left, self._arithmetic())
        if self._accept("!="):
            return Not(Equality(left, self._arithmetic()))
        if self._accept("between"):
            return self._between(left)
        if self._accept("instance"):
            self._expect("of")
            return InstanceOf(left, self._type())
        self._expect("in")
        return In(left, self._tests_in_parentheses() if self._sees("(") else self._test())

    def _between(self, value: Node) -> Node:
        low = self._arithmetic()
        self._expect("and")
        high = self._arithmetic()
        return Logic(False, [Ordering(">=", value, low), Ordering("<=", value, high)])

    def _type(self) -> str:
        for words in _SPECIAL_TYPES:
            if self._accept_words(words):
                return " ".join(words)
        return ".".join(self._qualified_name())

    def _tests_in_parentheses(self) -> Node:
        """`(1, 2)`, or the range `(1..2)`."""
        self._expect("(")
        first = self._test()
        if self._sees("..") and isinstance(first, TestExpression):
            return InputInRange(self._range(first.expression, closed=False))
        tests = [first]
        while self._accept(","):
            tests.append(self._test())
        self._expect(")")
        return tests[0] if len(tests) == 1 else AnyOf(tests)

    # Arithmetic

    def _arithmetic(self, first: Node | None = None, rank: int = 0) -> Node:
        """Operators of this rank and those that bind closer; `first` is read already."""
        if rank == len(_RANKS):
            return first or self._signed()
        left = self._arithmetic(first, rank + 1)
        rest: list[tuple[str, Node]] = []
        while self._sees(*_RANKS[rank]):
            step = self._optional(lambda: (self._next().text, self._arithmetic(None, rank + 1)))
            if step is None:
                break
            rest.append(step)
        return Arithmetic(left, rest) if rest else left

    def _signed(self) -> Node:
        if self._accept("-"):
            return Negation(self._value())
        return self._value()

    # Values

    def _value(self) -> Node:
        return self._postfix(self._primary())

    def _postfix(self, node: Node) -> Node:
        while True:
            if self._sees("."):
                path = self._path()
                if not path:
                    return node
                node = Path(node, path)
            elif self._sees("["):
                condition = self._optional(self._condition)
                if condition is None:
                    return node
                node = _filter(node, condition)
            else:
                return node

    def _path(self) -> list[str]:
        steps: list[str] = []
        while self._sees("."):
            step = self._optional(lambda: self._after(".", self._property))
            if step is None:
                break
            steps.append(step)
        return steps

    def _property(self) -> str:
        if self._accept_words(("time", "offset")):
            return "time offset"
        return self._name()

    def _condition(self) -> Node:
        self._expect("[")
        condition = self._expression()
        self._expect("]")
        return condition

    def _primary(self) -> Node:
        token = self._token
        if token.kind == "number":
            return Constant(Decimal(self._next().text))
        if token.kind == "string":
            return Constant(unescape(self._next().text[1:-1]))
        if token.kind in ("name", "quoted"):
            return self._named()
        return self._signed_or_bracketed()

    def _signed_or_bracketed(self) -> Node:
        if self._sees("-"):
            return self._negative_number()
        if self._accept("?"):
            return InputSymbol()
        if self._accept("@"):
            return Constant(parse_literal(self._string()))
        if self._sees("{"):
            return self._context()
        if not self._sees("(", "["):
            raise _NoMatch
        node = self._bracket()
        if isinstance(node, RangeLiteral):
            raise _NoMatch
        return node

    def _negative_number(self) -> Node:
        sign, token = self._next(), self._token
        if token.kind != "number" or token.start != sign.end:
            raise _NoMatch
        return Constant(-Decimal(self._next().text))

    def _string(self) -> str:
        if self._token.kind != "string":
            raise _NoMatch
        return self._next().text[1:-1]

    def _bracket(self) -> Node:
        """A list, an expression in parentheses, or a range."""
        opening = self._expect("(", "[", "]")
        if opening == "]":
            return self._range(self._arithmetic(), closed=False)
        if opening == "[" and self._accept("]"):
            return ListLiteral([])
        first = self._expression()
        if self._sees(".."):
            return self._range(first, closed=opening == "[")
        if opening == "(":
            self._expect(")")
            return first
        items = [first]
        while self._accept(","):
            items.append(self._expression())
        self._expect("]")
        return ListLiteral(items)

    def _range(self, start: Node, *, closed: bool) -> RangeLiteral:
        self._expect("..")
        end = self._arithmetic()
        return RangeLiteral(start, end, closed, self._expect(")", "[", "]") == "]")

    def _context(self) -> Node:
        self._expect("{")
        entries: list[tuple[str, Node]] = []
        if not self._sees("}"):
            entries = self._separated(self._entry)
        self._expect("}")
        return ContextLiteral(entries)

    def _entry(self) -> tuple[str, Node]:
        key = self._key()
        self._expect(":")
        return key, self._expression()

    def _key(self) -> str:
        """A text, a name in backticks, or any characters up to the colon."""
        token = self._token
        if token.kind in ("string", "quoted"):
            return self._next().text[1:-1]
        while self._token.text not in '"{}:,[]`' and self._token.kind not in ("string", "quoted"):
            self._at += 1
        if self._token is token:
            raise _NoMatch
        return self._text[token.start : self._token.start].rstrip()

    # Names and functions

    def _name(self) -> str:
        token = self._token
        if token.kind == "quoted":
            return self._next().text[1:-1]
        if token.kind != "name" or token.text in _RESERVED:
            raise _NoMatch
        return self._next().text

    def _qualified_name(self) -> list[str]:
        return [self._property(), *self._path()]

    def _words(self) -> str:
        """A name that may have spaces, where what follows ends it: `starts with`."""
        first = self._token
        name = self._name()
        if first.kind == "quoted":
            return name
        last = first
        while self._continues(last):
            last = self._next()
        return self._text[first.start : last.end]

    def _continues(self, last: Token) -> bool:
        token = self._token
        between = self._text[last.end : token.start]
        is_word = token.kind == "name" and token.text not in _RESERVED
        return is_word and between != "" and between.strip(" ") == ""

    def _named(self) -> Node:
        node = self._optional(self._literal_function) or self._optional(self._call)
        if node is not None:
            return node
        word = self._token.text
        if word in _CONSTANTS:
            self._next()
            return Constant(_CONSTANTS[word])
        if word == "function":
            return self._function()
        name, *path = self._qualified_name()
        return Reference(name, path)

    def _literal_function(self) -> Node:
        """`date("2024-03-10")` and its kin with a text that is known now."""
        for name, parse in _LITERAL_FUNCTIONS.items():
            mark = self._at
            if self._accept_words(name.split()) and self._accept("("):
                if self._token.kind == "string":
                    value = parse(self._string())
                    self._expect(")")
                    return Constant(value)
            self._at = mark
        raise _NoMatch

    def _call(self) -> Node:
        *owner, name = self._function_name()
        self._expect("(")
        arguments = Arguments()
        if not self._sees(")"):
            arguments = self._arguments()
        self._expect(")")
        if owner:
            return QualifiedCall(Reference(owner[0], owner[1:]), name, arguments)
        return Call(name, arguments)

    def _function_name(self) -> list[str]:
        for words in _RESERVED_FUNCTIONS:
            mark = self._at
            if self._accept_words(words) and self._sees("("):
                return [" ".join(words)]
            self._at = mark
        name = self._optional(lambda: self._ended(self._words, "("))
        return [name] if name is not None else self._qualified_name()

    def _ended(self, rule: Callable[[], T], sign: str) -> T:
        found = rule()
        if not self._sees(sign):
            raise _NoMatch
        return found

    def _arguments(self) -> Arguments:
        named = self._optional(lambda: self._separated(self._named_argument))
        if named is not None:
            return Arguments(named=named)
        return Arguments(placed=self._separated(self._argument))

    def _named_argument(self) -> tuple[str, Node]:
        name = self._ended(self._words, ":")
        self._expect(":")
        return name, self._argument()

    def _argument(self) -> Node:
        node = self._expression()
        return node.range if isinstance(node, InputInRange) else node

    def _function(self) -> Node:
        self._expect("function")
        self._expect("(")
        parameters = [] if self._sees(")") else self._separated(self._words)
        self._expect(")")
        if self._sees("external") and self._tokens[self._at + 1].text == "{":
            self._refuse_external()
        return FunctionDefinition(parameters, self._expression())

    def _refuse_external(self) -> None:
        raise FeelSyntaxError(
            f"validation of expression '{self._text}' failed: External functions are disabled."
            " Use the FunctionProvider SPI (recommended) or enable external function in the"
            " configuration."
        )

    # Unary tests

    def _unary_tests(self) -> Node:
        node = self._optional(self._negated_tests) or self._optional(self._tests)
        if node is not None:
            return node
        self._expect("-")
        return Constant(True)

    def _negated_tests(self) -> Node:
        self._expect("not")
        self._expect("(")
        tests = self._tests()
        self._expect(")")
        return Not(tests)

    def _tests(self) -> Node:
        tests = self._separated(self._test)
        return tests[0] if len(tests) == 1 else AnyOf(tests)

    def _test(self) -> Node:
        if self._sees("true", "false") and self._tokens[self._at + 1].kind == "end":
            return InputEquals(Constant(self._next().text == "true"))
        if self._sees(*_ORDERINGS):
            return self._input_ordering()
        node = self._expression()
        return node if isinstance(node, InputInRange) else TestExpression(node)


def _filter(base: Node, condition: Node) -> Filter:
    is_condition = isinstance(condition, Ordering | Equality | Call | QualifiedCall)
    return Filter(base, condition, is_condition)
