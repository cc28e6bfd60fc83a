"""The client against grpcio's server and the official client's messages (Zeebe 8.4)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
import trio
import trustme
from attrs import define, frozen
from zeebe_grpc import gateway_pb2 as pb
from zeebe_grpc import gateway_pb2_grpc as pb_grpc

from tests.client.token_endpoint import open_token_endpoint
from zbtrio import ZbtrioError, errors
from zbtrio.client import ClientSettings, ZeebeClient


class Service(pb_grpc.GatewayServicer):  # type: ignore[misc]
    """Answers a few calls; wants the token it has been told, if any."""

    token = ""

    def Topology(self, request: Any, context: Any) -> Any:  # noqa: N802
        metadata = dict(context.invocation_metadata())
        if self.token and metadata.get("authorization") != f"Bearer {self.token}":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "no such token")
        return pb.TopologyResponse(gatewayVersion="8.4.0", clusterSize=1)

    def CreateProcessInstance(self, request: Any, context: Any) -> Any:  # noqa: N802
        if request.bpmnProcessId == "slow":
            time.sleep(1)
        if request.bpmnProcessId != "order":
            context.abort(grpc.StatusCode.NOT_FOUND, "Expected to find process definition é")
        return pb.CreateProcessInstanceResponse(
            bpmnProcessId=request.variables, processInstanceKey=2**51 + 1
        )

    def ActivateJobs(self, request: Any, context: Any) -> Any:  # noqa: N802
        for key in range(request.maxJobsToActivate):
            job = pb.ActivatedJob(key=key, type=request.type, variables='{"é":1}')
            yield pb.ActivateJobsResponse(jobs=[job])

    def CompleteJob(self, request: Any, context: Any) -> Any:  # noqa: N802
        return pb.CompleteJobResponse()


@define
class Peer:
    """A running server."""

    server: Any
    service: Service
    address: str

    def secure_port(self, credentials: grpc.ServerCredentials) -> int:
        return self.server.add_secure_port("127.0.0.1:0", credentials)


@pytest.fixture
def peer() -> Iterator[Peer]:
    server = grpc.server(ThreadPoolExecutor(2))
    service = Service()
    pb_grpc.add_GatewayServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    yield Peer(server, service, f"127.0.0.1:{port}")
    server.stop(None).wait()


@frozen
class Certificates:
    """PEM files."""

    ca: Path
    client: Path
    key: Path


@pytest.fixture
def certificates(tmp_path: Path) -> tuple[Certificates, grpc.ServerCredentials]:
    """Of a server called gateway.example and a client, and the server's own, that wants both."""
    ca = trustme.CA()
    files = Certificates(tmp_path / "ca.pem", tmp_path / "client.pem", tmp_path / "key.pem")
    ca.cert_pem.write_to_path(str(files.ca))
    client = ca.issue_cert("client.example")
    client.cert_chain_pems[0].write_to_path(str(files.client))
    client.private_key_pem.write_to_path(str(files.key))
    server = ca.issue_cert("gateway.example")
    credentials = grpc.ssl_server_credentials(
        [(server.private_key_pem.bytes(), server.cert_chain_pems[0].bytes())],
        root_certificates=ca.cert_pem.bytes(),
        require_client_auth=True,
    )
    return files, credentials


def client_of(address: str, **settings: Any) -> ZeebeClient:
    return ZeebeClient(settings=ClientSettings(address=address, **settings))


async def test_calls(peer: Peer) -> None:
    peer.server.start()
    async with client_of(peer.address) as client:
        assert (await client.topology()).gateway_version == "8.4.0"
        created = await client.create_process_instance("order", {"größe": 1.5})
        assert created.bpmn_process_id == '{"größe":1.5}'
        assert created.process_instance_key == 2**51 + 1
        async with client.activate_jobs("pay", max_jobs=3) as jobs:
            assert [(job.key, job.variables) async for job in jobs] == [
                (0, {"é": 1}),
                (1, {"é": 1}),
                (2, {"é": 1}),
            ]
        await client.complete_job(1, {"paid": True})


async def test_errors(peer: Peer) -> None:
    peer.server.start()
    async with client_of(peer.address) as client:
        with pytest.raises(errors.NotFound) as caught:
            await client.create_process_instance("none")
        assert caught.value.text == "Expected to find process definition é"
        with pytest.raises(errors.Unimplemented, match=r"needs Zeebe 8\.9 or newer"):
            await client.evaluate_conditional()
        with pytest.raises(errors.OutcomeUnknown, match="no usable answer came"):
            await client.create_process_instance("slow", timeout=0.2)


async def test_mutual_tls_with_another_name(
    peer: Peer, certificates: tuple[Certificates, grpc.ServerCredentials]
) -> None:
    files, credentials = certificates
    address = f"https://localhost:{peer.secure_port(credentials)}"
    peer.server.start()
    async with client_of(
        address,
        ca_certificate=files.ca,
        client_certificate=files.client,
        client_key=files.key,
        authority="gateway.example",
    ) as client:
        assert (await client.topology()).gateway_version == "8.4.0"


@pytest.mark.parametrize(
    ("leave_out", "says"),
    [
        ("ca_certificate", "certificate"),
        ("authority", "localhost"),
        ("client_certificate", "connection|certificate|TLS"),
    ],
)
async def test_tls_that_does_not_fit(
    leave_out: str,
    says: str,
    peer: Peer,
    certificates: tuple[Certificates, grpc.ServerCredentials],
) -> None:
    files, credentials = certificates
    address = f"https://localhost:{peer.secure_port(credentials)}"
    peer.server.start()
    settings: dict[str, Any] = {
        "ca_certificate": files.ca,
        "client_certificate": files.client,
        "client_key": files.key,
        "authority": "gateway.example",
    }
    del settings[leave_out]
    if leave_out == "client_certificate":
        del settings["client_key"]
    async with client_of(address, timeout=1.0, **settings) as client:
        with pytest.raises(errors.Unavailable, match=says):
            await client.topology()


async def test_tokens(peer: Peer) -> None:
    peer.server.start()
    peer.service.token = "token-1"
    async with (
        open_token_endpoint() as endpoint,
        client_of(
            peer.address, client_id="shop", client_secret="sesame", token_url=endpoint.url
        ) as client,
    ):
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(client.topology)
        assert len(endpoint.forms) == 1
        peer.service.token = "another"
        with pytest.raises(errors.Unauthenticated, match="no such token"):
            await client.topology()  # the token is too young to be replaced
        endpoint.answers = [(401, b'{"error":"invalid_client"}')]


async def test_a_wrong_secret_is_told_as_such(peer: Peer) -> None:
    peer.server.start()
    async with open_token_endpoint() as endpoint:
        endpoint.answers = [(401, b'{"error":"invalid_client"}')]
        async with client_of(
            peer.address, client_id="shop", client_secret="sesame", token_url=endpoint.url
        ) as client:
            with pytest.raises(
                ZbtrioError, match=r"token endpoint .* 401: invalid_client"
            ) as caught:
                await client.topology()
    assert "sesame" not in str(caught.value)
