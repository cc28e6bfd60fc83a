"""The heart of the engine: its queue, its keys, its clock, and the rooms that share them.

As in Zeebe, nothing calls into itself: what follows from a command is written to the log as a
command of its own and queued. A command from outside runs until the queue is empty, or until
`STEPS_AT_ONCE` steps are done: a process that runs in circles can't hold the engine. What is left
then is due at once, so `advance` goes on with it.

Rooms: `lifecycle` begins and ends element instances by their `behaviours`; `events` says what an
event sets off; `subscriptions` opens and closes what an instance waits for, by way of `timers`,
`messages` and `signals`; `jobs`, `incidents`, `variables` and `compensation` keep what they are
named for; `definitions`, `decisions` and `forms` know what `deployments` brought; `placement` and
`migration` change running instances by hand.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime

from .agenda import Agenda
from .behaviours import behaviours
from .compensation import CompensationRoom
from .decisions import Decisions
from .definitions import Definitions
from .deployments import Deployments
from .evaluation import Evaluator
from .events import Events
from .forms import Forms
from .incidents import Incidents
from .jobs import Jobs
from .lifecycle import Lifecycle
from .listeners import Listeners
from .messages import Messages
from .migration import Migration
from .placement import Placement
from .records import RecordLog, RecordValue
from .signals import Signals
from .state import ElementInstance
from .subscriptions import Subscriptions
from .timers import Timers
from .times import from_millis
from .variables import VariableRoom

PARTITION = 1
FIRST_KEY = PARTITION << 51
STEPS_AT_ONCE = 10_000


class Core:
    """What the rooms share.

    Args:
        now: the time in seconds since the epoch.
        log_limit: how many records the log keeps; None for all.
    """

    def __init__(self, now: Callable[[], float], log_limit: int | None = None) -> None:
        self._now = now
        self._key = FIRST_KEY
        self._queue: deque[tuple[Callable[..., None], tuple[object, ...]]] = deque()
        self.time = 0
        self.log = RecordLog(log_limit)
        self.agenda = Agenda()
        self.evaluator = Evaluator(self.moment)
        self.instances: dict[int, ElementInstance] = {}
        self.variables = VariableRoom(self)
        self.definitions = Definitions(self)
        self.deployments = Deployments(self)
        self.decisions = Decisions(self)
        self.forms = Forms(self)
        self.incidents = Incidents(self)
        self.jobs = Jobs(self)
        self.timers = Timers(self)
        self.messages = Messages(self)
        self.signals = Signals(self)
        self.subscriptions = Subscriptions(self)
        self.events = Events(self)
        self.compensation = CompensationRoom(self)
        self.listeners = Listeners(self)
        self.placement = Placement(self)
        self.migration = Migration(self)
        self.lifecycle = Lifecycle(self, behaviours(self))
        self.tick()

    def tick(self) -> None:
        """Take the time from the clock: once for all that one command sets off."""
        self.time = self.log.time = int(self._now() * 1000)

    def moment(self) -> datetime:
        """The time of the command, for FEEL."""
        return from_millis(self.time)

    def next_key(self) -> int:
        """A key that was not given before."""
        self._key += 1
        return self._key

    def queue(
        self,
        value_type: str,
        intent: str,
        key: int,
        value: RecordValue,
        step: Callable[..., None],
        *arguments: object,
    ) -> None:
        """Write a command that follows from the present one, and have it done after it."""
        self.log.command(value_type, intent, key, value)
        self._queue.append((step, arguments))

    def follow(self, step: Callable[..., None], *arguments: object) -> None:
        """Have something done right after the present step, as at once it might go too deep."""
        self._queue.appendleft((step, arguments))

    @property
    def has_more(self) -> bool:
        """Whether steps are left that the last command did not get to."""
        return bool(self._queue)

    def run(self) -> None:
        """Do what is queued."""
        queue = self._queue
        for _ in range(STEPS_AT_ONCE):
            if not queue:
                break
            step, arguments = queue.popleft()
            step(*arguments)
        self.jobs.announce()
