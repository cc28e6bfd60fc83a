"""Observers: hooks that only look. Cached, so that one costs a call, and none nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Generic, TypeVarTuple

import attrs
import pluggy

if TYPE_CHECKING:
    from zbtrio.worker.job import Job
    from zbtrio.worker.outcomes import Outcome
    from zbtrio.worker.subscription import Subscription

_log = logging.getLogger("zbtrio.hooks")

Ts = TypeVarTuple("Ts")


@attrs.frozen(eq=False)
class ObserverFailure:
    """An observer that raised, and is not called any more."""

    plugin: str
    hook: str
    error: Exception


@attrs.frozen(eq=False)
class _Call:
    plugin: str
    function: Callable[..., object]


class Observer(Generic[*Ts]):
    """One observer hook: calling it calls every plugin's; false when no plugin has it."""

    __slots__ = ("_calls", "_failures", "hook")

    def __init__(self, hook: str, calls: Iterable[_Call], failures: list[ObserverFailure]) -> None:
        self.hook = hook
        self._calls = tuple(calls)
        self._failures = failures

    def __bool__(self) -> bool:
        return bool(self._calls)

    def __call__(self, *args: *Ts) -> None:
        for call in self._calls:
            try:
                call.function(*args)
            except Exception as error:
                self._disable(call, error)

    def _disable(self, call: _Call, error: Exception) -> None:
        self._calls = tuple(other for other in self._calls if other is not call)
        self._failures.append(ObserverFailure(call.plugin, self.hook, error))
        _log.error(
            "Plugin %r raised in %s and is not called there any more.",
            call.plugin,
            self.hook,
            exc_info=error,
        )


class Observers:
    """All observer hooks of a running worker, each an attribute of its hook's name.

    Attributes:
        failures: the observers that raised and were disabled, in that order.
    """

    def __init__(self, relay: pluggy.HookRelay) -> None:
        self.failures: list[ObserverFailure] = []

        def observer(hook: str) -> Any:
            caller: pluggy.HookCaller = getattr(relay, hook)
            made: Observer[Any] = Observer(hook, _calls(caller), self.failures)
            return made

        self.job_activated: Observer[Job] = observer("job_activated")
        self.job_finished: Observer[Job, Outcome, float, float] = observer("job_finished")
        self.job_extended: Observer[Job, float] = observer("job_extended")
        self.report_finished: Observer[Job, Outcome, float, Exception | None] = observer(
            "report_finished"
        )
        self.poll_finished: Observer[Subscription, int, float, Exception | None] = observer(
            "poll_finished"
        )
        self.subscription_changed: Observer[Subscription, str, str] = observer(
            "subscription_changed"
        )
        self.connection_changed: Observer[str, str] = observer("connection_changed")


def _calls(caller: pluggy.HookCaller) -> list[_Call]:
    assert caller.spec is not None
    names = caller.spec.argnames
    implementations = reversed(caller.get_hookimpls())
    return [_Call(impl.plugin_name, _positional(impl, names)) for impl in implementations]


def _positional(impl: pluggy.HookImpl, names: Sequence[str]) -> Callable[..., object]:
    """The implementation, taking all of the hook's arguments in order; it may want fewer."""
    function: Callable[..., object] = impl.function
    if impl.argnames == names:
        return function
    wanted = [names.index(name) for name in impl.argnames]
    if not wanted:
        return lambda *args: function()
    if len(wanted) == 1:
        only = wanted[0]
        return lambda *args: function(args[only])
    pick = itemgetter(*wanted)
    return lambda *args: function(*pick(args))
