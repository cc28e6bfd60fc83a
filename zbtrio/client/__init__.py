"""A client for Zeebe gateways: one typed method for each RPC."""

from zbtrio._proto.gateway_protocol import (
    JobResult,
    JobResultActivateElement,
    JobResultCorrections,
    StringList,
)
from zbtrio.client.authorized_call import AuthorizedCall
from zbtrio.client.client import ZeebeClient
from zbtrio.client.instructions import Activate, Move, Terminate
from zbtrio.client.job_stream import JobStream
from zbtrio.client.results import ActivatedJob, DecisionResult, ProcessResult
from zbtrio.client.settings import ClientSettings

__all__ = [
    "Activate",
    "ActivatedJob",
    "AuthorizedCall",
    "ClientSettings",
    "DecisionResult",
    "JobResult",
    "JobResultActivateElement",
    "JobResultCorrections",
    "JobStream",
    "Move",
    "ProcessResult",
    "StringList",
    "Terminate",
    "ZeebeClient",
]
