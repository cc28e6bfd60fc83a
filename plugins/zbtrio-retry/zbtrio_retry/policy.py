"""When a handler is run again here, and when Zeebe is asked to."""

import builtins
import pkgutil
import random
from collections.abc import Iterable, Iterator
from typing import Any, cast

import attrs

from zbtrio import BpmnError, Fail, SettingsError

Exceptions = tuple[type[Exception], ...]


@attrs.frozen
class Policy:
    """The rules for one job type. Times are seconds.

    Attributes:
        attempts: how often the handler is run here for one activation, the first time included.
        first_delay, max_delay, factor: before attempt n + 1 passes a random time between 0 and
            `first_delay * factor ** (n - 1)`, never more than `max_delay` (full jitter).
        backoff: after the last attempt, the job rests at least so long at the gateway.
        on, never: what is tried again: an exception of a class in `on` and of none in `never`.
    """

    attempts: int
    first_delay: float
    max_delay: float
    factor: float
    backoff: float
    on: Exceptions
    never: Exceptions

    def wants(self, error: Exception) -> bool:
        """Whether another attempt may help. Of a group, every exception has to be wanted.

        BpmnError and Fail are answers to the process and never tried again.
        """
        return all(
            isinstance(leaf, self.on) and not isinstance(leaf, (BpmnError, Fail, *self.never))
            for leaf in _leaves(error)
        )

    def delay(self, attempt: int) -> float:
        """The pause after attempt number `attempt`, which counts from 1."""
        longest = min(self.max_delay, self.first_delay * self.factor ** (attempt - 1))
        return random.uniform(0, longest)

    def rest(self) -> float:
        """How long the gateway keeps the job: up to a half longer than `backoff`.

        Jobs that failed together, of a downstream that broke, don't come back together.
        """
        return self.backoff * random.uniform(1, 1.5)


def exceptions(names: Iterable[str], option: str) -> Exceptions:
    """The classes of dotted names; builtins need no dots. Raises SettingsError for a wrong one."""
    return tuple(_exception(name, option) for name in names)


def _exception(name: str, option: str) -> type[Exception]:
    try:
        found: Any = pkgutil.resolve_name(name) if "." in name else getattr(builtins, name)
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsError(
            f"[plugins.retry] {option}: there is no exception {name!r} ({error}). Write its full "
            "name as it is imported, such as 'httpx.TransportError'."
        ) from None
    if not (isinstance(found, type) and issubclass(found, Exception)):
        raise SettingsError(f"[plugins.retry] {option}: {name!r} is no subclass of Exception.")
    return found


def _leaves(error: Exception) -> Iterator[Exception]:
    if isinstance(error, ExceptionGroup):
        for inner in cast("ExceptionGroup[Exception]", error).exceptions:
            yield from _leaves(inner)
    else:
        yield error
