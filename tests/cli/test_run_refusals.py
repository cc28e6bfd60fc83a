"""What keeps `zbtrio run` from starting: exit code 2 and a message that names the nearest."""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from zbtrio.cli.main import main

MODULE = """
import zbtrio
app = zbtrio.Worker()
tasks = zbtrio.Tasks()
number = 3
class Holder:
    inner = zbtrio.Worker()
@tasks.task("wrong")
async def wrong(job_type): ...
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with modules, as the current one; nothing of it stays imported."""
    (tmp_path / "refusalshop.py").write_text(MODULE)
    (tmp_path / "refusalbroken.py").write_text("import a_library_that_is_not_there")
    (tmp_path / "refusalpackage").mkdir()
    (tmp_path / "refusalpackage" / "__init__.py").write_text("")
    (tmp_path / "refusalpackage" / "orders.py").write_text("raise ValueError('on import')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    root = logging.getLogger()
    handlers = root.handlers[:]
    yield tmp_path
    root.handlers[:] = handlers
    for name in set(sys.modules) - before:
        if name.startswith("refusal"):
            del sys.modules[name]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("refusalshp:app",
            "no module 'refusalshp' in {here}, nor installed. Did you mean 'refusalshop'?"),
        ("refusalpackage.oders:app", "no module 'refusalpackage.oders' in {here}/refusalpackage, "),
        ("refusalpackage.oders:app", "nor installed. Did you mean 'refusalpackage.orders'?"),
        ("refusalshop.deeper:app", "module 'refusalshop' is no package"),
        ("refusalshop.py:app", "'refusalshop.py' is a path, not a module. Did you mean 'refusals"),
        ("./refusalpackage/orders.py", "Did you mean 'refusalpackage.orders'?"),
        ("refusalbroken:app", "No module named 'a_library_that_is_not_there'"),
        ("refusalpackage.orders", "ValueError: on import"),
        ("refusalshop:ap", "module 'refusalshop' has no 'ap'. Its workers: app."),
        ("refusalshop:Holder.iner", "module 'refusalshop' has no 'iner'. Its workers: inner."),
        ("refusalpackage:app", "module 'refusalpackage' has no 'app'."),
        ("refusalshop:number", "refusalshop:number is int 3, not a zbtrio.Worker."),
        ("refusalshop:tasks", "not a zbtrio.Worker. Handlers in a Tasks registry are run by"),
    ],
)  # fmt: skip
def test_wrong_targets(
    target: str, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", target]) == 2
    assert message.format(here=folder) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[worker]\nconcurency = 3\n", "zbtrio.toml:2: [worker] has no setting 'concurency'"),
        ("[log]\nlevel = 'loud'\n", "zbtrio.toml:2: [log] level: there is no level 'loud'"),
        ("[plugins]\ndisabled = ['retri']\n", "'retri', which isn't installed. Did you mean 'ret"),
        ("[plugins.retry]\nattempts = 0\n", "zbtrio.toml:2: [plugins.retry] attempts: "),
    ],
)
def test_wrong_settings(
    toml: str, message: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    Path("zbtrio.toml").write_text(toml)
    assert main(["run", "refusalshop:app"]) == 2
    assert message in capsys.readouterr().err + caplog.text


def test_nothing_to_run(caplog: pytest.LogCaptureFixture) -> None:
    assert main(["run", "refusalshop:app"]) == 2
    assert "There is nothing to run" in caplog.text


@pytest.mark.parametrize("level", ["loud", "zbtrio.rpc=loud"])
def test_a_wrong_level(level: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "refusalshop:app", "--log-level", level]) == 2
    assert "there is no level 'loud'" in capsys.readouterr().err
