"""The rules for a plugin, looked at when it is loaded: a broken one keeps the worker from starting.

pluggy finds an implementation by its mark alone. So a method with a hook's name and no mark, or a
mark and a misspelt name, would just never be called.
"""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pluggy

from zbtrio.errors import PluginError
from zbtrio.hooks.markers import PROJECT
from zbtrio.hooks.types import STAGES, Stage
from zbtrio.suggest import suggest

_ORDERING = ("tryfirst", "trylast", "wrapper", "hookwrapper")


@attrs.frozen(eq=False)
class Plugin:
    """A plugin that was loaded: its instance, where it comes from, what it implements."""

    name: str
    instance: object
    distribution: str = ""
    stage: Stage | None = None
    hooks: tuple[str, ...] = ()
    origins: dict[str, str] = attrs.field(factory=dict[str, str])

    def __str__(self) -> str:
        return f"plugin {self.name!r}" + (f" of {self.distribution}" if self.distribution else "")


def check_class(cls: type, who: str) -> None:
    """Raise PluginError unless the class is what the entry point of a plugin must name."""
    if not attrs.has(cls):
        raise PluginError(
            f"{who}: {cls.__qualname__} is no attrs class. Its fields are the plugin's options: "
            "decorate it with @attrs.define(eq=False)."
        )
    if cls.__eq__ is not object.__eq__:
        raise PluginError(
            f"{who}: {cls.__qualname__} compares by value, and pluggy refuses equal plugins: "
            "decorate it with @attrs.define(eq=False)."
        )


def checked(plugin: Plugin, specs: tuple[str, ...]) -> Plugin:
    """The plugin with its hooks and stage filled in. Raises PluginError for a broken rule."""
    hooks = tuple(_hooks(plugin, specs))
    if not hooks:
        raise PluginError(
            f"{plugin} has no hook: mark its methods with @zbtrio.hookimpl. "
            f"Hooks: {', '.join(specs)}."
        )
    return attrs.evolve(plugin, hooks=hooks, stage=_stage(plugin, hooks))


def _hooks(plugin: Plugin, specs: tuple[str, ...]) -> Iterator[str]:
    for name in dir(plugin.instance):
        function = _method(plugin.instance, name)
        if function is None:
            continue
        options: dict[str, Any] | None = getattr(function, f"{PROJECT}_impl", None)
        if options is None:
            if name in specs:
                raise PluginError(f"{plugin}: {name} is not marked with @zbtrio.hookimpl.")
            continue
        hook = options.get("specname") or name
        _check_hook(plugin, hook, function, options, specs)
        yield hook


def _method(instance: object, name: str) -> Callable[..., object] | None:
    """The function behind an attribute, without running a property."""
    found: Any = inspect.getattr_static(instance, name, None)
    found = getattr(found, "__func__", found)  # of a staticmethod or classmethod
    return found if inspect.isfunction(found) else None


def _check_hook(
    plugin: Plugin,
    hook: str,
    function: Callable[..., object],
    options: dict[str, Any],
    specs: tuple[str, ...],
) -> None:
    if hook not in specs:
        raise PluginError(f"{plugin}: there is no hook {hook!r}. {suggest(hook, specs)}")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise PluginError(
            f"{plugin}: {hook} is `async def`. A hook is a plain `def`; what is asynchronous is "
            "an object that it returns (a lifespan needs @asynccontextmanager above)."
        )
    ordering = [name for name in _ORDERING if options.get(name)]
    if ordering:
        raise PluginError(
            f"{plugin}: {hook} uses {ordering[0]}. Order comes from the class's `stage`, and "
            "from `order` under [plugins]."
        )


def _stage(plugin: Plugin, hooks: tuple[str, ...]) -> Stage | None:
    stage: Any = getattr(type(plugin.instance), "stage", None)
    if "around_job" in hooks and stage not in STAGES:
        raise PluginError(
            f"{plugin} has the hook around_job and stage {stage!r}. Say where its middleware "
            f"stands: `stage: ClassVar = ...`, outermost first {', '.join(STAGES)}."
        )
    return stage if stage in STAGES else None


def register(manager: pluggy.PluginManager, plugin: Plugin) -> None:
    """Give the plugin to pluggy, which looks at the arguments of its hooks."""
    if manager.has_plugin(plugin.name):
        raise PluginError(f"{plugin}: there are two of that name. Disable or rename one.")
    try:
        manager.register(plugin.instance, plugin.name)
    except pluggy.PluginValidationError as error:
        reason = str(error).splitlines()[-1]
        raise PluginError(f"{plugin}: {reason}. See docs/hooks.md for the signatures.") from None
