"""The gateway's RPCs: one `Method` each, with the message classes that it takes and gives."""

from zbtrio._proto import gateway_protocol as proto
from zbtrio.rpc import Method

SERVICE = "gateway_protocol.Gateway"


def _method(name: str, request: type, response: type) -> Method:
    return Method(f"/{SERVICE}/{name}", request, response)


ACTIVATE_JOBS = _method("ActivateJobs", proto.ActivateJobsRequest, proto.ActivateJobsResponse)
STREAM_ACTIVATED_JOBS = _method(
    "StreamActivatedJobs", proto.StreamActivatedJobsRequest, proto.ActivatedJob
)
COMPLETE_JOB = _method("CompleteJob", proto.CompleteJobRequest, proto.CompleteJobResponse)
FAIL_JOB = _method("FailJob", proto.FailJobRequest, proto.FailJobResponse)
THROW_ERROR = _method("ThrowError", proto.ThrowErrorRequest, proto.ThrowErrorResponse)
UPDATE_JOB_RETRIES = _method(
    "UpdateJobRetries", proto.UpdateJobRetriesRequest, proto.UpdateJobRetriesResponse
)
UPDATE_JOB_TIMEOUT = _method(
    "UpdateJobTimeout", proto.UpdateJobTimeoutRequest, proto.UpdateJobTimeoutResponse
)
UPDATE_JOB_PRIORITY = _method(
    "UpdateJobPriority", proto.UpdateJobPriorityRequest, proto.UpdateJobPriorityResponse
)
CREATE_PROCESS_INSTANCE = _method(
    "CreateProcessInstance", proto.CreateProcessInstanceRequest, proto.CreateProcessInstanceResponse
)
CREATE_PROCESS_INSTANCE_WITH_RESULT = _method(
    "CreateProcessInstanceWithResult",
    proto.CreateProcessInstanceWithResultRequest,
    proto.CreateProcessInstanceWithResultResponse,
)
CANCEL_PROCESS_INSTANCE = _method(
    "CancelProcessInstance", proto.CancelProcessInstanceRequest, proto.CancelProcessInstanceResponse
)
MODIFY_PROCESS_INSTANCE = _method(
    "ModifyProcessInstance", proto.ModifyProcessInstanceRequest, proto.ModifyProcessInstanceResponse
)
MIGRATE_PROCESS_INSTANCE = _method(
    "MigrateProcessInstance",
    proto.MigrateProcessInstanceRequest,
    proto.MigrateProcessInstanceResponse,
)
SET_VARIABLES = _method("SetVariables", proto.SetVariablesRequest, proto.SetVariablesResponse)
RESOLVE_INCIDENT = _method(
    "ResolveIncident", proto.ResolveIncidentRequest, proto.ResolveIncidentResponse
)
PUBLISH_MESSAGE = _method(
    "PublishMessage", proto.PublishMessageRequest, proto.PublishMessageResponse
)
BROADCAST_SIGNAL = _method(
    "BroadcastSignal", proto.BroadcastSignalRequest, proto.BroadcastSignalResponse
)
DEPLOY_RESOURCE = _method(
    "DeployResource", proto.DeployResourceRequest, proto.DeployResourceResponse
)
DEPLOY_PROCESS = _method("DeployProcess", proto.DeployProcessRequest, proto.DeployProcessResponse)
DELETE_RESOURCE = _method(
    "DeleteResource", proto.DeleteResourceRequest, proto.DeleteResourceResponse
)
EVALUATE_DECISION = _method(
    "EvaluateDecision", proto.EvaluateDecisionRequest, proto.EvaluateDecisionResponse
)
EVALUATE_CONDITIONAL = _method(
    "EvaluateConditional", proto.EvaluateConditionalRequest, proto.EvaluateConditionalResponse
)
TOPOLOGY = _method("Topology", proto.TopologyRequest, proto.TopologyResponse)
