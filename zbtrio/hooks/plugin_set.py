"""The plugins of one running worker, and what they make of their hooks."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

import attrs
import pluggy

from zbtrio import settings
from zbtrio.errors import PluginError, SettingsError, ZbtrioError
from zbtrio.hooks import specs
from zbtrio.hooks.calls import Calls
from zbtrio.hooks.check import Plugin, check_class, checked, register
from zbtrio.hooks.codecs import Codecs
from zbtrio.hooks.compose import compose, is_async
from zbtrio.hooks.discover import Candidate, installed
from zbtrio.hooks.markers import PROJECT
from zbtrio.hooks.observers import Observers
from zbtrio.hooks.order import in_order
from zbtrio.hooks.types import Middleware, Wrap
from zbtrio.suggest import suggest

if TYPE_CHECKING:
    from zbtrio.worker.handle import WorkerHandle
    from zbtrio.worker.job import Job
    from zbtrio.worker.outcomes import Outcome
    from zbtrio.worker.subscription import Subscription
    from zbtrio.worker.tasks import Tasks

_log = logging.getLogger("zbtrio.hooks")


@attrs.frozen
class PluginsSettings:
    """The table [plugins] itself."""

    disabled: tuple[str, ...] = settings.option((), help="Plugins that are not loaded.")
    order: tuple[str, ...] = settings.option(
        (), help="Plugins that come before all others, outermost first."
    )


class PluginSet:
    """Plugins in their order, with one pluggy manager of their own.

    Attributes:
        plugins: the plugins, outermost first.
        observers: the observer hooks, to be called.
        codecs: reads and writes the types that plugins know; false if no plugin does.
    """

    def __init__(self, plugins: Iterable[Plugin] = (), *, order: Sequence[str] = ()) -> None:
        manager = pluggy.PluginManager(PROJECT)
        manager.add_hookspecs(specs)
        names = tuple(sorted(vars(manager.hook)))
        ready = (checked(plugin, names) for plugin in plugins)
        self.plugins = in_order(ready, order)
        for plugin in reversed(self.plugins):  # pluggy calls the last registered first
            register(manager, plugin)
        self._calls = Calls(manager.hook, self.plugins)
        self.observers = Observers(manager.hook)
        self.codecs = Codecs(self._calls)

    @classmethod
    def of(cls, **instances: object) -> PluginSet:
        """The given instances and nothing else; for tests."""
        return cls(Plugin(name, instance) for name, instance in instances.items())

    @classmethod
    def load(
        cls,
        file: settings.SettingsFile | None = None,
        *,
        disabled: Iterable[str] = (),
        extra: Mapping[str, object] | None = None,
        environ: Mapping[str, str] | None = None,
        entries: Iterable[EntryPoint] | None = None,
    ) -> PluginSet:
        """Import and configure every installed plugin that isn't disabled.

        `disabled` adds to the setting's names; `extra` are plugin instances that aren't
        installed, by name. Raises PluginError for a plugin that can't be loaded or breaks a rule,
        SettingsError for options that are wrong: nothing is left half configured.
        """
        extra = extra or {}
        candidates = installed(entries)
        own = settings.resolve(
            PluginsSettings, "plugins", environ=environ, file=file, subtables=candidates
        ).instance
        off = {*own.disabled, *disabled}
        for name in (*off, *own.order):
            if name not in candidates and name not in extra:
                known = suggest(name, (*candidates, *extra))
                raise SettingsError(f"[plugins] names {name!r}, which isn't installed. {known}")
        chosen = [candidate for name, candidate in candidates.items() if name not in off]
        plugins = [_configured(candidate, file, environ) for candidate in chosen]
        plugins += [Plugin(name, given) for name, given in extra.items() if name not in off]
        return cls(plugins, order=own.order)

    def tasks(self) -> list[Tasks]:
        """The registries of handlers that plugins bring."""
        return [found for _, found in self._calls.ask("register_tasks")]

    def middleware_for(self, subscription: Subscription) -> Wrap | None:
        """All middlewares for a subscription's jobs as one wrapper, or None if there is none."""
        found: list[Middleware] = []
        for plugin, middleware in self._calls.ask("around_job", subscription=subscription):
            if not is_async(middleware):
                raise PluginError(
                    f"{plugin}: around_job returned {middleware!r}, which is no "
                    "`async def (job, call_next)`."
                )
            found.append(middleware)
        return compose(found)

    def fetch_names(
        self, subscription: Subscription, names: Iterable[str] | None
    ) -> tuple[str, ...] | None:
        """The variables to fetch, when the handler needs `names`; None is all of them."""
        if names is None:
            return None
        wanted = frozenset(names)
        for plugin in reversed(self.plugins):
            found = self._calls.one("fetch_names", plugin, subscription=subscription, names=wanted)
            wanted = wanted if found is None else frozenset(found)
        return tuple(sorted(wanted))

    @asynccontextmanager
    async def lifespans(self, worker: WorkerHandle) -> AsyncGenerator[dict[type, object]]:
        """Enter every lifespan in order, give what they gave by type, leave them in reverse."""
        provided: dict[type, object] = {}
        givers: dict[type, Plugin] = {}
        async with AsyncExitStack() as stack:
            for plugin, lifespan in self._calls.ask("lifespan", worker=worker):
                value = await _enter(stack, plugin, lifespan)
                if value is None:
                    continue
                kind = type(value)
                if kind in provided:
                    raise PluginError(
                        f"{givers[kind]} and {plugin} both give a {kind.__qualname__}: handlers "
                        "could not tell which is meant. Disable one."
                    )
                provided[kind], givers[kind] = value, plugin
            yield provided

    def map_exception(self, job: Job, error: Exception) -> Outcome | None:
        """What the first plugin that knows the exception makes of it."""
        for plugin in self.plugins:
            try:
                outcome = self._calls.one("map_exception", plugin, job=job, error=error)
            except PluginError:
                _log.exception("An exception of job %s is not mapped by %s.", job.key, plugin)
            else:
                if outcome is not None:
                    return outcome
        return None

    def check_options(self, type: str, options: Iterable[str], known: Iterable[str] = ()) -> None:
        """Raise PluginError for an option of a task that is no plugin's name.

        `@app.task(..., retry=...)` is for the plugin named retry. `known` are the options that
        tasks have by themselves: a wrong name is most likely one of those, misspelt.
        """
        names = [plugin.name for plugin in self.plugins]
        for name in options:
            if name not in names:
                raise PluginError(
                    f"Task {type!r} has the option {name!r}, and no plugin of that name is "
                    f"loaded. {suggest(name, [*known, *names])}"
                )


def _configured(
    candidate: Candidate,
    file: settings.SettingsFile | None,
    environ: Mapping[str, str] | None,
) -> Plugin:
    cls = candidate.load()
    check_class(cls, f"Plugin {candidate.name!r} of {candidate.distribution}")
    table = f"plugins.{candidate.name}"
    found = settings.resolve(cls, table, environ=environ, file=file)
    return Plugin(
        candidate.name, found.instance, candidate.distribution, origins=dict(found.origins)
    )


async def _enter(
    stack: AsyncExitStack, plugin: Plugin, lifespan: AbstractAsyncContextManager[Any]
) -> object:
    try:
        return await stack.enter_async_context(lifespan)
    except ZbtrioError:
        raise
    except Exception as error:
        raise PluginError(f"{plugin} can't start: {type(error).__name__}: {error}") from error
