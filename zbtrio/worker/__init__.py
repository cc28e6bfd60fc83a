"""Job workers: registering handlers, and doing jobs with them.

From the outside in: `Worker` (a registry of `Task`s that can run) makes a `WorkerRun`; that has a
`SubscriptionRun` for each job type, whose `Poller` asks for jobs, whose `Dispatcher` runs handlers,
and a `Reporter` for all of them, which tells the gateway what became of the jobs.
"""

from zbtrio.worker.handle import SubscriptionState, WorkerHandle, WorkerState
from zbtrio.worker.job import Job, current_job
from zbtrio.worker.limiter import Limiter
from zbtrio.worker.names import Names, camel_case
from zbtrio.worker.outcomes import BpmnError, Complete, Detach, Fail, Outcome, Release
from zbtrio.worker.parameters import Var
from zbtrio.worker.settings import WorkerSettings
from zbtrio.worker.subscription import Subscription
from zbtrio.worker.tasks import Poll, Task, Tasks
from zbtrio.worker.worker import Worker

__all__ = [
    "BpmnError",
    "Complete",
    "Detach",
    "Fail",
    "Job",
    "Limiter",
    "Names",
    "Outcome",
    "Poll",
    "Release",
    "Subscription",
    "SubscriptionState",
    "Task",
    "Tasks",
    "Var",
    "Worker",
    "WorkerHandle",
    "WorkerSettings",
    "WorkerState",
    "camel_case",
    "current_job",
]
