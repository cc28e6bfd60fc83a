"""Going through the tokens of one text, with the way back."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from .errors import FeelSyntaxError
from .tokens import Token, tokenize

T = TypeVar("T")

MAX_DEPTH = 40  # the interpreter's own stack is the bound: a level takes up to 15 calls


class NoMatch(Exception):
    """A rule doesn't fit here; whoever tried it may try another."""


class Reader:
    """A place among the tokens, and what a parser asks of it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokenize(text)
        self._at = 0
        self._depth = 0
        self._closed: dict[int, str] = {}  # where a parenthesis ended, and what was in it

    @contextmanager
    def _level(self) -> Generator[None, None, None]:
        """One level deeper into brackets, functions and branches."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise FeelSyntaxError(
                f"failed to parse expression '{self._text}': nested deeper than {MAX_DEPTH} levels."
                " Split it into several expressions"
            )
        try:
            yield
        finally:
            self._depth -= 1

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
            raise NoMatch
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
        except NoMatch:
            self._at = mark
            return None

    def _repeated(self, signs: str | Sequence[str], rule: Callable[[], T]) -> list[T]:
        """What the rule reads for as long as it begins with one of the signs and fits."""
        wanted = (signs,) if isinstance(signs, str) else signs
        found: list[T] = []
        while self._sees(*wanted):
            more = self._optional(rule)
            if more is None:
                break
            found.append(more)
        return found

    def _separated(self, rule: Callable[[], T]) -> list[T]:
        """One or more, with commas between them."""
        return [rule(), *self._repeated(",", partial(self._after, ",", rule))]

    def _after(self, sign: str, rule: Callable[[], T]) -> T:
        self._expect(sign)
        return rule()
