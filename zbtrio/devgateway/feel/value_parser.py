"""The operands of an expression: literals, names, invocations, brackets, and what hangs on them."""

from __future__ import annotations

import abc
from collections.abc import Callable
from decimal import Decimal
from functools import partial

from .calls import Arguments, Call, FunctionDefinition, QualifiedCall
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
from .operators import Equality, Ordering
from .reader import NoMatch, Reader, T
from .temporal_parsing import (
    parse_date,
    parse_date_time,
    parse_duration,
    parse_literal,
    parse_time,
)
from .tokens import Token, unescape
from .unary_tests import InputInRange
from .values import Value

_RESERVED = frozenset(
    ["null", "true", "false", "function", "in", "return", "then", "else", "satisfies", "and", "or"]
)
_RESERVED_FUNCTIONS = (
    ("date", "and", "time"),
    ("years", "and", "months", "duration"),
    ("get", "or", "else"),
    ("and",),
    ("or",),
)
_LITERAL_FUNCTIONS: dict[str, Callable[[str], Value]] = {
    "duration": parse_duration,
    "date and time": parse_date_time,
    "date": parse_date,
    "time": parse_time,
}
_CONSTANTS: dict[str, Value] = {"null": None, "true": True, "false": False}


class ValueParser(Reader, abc.ABC):
    """Reads operands; expressions in them are read by the parser that is built on this one."""

    @abc.abstractmethod
    def _expression(self) -> Node: ...

    @abc.abstractmethod
    def _arithmetic(self, first: Node | None = None, ranks: int = 3) -> Node: ...

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
        return self._repeated(".", partial(self._after, ".", self._property))

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
            raise NoMatch
        node = self._bracket()
        if isinstance(node, RangeLiteral):
            raise NoMatch
        return node

    def _negative_number(self) -> Node:
        sign, token = self._next(), self._token
        if token.kind != "number" or token.start != sign.end:
            raise NoMatch
        return Constant(-Decimal(self._next().text))

    def _string(self) -> str:
        if self._token.kind != "string":
            raise NoMatch
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
            self._closed[self._at] = "expression"
            return first
        items = [first]
        while self._accept(","):
            items.append(self._expression())
        self._expect("]")
        return ListLiteral(items)

    def _range(self, start: Node, *, closed: bool) -> RangeLiteral:
        self._expect("..")
        with self._level():
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
            raise NoMatch
        return self._text[token.start : self._token.start].rstrip()

    # Names and functions

    def _name(self) -> str:
        token = self._token
        if token.kind == "quoted":
            return self._next().text[1:-1]
        if token.kind != "name" or token.text in _RESERVED:
            raise NoMatch
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
            opened = self._accept_words(name.split()) and self._accept("(")
            if opened and self._token.kind == "string":
                value = parse(self._string())
                self._expect(")")
                return Constant(value)
            self._at = mark
        raise NoMatch

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
            raise NoMatch
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


def _filter(base: Node, condition: Node) -> Filter:
    is_condition = isinstance(condition, Ordering | Equality | Call | QualifiedCall)
    return Filter(base, condition, is_condition)
