"""One grant for all calls of a client, fetched once however many calls ask.

A fetch runs in the client's nursery, so that a caller who gives up does not end it for the others.
All who wait share its result, and for a second its failure: a token endpoint that refuses is not
asked again by each of a hundred calls.
"""

from __future__ import annotations

import logging
import math

import trio

from zbtrio.auth.credentials import Credentials, Grant
from zbtrio.errors import CredentialsError
from zbtrio.rpc import Metadata

FAILED_PAUSE = 1.0
"""Seconds during which a failed fetch stands for further ones."""
REFUSED_PAUSE = 10.0
"""Seconds that a grant must be old before the gateway's refusal makes us fetch another."""

_log = logging.getLogger("zbtrio.auth")


class _Fetch:
    def __init__(self) -> None:
        self.done = trio.Event()
        self.ended = math.inf
        self.error: CredentialsError | None = None

    def stands(self, now: float) -> bool:
        """Whether it runs, or failed so short ago that another one would be too much."""
        return not self.done.is_set() or (
            self.error is not None and now < self.ended + FAILED_PAUSE
        )


class Authorizer:
    """Gives a client's calls their metadata.

    Args:
        credentials: where grants come from.
        nursery: where they are fetched.
        always: metadata of every call besides.

    Attributes:
        fixed: the metadata of all calls, if it never changes.
        trouble: why the last fetch that ended had failed, if it had.
    """

    def __init__(
        self, credentials: Credentials, nursery: trio.Nursery, always: Metadata = ()
    ) -> None:
        self._credentials = credentials
        self._nursery = nursery
        self._always = tuple(always)
        self._grant: Grant | None = None
        self._metadata: Metadata = ()
        self._fetched = -math.inf
        self._fetch: _Fetch | None = None
        self.trouble: CredentialsError | None = None
        grant = credentials.fixed
        self.fixed = None if grant is None else (*self._always, *grant.metadata)

    def at_hand(self) -> Metadata | None:
        """The metadata for a call, None if it must be fetched first."""
        if self.fixed is not None:
            return self.fixed
        now = trio.current_time()
        if self._grant is None or now >= self._grant.expires_at:
            return None
        if now >= self._grant.refresh_at:
            self._start_fetch(())
        return self._metadata

    async def get(self) -> Metadata:
        """The metadata for a call. Raises CredentialsError."""
        metadata = self.at_hand()
        return await self._fetched_metadata(()) if metadata is None else metadata

    async def replacement(self, refused: Metadata) -> Metadata | None:
        """Other metadata after the gateway answered UNAUTHENTICATED, None if there is none."""
        if self.fixed is not None:
            return None
        if self._metadata == refused:
            if trio.current_time() < self._fetched + REFUSED_PAUSE:
                return None
            try:
                await self._fetched_metadata(refused)
            except CredentialsError as error:
                _log.warning("The gateway refused the credentials, and: %s", error)
                return None
        return self._metadata if self._metadata != refused else None

    async def _fetched_metadata(self, refused: Metadata) -> Metadata:
        fetch = self._start_fetch(refused)
        await fetch.done.wait()
        if fetch.error is not None:
            raise CredentialsError(str(fetch.error), refused=fetch.error.refused) from fetch.error
        return self._metadata

    def _start_fetch(self, refused: Metadata) -> _Fetch:
        if self._fetch is None or not self._fetch.stands(trio.current_time()):
            self._fetch = _Fetch()
            self._nursery.start_soon(self._run, self._fetch, refused)
        return self._fetch

    async def _run(self, fetch: _Fetch, refused: Metadata) -> None:
        try:
            self._keep(await self._credentials.fetch(refused))
        except CredentialsError as error:
            self.trouble = fetch.error = error
            if self._grant is not None:
                _log.warning("Credentials could not be renewed: %s", error)
        finally:
            fetch.ended = trio.current_time()
            fetch.done.set()

    def _keep(self, grant: Grant) -> None:
        self._grant = grant
        self._metadata = (*self._always, *grant.metadata)
        self._fetched = trio.current_time()
        self.trouble = None
