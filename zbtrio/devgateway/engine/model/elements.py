"""A process as the engine runs it: elements with what they do, read once when it is deployed.

An element carries parts (a job to create, a timer to wait for, a loop around it) instead of being
of one class each: BPMN's elements share most of them, and a behaviour looks at the parts it knows.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

from zbtrio.devgateway import feel

Source: TypeAlias = "feel.Static | feel.Expression"  # an attribute: a text, or = and FEEL


@attrs.frozen
class Work:
    """The job of a task, from `zeebe:taskDefinition` and `zeebe:taskHeaders`."""

    type: Source
    retries: Source
    headers: dict[str, str]


@attrs.frozen
class Listener:
    """An execution listener: a job before (`start`) or after (`end`) the element's own work."""

    type: Source
    retries: Source


@attrs.frozen
class TimerDefinition:
    """When a timer event happens."""

    kind: Literal["timeDuration", "timeDate", "timeCycle"]
    source: Source


@attrs.frozen
class MessageDefinition:
    """Which message an event waits for; start events of a process need no key."""

    name: Source
    key: Source | None


@attrs.frozen
class Code:
    """The code of an error or an escalation; None catches all."""

    source: Source | None

    @property
    def text(self) -> str | None:
        """The code, where it is a text: on the catching side."""
        return self.source.text if isinstance(self.source, feel.Static) else None


@attrs.frozen
class Loop:
    """A multi-instance marker."""

    sequential: bool
    collection: Source
    element: str
    output_collection: str
    output_element: feel.Expression | None
    completion: feel.Expression | None


@attrs.frozen
class Script:
    """A FEEL script and the variable for its result."""

    expression: Source
    result: str


@attrs.frozen
class CalledDecision:
    """The decision of a business rule task and the variable for its result."""

    decision: Source
    result: str


@attrs.frozen
class CalledProcess:
    """What a call activity calls, and which variables travel by themselves.

    Args:
        binding: `latest`, `deployment` (the version of the caller's deployment) or `versionTag`.
    """

    process: Source
    parent_variables: bool
    child_variables: bool
    binding: str
    version_tag: str


@attrs.frozen
class UserTask:
    """Properties of a user task, by the name that Zeebe gives them as headers of its job."""

    native: bool
    texts: dict[str, Source]
    lists: dict[str, Source]
    dates: dict[str, Source]
    form_key: str
    form: Source | None


@attrs.define(eq=False)
class Flow:
    """A sequence flow."""

    id: str
    source: Element
    target: Element
    condition: Source | None


@attrs.define(eq=False, repr=False)
class Element:
    """A flow element, a process or the body around a multi-instance activity.

    Args:
        type: Zeebe's bpmnElementType, such as SERVICE_TASK.
        event_type: Zeebe's bpmnEventType, such as TIMER.
        container: the element in whose scope this one lives; None for a process.
        outgoing: in the order in which Zeebe takes them, the reverse of the file's.
        catches: what an instance waits for as its own work: a catch event for itself, an
            event-based gateway for the events behind it.
        boundaries: the boundary events attached to it.
        event_starts: of a container, the start events of the event subprocesses in it.
        starts: of a container, its own start events.
        inner: of a multi-instance body, the activity that it repeats.
        compensates: of a compensation event, the activity it names, or an empty text for all.
    """

    id: str
    type: str
    event_type: str = "UNSPECIFIED"
    container: Element | None = None
    outgoing: list[Flow] = attrs.Factory(list["Flow"])
    incoming: list[Flow] = attrs.Factory(list["Flow"])
    default: Flow | None = None
    inputs: feel.Expression | None = None
    outputs: feel.Expression | None = None
    start_listeners: list[Listener] = attrs.Factory(list[Listener])
    end_listeners: list[Listener] = attrs.Factory(list[Listener])
    catches: list[Element] = attrs.Factory(list["Element"])
    boundaries: list[Element] = attrs.Factory(list["Element"])
    event_starts: list[Element] = attrs.Factory(list["Element"])
    starts: list[Element] = attrs.Factory(list["Element"])
    children: list[Element] = attrs.Factory(list["Element"])
    attached_to: Element | None = None
    interrupting: bool = True
    after_event_gateway: bool = False
    work: Work | None = None
    timer: TimerDefinition | None = None
    message: MessageDefinition | None = None
    signal: Source | None = None
    error: Code | None = None
    escalation: Code | None = None
    terminates: bool = False
    link: Element | None = None
    loop: Loop | None = None
    inner: Element | None = None
    script: Script | None = None
    decision: CalledDecision | None = None
    call: CalledProcess | None = None
    user_task: UserTask | None = None
    compensation_handler: Element | None = None
    compensates: str = ""
    is_compensation: bool = False
    is_compensation_handler: bool = False

    def __repr__(self) -> str:
        return f"<{self.type} {self.id}>"

    @property
    def none_start(self) -> Element | None:
        """The start event without a trigger."""
        return next((start for start in self.starts if start.event_type == "NONE"), None)

    @property
    def is_start(self) -> bool:
        """Whether this is a start event."""
        return self.type == "START_EVENT"

    @property
    def starts_event_subprocess(self) -> bool:
        """Whether this is the start event of an event subprocess."""
        return self.is_start and self.scope.type == "EVENT_SUB_PROCESS"

    @property
    def scope(self) -> Element:
        """The container, of elements that have one."""
        assert self.container is not None
        return self.container


@attrs.define(eq=False)
class Process:
    """An executable process of a file.

    Args:
        root: the element of type PROCESS.
        elements: all elements by id; of a multi-instance activity its body.
        flows: all sequence flows by id.
        version_tag: the modeller's own name of the version, or an empty text.
    """

    root: Element
    elements: dict[str, Element]
    flows: dict[str, Flow]
    version_tag: str = ""

    @property
    def id(self) -> str:
        """The BPMN process id."""
        return self.root.id
