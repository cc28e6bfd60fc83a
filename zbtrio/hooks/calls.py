"""Calling the implementations of a hook one by one, so that a failing one can be named."""

from collections.abc import Iterator, Sequence
from typing import Any

import pluggy

from zbtrio.errors import PluginError, ZbtrioError
from zbtrio.hooks.check import Plugin


class Calls:
    """The hooks of registered plugins; `plugins` gives the order."""

    def __init__(self, relay: pluggy.HookRelay, plugins: Sequence[Plugin]) -> None:
        self._plugins = plugins
        self._implementations: dict[tuple[str, str], pluggy.HookImpl] = {
            (hook, impl.plugin_name): impl
            for hook, caller in vars(relay).items()
            for impl in caller.get_hookimpls()
        }

    def ask(self, hook: str, **arguments: object) -> Iterator[tuple[Plugin, Any]]:
        """Each plugin that gives an answer, outermost first, and its answer."""
        for plugin in self._plugins:
            answer = self.one(hook, plugin, **arguments)
            if answer is not None:
                yield plugin, answer

    def one(self, hook: str, plugin: Plugin, **arguments: object) -> Any:
        """One plugin's answer, None if it doesn't have the hook; PluginError if that raises."""
        impl = self._implementations.get((hook, plugin.name))
        if impl is None:
            return None
        try:
            return impl.function(*(arguments[name] for name in impl.argnames))
        except ZbtrioError:
            raise
        except Exception as error:
            raise PluginError(
                f"{plugin} failed in {hook}: {type(error).__name__}: {error}"
            ) from error
