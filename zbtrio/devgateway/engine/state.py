"""What the engine knows of definitions and of element instances, the scopes of variables.

These are plain records of state; the rooms beside this file change them. What an instance waits
for is in `waiting`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeAlias

import attrs

from .model.elements import Element, Process

if TYPE_CHECKING:
    from .waiting import Incident, Job, Waiting

DEFAULT_TENANT = "<default>"

# States of an element instance: Zeebe's intents.
ACTIVATING = "ELEMENT_ACTIVATING"
ACTIVATED = "ELEMENT_ACTIVATED"
COMPLETING = "ELEMENT_COMPLETING"
COMPLETED = "ELEMENT_COMPLETED"
TERMINATING = "ELEMENT_TERMINATING"
TERMINATED = "ELEMENT_TERMINATED"

Document: TypeAlias = dict[str, object]
ResultHandler: TypeAlias = Callable[[Document], None]


@attrs.define(eq=False)
class Definition:
    """A deployed process.

    Args:
        resource: the file's name.
        id: the BPMN process id.
        instances: how many instances run.
    """

    key: int
    version: int
    process: Process
    resource: str
    checksum: str
    deployment_key: int
    id: str = attrs.field(init=False)
    instances: int = 0

    def __attrs_post_init__(self) -> None:
        self.id = self.process.id


@attrs.define(eq=False)
class Variable:
    """A variable of one scope."""

    key: int
    value: object


@attrs.define(eq=False)
class Trigger:
    """An event that has happened and waits to be taken in.

    Args:
        element: the event that it is for; of a job, the job's own element.
        variables: what came with it.
    """

    key: int
    element: Element
    variables: Document


@attrs.define(eq=False)
class Compensation:
    """A completed activity that can be compensated, or its scope.

    Args:
        element: the activity.
        instance: the key of its instance.
        scope: the key of the instance that it ran in.
        handler: None for a subprocess, which stands for those inside it.
        throw: the event that runs the handler now.
    """

    key: int
    element: Element
    instance: int
    scope: int
    handler: Element | None
    throw: ElementInstance | None = None
    handler_key: int = -1


@attrs.define(eq=False, repr=False)
class ElementInstance:
    """A running element, which is a scope of variables too.

    Args:
        root: the process instance it belongs to; itself for a process instance.
        scope: the element instance around it; None for a process instance.
        value: what its records say, under Zeebe's names.
        active_flows: sequence flows taken in this scope whose targets have not begun.
        taken: of a scope, how often each flow into a parallel gateway was taken.
        interrupted_by: of a scope, the event that stopped everything else in it.
        interruption: an interrupting event to start once this instance, or what runs in this
            scope, has ended.
        trigger: what its own work waited for and has come.
        carried: variables of the event that this instance is, which leave it when it completes.
        listener: how many listeners of the present phase have been run.
        called: of a call activity, the process instance that it called.
        waits: the timers, messages and signals that it listens for.
    """

    key: int
    element: Element
    definition: Definition
    scope: ElementInstance | None
    value: Mapping[str, object]
    root: ProcessInstance = attrs.field(init=False)
    state: str = ACTIVATING
    children: dict[int, ElementInstance] = attrs.Factory(dict[int, "ElementInstance"])
    variables: dict[str, Variable] = attrs.Factory(dict[str, Variable])
    active_flows: int = 0
    taken: dict[str, int] = attrs.Factory(dict[str, int])
    interrupted_by: Element | None = None
    interruption: Trigger | None = None
    trigger: Trigger | None = None
    listener: int = 0
    job: Job | None = None
    incident: Incident | None = None
    waits: list[Waiting] = attrs.Factory(list["Waiting"])
    called: ProcessInstance | None = None
    user_task_key: int = -1
    loop: LoopState | None = None
    loop_counter: int = 0
    carried: Document | None = None

    def __attrs_post_init__(self) -> None:
        if self.scope is not None:
            self.root = self.scope.root

    def __repr__(self) -> str:
        return f"<{self.state} {self.element.id} {self.key}>"

    @property
    def is_active(self) -> bool:
        """Whether it is at its own work, not beginning or ending."""
        return self.state == ACTIVATED

    @property
    def is_ending(self) -> bool:
        """Whether it is being terminated or has ended."""
        return self.state in (TERMINATING, TERMINATED, COMPLETED)

    @property
    def around(self) -> ElementInstance:
        """The scope, of instances that have one."""
        assert self.scope is not None
        return self.scope

    @property
    def variable_scope(self) -> ElementInstance:
        """Where mappings read and write: the scope around, or in a loop the instance itself."""
        scope = self.scope
        return self if scope is None or scope.element.loop is not None else scope

    def chain(self) -> Iterator[ElementInstance]:
        """This instance and the scopes around it, up to the process instance."""
        scope: ElementInstance | None = self
        while scope is not None:
            yield scope
            scope = scope.scope


@attrs.define(eq=False, repr=False)
class ProcessInstance(ElementInstance):
    """A running process.

    Args:
        caller: the call activity that called it.
        depth: how many process instances are around it, and it.
        start_elements: where it begins if not at its start event.
        correlation_key: of the message that started it.
        compensations: what can be compensated in it.
        on_result: told its variables when it completes.
    """

    caller: ElementInstance | None = None
    depth: int = 1
    start_elements: list[Element] | None = None
    correlation_key: str = ""
    compensations: list[Compensation] = attrs.Factory(list[Compensation])
    on_result: ResultHandler | None = None

    def __attrs_post_init__(self) -> None:
        self.root = self


@attrs.define(eq=False)
class LoopState:
    """How far a multi-instance body has come.

    Args:
        items: the input collection.
        ended: the completion condition held.
    """

    items: list[object]
    created: int = 0
    completed: int = 0
    terminated: int = 0
    ended: bool = False
