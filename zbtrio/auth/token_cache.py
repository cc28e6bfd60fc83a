"""OAuth tokens in a file, so that short-lived processes need not fetch one each.

The file is ours alone: JSON, readable by its owner only, replaced as a whole. A file of that name
which is something else (the official client keeps YAML there) is left as it is.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import time
from pathlib import Path

import msgspec
import trio
from attrs import field, frozen

_log = logging.getLogger("zbtrio.auth")


class CachedToken(msgspec.Struct, frozen=True):
    """A token and the wall-clock time (seconds since 1970) at which it expires."""

    token: str
    expires_at: float

    def __repr__(self) -> str:
        return f"CachedToken(***, expires_at={self.expires_at})"


class _Content(msgspec.Struct, forbid_unknown_fields=True):
    zbtrio_tokens: dict[str, CachedToken] = {}


@frozen
class TokenCache:
    """The file at `path`; its folder is made when needed."""

    path: Path = field(converter=Path)

    async def load(self, name: str) -> CachedToken | None:
        """The token of that name if the file has one that is still good."""
        content = await trio.to_thread.run_sync(self._read)
        found = content.zbtrio_tokens.get(name) if content else None
        return found if found and found.expires_at > time.time() else None

    async def store(self, name: str, token: CachedToken) -> None:
        """Keep a token; a file that can't be written is a warning, not an error."""
        try:
            await trio.to_thread.run_sync(self._store, name, token)
        except OSError as error:
            _log.warning("The token can't be kept in %s: %s", self.path, error)

    def _read(self) -> _Content | None:
        """The file's content, empty if there is no file, None if it isn't ours."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=_Content)
        except FileNotFoundError:
            return _Content()
        except (OSError, msgspec.MsgspecError, UnicodeError):
            return None

    def _store(self, name: str, token: CachedToken) -> None:
        content = self._read()
        if content is None:
            _log.warning("%s is no token file of zbtrio and is left alone.", self.path)
            return
        now = time.time()
        content.zbtrio_tokens = {
            key: kept for key, kept in content.zbtrio_tokens.items() if kept.expires_at > now
        }
        content.zbtrio_tokens[name] = token
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._replace(msgspec.json.encode(content))

    def _replace(self, data: bytes) -> None:
        handle, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=self.path.name)
        try:
            with os.fdopen(handle, "wb") as file:  # mkstemp makes it 0600
                file.write(data)
            Path(temporary).replace(self.path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                Path(temporary).unlink()
            raise
