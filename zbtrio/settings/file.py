"""zbtrio.toml: read once, its tables handed out, its lines found again for error messages."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import attrs

from zbtrio.errors import SettingsError
from zbtrio.suggest import suggest

DEFAULT_NAME = "zbtrio.toml"
TABLES = ("broker", "client", "log", "plugins", "worker")


@attrs.frozen
class SettingsFile:
    """A settings file that was read. Its content may hold secrets and is left out of repr."""

    path: Path
    data: Mapping[str, Any] = attrs.field(repr=False)
    lines: Mapping[tuple[str, ...], int] = attrs.field(repr=False)

    @classmethod
    def find(
        cls, path: str | Path | None = None, *, environ: Mapping[str, str] | None = None
    ) -> "SettingsFile | None":
        """The file at `path`, else the one ZBTRIO_SETTINGS names, else ./zbtrio.toml if it exists.

        Raises SettingsError when a file that was named doesn't exist, or isn't TOML.
        """
        named = path or (os.environ if environ is None else environ).get("ZBTRIO_SETTINGS")
        if named:
            return cls.read(Path(named))
        usual = Path(DEFAULT_NAME)
        return cls.read(usual) if usual.is_file() else None

    @classmethod
    def read(cls, path: Path) -> "SettingsFile":
        """Read the file. Raises SettingsError if that fails or a top-level name is unknown."""
        try:
            text = path.read_text(encoding="utf-8")
            data = tomllib.loads(text)
        except OSError as error:
            raise SettingsError(f"{path}: can't read the settings: {error.strerror}") from None
        except ValueError as error:  # not TOML, or not UTF-8
            raise SettingsError(f"{path}: not valid TOML: {error}") from None
        file = cls(path, data, _lines(text))
        for name in data:
            if name not in TABLES:
                where = file.where((name,))
                raise SettingsError(f"{where}: unknown table [{name}]. {suggest(name, TABLES)}")
        return file

    def table(self, dotted: str) -> Mapping[str, object]:
        """The table with that dotted name; empty if the file has none."""
        found: Any = self.data
        path = tuple(dotted.split("."))
        for depth, key in enumerate(path, 1):
            found = cast(dict[str, Any], found).get(key, {})
            if not isinstance(found, dict):
                name = ".".join(path[:depth])
                raise SettingsError(f"{self.where(path[:depth])}: [{name}] must be a table")
        return cast(dict[str, object], found)

    def where(self, path: tuple[str, ...]) -> str:
        """`file:line` of the value at that path of keys, or of the nearest table around it."""
        for depth in range(len(path), 0, -1):
            line = self.lines.get(path[:depth])
            if line:
                return f"{self.path}:{line}"
        return str(self.path)


def _lines(text: str) -> dict[tuple[str, ...], int]:
    """The line number of each header and key. tomllib tells none, so the lines are read singly.

    A line inside a value of several lines may pass for a key of its own: such an entry is never
    asked for, because no value stands at its path.
    """
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line.startswith("["):
            table = _keys(line)
            found.setdefault(table, number)
        elif "=" in line:
            found.setdefault(table + _keys(line.partition("=")[0] + "= 0"), number)
    return found


def _keys(line: str) -> tuple[str, ...]:
    """The keys that a line defines: ("a", "b") of `[a.b]` and of `a.b = 0`."""
    try:
        data: Any = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return ()
    keys: list[str] = []
    while data:
        if isinstance(data, list):
            (data,) = cast(list[Any], data)
        else:
            ((key, data),) = data.items()
            keys.append(key)
    return tuple(keys)
