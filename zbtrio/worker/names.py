"""How Python names and the names of process variables are turned into each other."""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["Names", "camel_case", "python_name", "variable_name"]

Names = Callable[[str], str]
"""Python name -> variable name. It must leave a variable name as it is, since a handler may return
either. One that has a method `python` (variable name -> Python name) is used both ways."""

_SNAKE = re.compile(r"_+([a-z0-9])")
_HUMP = re.compile(r"(?<=[a-z0-9])[A-Z]|(?<=[A-Z])[A-Z](?=[a-z])")


class _CamelCase:
    """order_id <-> orderId. Names that are neither (`_id`, `ORDER_ID`, `order-id`) stay."""

    def __call__(self, name: str) -> str:
        if name.startswith("_") or name != name.lower():
            return name
        return _SNAKE.sub(lambda match: match[1].upper(), name)

    def python(self, name: str) -> str:
        """orderId -> order_id."""
        if not name[:1].islower():
            return name
        return _HUMP.sub(lambda match: "_" + match[0], name).lower()

    def __repr__(self) -> str:
        return "zbtrio.camel_case"


camel_case = _CamelCase()


def variable_name(names: Names | None, name: str) -> str:
    """The process variable of a Python name, under `names`."""
    return name if names is None else names(name)


def python_name(names: Names | None, variable: str) -> str:
    """The Python name of a process variable, under `names`."""
    back: Callable[[str], str] | None = getattr(names, "python", None)
    return variable if back is None else back(variable)
