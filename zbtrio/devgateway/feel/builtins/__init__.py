"""All functions that an expression can call without defining them."""

from .booleans import booleans
from .contexts import contexts
from .conversions import conversions
from .cycles import cycles
from .library import merged
from .lists import lists
from .numbers import numbers
from .ranges import ranges
from .strings import strings
from .temporals import temporals

BUILTINS = merged(
    booleans, contexts, conversions, cycles, lists, numbers, ranges, strings, temporals
)

__all__ = ["BUILTINS"]
