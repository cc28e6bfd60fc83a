"""Tokens put by hand: start instructions of a new instance, and modification of a running one.

An element is activated in the scopes around it; those that don't run are begun first, without
their start events and input mappings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import attrs

from .documents import Document
from .model.elements import Element, Process
from .rejection import Rejection, rejected
from .state import ACTIVATED, ACTIVATING, TERMINATED, TERMINATING, ElementInstance, ProcessInstance

if TYPE_CHECKING:
    from .core import Core

_SUPPORTED = (
    "PROCESS",
    "SUB_PROCESS",
    "EVENT_SUB_PROCESS",
    "INTERMEDIATE_CATCH_EVENT",
    "INTERMEDIATE_THROW_EVENT",
    "END_EVENT",
    "SERVICE_TASK",
    "RECEIVE_TASK",
    "USER_TASK",
    "MANUAL_TASK",
    "TASK",
    "EXCLUSIVE_GATEWAY",
    "PARALLEL_GATEWAY",
    "EVENT_BASED_GATEWAY",
    "INCLUSIVE_GATEWAY",
    "MULTI_INSTANCE_BODY",
    "CALL_ACTIVITY",
    "BUSINESS_RULE_TASK",
    "SCRIPT_TASK",
    "SEND_TASK",
)
_TYPES = f"Supported element types are: [{', '.join(_SUPPORTED)}]"


@attrs.frozen
class VariableInstruction:
    """Variables to set with an activation; without a scope they are the process instance's."""

    variables: Document
    scope_id: str = ""


@attrs.frozen
class ActivateInstruction:
    """An element to activate.

    Args:
        ancestor_key: the element instance in which to begin; 0 to use the scopes that run.
    """

    element_id: str
    ancestor_key: int = 0
    variables: Sequence[VariableInstruction] = ()


class Placement:
    """Puts tokens on elements and takes them off."""

    def __init__(self, core: Core) -> None:
        self._core = core

    # -- start instructions

    def starts(self, process: Process, ids: Sequence[str]) -> list[Element] | None:
        """The elements at which a new instance begins, None for its start; raises Rejection."""
        elements = [self._start(process, id) for id in ids]
        return None if not elements or elements == [process.root] else elements

    def _start(self, process: Process, id: str) -> Element:
        element = process.elements.get(id)
        if element is None and id not in process.flows:
            raise _no_start(f"no element found with id '{id}'.")
        type = element.type if element else "SEQUENCE_FLOW"
        if element is not None and _inside_loop(element):
            where = "inside a multi-instance subprocess"
            not_supported = f"The creation of elements {where} is not supported."
            raise _no_start(f"the element with id '{id}' is {where}. {not_supported}")
        if element is None or type not in _SUPPORTED:
            what = f"the element with id '{id}' targets unsupported element type '{type}'."
            raise _no_start(f"{what} {_TYPES}")
        if element.after_event_gateway:
            where = "belonging to an event-based gateway"
            what = f"the element with id '{id}' belongs to an event-based gateway."
            raise _no_start(f"{what} The creation of elements {where} is not supported.")
        return element

    def begin(self, root: ProcessInstance, elements: Iterable[Element]) -> None:
        """Activate the elements of a new instance."""
        for element in elements:
            if element is not root.element:
                self._activate(root, ActivateInstruction(element.id), element)

    # -- modification

    def modify(
        self, root: ProcessInstance, activate: Sequence[ActivateInstruction], terminate: list[int]
    ) -> None:
        """Activate and terminate elements of a process instance; raises Rejection."""
        self._check(root, activate, terminate)
        kept: set[int] = set()
        elements = root.definition.process.elements
        for instruction in activate:
            kept |= self._activate(root, instruction, elements[instruction.element_id])
        for key in terminate:
            if instance := self._core.instances.get(key):
                self._terminate_with_scopes(instance, kept)

    def _check(
        self, root: ProcessInstance, activate: Sequence[ActivateInstruction], terminate: list[int]
    ) -> None:
        elements = root.definition.process.elements
        for instruction in activate:
            id = instruction.element_id
            if id not in elements and id not in root.definition.process.flows:
                raise _no_change(
                    root, f"activate instructions with an element that {_LOST}: '{id}'"
                )
        for instruction in activate:
            self._check_supported(root, instruction.element_id)
        for key in terminate:
            instance = self._core.instances.get(key)
            if instance is None or instance.root is not root:
                what = f"terminate instructions with an element instance that {_LOST}: '{key}'"
                raise _no_change(root, what)
        for instruction in activate:
            self._check_variables(root, instruction)
            self._check_ancestor(root, instruction)
        self._check_not_emptied(root, activate, terminate)

    def _check_supported(self, root: ProcessInstance, id: str) -> None:
        element = root.definition.process.elements.get(id)
        what = f"activate instructions for elements that are unsupported: '{id}'. The activation of"
        if element is not None and _inside_loop(element):
            where = "elements inside a multi-instance subprocess"
            raise _no_change(root, f"{what} {where} is not supported.")
        type = element.type if element else "SEQUENCE_FLOW"
        if element is None or type not in _SUPPORTED:
            unsupported = f"elements with type '{type}' is not supported."
            raise _no_change(root, f"{what} {unsupported} {_TYPES}.")
        if element.after_event_gateway:
            where = "events belonging to an event-based gateway"
            raise _no_change(root, f"{what} {where} is not supported.")

    def _check_variables(self, root: ProcessInstance, instruction: ActivateInstruction) -> None:
        elements = root.definition.process.elements
        around = [each.id for each in _ancestors(elements[instruction.element_id])]
        for variable in instruction.variables:
            id = variable.scope_id
            if id and id not in elements:
                what = f"variable instructions with a scope element id that {_LOST}: '{id}'"
                raise _no_change(root, what)
            if id and id not in (*around, instruction.element_id):
                raise _no_change(
                    root,
                    "variable instructions with a scope element that doesn't belong to the"
                    " activating element's flow scope. These variables should be set before or"
                    " after the modification.",
                )

    def _check_ancestor(self, root: ProcessInstance, instruction: ActivateInstruction) -> None:
        element = root.definition.process.elements[instruction.element_id]
        key = instruction.ancestor_key
        if key <= 0:
            self._scope(root, element, None)
            return
        ancestor = self._core.instances.get(key)
        what = "activate instructions with an ancestor scope key that"
        if ancestor is None or not ancestor.is_active:
            gone = f"does not exist, or is not in an active state: '{key}'"
            raise _no_change(root, f"{what} {gone}")
        if ancestor.root is not root:
            other = f"does not belong to the modified process instance: '{key}'"
            raise _no_change(root, f"{what} {other}")
        if ancestor.element not in _ancestors(element):
            raise _no_change(root, f"{what} is not an ancestor of the element to activate: '{key}'")

    def _check_not_emptied(
        self, root: ProcessInstance, activate: Sequence[ActivateInstruction], terminate: list[int]
    ) -> None:
        left = set(root.children) - set(terminate)
        if root.caller is None or activate or (left and root.key not in terminate):
            return
        raise rejected(
            "MODIFY",
            "INVALID_ARGUMENT",
            f"Expected to modify instance of process '{root.definition.id}' but the given"
            " instructions would terminate the instance. The instance was created by a call"
            " activity in the parent process. To terminate this instance please modify the parent"
            " process instead.",
        )

    # -- activating

    def _activate(
        self, root: ProcessInstance, instruction: ActivateInstruction, element: Element
    ) -> set[int]:
        """Activate an element, and the scopes around it; returns the keys of those scopes."""
        core = self._core
        ancestor = core.instances.get(instruction.ancestor_key)
        scope, missing = self._scope(root, element, ancestor)
        for container in missing:
            scope = self._begin_scope(container, scope)
        instance = core.lifecycle.new_instance(element, scope)
        around = {each.element.id: each for each in (root, *scope.chain(), instance)}
        for variable in instruction.variables:
            target = around[variable.scope_id or root.element.id]
            core.variables.merge_local(target, variable.variables)
        core.lifecycle.activate_instance(instance)
        return {each.key for each in scope.chain()}

    def _scope(
        self, root: ProcessInstance, element: Element, ancestor: ElementInstance | None
    ) -> tuple[ElementInstance, list[Element]]:
        """The innermost scope that runs, and the containers to begin in it, outermost first."""
        containers = [each for each in reversed(_ancestors(element)) if each is not root.element]
        if ancestor is not None:
            below = containers.index(ancestor.element) + 1 if ancestor is not root else 0
            return ancestor, containers[below:]
        scope = root
        for place, container in enumerate(containers):
            running = [c for c in scope.children.values() if c.element is container and c.is_active]
            if not running:
                return scope, containers[place:]
            if len(running) > 1:
                raise self._undecided(root, element)
            scope = running[0]
        return scope, []

    def _undecided(self, root: ProcessInstance, element: Element) -> Rejection:
        return _no_change(
            root,
            "activate instructions for an element that has a flow scope with more than one active"
            f" instance: '{element.id}'. Can't decide in which instance of the flow scope the"
            " element should be activated. Please specify an ancestor element instance key for"
            " this activate instruction.",
        )

    def _begin_scope(self, container: Element, scope: ElementInstance) -> ElementInstance:
        core = self._core
        instance = core.lifecycle.new_instance(container, scope)
        core.lifecycle.attach(instance)
        core.lifecycle.event(instance, ACTIVATING)
        core.lifecycle.event(instance, ACTIVATED)
        core.subscriptions.open(instance, [*container.boundaries, *container.event_starts])
        return instance

    # -- terminating

    def _terminate_with_scopes(self, instance: ElementInstance, kept: set[int]) -> None:
        """Terminate an instance, and the scopes around it in which nothing else runs."""
        for here in list(instance.chain()):
            if here is not instance and (here.children or here.active_flows or here.key in kept):
                return
            self._terminate(here)

    def _terminate(self, instance: ElementInstance) -> None:
        """Terminate an instance and all in it, at once: inner ones end before outer ones."""
        stack = [instance]
        begun: set[int] = set()
        while stack:
            here = stack[-1]
            if here.key not in begun:
                begun.add(here.key)
                self._begin_to_terminate(here)
                stack.extend(reversed(_inside(here)))
            else:
                stack.pop()
                self._end(here)

    def _begin_to_terminate(self, instance: ElementInstance) -> None:
        core = self._core
        core.lifecycle.event(instance, TERMINATING)
        core.jobs.cancel(instance)
        core.incidents.drop(instance.incident)
        core.subscriptions.close(instance)

    def _end(self, instance: ElementInstance) -> None:
        self._core.lifecycle.event(instance, TERMINATED)
        self._core.lifecycle.detach(instance)
        if isinstance(instance, ProcessInstance):
            self._core.definitions.ended(instance)


_LOST = "could not be found"


def _inside(instance: ElementInstance) -> list[ElementInstance]:
    """What runs directly in an instance, or was called by it."""
    called = instance.called
    return [*instance.children.values(), *([called] if called and not called.is_ending else [])]


def _ancestors(element: Element) -> list[Element]:
    """The containers around an element, innermost first."""
    found: list[Element] = []
    container = element.container
    while container is not None:
        found.append(container)
        container = container.container
    return found


def _inside_loop(element: Element) -> bool:
    return any(each.loop is not None for each in _ancestors(element))


def _no_start(what: str) -> Rejection:
    text = f"Expected to create instance of process with start instructions but {what}"
    return rejected("CREATE", "INVALID_ARGUMENT", text)


def _no_change(root: ProcessInstance, what: str) -> Rejection:
    expected = f"Expected to modify instance of process '{root.definition.id}'"
    text = f"{expected} but it contains one or more {what}"
    return rejected("MODIFY", "INVALID_ARGUMENT", text)
