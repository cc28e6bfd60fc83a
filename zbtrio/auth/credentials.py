"""What a client's calls carry to say who makes them."""

from __future__ import annotations

import math
from base64 import b64encode

from attrs import field, frozen

from zbtrio.errors import SettingsError
from zbtrio.rpc import Metadata


@frozen
class Grant:
    """Metadata for calls, and until when it is good (trio time; infinite: for ever).

    From `refresh_at` on the next one is fetched while this one is still in use.
    """

    metadata: Metadata = field(repr=False)
    refresh_at: float = math.inf
    expires_at: float = math.inf


class Credentials:
    """The base of credentials. Own kinds derive from it and write `fetch`.

    `fixed` is the grant of credentials that never change, which need no `fetch`.
    """

    fixed: Grant | None = None

    async def fetch(self, refused: Metadata = ()) -> Grant:
        """A grant; a new one if `refused` is what the gateway no longer accepts.

        Called in one task at a time. Raises CredentialsError.
        """
        assert self.fixed is not None, "credentials that change have their own fetch()"
        return self.fixed


class NoCredentials(Credentials):
    """For a gateway that asks nobody who he is."""

    fixed = Grant(())

    def __repr__(self) -> str:
        return "NoCredentials()"


class BasicCredentials(Credentials):
    """A user name and a password, sent with each call (RFC 7617): use it with TLS only."""

    def __init__(self, username: str, password: str) -> None:
        if ":" in username:
            raise SettingsError("A user name for basic authentication can't contain a colon.")
        self.username = username
        token = b64encode(f"{username}:{password}".encode()).decode()
        self.fixed = Grant((("authorization", f"Basic {token}"),))

    def __repr__(self) -> str:
        return f"BasicCredentials({self.username!r}, ***)"
