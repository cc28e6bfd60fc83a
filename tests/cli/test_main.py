"""The frame around the commands."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

import zbtrio
from zbtrio.cli import main as frame
from zbtrio.cli.main import main


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for command in ("broker", "demo", "run", "exit codes"):
        assert command in shown


@pytest.mark.parametrize("argv", [[], ["nonsense"], ["broker"], ["broker", "nonsense"]])
def test_wrong_arguments_are_code_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2
    assert "usage: zbtrio" in capsys.readouterr().err


def test_every_command_has_help_with_an_example() -> None:
    for command in frame._commands([]):
        assert "zbtrio " + command.NAME in getattr(command, "EPILOG", ""), command.NAME
        assert "exit codes" in getattr(command, "EPILOG", ""), command.NAME


def test_only_the_command_that_is_asked_for_is_loaded() -> None:
    assert [each.NAME for each in frame._commands(["broker", "start"])] == ["broker"]
    assert len(frame._commands(["--help"])) > 1


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"zbtrio {zbtrio.__version__}\n"


def test_help_needs_nothing_heavy() -> None:
    """What commands need is imported when they run."""
    heavy = {"jgo", "psutil", "requests", "rich", "asyncio", "hypothesis"}
    code = (
        "import sys; from zbtrio.cli.main import main\n"
        "try: main(['--help'])\n"
        f"finally: print(sorted({heavy!r} & set(sys.modules)), file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stderr.strip() == "[]"


def command(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let the only command be one that raises this."""

    def run(args: object) -> int:
        raise error

    fails = SimpleNamespace(NAME="fail", HELP="it fails", add_arguments=lambda _: None, run=run)
    monkeypatch.setattr(frame, "_commands", lambda given: [fails])


@pytest.mark.parametrize("wrapped", [False, True])
def test_an_error_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wrapped: bool
) -> None:
    error: Exception = zbtrio.ZbtrioError("it is so: do this")
    command(monkeypatch, ExceptionGroup("group", [error]) if wrapped else error)
    assert main(["fail"]) == 1
    assert capsys.readouterr().err == "zbtrio fail: it is so: do this\n"
    assert main(["fail", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_error_of_ours_is_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    command(monkeypatch, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        main(["fail"])


def test_ctrl_c_is_code_130(monkeypatch: pytest.MonkeyPatch) -> None:
    command(monkeypatch, KeyboardInterrupt())
    assert main(["fail"]) == 130
