"""The engine of the embedded gateway: Zeebe 8.6's behaviour, in memory, without I/O."""

from .decisions import Decision, DecisionOutcome
from .engine import VERSION, Engine
from .instance_commands import Activation
from .records import Record, RecordLog
from .rejection import Rejection, check_tenant
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
    "Decision",
    "DecisionOutcome",
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
    "check_tenant",
]
