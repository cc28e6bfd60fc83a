"""What element instances wait for: jobs, incidents, timers, messages and signals.

Plain records of state, as in `state`. All times are epoch milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import attrs

from .model.elements import Element
from .state import DEFAULT_TENANT, Definition, Document, ElementInstance
from .times import Cycle

if TYPE_CHECKING:
    from .agenda import Entry


@attrs.define(eq=False)
class Job:
    """A job: work for a worker outside.

    Args:
        state: ACTIVATABLE, ACTIVATED, FAILED or ERROR_THROWN; a job that is gone is in no index.
        kind: BPMN_ELEMENT or EXECUTION_LISTENER.
        listener_event: START, END or UNSPECIFIED.
        deadline: until when the worker has it; -1 if nobody has.
        queued: whether it stands in the queue of its type.
    """

    key: int
    type: str
    retries: int
    headers: dict[str, str]
    instance: ElementInstance
    kind: str = "BPMN_ELEMENT"
    listener_event: str = "UNSPECIFIED"
    state: str = "ACTIVATABLE"
    worker: str = ""
    deadline: int = -1
    backoff: int = 0
    error_code: str = ""
    error_message: str = ""
    queued: bool = False
    due: Entry | None = None
    incident: Incident | None = None
    variables: Document = attrs.Factory(dict[str, object])

    def value(self) -> dict[str, object]:
        """What its records say, under Zeebe's names."""
        about = self.instance.value
        return {
            "type": self.type,
            "retries": self.retries,
            "customHeaders": self.headers,
            "worker": self.worker,
            "deadline": self.deadline,
            "retryBackoff": self.backoff,
            "errorCode": self.error_code,
            "errorMessage": self.error_message,
            "jobKind": self.kind,
            "jobListenerEventType": self.listener_event,
            "variables": self.variables,
            "elementId": about["elementId"],
            "elementInstanceKey": self.instance.key,
            "bpmnProcessId": about["bpmnProcessId"],
            "processDefinitionVersion": about["version"],
            "processDefinitionKey": about["processDefinitionKey"],
            "processInstanceKey": about["processInstanceKey"],
            "tenantId": DEFAULT_TENANT,
        }


@attrs.define(eq=False)
class Incident:
    """Something that a person must put right.

    Args:
        element_id: as the record names it: of an uncaught error of a job no element at all.
        retry: what is done again once it is resolved; None when the job is made available.
    """

    key: int
    type: str
    message: str
    instance: ElementInstance
    element_id: str
    job: Job | None
    retry: Callable[[], None] | None

    def value(self) -> dict[str, object]:
        """What its records say, under Zeebe's names."""
        about = self.instance.value
        return {
            "errorType": self.type,
            "errorMessage": self.message,
            "elementId": self.element_id,
            "elementInstanceKey": self.instance.key,
            "jobKey": self.job.key if self.job else -1,
            "variableScopeKey": self.instance.key,
            "bpmnProcessId": about["bpmnProcessId"],
            "processDefinitionKey": about["processDefinitionKey"],
            "processInstanceKey": about["processInstanceKey"],
            "tenantId": DEFAULT_TENANT,
        }


@attrs.define(eq=False)
class Timer:
    """A timer of an element instance, or of a process's start event (then instance is None)."""

    key: int
    element: Element
    due: int
    cycle: Cycle
    repetitions: int
    definition: Definition
    instance: ElementInstance | None
    entry: Entry | None = None

    def value(self) -> dict[str, object]:
        """What its records say, under Zeebe's names."""
        instance = self.instance
        return {
            "targetElementId": self.element.id,
            "dueDate": self.due,
            "repetitions": self.repetitions,
            "elementInstanceKey": instance.key if instance else -1,
            "processInstanceKey": instance.root.key if instance else -1,
            "processDefinitionKey": self.definition.key,
            "tenantId": DEFAULT_TENANT,
        }


@attrs.define(eq=False)
class Message:
    """A published message.

    Args:
        deadline: until when it waits for subscribers.
        correlated: the ids of the processes it has gone to, each once.
    """

    key: int
    name: str
    correlation_key: str
    id: str
    variables: Document
    time_to_live: int
    deadline: int
    correlated: set[str] = attrs.Factory(set[str])
    entry: Entry | None = None

    def value(self) -> dict[str, object]:
        """What its records say, under Zeebe's names."""
        return {
            "name": self.name,
            "correlationKey": self.correlation_key,
            "messageId": self.id,
            "timeToLive": self.time_to_live,
            "deadline": self.deadline,
            "variables": self.variables,
            "tenantId": DEFAULT_TENANT,
        }


@attrs.define(eq=False)
class MessageSubscription:
    """An element instance that waits for a message.

    Args:
        key: of the process's side; the message's side has one of its own.
        correlating: the message that is on its way.
    """

    key: int
    message_key: int
    name: str
    correlation_key: str
    element: Element
    instance: ElementInstance
    interrupting: bool
    correlating: Message | None = None
    closed: bool = False

    def value(self) -> dict[str, object]:
        """What its records say, under Zeebe's names."""
        message = self.correlating
        return {
            "messageName": self.name,
            "correlationKey": self.correlation_key,
            "interrupting": self.interrupting,
            "elementId": self.element.id,
            "elementInstanceKey": self.instance.key,
            "processInstanceKey": self.instance.root.key,
            "bpmnProcessId": self.instance.definition.id,
            "messageKey": message.key if message else -1,
            "variables": message.variables if message else {},
            "tenantId": DEFAULT_TENANT,
        }


@attrs.define(eq=False)
class SignalSubscription:
    """An element instance, or a process, that waits for a signal."""

    key: int
    name: str
    element: Element
    definition: Definition
    instance: ElementInstance | None

    @property
    def order(self) -> int:
        """Subscriptions of a signal are served by the key of what waits."""
        return self.instance.key if self.instance else self.definition.key

    def value(self) -> dict[str, object]:
        """What its records say, under Zeebe's names."""
        return {
            "signalName": self.name,
            "catchEventId": self.element.id,
            "catchEventInstanceKey": self.instance.key if self.instance else -1,
            "processDefinitionKey": self.definition.key,
            "bpmnProcessId": self.definition.id,
            "tenantId": DEFAULT_TENANT,
        }


Waiting: TypeAlias = Timer | MessageSubscription | SignalSubscription
