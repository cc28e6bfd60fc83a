"""The hook system: what a plugin may do, and how its parts are put together.

A plugin is an attrs class with `eq=False` that an entry point of group `zbtrio` names. Its fields
are its options (`[plugins.NAME]` in zbtrio.toml), its instance is the plugin, its methods marked
with `@zbtrio.hookimpl` are its hooks; docs/hooks.md has them all. A `PluginSet` belongs to one run
of one worker: nothing here is global.
"""

from zbtrio.hooks.check import Plugin
from zbtrio.hooks.codecs import Codecs
from zbtrio.hooks.markers import hookimpl, hookspec
from zbtrio.hooks.observers import Observer, ObserverFailure, Observers
from zbtrio.hooks.plugin_set import PluginSet, PluginsSettings
from zbtrio.hooks.types import STAGES, Handler, Middleware, Stage, VariableCodec, Wrap

__all__ = [
    "STAGES",
    "Codecs",
    "Handler",
    "Middleware",
    "Observer",
    "ObserverFailure",
    "Observers",
    "Plugin",
    "PluginSet",
    "PluginsSettings",
    "Stage",
    "VariableCodec",
    "Wrap",
    "hookimpl",
    "hookspec",
]
