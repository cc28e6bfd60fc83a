"""Migration: a running process instance goes on as an instance of another definition.

Each active element is mapped to one of the same type in the same place. What it waits for goes
with it: jobs as they are, and events by their own mapping; events without one are given up, and
those that only the target has are listened to anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .model.elements import Element
from .rejection import Rejection, rejected
from .state import Definition, ElementInstance, ProcessInstance
from .values import element_value, process_value
from .variables import variable_value
from .waiting import MessageSubscription, Timer

if TYPE_CHECKING:
    from .core import Core

_SUPPORTED = (
    "PROCESS",
    "SERVICE_TASK",
    "USER_TASK",
    "RECEIVE_TASK",
    "SEND_TASK",
    "SCRIPT_TASK",
    "BUSINESS_RULE_TASK",
    "SUB_PROCESS",
    "EVENT_SUB_PROCESS",
    "CALL_ACTIVITY",
    "INTERMEDIATE_CATCH_EVENT",
)


class Migration:
    """Checks a migration plan and carries it out."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def migrate(
        self, root: ProcessInstance, target: Definition, plan: Sequence[tuple[str, str]]
    ) -> None:
        """Migrate a process instance by (source id, target id) pairs; raises Rejection."""
        _check_plan(root, target, plan)
        mapping = dict(plan)
        instances = _all(root)
        for instance in instances:
            _check_instance(root, target, mapping, instance)
        for instance in instances:
            self._check_messages(root, target, mapping, instance)
        for instance in instances:
            self._migrate(instance, target, mapping)
        root.definition.instances += 1

    def _check_messages(
        self,
        root: ProcessInstance,
        target: Definition,
        mapping: Mapping[str, str],
        instance: ElementInstance,
    ) -> None:
        element = _mapped(instance, target, mapping)
        messages = [each for each in instance.waits if isinstance(each, MessageSubscription)]
        names = {each.name for each in messages}
        known = {mapping.get(each.element.id) for each in messages}
        for event in (*element.catches, *element.boundaries):
            name = event.message.name.text if event.message else None
            if name in names and event.id not in known and event is not element:
                raise _wrong_state(
                    root,
                    f"active element with id '{instance.element.id}' attempts to subscribe to a"
                    f" message it is already subscribed to with name '{name}'. Migrating active"
                    " elements that subscribe to a message they are already subscribed to is not"
                    " possible yet. Please provide a mapping instruction to message catch event"
                    f" with id '{event.id}' to migrate the respective message subscription.",
                )

    def _migrate(
        self, instance: ElementInstance, target: Definition, mapping: Mapping[str, str]
    ) -> None:
        element = _mapped(instance, target, mapping)
        if instance.scope is None:
            instance.definition.instances -= 1
        instance.element, instance.definition = element, target
        if instance.scope is None:
            instance.value = process_value(target, instance.key, instance.root.caller)
        else:
            instance.value = element_value(element, instance.scope)
        log = self._core.log
        log.event("PROCESS_INSTANCE", "ELEMENT_MIGRATED", instance.key, instance.value)
        self._migrate_events(instance, target, mapping)
        if instance.job is not None:
            log.event("JOB", "MIGRATED", instance.job.key, instance.job.value())
        for incident in (instance.incident, instance.job.incident if instance.job else None):
            if incident is not None:
                incident.element_id = element.id
                log.event("INCIDENT", "MIGRATED", incident.key, incident.value())
        for name, variable in instance.variables.items():
            value = variable_value(instance, name, None)
            log.event("VARIABLE", "MIGRATED", variable.key, value)

    def _migrate_events(
        self, instance: ElementInstance, target: Definition, mapping: Mapping[str, str]
    ) -> None:
        """Keep the subscriptions that are mapped, close the others, open what is new."""
        elements = target.process.elements
        given_up = [each.element for each in instance.waits if each.element.id not in mapping]
        self._core.subscriptions.close_events(instance, given_up)
        kept: list[Element] = []
        for each in instance.waits:
            each.element = elements[mapping[each.element.id]]
            kept.append(each.element)
            if isinstance(each, Timer):
                each.definition = target
            elif isinstance(each, MessageSubscription):
                self._core.messages.migrated(each)
        element = instance.element
        events = (*element.catches, *element.boundaries, *element.event_starts)
        self._core.subscriptions.open(instance, [each for each in events if each not in kept])


def _all(root: ProcessInstance) -> list[ElementInstance]:
    """A process instance and all in it, outer ones first."""
    found: list[ElementInstance] = [root]
    for instance in found:
        found.extend(instance.children.values())
    return found


def _mapped(instance: ElementInstance, target: Definition, mapping: Mapping[str, str]) -> Element:
    if instance.scope is None:
        return target.process.root
    return target.process.elements[mapping[instance.element.id]]


def _check_plan(root: ProcessInstance, target: Definition, plan: Sequence[tuple[str, str]]) -> None:
    sources = [source for source, _ in plan]
    twice = sorted({source for source in sources if sources.count(source) > 1})
    if twice:
        ids = f"[{', '.join(twice)}]"
        what = f"the mapping instructions contain duplicate source element ids '{ids}'."
        raise _wrong_plan(root, what)
    for source, to in plan:
        where = "Elements provided in mapping instructions must exist in the"
        if source not in root.definition.process.elements:
            what = f"mapping instructions contain a non-existing source element id '{source}'."
            raise _wrong_plan(root, f"{what} {where} source process definition.")
        if to not in target.process.elements:
            what = f"mapping instructions contain a non-existing target element id '{to}'."
            raise _wrong_plan(root, f"{what} {where} target process definition.")


def _check_instance(
    root: ProcessInstance,
    target: Definition,
    mapping: Mapping[str, str],
    instance: ElementInstance,
) -> None:
    if instance.scope is None:
        return
    element = instance.element
    name = f"active element with id '{element.id}'"
    if element.type not in _SUPPORTED:
        kind = element.type.lower().replace("_", " ")
        what = f"has an unsupported type. The migration of a {kind} is not supported."
        raise _wrong_state(root, f"{name} {what}")
    if element.id not in mapping:
        what = f"no mapping instruction defined for {name}."
        raise _wrong_state(root, f"{what} Elements cannot be migrated without a mapping.")
    to = target.process.elements[mapping[element.id]]
    if to.type != element.type:
        what = f"and type '{element.type}' is mapped to an element with id '{to.id}' and different"
        same = f"type '{to.type}'. Elements must be mapped to elements of the same type."
        raise _wrong_state(root, f"{name} {what} {same}")
    _check_scope(root, target, mapping, instance, to)


def _check_scope(
    root: ProcessInstance,
    target: Definition,
    mapping: Mapping[str, str],
    instance: ElementInstance,
    to: Element,
) -> None:
    scope = instance.around
    expected = (
        target.process.root
        if scope is root
        else target.process.elements.get(mapping.get(scope.element.id, ""))
    )
    if to.container is expected:
        return
    wanted = scope.element.id
    found = to.container.id if to.container else ""
    raise _wrong_state(
        root,
        f"the flow scope of active element with id '{instance.element.id}' is changed. The flow"
        f" scope of the active element is expected to be '{wanted}' but was '{found}'. The flow"
        " scope of an element cannot be changed during migration yet.",
    )


def _wrong_plan(root: ProcessInstance, what: str) -> Rejection:
    text = f"Expected to migrate process instance '{root.key}' but {what}"
    return rejected("MIGRATE", "INVALID_ARGUMENT", text)


def _wrong_state(root: ProcessInstance, what: str) -> Rejection:
    text = f"Expected to migrate process instance '{root.key}' but {what}"
    return rejected("MIGRATE", "INVALID_STATE", text)
