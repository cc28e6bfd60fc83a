"""The engine of the embedded gateway: Zeebe 8.6's behaviour, in memory, without I/O."""

from .engine import VERSION, Engine
from .instance_commands import Activation
from .records import Record, RecordLog
from .rejection import Rejection
from .views import (
    CreatedInstance,
    DeployedDecision,
    DeployedForm,
    DeployedProcess,
    DeployedRequirements,
    Deployment,
    JobView,
)

__all__ = [
    "VERSION",
    "Activation",
    "CreatedInstance",
    "DeployedDecision",
    "DeployedForm",
    "DeployedProcess",
    "DeployedRequirements",
    "Deployment",
    "Engine",
    "JobView",
    "Record",
    "RecordLog",
    "Rejection",
]
