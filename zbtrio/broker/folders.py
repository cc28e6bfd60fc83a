"""Where files go that outlive one run: the XDG folders, and macOS's own."""

import os
import sys
from pathlib import Path

NAME = "zbtrio"


def cache_folder() -> Path:
    """For what can be fetched again: `$XDG_CACHE_HOME` or ~/.cache (macOS: ~/Library/Caches)."""
    return _folder("XDG_CACHE_HOME", ".cache", "Library/Caches")


def state_folder() -> Path:
    """For what one command leaves to the next: `$XDG_STATE_HOME` or ~/.local/state."""
    return _folder("XDG_STATE_HOME", ".local/state", "Library/Application Support")


def _folder(variable: str, usual: str, on_macos: str) -> Path:
    """The XDG rule: a relative path in the variable is to be ignored."""
    given = os.environ.get(variable, "")
    if given and Path(given).is_absolute():
        return Path(given) / NAME
    return Path.home() / (on_macos if sys.platform == "darwin" else usual) / NAME
