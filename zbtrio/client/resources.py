"""The gateway's RPCs about deployed resources and the cluster itself."""

from __future__ import annotations

import os
from pathlib import PurePath

import trio

from zbtrio import gateway
from zbtrio._proto import gateway_protocol as proto
from zbtrio.client.calls import Caller

ResourceLike = str | os.PathLike[str] | tuple[str, bytes]
"""A file's path, or a name (its ending tells the kind) with the content."""


class ResourceCalls(Caller):
    """Deploy and delete processes, decisions and forms; ask what the cluster looks like."""

    async def deploy_resource(
        self,
        *resources: ResourceLike,
        tenant_id: str | None = None,
        timeout: float | None = None,
    ) -> proto.DeployResourceResponse:
        """Deploy processes (.bpmn), decisions (.dmn) and forms (.form), all or none of them.

        Deploying the same content under the same name again makes no new version.

        Args:
            resources: paths of files, or pairs of a name and bytes.
            tenant_id: None: the setting default_tenant_id.
            timeout: seconds with all retries.

        Raises:
            InvalidArgument: a resource has mistakes; the text names resource, element and reason.
            OSError: a file can't be read.
            OutcomeUnknown: no answer came, nor to any retry.

        RPC: DeployResource.
        """
        request = proto.DeployResourceRequest(
            resources=[
                proto.Resource(name=name, content=content)
                for name, content in [await _read(resource) for resource in resources]
            ],
            tenant_id=self.tenant(tenant_id),
        )
        return await self.call(gateway.DEPLOY_RESOURCE, request, timeout=timeout)

    async def deploy_process(
        self, *processes: ResourceLike, timeout: float | None = None
    ) -> proto.DeployProcessResponse:
        """Deploy processes by the call that gateways before 8.0 have; else use deploy_resource.

        Args:
            processes, timeout: as in deploy_resource.

        Raises:
            InvalidArgument, OSError, OutcomeUnknown: as deploy_resource.

        RPC: DeployProcess.
        """
        request = proto.DeployProcessRequest(
            processes=[
                proto.ProcessRequestObject(name=name, definition=content)
                for name, content in [await _read(process) for process in processes]
            ]
        )
        return await self.call(gateway.DEPLOY_PROCESS, request, timeout=timeout)

    async def delete_resource(
        self,
        resource_key: int,
        *,
        delete_history: bool | None = None,
        operation_reference: int | None = None,
        timeout: float | None = None,
    ) -> proto.DeleteResourceResponse:
        """Delete one version of a process, decision requirements or form.

        Args:
            resource_key: the process definition's, decision requirements' or form's key.
            delete_history: also what is kept of its ended instances (8.9).
            operation_reference: a number that the records of this change will carry.
            timeout: seconds with all retries.

        Raises:
            NotFound: no such resource; after a retry it may be deleted by this very call.
            OutcomeUnknown: no answer came, nor to any retry.

        RPC: DeleteResource.
        """
        request = proto.DeleteResourceRequest(
            resource_key=resource_key,
            operation_reference=operation_reference,
            delete_history=delete_history,
        )
        return await self.call(gateway.DELETE_RESOURCE, request, timeout=timeout)

    async def topology(self, *, timeout: float | None = None) -> proto.TopologyResponse:
        """The cluster: gateway version, brokers, and each partition's leader and health.

        Args:
            timeout: seconds with all retries.

        Raises:
            Unavailable: no gateway can be reached.

        RPC: Topology.
        """
        return await self.call(gateway.TOPOLOGY, proto.TopologyRequest(), timeout=timeout)


async def _read(resource: ResourceLike) -> tuple[str, bytes]:
    if isinstance(resource, tuple):
        return resource
    return PurePath(resource).name, await trio.Path(resource).read_bytes()
