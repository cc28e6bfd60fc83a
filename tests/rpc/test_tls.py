"""TLS: custom CA, mutual, ALPN, authority; with ourselves and with grpcio; and what goes wrong."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import grpc
import pytest
import trio
import trustme
from attrs import frozen

from tests.rpc.peers import Generic, GrpcioClient
from tests.rpc.services import UNARY, Service, ask, echo
from zbtrio.rpc import Channel, RpcError, Server, ServerCall


@frozen
class Certificates:
    """A CA, a server that it vouches for, and a client."""

    ca: trustme.CA
    server: trustme.LeafCert
    client: trustme.LeafCert

    def for_server(self, *, mutual: bool = False) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.server.configure_cert(context)
        if mutual:
            context.verify_mode = ssl.CERT_REQUIRED
            self.ca.configure_trust(context)
        return context

    def for_client(self, *, with_certificate: bool = False) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        if with_certificate:
            self.client.configure_cert(context)
        return context

    @property
    def root(self) -> bytes:
        return self.ca.cert_pem.bytes()


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    ca = trustme.CA()
    names = "127.0.0.1", "localhost", "gateway.example"
    return Certificates(ca, ca.issue_cert(*names), ca.issue_cert("worker@example.org"))


async def who(call: ServerCall) -> None:
    """Answer with who calls."""
    await call.send_message(call.peer.encode())


@asynccontextmanager
async def serving(context: ssl.SSLContext | None) -> AsyncIterator[str]:
    server = Server([Service(Echo=(UNARY, echo), Who=(UNARY, who))])
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(server.serve_tcp, 0, "127.0.0.1", context)
        listener = getattr(listeners[0], "transport_listener", listeners[0])
        yield f"127.0.0.1:{listener.socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


async def trouble_of(address: str, **options: Any) -> str:
    """Call, in vain, and return what the caller is told."""
    async with Channel(address, **options) as channel:
        with pytest.raises(RpcError) as failure:
            await ask(channel, "Echo", timeout=0.3)
    assert failure.value.unprocessed
    return str(failure.value)


class TestOurselves:
    async def test_a_custom_ca(self, certificates: Certificates) -> None:
        async with serving(certificates.for_server()) as address:
            async with Channel(address, ssl=certificates.for_client()) as channel:
                for size in (0, 1, 3_000_000):
                    assert await ask(channel, "Echo", bytes(size)) == bytes(size)
                assert (await ask(channel, "Who")).startswith(b"127.0.0.1:")

    async def test_a_graceful_end(self, certificates: Certificates) -> None:
        server = Server([Service(Echo=(UNARY, echo))])
        async with trio.open_nursery() as nursery:
            serve = partial(server.serve_tcp, 0, "127.0.0.1", certificates.for_server())
            (listener,) = await nursery.start(serve)
            port = listener.transport_listener.socket.getsockname()[1]
            async with Channel(f"127.0.0.1:{port}", ssl=certificates.for_client()) as channel:
                await ask(channel, "Echo")
                with trio.fail_after(5):
                    await server.shutdown()
                assert "GOAWAY" in channel.trouble

    async def test_mutual(self, certificates: Certificates) -> None:
        async with serving(certificates.for_server(mutual=True)) as address:
            context = certificates.for_client(with_certificate=True)
            async with Channel(address, ssl=context) as channel:
                assert await ask(channel, "Echo", b"x") == b"x"

    async def test_mutual_without_a_certificate(self, certificates: Certificates) -> None:
        async with serving(certificates.for_server(mutual=True)) as address:
            text = await trouble_of(address, ssl=certificates.for_client())
        assert "certificate" in text.lower()

    async def test_an_authority_of_another_name(self, certificates: Certificates) -> None:
        async with serving(certificates.for_server()) as address:
            context = certificates.for_client()
            async with Channel(address, ssl=context, authority="gateway.example") as channel:
                assert await ask(channel, "Echo", b"x") == b"x"

    async def test_a_name_that_is_not_in_the_certificate(self, certificates: Certificates) -> None:
        async with serving(certificates.for_server()) as address:
            text = await trouble_of(
                address, ssl=certificates.for_client(), authority="other.example"
            )
        assert "other.example" in text

    async def test_a_ca_that_nobody_knows(self, certificates: Certificates) -> None:
        async with serving(certificates.for_server()) as address:
            text = await trouble_of(address, ssl=ssl.create_default_context())
        assert "give the CA that signed the server's certificate" in text

    async def test_tls_to_a_plain_port(self, certificates: Certificates) -> None:
        async with serving(None) as address:
            text = await trouble_of(address, ssl=certificates.for_client())
        assert "does the server speak TLS on this port?" in text

    async def test_plain_to_a_tls_port(self, certificates: Certificates) -> None:
        async with serving(certificates.for_server()) as address:
            text = await trouble_of(address)
        assert "no connection" in text

    async def test_a_server_without_http2(self, certificates: Certificates) -> None:
        async def serve(stream: trio.SSLStream[trio.SocketStream]) -> None:
            with suppress(trio.BrokenResourceError):
                await stream.receive_some()

        context = certificates.for_server()
        async with trio.open_nursery() as nursery:
            (listener,) = await trio.open_ssl_over_tcp_listeners(0, context, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, serve, [listener])
            port = listener.transport_listener.socket.getsockname()[1]
            text = await trouble_of(f"127.0.0.1:{port}", ssl=certificates.for_client())
            nursery.cancel_scope.cancel()
        assert "no protocol by ALPN, not h2" in text

    async def test_a_server_that_never_shakes_hands(
        self, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is left after a while, for the next address."""
        monkeypatch.setattr("zbtrio.rpc.dial.TLS_WITHIN", 0.1)

        async def silent(stream: trio.SocketStream) -> None:
            await trio.sleep_forever()

        async with serving(certificates.for_server()) as address:
            async with trio.open_nursery() as nursery:
                (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
                nursery.start_soon(trio.serve_listeners, silent, [listener])
                deaf = f"127.0.0.1:{listener.socket.getsockname()[1]}"
                context = certificates.for_client()
                async with Channel([deaf, address], ssl=context) as channel:
                    assert await ask(channel, "Echo", b"x", timeout=10) == b"x"
                nursery.cancel_scope.cancel()

    async def test_the_server_survives_bad_handshakes(self, certificates: Certificates) -> None:
        async with serving(certificates.for_server()) as address:
            port = int(address.rpartition(":")[2])
            for greeting in (b"", b"GET / HTTP/1.1\r\n\r\n", bytes(1000)):
                stream = await trio.open_tcp_stream("127.0.0.1", port)
                await stream.send_all(greeting)
                await stream.aclose()
            async with Channel(address, ssl=certificates.for_client()) as channel:
                assert await ask(channel, "Echo", b"x") == b"x"


class TestGrpcio:
    @pytest.mark.parametrize("mutual", [False, True], ids=["server only", "mutual"])
    async def test_as_client(self, certificates: Certificates, mutual: bool) -> None:
        key = certificates.client.private_key_pem.bytes()
        chain = b"".join(blob.bytes() for blob in certificates.client.cert_chain_pems)
        pair = (key, chain) if mutual else (None, None)
        credentials = grpc.ssl_channel_credentials(certificates.root, *pair)
        async with serving(certificates.for_server(mutual=mutual)) as address:
            with grpc.secure_channel(address, credentials) as channel:
                answer = await GrpcioClient(channel).unary("Echo", b"x" * 100_000, timeout=10)
        assert answer.messages == [b"x" * 100_000]

    @pytest.mark.parametrize("mutual", [False, True], ids=["server only", "mutual"])
    async def test_as_server(self, certificates: Certificates, mutual: bool) -> None:
        key = certificates.server.private_key_pem.bytes()
        chain = b"".join(blob.bytes() for blob in certificates.server.cert_chain_pems)
        root = certificates.root if mutual else None
        credentials = grpc.ssl_server_credentials([(key, chain)], root, mutual)
        with ThreadPoolExecutor(4) as pool:
            server = grpc.server(pool, handlers=[Generic()])
            port = server.add_secure_port("127.0.0.1:0", credentials)
            server.start()
            context = certificates.for_client(with_certificate=mutual)
            async with Channel(f"localhost:{port}", ssl=context) as channel:
                assert await ask(channel, "Echo", b"x" * 100_000, timeout=10) == b"x" * 100_000
            await trio.to_thread.run_sync(server.stop(0).wait)
