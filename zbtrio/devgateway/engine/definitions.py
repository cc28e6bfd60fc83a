"""Deployed processes by id and version, and the instances that they start."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .documents import Document
from .model.elements import CalledProcess, Element
from .state import Definition, ElementInstance, ProcessInstance, Trigger
from .values import process_value

if TYPE_CHECKING:
    from .core import Core


class Definitions:
    """All processes that are deployed and not deleted."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.by_key: dict[int, Definition] = {}
        self._versions: dict[str, dict[int, Definition]] = {}
        self._newest: dict[str, int] = {}

    # -- finding

    def latest(self, process_id: str) -> Definition | None:
        """The newest version that is not deleted."""
        versions = self._versions.get(process_id)
        return versions[max(versions)] if versions else None

    def version(self, process_id: str, version: int) -> Definition | None:
        """A certain version."""
        return self._versions.get(process_id, {}).get(version)

    def called(self, process_id: str, call: CalledProcess, caller: Definition) -> Definition | None:
        """What a call activity of a process calls."""
        if call.binding == "latest":
            return self.latest(process_id)
        return next(filter(lambda d: _is_bound(d, call, caller), self._of(process_id)), None)

    def _of(self, process_id: str) -> Iterator[Definition]:
        versions = self._versions.get(process_id, {})
        return (versions[number] for number in sorted(versions, reverse=True))

    # -- deploying and deleting

    def newest(self, process_id: str) -> Definition | None:
        """The version that was deployed last, unless it was deleted."""
        return self.version(process_id, self._newest.get(process_id, 0))

    def next_version(self, process_id: str) -> int:
        """The number of the next version; those of deleted versions are not given again."""
        return self._newest.get(process_id, 0) + 1

    def add(self, definition: Definition) -> None:
        """A new version of a process."""
        self.by_key[definition.key] = definition
        self._versions.setdefault(definition.id, {})[definition.version] = definition
        self._newest[definition.id] = definition.version

    def remove(self, definition: Definition) -> None:
        """A version is deleted; the one before it listens for start events again."""
        was_latest = self.latest(definition.id) is definition
        del self.by_key[definition.key]
        del self._versions[definition.id][definition.version]
        if was_latest:
            self.close_starts(definition)
            if before := self.latest(definition.id):
                self.open_starts(before)

    def close_starts(self, definition: Definition) -> None:
        """Events no longer start instances of a version."""
        self._core.timers.close_starts(definition)
        self._core.messages.starts.close(definition)
        self._core.signals.close_starts(definition)

    def open_starts(self, definition: Definition) -> None:
        """Events start instances of a version."""
        evaluator, nothing = self._core.evaluator, dict[str, object]()
        for start in definition.process.root.starts:
            if start.message is not None:
                name = evaluator.string(start.message.name, nothing)
                self._core.messages.starts.open(definition, start, name)
            elif start.signal is not None:
                name = evaluator.string(start.signal, nothing)
                self._core.signals.open_start(definition, start, name)
            elif start.timer is not None:
                due, cycle = evaluator.timer(start.timer, nothing, self._core.time)
                self._core.timers.open_start(definition, start, due, cycle)

    # -- starting

    def new_instance(
        self, definition: Definition, caller: ElementInstance | None = None
    ) -> ProcessInstance:
        """A process instance that has not begun."""
        key = self._core.next_key()
        value = process_value(definition, key, caller)
        depth = caller.root.depth + 1 if caller else 1
        return ProcessInstance(
            key, definition.process.root, definition, None, value, caller=caller, depth=depth
        )

    def start_by_event(
        self, definition: Definition, event: Element, variables: Document
    ) -> ProcessInstance:
        """An event starts an instance."""
        instance = self.new_instance(definition)
        trigger = Trigger(self._core.next_key(), event, variables)
        self._core.events.note_start(trigger, definition, instance)
        instance.trigger = trigger
        self._core.lifecycle.start(instance)
        return instance

    def ended(self, instance: ProcessInstance) -> None:
        """A process instance has ended."""
        instance.definition.instances -= 1
        self._core.messages.starts.ended(instance)


def _is_bound(definition: Definition, call: CalledProcess, caller: Definition) -> bool:
    if call.binding == "deployment":
        return definition.deployment_key == caller.deployment_key
    return definition.process.version_tag == call.version_tag
