"""Job workers and a client for Zeebe (Camunda 8), on trio."""

from zbtrio.errors import (
    BindingError,
    GatewayError,
    HandlerError,
    JobLost,
    OutcomeUnknown,
    PluginError,
    SettingsError,
    VariablesError,
    ZbtrioError,
)
from zbtrio.hooks import hookimpl
from zbtrio.worker.job import Job
from zbtrio.worker.names import camel_case
from zbtrio.worker.outcomes import BpmnError, Complete, Detach, Fail, Outcome, Release
from zbtrio.worker.tasks import Tasks

__version__ = "0.1.0"

__all__ = [
    "BindingError",
    "BpmnError",
    "Complete",
    "Detach",
    "Fail",
    "GatewayError",
    "HandlerError",
    "Job",
    "JobLost",
    "Outcome",
    "OutcomeUnknown",
    "PluginError",
    "Release",
    "SettingsError",
    "Tasks",
    "VariablesError",
    "ZbtrioError",
    "camel_case",
    "hookimpl",
]
