"""OAuth 2.0 client credentials (RFC 6749, section 4.4): a token endpoint gives a bearer token."""

from __future__ import annotations

import ssl
import time
from typing import Any
from urllib.parse import urlencode

import msgspec
import trio
from attrs import define, field

from zbtrio import http1
from zbtrio.auth.credentials import Credentials, Grant
from zbtrio.auth.token_cache import CachedToken, TokenCache
from zbtrio.errors import CredentialsError, SettingsError
from zbtrio.rpc import Metadata

_PASSING = frozenset({408, 425, 429})
_ADVICE_URL = "Check the endpoint's address (CAMUNDA_AUTHORIZATION_SERVER_URL) and the network."
_ADVICE_CLIENT = (
    "Check client id, secret, audience and scope "
    "(CAMUNDA_CLIENT_ID, CAMUNDA_CLIENT_SECRET, CAMUNDA_TOKEN_AUDIENCE, CAMUNDA_TOKEN_SCOPE)."
)


class _Answer(msgspec.Struct):
    """RFC 6749, section 5.1. Some servers write the number as text."""

    access_token: str
    expires_in: float = 300.0


class _Refusal(msgspec.Struct):
    """RFC 6749, section 5.2."""

    error: Any = ""
    error_description: Any = ""


@define(eq=False)
class OAuthCredentials(Credentials):
    """Client credentials for a token endpoint.

    Args:
        client_id, client_secret: who the client is.
        url: the token endpoint.
        audience, scope: sent along when given.
        cache: keeps tokens for other processes.
        ssl_context: for the endpoint, if not the machine's usual certificates.
        connect_timeout, read_timeout: seconds for each step of a request to the endpoint.
    """

    client_id: str
    client_secret: str = field(repr=False)
    url: str
    audience: str = ""
    scope: str = ""
    cache: TokenCache | None = None
    ssl_context: ssl.SSLContext | None = field(default=None, repr=False)
    connect_timeout: float = 5.0
    read_timeout: float = 5.0

    def __attrs_post_init__(self) -> None:
        try:
            http1.parse_url(self.url)
        except ValueError as error:
            raise SettingsError(f"The OAuth token endpoint is no URL: {error}.") from None

    async def fetch(self, refused: Metadata = ()) -> Grant:
        """A token from the cache or the endpoint. Raises CredentialsError."""
        if self.cache is None:
            return _grant(await self._ask_endpoint())
        name = " ".join((self.url, self.client_id, self.audience, self.scope))
        token = await self.cache.load(name)
        if token is None or _metadata(token)[0] in refused or _nearly_over(token):
            token = await self._ask_endpoint()
            await self.cache.store(name, token)
        return _grant(token)

    async def _ask_endpoint(self) -> CachedToken:
        response = await self._post()
        if response.status != 200:
            raise self._refused(response)
        try:
            answer = msgspec.json.decode(response.body, type=_Answer, strict=False)
        except (msgspec.MsgspecError, UnicodeError) as error:
            text = "answered without a usable token"
            raise self._error(f"{text}: {error}", _ADVICE_URL) from None
        if not answer.access_token.isascii() or not answer.access_token.isprintable():
            raise self._error("answered with a token that no header can carry", _ADVICE_URL)
        return CachedToken(answer.access_token, time.time() + max(1.0, answer.expires_in))

    async def _post(self) -> http1.Response:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "audience": self.audience,
            "scope": self.scope,
        }
        try:
            return await http1.request(
                "POST",
                self.url,
                headers=[
                    ("Content-Type", "application/x-www-form-urlencoded"),
                    ("Accept", "application/json"),
                ],
                body=urlencode({key: value for key, value in form.items() if value}).encode(),
                ssl_context=self.ssl_context,
                connect_timeout=self.connect_timeout,
                read_timeout=self.read_timeout,
            )
        except OSError as error:
            raise self._error(f"can't be asked ({error})", _ADVICE_URL) from error

    def _refused(self, response: http1.Response) -> CredentialsError:
        passing = response.status >= 500 or response.status in _PASSING
        why = self._reason(response.body)
        return self._error(
            f"answered HTTP {response.status}{why and ': ' + why}",
            "It may be better later." if passing else _ADVICE_CLIENT,
            refused=not passing,
        )

    def _reason(self, body: bytes) -> str:
        """What the endpoint says, without the secret should it quote that."""
        try:
            said = msgspec.json.decode(body, type=_Refusal)
        except (msgspec.MsgspecError, UnicodeError):
            return ""
        text = " ".join(str(part) for part in (said.error, said.error_description) if part)
        return text.replace(self.client_secret, "***")[:300]

    def _error(self, what: str, advice: str, *, refused: bool = False) -> CredentialsError:
        where = self.url.partition("?")[0]
        return CredentialsError(
            f"The OAuth token endpoint {where} {what}. {advice}", refused=refused
        )


def _metadata(token: CachedToken) -> tuple[tuple[str, str]]:
    return (("authorization", f"Bearer {token.token}"),)


def _nearly_over(token: CachedToken) -> bool:
    return token.expires_at - time.time() < 30.0


def _grant(token: CachedToken) -> Grant:
    """Good until shortly before it expires; renewed a minute (or a fifth of its life) before."""
    left = max(0.0, token.expires_at - time.time())
    now = trio.current_time()
    return Grant(
        _metadata(token),
        refresh_at=now + left - min(60.0, left / 5),
        expires_at=now + left - min(5.0, left / 10),
    )
