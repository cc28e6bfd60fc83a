"""The nearest right name for a wrong one, for error messages."""

import difflib
from collections.abc import Iterable


def suggest(wrong: str, known: Iterable[str]) -> str:
    """A sentence to end an error message with: the nearest known name, else all of them."""
    names = sorted(known)
    if not names:
        return "There is none."
    near = difflib.get_close_matches(wrong.replace("-", "_"), names, n=1)
    near = near or difflib.get_close_matches(wrong, names, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(names)}."
