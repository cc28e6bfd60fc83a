"""Job workers and a client for Zeebe (Camunda 8), on trio."""

from zbtrio.client import ZeebeClient
from zbtrio.errors import (
    BindingError,
    CredentialsError,
    GatewayError,
    HandlerError,
    JobLost,
    OutcomeUnknown,
    PluginError,
    SettingsError,
    VariablesError,
    WorkerStopped,
    ZbtrioError,
)
from zbtrio.hooks import hookimpl
from zbtrio.program import run
from zbtrio.worker import (
    BpmnError,
    Complete,
    Detach,
    Fail,
    Job,
    Limiter,
    Outcome,
    Poll,
    Release,
    Subscription,
    Tasks,
    Var,
    Worker,
    WorkerHandle,
    camel_case,
)

__version__ = "0.1.0"

__all__ = [
    "BindingError",
    "BpmnError",
    "Complete",
    "CredentialsError",
    "Detach",
    "Fail",
    "GatewayError",
    "HandlerError",
    "Job",
    "JobLost",
    "Limiter",
    "Outcome",
    "OutcomeUnknown",
    "PluginError",
    "Poll",
    "Release",
    "SettingsError",
    "Subscription",
    "Tasks",
    "Var",
    "VariablesError",
    "Worker",
    "WorkerHandle",
    "WorkerStopped",
    "ZbtrioError",
    "ZeebeClient",
    "camel_case",
    "hookimpl",
    "run",
]
