"""Exception groups at a public boundary: a group of one is that one."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import cast


@contextmanager
def unwrapped_if_single() -> Generator[None]:
    """Raise the only exception of a group instead of the group; leave groups of more alone."""
    try:
        yield
    except BaseExceptionGroup as group:
        only = _only_leaf(group)
        if only is None:
            raise
        context = only.__context__
        try:
            raise only
        finally:
            only.__context__ = context  # not "during handling of the group": it was the group


def _only_leaf(group: BaseExceptionGroup[BaseException]) -> BaseException | None:
    while len(group.exceptions) == 1:
        leaf = group.exceptions[0]
        if not isinstance(leaf, BaseExceptionGroup):
            return leaf
        group = cast("BaseExceptionGroup[BaseException]", leaf)
    return None
