"""What can go wrong with an expression: it doesn't parse, or a part of it has no value."""

from zbtrio.errors import ZbtrioError


class FeelSyntaxError(ZbtrioError):
    """The text is no FEEL expression; the message has the text and the place, as Zeebe's has."""


class FeelFailure(Exception):
    """A part of an expression has no value; most operators turn this into null."""


class FatalFailure(Exception):
    """A failure that operators pass on: `?` where no input value is known."""


class FunctionFailure(Exception):
    """A function can't answer; the invocation reports it as a warning and gives null."""


class Crash(Exception):
    """Where Zeebe's evaluator breaks off with a Java exception; the message names it as Java."""
