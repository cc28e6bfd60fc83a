"""What a worker is made of when it runs: read and checked before anything is sent anywhere."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

import attrs

from zbtrio.errors import HandlerError
from zbtrio.hooks import Handler, PluginSet
from zbtrio.worker.binding import Binding
from zbtrio.worker.handling import handle_with
from zbtrio.worker.names import Names
from zbtrio.worker.results import Requests
from zbtrio.worker.settings import WorkerSettings
from zbtrio.worker.subscription import Subscription
from zbtrio.worker.tasks import Task, Tasks
from zbtrio.worker.threads import Threads

__all__ = ["Preparation"]


@attrs.frozen(eq=False)
class Preparation:
    """Handlers with their settings and plugins, for one run."""

    tasks: Tasks
    settings: WorkerSettings
    plugins: PluginSet
    names: Names | None

    @property
    def requests(self) -> Requests:
        """What makes requests of outcomes."""
        return Requests(self.names, self.plugins.codecs.encode)

    def check(self) -> None:
        """Raise HandlerError if there is no task, PluginError for an option nobody knows."""
        if not self.tasks:
            raise HandlerError("There is nothing to run: no task is registered, by code or plugin.")
        known = inspect.signature(Tasks.task).parameters
        for task in self.tasks:
            self.plugins.check_options(task.type, task.options, known)

    def subscription(self, task: Task) -> Subscription:
        """A subscription for a task."""
        return Subscription(task, self.settings, self.plugins.observers)

    def handler(
        self, subscription: Subscription, provided: Mapping[type, object], threads: Threads
    ) -> Handler:
        """The way of a subscription's jobs; also settles which variables it fetches.

        `provided` is what handlers get by its type. Raises HandlerError, PluginError.
        """
        task, plugins = subscription.task, self.plugins
        binding = Binding(task, names=self.names, provided=provided, codecs=plugins.codecs)
        subscription.fetch = plugins.fetch_names(subscription, binding.fetch)
        wrap = plugins.middleware_for(subscription)
        return handle_with(task, binding, wrap, plugins, threads)
