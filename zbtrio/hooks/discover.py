"""Finding plugins: entry points of group `zbtrio`, loaded by us.

pluggy could load them itself, but then a failing import would not say whose it is.
"""

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

import attrs

from zbtrio.errors import PluginError

GROUP = "zbtrio"
RESERVED = ("disabled", "order")  # keys of [plugins] that are no plugin's table


@attrs.frozen
class Candidate:
    """An installed plugin that was not imported yet."""

    name: str
    distribution: str  # "zbtrio-retry 0.1.0"
    entry: EntryPoint

    def load(self) -> type[Any]:
        """Import the plugin class. Raises PluginError, with the distribution, if that fails."""
        try:
            found: object = self.entry.load()
        except Exception as error:
            raise PluginError(
                f"Plugin {self.name!r} of {self.distribution} can't be imported "
                f"({self.entry.value}): {type(error).__name__}: {error}. Repair or uninstall it, "
                f"or disable it: `disabled = [{self.name!r}]` under [plugins]."
            ) from error
        if not isinstance(found, type):
            raise PluginError(
                f"Plugin {self.name!r} of {self.distribution}: {self.entry.value} is no class."
            )
        return cast(type[Any], found)


def installed(entries: Iterable[EntryPoint] | None = None) -> dict[str, Candidate]:
    """The installed plugins by name. Raises PluginError if two distributions use one name."""
    found: dict[str, Candidate] = {}
    for entry in entry_points(group=GROUP) if entries is None else entries:
        candidate = Candidate(entry.name, _distribution(entry), entry)
        other = found.setdefault(entry.name, candidate)
        if other.distribution != candidate.distribution:
            raise PluginError(
                f"Two plugins are named {entry.name!r}: of {other.distribution} and of "
                f"{candidate.distribution}. Uninstall one."
            )
        if entry.name in RESERVED:
            raise PluginError(
                f"A plugin of {candidate.distribution} is named {entry.name!r}, which is a "
                "setting of [plugins] itself."
            )
    return found


def _distribution(entry: EntryPoint) -> str:
    dist = entry.dist
    return f"{dist.name} {dist.version}" if dist else "an unknown distribution"
