import json
import ssl
import stat
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme

from tests.client.token_endpoint import TokenEndpoint, open_token_endpoint
from zbtrio import http1
from zbtrio.auth import BasicCredentials, NoCredentials
from zbtrio.auth.oauth import OAuthCredentials
from zbtrio.auth.token_cache import TokenCache
from zbtrio.errors import CredentialsError, SettingsError

SECRET = "open sesame & more"


@pytest.fixture
async def endpoint() -> AsyncIterator[TokenEndpoint]:
    async with open_token_endpoint() as endpoint:
        yield endpoint


def credentials(endpoint: TokenEndpoint, **more: Any) -> OAuthCredentials:
    return OAuthCredentials("shop", SECRET, endpoint.url, **more)


def bearer(token: str) -> tuple[tuple[str, str]]:
    return (("authorization", f"Bearer {token}"),)


async def test_a_token_is_asked_for(endpoint: TokenEndpoint) -> None:
    grant = await credentials(endpoint, audience="zeebe-api", scope="a b").fetch()
    assert grant.metadata == bearer("token-1")
    assert endpoint.forms == [
        {
            "grant_type": "client_credentials",
            "client_id": "shop",
            "client_secret": SECRET,
            "audience": "zeebe-api",
            "scope": "a b",
        }
    ]
    now = trio.current_time()
    assert 3500 < grant.refresh_at - now < grant.expires_at - now < 3600


@pytest.mark.parametrize("seconds", ["7200", 7200.5])
async def test_its_life_may_be_text_or_broken(seconds: Any, endpoint: TokenEndpoint) -> None:
    endpoint.expires_in = seconds
    grant = await credentials(endpoint).fetch()
    assert 7100 < grant.expires_at - trio.current_time() < 7200


@pytest.mark.parametrize(
    ("status", "body", "refused", "says"),
    [
        (401, b'{"error":"invalid_client"}', True, "HTTP 401: invalid_client. Check client id"),
        (400, b'{"error":"invalid_scope","error_description":"no"}', True, "invalid_scope no"),
        (403, b"<html>", True, "HTTP 403. Check client id"),
        (302, b"", True, "HTTP 302"),
        (429, b"", False, "HTTP 429. It may be better later"),
        (503, b"<html>", False, "HTTP 503. It may be better later"),
        (200, b"<html>", False, "without a usable token"),
        (200, b'{"expires_in":1}', False, "missing required field `access_token`"),
        (200, b'{"access_token":"a\\nb"}', False, "that no header can carry"),
        (200, b"x" * (http1.MAX_BODY + 1), False, "larger than"),
    ],
)
async def test_a_refusal_names_the_endpoint(
    status: int, body: bytes, refused: bool, says: str, endpoint: TokenEndpoint
) -> None:
    endpoint.answers = [(status, body)]
    with pytest.raises(CredentialsError) as caught:
        await credentials(endpoint).fetch()
    assert str(caught.value).startswith(f"The OAuth token endpoint {endpoint.url} ")
    assert says in str(caught.value)
    assert caught.value.refused is refused


async def test_a_secret_is_never_shown(endpoint: TokenEndpoint) -> None:
    endpoint.answers = [(401, json.dumps({"error": f"bad secret {SECRET}"}).encode())]
    ours = credentials(endpoint)
    with pytest.raises(CredentialsError) as caught:
        await ours.fetch()
    assert "bad secret ***" in str(caught.value)
    grant = await ours.fetch()
    for shown in (repr(ours), repr(grant), str(caught.value), repr(caught.value)):
        assert SECRET not in shown
        assert "token-2" not in shown
    basic = BasicCredentials("ann", SECRET)
    assert SECRET not in repr(basic)
    assert basic.fixed is not None
    assert "Basic" not in repr(basic.fixed)


async def test_nobody_there() -> None:
    listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    gone = OAuthCredentials("shop", SECRET, f"http://127.0.0.1:{port}/token")
    with pytest.raises(CredentialsError, match=r"can't be asked .* Check the endpoint's address"):
        await gone.fetch()


@pytest.mark.parametrize(
    ("answer", "says"),
    [(b"SSH-2.0-OpenSSH\r\n", "does not speak HTTP/1.1"), (b"", "does not speak HTTP/1.1")],
)
async def test_something_else_there(answer: bytes, says: str, nursery: trio.Nursery) -> None:
    async def handle(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(answer)
        await stream.aclose()

    listeners = await nursery.start(trio.serve_tcp, handle, 0)
    port = listeners[0].socket.getsockname()[1]
    with pytest.raises(CredentialsError, match=says):
        await OAuthCredentials("shop", SECRET, f"http://127.0.0.1:{port}").fetch()


async def test_an_endpoint_that_never_answers(nursery: trio.Nursery) -> None:
    async def handle(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    listeners = await nursery.start(trio.serve_tcp, handle, 0)
    port = listeners[0].socket.getsockname()[1]
    slow = OAuthCredentials("shop", SECRET, f"http://127.0.0.1:{port}", read_timeout=0.05)
    with pytest.raises(CredentialsError, match=r"no answer within 0\.05 s"):
        await slow.fetch()
    secure = OAuthCredentials("shop", SECRET, f"https://127.0.0.1:{port}", connect_timeout=0.05)
    with pytest.raises(CredentialsError, match=r"no connection within 0\.05 s"):
        await secure.fetch()


async def test_tls_with_a_ca_of_its_own() -> None:
    ca = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(server)
    trusting = ssl.create_default_context()
    ca.configure_trust(trusting)
    async with open_token_endpoint(server) as endpoint:
        ours = credentials(endpoint, ssl_context=trusting)
        assert (await ours.fetch()).metadata == bearer("token-1")
        with pytest.raises(CredentialsError, match=r"TLS failed.*certificate verify failed"):
            await credentials(endpoint).fetch()


@pytest.mark.parametrize("url", ["", "localhost/token", "ftp://x/", "https://", "https://a:b@x/"])
def test_the_endpoint_must_be_a_url(url: str) -> None:
    with pytest.raises(SettingsError, match="token endpoint is no URL"):
        OAuthCredentials("shop", SECRET, url)


def test_a_user_name_without_colon() -> None:
    with pytest.raises(SettingsError, match="colon"):
        BasicCredentials("a:b", "c")


def test_fixed_credentials() -> None:
    assert NoCredentials.fixed is not None
    assert NoCredentials.fixed.metadata == ()
    basic = BasicCredentials("Aladdin", "open sesame").fixed
    assert basic is not None
    assert basic.metadata == (("authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),)


# The file


async def test_tokens_are_kept_for_the_next_process(
    endpoint: TokenEndpoint, tmp_path: Path
) -> None:
    file = tmp_path / "new" / "tokens.json"
    assert (await credentials(endpoint, cache=TokenCache(file)).fetch()).metadata == bearer(
        "token-1"
    )
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = await credentials(endpoint, cache=TokenCache(file)).fetch()
    assert again.metadata == bearer("token-1")
    assert again.expires_at - trio.current_time() < 3600
    other = await credentials(endpoint, cache=TokenCache(file), audience="other").fetch()
    assert other.metadata == bearer("token-2")
    assert [child.name for child in file.parent.iterdir()] == ["tokens.json"]


async def test_a_refused_token_is_not_taken_from_the_file(
    endpoint: TokenEndpoint, tmp_path: Path
) -> None:
    ours = credentials(endpoint, cache=TokenCache(tmp_path / "tokens"))
    first = await ours.fetch()
    assert (await ours.fetch(first.metadata)).metadata == bearer("token-2")
    assert (await ours.fetch()).metadata == bearer("token-2")


async def test_a_token_near_its_end_is_not_taken_from_the_file(
    endpoint: TokenEndpoint, tmp_path: Path
) -> None:
    endpoint.expires_in = 20
    ours = credentials(endpoint, cache=TokenCache(tmp_path / "tokens"))
    await ours.fetch()
    assert (await ours.fetch()).metadata == bearer("token-2")


@pytest.mark.parametrize("content", [b"shop:\n  auth: {}\n", b'{"shop":{}}', b"\xff"])
async def test_a_strange_file_is_left_alone(
    content: bytes, endpoint: TokenEndpoint, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "credentials"
    file.write_bytes(content)
    assert (await credentials(endpoint, cache=TokenCache(file)).fetch()).metadata == bearer(
        "token-1"
    )
    assert file.read_bytes() == content
    assert "left alone" in caplog.text


async def test_old_tokens_leave_the_file(endpoint: TokenEndpoint, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    old = {"zbtrio_tokens": {"old": {"token": "x", "expires_at": time.time() - 1}}}
    file.write_text(json.dumps(old))
    await credentials(endpoint, cache=TokenCache(file)).fetch()
    assert "old" not in json.loads(file.read_text())["zbtrio_tokens"]


async def test_a_file_that_cant_be_written_is_a_warning(
    endpoint: TokenEndpoint, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    ours = credentials(endpoint, cache=TokenCache(tmp_path / "file" / "tokens"))
    assert (await ours.fetch()).metadata == bearer("token-1")
    assert "can't be kept" in caplog.text or "left alone" in caplog.text
