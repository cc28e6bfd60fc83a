"""From settings to address, TLS and credentials."""

import logging
import os
import ssl
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import trustme

from zbtrio.auth import BasicCredentials, NoCredentials
from zbtrio.auth.oauth import OAuthCredentials
from zbtrio.client import ClientSettings, ZeebeClient
from zbtrio.client.client import ClientArguments
from zbtrio.client.connect import credentials_of, gateway_of, ssl_context_of, warn_if_readable
from zbtrio.errors import SettingsError
from zbtrio.settings import load, options


def settings(environ: dict[str, str] | None = None, **arguments: Any) -> ClientSettings:
    return load(ClientSettings, "client", arguments=arguments, environ=environ or {})


def where(of: ClientSettings) -> tuple[list[str], bool]:
    gateway = gateway_of(of)
    return [str(target) for target in gateway.targets], gateway.secure


@pytest.mark.parametrize(
    ("address", "target", "secure"),
    [
        ("gateway", "gateway:26500", False),
        ("gateway:1234", "gateway:1234", False),
        ("gateway:443", "gateway:443", True),
        ("127.0.0.1:26500", "127.0.0.1:26500", False),
        ("::1", "[::1]:26500", False),
        ("[::1]:1234", "[::1]:1234", False),
        ("grpc://gateway", "gateway:26500", False),
        ("grpc://gateway:443", "gateway:443", False),
        ("grpcs://gateway:26500/", "gateway:26500", True),
        ("http://gateway", "gateway:80", False),
        ("http://gateway:26500", "gateway:26500", False),
        ("https://gateway", "gateway:443", True),
        ("https://[::1]:26500", "[::1]:26500", True),
    ],
)
def test_address(address: str, target: str, secure: bool) -> None:
    assert where(settings(address=address)) == ([target], secure)


@pytest.mark.parametrize(
    "address",
    [
        "ftp://gateway",
        "https://",
        "https://gateway/path",
        "https://user:secret@gateway",
        "gateway:port",
        "gateway:99999",
        "https://gateway:99999",
        "https://gateway:port",
    ],
)
def test_bad_address(address: str) -> None:
    with pytest.raises(SettingsError, match="The gateway's address"):
        gateway_of(settings(address=address))


@pytest.mark.parametrize("given", ["a:1, b:2 ,", ["a:1", "b:2"], ("a:1", "b:2")])
def test_several_addresses(given: Any) -> None:
    assert where(settings(address=given)) == (["a:1", "b:2"], False)


def test_addresses_agree_about_tls() -> None:
    assert where(settings(address="https://a:1,b:2")) == (["a:1", "b:2"], True)
    with pytest.raises(SettingsError, match="make them equal"):
        gateway_of(settings(address="https://a:1,http://b:2"))


@pytest.mark.parametrize(
    ("environ", "target", "secure"),
    [
        ({}, "127.0.0.1:26500", False),
        ({"ZBTRIO_CLIENT_ADDRESS": "a:1", "CAMUNDA_GRPC_ADDRESS": "b:1"}, "a:1", False),
        ({"CAMUNDA_GRPC_ADDRESS": "https://b:1", "ZEEBE_GRPC_ADDRESS": "c:1"}, "b:1", True),
        ({"ZEEBE_GRPC_ADDRESS": "http://c:1", "ZEEBE_ADDRESS": "d:1"}, "c:1", False),
        ({"ZEEBE_ADDRESS": "d:1", "ZEEBE_HOST": "e"}, "d:1", False),
        ({"ZEEBE_HOST": "e", "ZEEBE_PORT": "2"}, "e:2", False),
        ({"ZEEBE_HOST": "e", "ZEEBE_PORT": "tcp://10.0.0.7:26500"}, "e:26500", False),
        ({"ZEEBE_ADDRESS": "d:1", "ZEEBE_INSECURE_CONNECTION": "false"}, "d:1", True),
        ({"ZEEBE_ADDRESS": "d:443", "ZEEBE_INSECURE_CONNECTION": "true"}, "d:443", False),
        ({"ZEEBE_ADDRESS": "d:1", "ZEEBE_CA_CERTIFICATE_PATH": "ca.pem"}, "d:1", True),
        ({"CAMUNDA_CLUSTER_ID": "c1"}, "c1.bru-2.zeebe.camunda.io:443", True),
        (
            {"CAMUNDA_CLUSTER_ID": "c1", "CAMUNDA_CLUSTER_REGION": "syd-1"},
            "c1.syd-1.zeebe.camunda.io:443",
            True,
        ),
    ],
)
def test_environment(environ: dict[str, str], target: str, secure: bool) -> None:
    assert where(settings(environ)) == ([target], secure)


def test_other_names_of_the_environment() -> None:
    found = settings(
        {
            "CAMUNDA_KEEP_ALIVE": "60000",
            "CAMUNDA_OVERRIDE_AUTHORITY": "gateway.example",
            "CAMUNDA_CUSTOM_ROOT_CERT_PATH": "/ca",
            "CAMUNDA_CUSTOM_CERT_CHAIN_PATH": "/chain",
            "CAMUNDA_CUSTOM_PRIVATE_KEY_PATH": "/key",
            "CAMUNDA_TOKEN_AUDIENCE": "audience",
            "ZEEBE_TOKEN_SCOPE": "scope",
            "CAMUNDA_OAUTH_URL": "https://login",
            "ZEEBE_AUTH_CONNECT_TIMEOUT": "1500",
            "ZEEBE_AUTH_READ_TIMEOUT": "2500",
            "ZEEBE_CLIENT_CONFIG_PATH": "/cache",
            "ZEEBE_DEFAULT_TENANT_ID": "red",
        }
    )
    assert found.keepalive == 60.0
    assert found.authority == "gateway.example"
    assert found.ca_certificate == Path("/ca")
    assert found.client_certificate == Path("/chain")
    assert found.client_key == Path("/key")
    assert (found.token_audience, found.token_scope) == ("audience", "scope")
    assert found.token_url == "https://login"
    assert (found.auth_connect_timeout, found.auth_read_timeout) == (1.5, 2.5)
    assert found.token_cache == Path("/cache")
    assert found.default_tenant_id == "red"


@pytest.mark.parametrize(
    "bad",
    [
        {"keepalive": 5.0},
        {"timeout": 0},
        {"request_timeout": -1.0},
        {"max_message_size": 0},
        {"timeot": 1.0},
    ],
)
def test_bad_values(bad: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        settings(**bad)


# Credentials


def test_no_credentials() -> None:
    assert isinstance(credentials_of(settings()), NoCredentials)


def test_basic() -> None:
    found = credentials_of(
        settings({"CAMUNDA_BASIC_AUTH_USERNAME": "ann", "CAMUNDA_BASIC_AUTH_PASSWORD": "s"})
    )
    assert isinstance(found, BasicCredentials)
    assert found.username == "ann"


def test_oauth() -> None:
    found = credentials_of(
        settings(
            {"ZEEBE_CLIENT_ID": "old", "CAMUNDA_CLIENT_ID": "shop", "ZEEBE_CLIENT_SECRET": "s"},
            token_url="http://login/token",
            token_audience="aud",
            token_scope="scope",
            token_cache="/cache",
        )
    )
    assert isinstance(found, OAuthCredentials)
    assert (found.client_id, found.client_secret, found.url) == ("shop", "s", "http://login/token")
    assert (found.audience, found.scope) == ("aud", "scope")
    assert found.cache is not None
    assert found.cache.path == Path("/cache")


def test_oauth_of_saas() -> None:
    found = credentials_of(settings(cluster_id="c1", client_id="shop", client_secret="s"))
    assert isinstance(found, OAuthCredentials)
    assert found.url == "https://login.cloud.camunda.io/oauth/token"
    assert found.audience == "zeebe.camunda.io"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"client_id": "shop", "token_url": "http://x"}, "all three"),
        ({"client_secret": "s", "token_url": "http://x"}, "all three"),
        ({"client_id": "shop", "client_secret": "s"}, "token_url"),
        ({"username": "ann"}, "both: username and password"),
        ({"password": "s"}, "both: username and password"),
        ({"username": "ann", "client_id": "shop"}, "drop one"),
    ],
)
def test_incomplete_credentials(given: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        credentials_of(settings(**given))


def test_secrets_stay_out_of_repr_and_errors() -> None:
    found = settings({"CAMUNDA_CLIENT_SECRET": "sesame", "CAMUNDA_BASIC_AUTH_PASSWORD": "sesame"})
    assert "sesame" not in repr(found)
    with pytest.raises(SettingsError) as caught:
        credentials_of(found)
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "warned"),
    [
        ("gateway:26500", True),
        ("https://gateway", False),
        ("127.0.0.1:26500", False),
        ("localhost:26500", False),
        ("localhost.example.org:26500", True),
    ],
)
def test_a_warning_for_readable_credentials(
    address: str, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        warn_if_readable(gateway_of(settings(address=address)), BasicCredentials("a", "b"))
        warn_if_readable(gateway_of(settings(address=address)), NoCredentials())
    assert caplog.text.count("readable on the way") == warned


# TLS files


def test_certificates_that_cant_be_used(tmp_path: Path) -> None:
    empty, missing = tmp_path / "empty.pem", tmp_path / "missing.pem"
    empty.write_text("")
    for path in (empty, missing):
        with pytest.raises(SettingsError, match=f"ca_certificate {path} can't be used"):
            ssl_context_of(settings(ca_certificate=path))
        with pytest.raises(SettingsError, match=f"client_certificate {path} with key"):
            ssl_context_of(settings(client_certificate=path))
    with pytest.raises(SettingsError, match="they go together"):
        ssl_context_of(settings(client_key=missing))


def test_a_key_that_does_not_match(tmp_path: Path) -> None:
    ca = trustme.CA()
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    ca.issue_cert("a").cert_chain_pems[0].write_to_path(str(chain))
    ca.issue_cert("b").private_key_pem.write_to_path(str(key))
    with pytest.raises(SettingsError, match="Give PEM files that match"):
        ssl_context_of(settings(client_certificate=chain, client_key=key))


def test_only_the_given_ca_is_trusted(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    context = ssl_context_of(settings(ca_certificate=file))
    assert len(context.get_ca_certs()) == 1
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


# The client's own arguments


def test_a_client_takes_each_setting() -> None:
    assert set(get_type_hints(ClientArguments)) | {"address"} == set(options(ClientSettings))


def test_arguments_environment_and_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("CAMUNDA_", "ZEEBE_", "ZBTRIO_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "zbtrio.toml").write_text("[client]\naddress = 'file:1'\ntimeout = 3.0\n")
    monkeypatch.setenv("ZBTRIO_CLIENT_REQUEST_TIMEOUT", "2.5")
    client = ZeebeClient(tls=False, max_backoff=1)
    assert client.settings.address == "file:1"
    assert client.settings.timeout == 3.0
    assert client.settings.request_timeout == 2.5
    assert client.settings.tls is False
    assert ZeebeClient("argument:1").settings.address == "argument:1"
    with pytest.raises(TypeError, match="not both: address"):
        ZeebeClient("a:1", settings=client.settings)
    with pytest.raises(SettingsError, match="timeot"):
        ZeebeClient(timeot=1)  # type: ignore
