"""The settings of a client: table [client] of zbtrio.toml."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import Attribute, frozen

from zbtrio.settings import Variable, milliseconds, option

SAAS_DOMAIN = "zeebe.camunda.io"
SAAS_TOKEN_URL = "https://login.cloud.camunda.io/oauth/token"  # noqa: S105 - an address, no secret
DEFAULT_ADDRESS = "127.0.0.1:26500"


def _both(name: str) -> tuple[str, str]:
    """The ecosystem's two names, the newer one first."""
    return f"CAMUNDA_{name}", f"ZEEBE_{name}"


def _port(text: str) -> int | None:
    # Beside a service called zeebe, Kubernetes sets ZEEBE_PORT to tcp://10.0.0.7:26500.
    return None if text.startswith("tcp://") else int(text)


def _is_false(text: str) -> bool:
    return text.strip().lower() in ("false", "0", "no", "off")


def _positive(instance: Any, attribute: Attribute[Any], value: float) -> None:
    if value <= 0:
        raise ValueError(f"{attribute.name} must be more than 0, not {value}")


def _keepalive(instance: Any, attribute: Attribute[Any], value: float) -> None:
    if 0 < value < 30:
        raise ValueError(
            f"keepalive must be 30 or more seconds, or 0 for none, not {value}: "
            "a gateway takes pings that come sooner for abuse"
        )


@frozen
class ClientSettings:
    """How to reach a gateway, who is calling, and how long calls may take (seconds)."""

    address: str | Sequence[str] | None = option(
        None,
        env=(*_both("GRPC_ADDRESS"), "ZEEBE_ADDRESS"),
        help="host:port, or with a scheme that decides about TLS (grpc://, grpcs://, http://, "
        f"https://); several are tried in turn. Default: {DEFAULT_ADDRESS}.",
    )
    host: str | None = option(
        None, env="ZEEBE_HOST", help="The gateway's host, where address is not set."
    )
    port: int | None = option(
        None, env=Variable("ZEEBE_PORT", _port), help="The port beside host (default 26500)."
    )
    cluster_id: str | None = option(
        None, env=_both("CLUSTER_ID"), help="A Camunda SaaS cluster, in place of an address."
    )
    region: str = option(
        "bru-2",
        env=("CAMUNDA_CLUSTER_REGION", "CAMUNDA_REGION"),
        help="The region of that cluster.",
    )
    tls: bool | None = option(
        None,
        env=Variable("ZEEBE_INSECURE_CONNECTION", _is_false),
        help="Whether to speak TLS, where the address has no scheme. Default: with a certificate "
        "setting, at port 443, and with a cluster id.",
    )
    ca_certificate: Path | None = option(
        None,
        env=(*_both("CA_CERTIFICATE_PATH"), "CAMUNDA_CUSTOM_ROOT_CERT_PATH"),
        help="A PEM file with the CA that signed the gateway's certificate.",
    )
    client_certificate: Path | None = option(
        None,
        env="CAMUNDA_CUSTOM_CERT_CHAIN_PATH",
        help="A PEM file with this client's certificate chain (mutual TLS).",
    )
    client_key: Path | None = option(
        None,
        env="CAMUNDA_CUSTOM_PRIVATE_KEY_PATH",
        help="A PEM file with its private key, if that is not in the same file.",
    )
    authority: str | None = option(
        None,
        env=_both("OVERRIDE_AUTHORITY"),
        help="The name that the gateway's certificate is for, if it isn't the address's host.",
    )
    client_id: str | None = option(None, env=_both("CLIENT_ID"), help="The OAuth client.")
    client_secret: str | None = option(
        None, env=_both("CLIENT_SECRET"), help="The OAuth client's secret.", secret=True
    )
    token_audience: str | None = option(
        None, env=_both("TOKEN_AUDIENCE"), help="The audience that a token is asked for."
    )
    token_scope: str | None = option(
        None, env=_both("TOKEN_SCOPE"), help="The scope that a token is asked for."
    )
    token_url: str | None = option(
        None,
        env=(*_both("AUTHORIZATION_SERVER_URL"), "CAMUNDA_OAUTH_URL"),
        help="The OAuth token endpoint. Default: Camunda SaaS's, with a cluster id.",
    )
    token_cache: Path | None = option(
        None,
        env=_both("CLIENT_CONFIG_PATH"),
        help="A file that keeps tokens for the next process (0600).",
    )
    auth_connect_timeout: float = option(
        5.0,
        env=tuple(map(milliseconds, _both("AUTH_CONNECT_TIMEOUT"))),
        help="Seconds to connect to the token endpoint.",
        validator=_positive,
    )
    auth_read_timeout: float = option(
        5.0,
        env=tuple(map(milliseconds, _both("AUTH_READ_TIMEOUT"))),
        help="Seconds to wait for its answer.",
        validator=_positive,
    )
    username: str | None = option(
        None, env="CAMUNDA_BASIC_AUTH_USERNAME", help="The user for basic authentication."
    )
    password: str | None = option(
        None,
        env="CAMUNDA_BASIC_AUTH_PASSWORD",
        help="The password for basic authentication.",
        secret=True,
    )
    default_tenant_id: str = option(
        "", env=_both("DEFAULT_TENANT_ID"), help="The tenant of calls that name none."
    )
    physical_tenant: str | None = option(
        None, help="Sent as Camunda-Physical-Tenant with each call (Zeebe 8.10 and newer)."
    )
    timeout: float = option(
        30.0, help="Seconds for a call with all its retries.", validator=_positive
    )
    request_timeout: float = option(
        10.0,
        help="Seconds for each attempt of a call, and for how long the gateway waits for a result.",
        validator=_positive,
    )
    deadline_offset: float = option(
        10.0,
        help="Seconds that this side waits longer than it asked the gateway to.",
        validator=_positive,
    )
    first_backoff: float = option(
        0.1,
        help="Seconds before the first retry; each further one waits longer.",
        validator=_positive,
    )
    max_backoff: float = option(
        5.0, help="The longest pause between retries, in seconds.", validator=_positive
    )
    keepalive: float = option(
        45.0,
        env=tuple(map(milliseconds, _both("KEEP_ALIVE"))),
        help="Seconds of silence before the gateway is asked whether it is there; 0: never.",
        validator=_keepalive,
    )
    max_message_size: int = option(
        16 * 1024 * 1024, help="Bytes of the largest answer taken.", validator=_positive
    )
    max_connections: int = option(
        16,
        help="How many connections to open at most, when streams run out.",
        validator=_positive,
    )
