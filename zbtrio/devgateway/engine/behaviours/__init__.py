"""What elements do, by type. A behaviour has no state of its own: that is the instance's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .base import Behaviour
from .calls import CallActivity
from .containers import EventSubprocess, Process, Subprocess
from .events import BoundaryEvent, CatchEvent, EndEvent, StartEvent, ThrowEvent
from .gateways import EventBasedGateway, ExclusiveGateway, InclusiveGateway, ParallelGateway
from .loops import MultiInstanceBody
from .tasks import JobTask, PassingTask, ReceiveTask, RuleTask, ScriptTask
from .user_tasks import UserTask

if TYPE_CHECKING:
    from zbtrio.devgateway.engine.core import Core

_TYPES: dict[str, type[Behaviour]] = {
    "PROCESS": Process,
    "SUB_PROCESS": Subprocess,
    "EVENT_SUB_PROCESS": EventSubprocess,
    "MULTI_INSTANCE_BODY": MultiInstanceBody,
    "CALL_ACTIVITY": CallActivity,
    "START_EVENT": StartEvent,
    "END_EVENT": EndEvent,
    "INTERMEDIATE_CATCH_EVENT": CatchEvent,
    "INTERMEDIATE_THROW_EVENT": ThrowEvent,
    "BOUNDARY_EVENT": BoundaryEvent,
    "TASK": PassingTask,
    "MANUAL_TASK": PassingTask,
    "SERVICE_TASK": JobTask,
    "SEND_TASK": JobTask,
    "SCRIPT_TASK": ScriptTask,
    "BUSINESS_RULE_TASK": RuleTask,
    "USER_TASK": UserTask,
    "RECEIVE_TASK": ReceiveTask,
    "EXCLUSIVE_GATEWAY": ExclusiveGateway,
    "PARALLEL_GATEWAY": ParallelGateway,
    "INCLUSIVE_GATEWAY": InclusiveGateway,
    "EVENT_BASED_GATEWAY": EventBasedGateway,
}


def behaviours(core: Core) -> Mapping[str, Behaviour]:
    """One behaviour for each type of element."""
    return {name: behaviour(core) for name, behaviour in _TYPES.items()}
