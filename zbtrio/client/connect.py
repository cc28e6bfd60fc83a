"""From settings to a channel: addresses, TLS and credentials."""

from __future__ import annotations

import ipaddress
import logging
import ssl
from collections.abc import Sequence
from urllib.parse import urlsplit

from attrs import frozen

from zbtrio.auth import BasicCredentials, Credentials, NoCredentials
from zbtrio.client.settings import (
    DEFAULT_ADDRESS,
    SAAS_DOMAIN,
    SAAS_TOKEN_URL,
    ClientSettings,
)
from zbtrio.errors import SettingsError
from zbtrio.rpc import Channel
from zbtrio.rpc.dial import DEFAULT_PORT, Target, parse_target

_SECURE = {"grpc": False, "http": False, "grpcs": True, "https": True}
_PORTS = {"http": 80, "https": 443}

_log = logging.getLogger("zbtrio.client")


@frozen
class Gateway:
    """Where the gateway is, and whether TLS is spoken with it."""

    targets: tuple[Target, ...]
    secure: bool


def gateway_of(settings: ClientSettings) -> Gateway:
    """The gateway that the settings name. Raises SettingsError."""
    found = [_parse(text) for text in _addresses(settings)]
    said = {secure for _, secure in found if secure is not None}
    if len(said) > 1:
        raise SettingsError(
            "Some addresses have a scheme with TLS and some without: make them equal."
        )
    targets = tuple(target for target, _ in found)
    return Gateway(targets, said.pop() if said else _guess_secure(settings, targets))


def _addresses(settings: ClientSettings) -> Sequence[str]:
    given = settings.address
    if given:
        texts = given.split(",") if isinstance(given, str) else given
        return [text.strip() for text in texts if text.strip()]
    if settings.host:
        return [str(Target(settings.host, settings.port or DEFAULT_PORT))]
    if settings.cluster_id:
        return [f"https://{settings.cluster_id}.{settings.region}.{SAAS_DOMAIN}:443"]
    return [DEFAULT_ADDRESS]


def _parse(text: str) -> tuple[Target, bool | None]:
    scheme, found, rest = text.partition("://")
    try:
        if not found:
            return parse_target(text), None
        if scheme not in _SECURE:
            raise ValueError(f"{text!r} has an unknown scheme; known are {', '.join(_SECURE)}")
        parts = urlsplit(f"//{rest}")
        if not parts.hostname or parts.path.strip("/") or parts.username is not None:
            raise ValueError(f"{text!r} must be a scheme, a host and a port, and nothing else")
        return Target(parts.hostname, parts.port or _PORTS.get(scheme, DEFAULT_PORT)), _SECURE[
            scheme
        ]
    except ValueError as error:
        raise SettingsError(f"The gateway's address: {error}.") from None


def _guess_secure(settings: ClientSettings, targets: Sequence[Target]) -> bool:
    if settings.tls is not None:
        return settings.tls
    with_files = settings.ca_certificate or settings.client_certificate
    return bool(with_files) or all(target.port == 443 for target in targets)


def ssl_context_of(settings: ClientSettings) -> ssl.SSLContext:
    """TLS as the certificate settings ask. Raises SettingsError that names the file."""
    if settings.client_key and not settings.client_certificate:
        raise SettingsError("client_key is set but client_certificate is not: they go together.")
    context = _context(settings, only=True)
    if settings.client_certificate:
        key = settings.client_key or settings.client_certificate
        try:
            context.load_cert_chain(settings.client_certificate, key, password=lambda: "")
        except OSError as error:  # an ssl.SSLError is one too
            raise SettingsError(
                f"client_certificate {settings.client_certificate} with key {key} can't be used: "
                f"{error.strerror or error}. Give PEM files that match, the key without password."
            ) from None
    return context


def _context(settings: ClientSettings, *, only: bool) -> ssl.SSLContext:
    """A context that trusts the CA of the settings: `only` that one, or the machine's as well."""
    path = settings.ca_certificate
    try:
        if only:
            return ssl.create_default_context(cafile=path)
        context = ssl.create_default_context()
        if path:
            context.load_verify_locations(path)
    except OSError as error:
        raise SettingsError(
            f"ca_certificate {path} can't be used: {error.strerror or error}. "
            "Give a PEM file with one or more certificates."
        ) from None
    return context


def open_channel(settings: ClientSettings, gateway: Gateway) -> Channel:
    """A channel to the gateway, to be entered."""
    return Channel(
        [str(target) for target in gateway.targets],
        ssl=ssl_context_of(settings) if gateway.secure else None,
        authority=settings.authority,
        keepalive=settings.keepalive or None,
        max_message_size=settings.max_message_size,
        max_connections=settings.max_connections,
    )


def credentials_of(settings: ClientSettings) -> Credentials:
    """Who calls, by the settings. Raises SettingsError if they are incomplete."""
    client = settings.client_id or settings.client_secret
    user = settings.username or settings.password
    if client and user:
        raise SettingsError(
            "Both an OAuth client and a user are set (client_id, username): drop one."
        )
    if client:
        return _oauth(settings)
    if user:
        if not settings.username or not settings.password:
            raise SettingsError("Basic authentication needs both: username and password.")
        return BasicCredentials(settings.username, settings.password)
    return NoCredentials()


def _oauth(settings: ClientSettings) -> Credentials:
    # Imported only by those who need it: the HTTP client costs a tenth of zbtrio's import.
    from zbtrio.auth.oauth import OAuthCredentials
    from zbtrio.auth.token_cache import TokenCache

    saas = bool(settings.cluster_id)
    url = settings.token_url or (SAAS_TOKEN_URL if saas else None)
    if not settings.client_id or not settings.client_secret or not url:
        raise SettingsError(
            "OAuth needs all three: client_id, client_secret and token_url "
            "(CAMUNDA_CLIENT_ID, CAMUNDA_CLIENT_SECRET, CAMUNDA_AUTHORIZATION_SERVER_URL)."
        )
    return OAuthCredentials(
        settings.client_id,
        settings.client_secret,
        url,
        audience=settings.token_audience or (SAAS_DOMAIN if saas else ""),
        scope=settings.token_scope or "",
        cache=TokenCache(settings.token_cache) if settings.token_cache else None,
        ssl_context=_context(settings, only=False) if url.startswith("https:") else None,
        connect_timeout=settings.auth_connect_timeout,
        read_timeout=settings.auth_read_timeout,
    )


def warn_if_readable(gateway: Gateway, credentials: Credentials) -> None:
    """Log a warning when credentials would cross a network unencrypted."""
    outside = [target for target in gateway.targets if not _is_loopback(target.host)]
    if outside and not gateway.secure and not isinstance(credentials, NoCredentials):
        _log.warning(
            "Credentials are sent to %s without TLS, readable on the way: use https:// or grpcs://.",
            outside[0],
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
