"""What stops an element instance: an incident, with its type and text."""

from __future__ import annotations


class Failure(Exception):
    """The step can't be done; it becomes an incident and is done again once that is resolved.

    Args:
        type: Zeebe's error type, such as IO_MAPPING_ERROR.
        message: the incident's text.
    """

    def __init__(self, type: str, message: str) -> None:
        super().__init__(message)
        self.type = type
        self.message = message
