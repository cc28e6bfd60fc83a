"""In which order plugins stand, outermost first.

Registration order would be no order: entry points come in directory order, and pluggy calls the
last registered first. So: by stage, within it by name; plugins that `[plugins] order` lists come
before all others, as listed.
"""

from collections.abc import Iterable, Sequence

from zbtrio.hooks.check import Plugin
from zbtrio.hooks.types import STAGES


def in_order(plugins: Iterable[Plugin], listed: Sequence[str] = ()) -> tuple[Plugin, ...]:
    """The plugins, outermost first. One without a stage has no middleware and comes last."""

    def rank(plugin: Plugin) -> tuple[int, int, str]:
        first = listed.index(plugin.name) if plugin.name in listed else len(listed)
        stage = STAGES.index(plugin.stage) if plugin.stage else len(STAGES)
        return first, stage, plugin.name

    return tuple(sorted(plugins, key=rank))
