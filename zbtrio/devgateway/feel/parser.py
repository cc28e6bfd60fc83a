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
from functools import partial

from .arithmetic import Arithmetic, Negation
from .control import For, If, Iterators, Quantified, Steps
from .nodes import Constant, Node, RangeLiteral
from .operators import AnyOf, Equality, InstanceOf, Logic, Not, Ordering
from .reader import NoMatch, T
from .syntax_errors import EXPRESSION, syntax_error
from .unary_tests import In, InputEquals, InputInRange, InputOrdering, TestExpression
from .value_parser import ValueParser

_RANKS = (("**",), ("*", "/"), ("+", "-"))  # the closest first
_ORDERINGS = ("<=", ">=", "<", ">")
_SPECIAL_TYPES = (
    ("years", "and", "months", "duration"),
    ("days", "and", "time", "duration"),
    ("date", "and", "time"),
    ("function",),
)


class Parser(ValueParser):
    """Reads one text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._expressions: dict[int, tuple[Node, int] | None] = {}
        self._unfinished: dict[int, str] = {}

    def parse_expression(self) -> Node:
        """The whole text as an expression; raises FeelSyntaxError."""
        return self._whole(self._expression, tests=False)

    def parse_unary_tests(self) -> Node:
        """The whole text as tests of an input value; raises FeelSyntaxError."""
        return self._whole(self._unary_tests, tests=True)

    def _whole(self, rule: Callable[[], Node], *, tests: bool) -> Node:
        node = self._optional(rule)
        if node is None or self._token.kind != "end":
            raise syntax_error(
                self._text,
                self._token,
                node,
                tests=tests,
                unfinished=self._unfinished.get(self._at),
                closed=self._closed.get(self._at),
            )
        return node

    # Expressions

    def _expression(self) -> Node:
        start = self._at
        if start not in self._expressions:
            self._expressions[start] = self._new_expression()
        known = self._expressions[start]
        if known is None:
            raise NoMatch
        self._at = known[1]
        return known[0]

    def _new_expression(self) -> tuple[Node, int] | None:
        try:
            with self._level():
                return self._statement_or_logic(), self._at
        except NoMatch:
            return None

    def _statement_or_logic(self) -> Node:
        statement = {"if": self._if, "for": self._for, "some": self._some, "every": self._every}
        token = self._token
        if token.kind == "name" and token.text in statement:
            node = self._optional(statement[token.text])
            if node is not None:
                return node
        return self._logic()

    def _logic(self, words: Sequence[str] = ("and", "or")) -> Node:
        """A comparison and what these words chain to it, the one that binds closer first."""
        left = self._comparison()
        for rank, word in enumerate(words):
            rule = partial(self._after, word, partial(self._logic, words[:rank]))
            operands = [left, *self._repeated(word, rule)]
            left = left if len(operands) == 1 else Logic(word == "or", operands)
        return left

    def _if(self) -> Node:
        branches = [self._branch()]
        while self._sees("if"):
            branch = self._optional(self._branch)
            if branch is None:
                break
            branches.append(branch)
        return If(branches, self._expression())

    def _branch(self) -> tuple[Node, Node]:
        self._expect("if")
        start = self._at
        self._unfinished.pop(start, None)
        condition = self._begun(start, self._expression, EXPRESSION, '"then"')
        self._begun(start, lambda: self._expect("then"), EXPRESSION)
        body = self._begun(start, self._expression, '"else"')
        self._begun(start, lambda: self._expect("else"), EXPRESSION)
        return condition, body

    def _begun(self, start: int, rule: Callable[[], T], *wanted: str) -> T:
        """A part of a statement; what comes after it is then what the statement lacks."""
        found = rule()
        begun = [self._unfinished[start]] if start in self._unfinished else []
        self._unfinished[start] = " ~ ".join([*begun, *wanted])
        return found

    def _for(self) -> Node:
        self._expect("for")
        iterators, start = self._iterators("return")
        return For(iterators, self._begun(start, self._expression))

    def _iterators(self, word: str) -> tuple[Iterators, int]:
        """The names to iterate with, up to the word before the body; and where they start."""
        start = self._at
        if self._token.kind != "end":
            self._unfinished[start] = "listIterator.rep(1)"
        names = self._begun(start, lambda: self._separated(self._iterator), f'"{word}"')
        self._begun(start, lambda: self._expect(word), EXPRESSION)
        return Iterators(names), start

    def _some(self) -> Node:
        return self._quantified("some", decisive=True)

    def _every(self) -> Node:
        return self._quantified("every", decisive=False)

    def _quantified(self, word: str, *, decisive: bool) -> Node:
        self._expect(word)
        iterators, start = self._iterators("satisfies")
        return Quantified(decisive, iterators, self._begun(start, self._expression))

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
        self._closed[self._at] = "tests"
        return tests[0] if len(tests) == 1 else AnyOf(tests)

    # Arithmetic

    def _arithmetic(self, first: Node | None = None, ranks: int = len(_RANKS)) -> Node:
        """An operand and what operators of the closest ranks chain to it.

        Args:
            first: the operand if it is read already.
            ranks: of how many ranks operators are taken.
        """
        left = first or self._signed()
        for rank, signs in enumerate(_RANKS[:ranks]):
            rest = self._repeated(signs, partial(self._step, rank))
            left = Arithmetic(left, rest) if rest else left
        return left

    def _step(self, rank: int) -> tuple[str, Node]:
        return self._next().text, self._arithmetic(None, rank)

    def _signed(self) -> Node:
        if self._accept("-"):
            return Negation(self._value())
        return self._value()

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
        if self._sees("(", "[", "]"):
            mark = self._at
            opened = self._optional(self._bracket)
            if isinstance(opened, RangeLiteral):
                return InputInRange(opened)
            self._at = mark
        return TestExpression(self._expression())
