"""What can go wrong with a DMN file or a decision."""

from zbtrio.errors import ZbtrioError


class DmnError(ZbtrioError):
    """The file can't be deployed; the message is what Zeebe answers behind the file's name."""


class DecisionFailure(Exception):
    """A decision has no result; the message is Zeebe's reason."""
