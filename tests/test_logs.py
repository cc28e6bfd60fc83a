"""Log lines, for people and for machines."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from zbtrio import logs
from zbtrio.errors import SettingsError
from zbtrio.settings import load
from zbtrio.worker.job import current_job


class FakeJob:
    def log_fields(self) -> dict[str, object]:
        return {"job_type": "charge-card", "job_key": 7, "process_instance": 9}


@pytest.fixture
def bare_root() -> Iterator[logging.Logger]:
    """The root logger, put back afterwards."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield root
    root.handlers[:], root.level = before
    logging.getLogger("shop.quiet").setLevel(logging.NOTSET)


def written(**settings: object) -> tuple[io.StringIO, logging.Logger]:
    stream = io.StringIO()
    logging.getLogger().handlers[:] = []  # pytest's, which a new process doesn't have
    logs.configure(load(logs.LogSettings, "log", arguments=settings, environ={}), stream)
    return stream, logging.getLogger("shop")


def test_lines_for_people(bare_root: logging.Logger) -> None:
    stream, log = written()
    log.debug("not shown")
    log.info("ready for %d", 3)
    token = current_job.set(FakeJob())  # type: ignore[arg-type]
    log.warning("declined")
    current_job.reset(token)
    first, second = stream.getvalue().splitlines()
    assert first.endswith(" INFO shop: ready for 3")
    assert second.endswith(" WARNING shop [charge-card, job 7, instance 9]: declined")


def test_lines_for_machines(bare_root: logging.Logger) -> None:
    stream, log = written(format="json")
    token = current_job.set(FakeJob())  # type: ignore[arg-type]
    try:
        raise OSError("down\nand out")
    except OSError:
        log.exception(
            "été",
            extra={
                "amount": 3.5,
                "odd": {
                    1,
                },
                "job_key": 8,
            },
        )
    current_job.reset(token)
    line = json.loads(stream.getvalue())
    assert stream.getvalue().count("\n") == 1
    assert line.pop("time").endswith("+00:00")
    assert line.pop("exception").startswith("Traceback (most recent call last):\n")
    assert line == {
        "level": "error",
        "logger": "shop",
        "message": "été",
        "job_type": "charge-card",
        "job_key": 8,  # what the record says of itself goes before the job of the context
        "process_instance": 9,
        "amount": 3.5,
        "odd": [1],
    }


def test_a_traceback_stands_below_its_line(bare_root: logging.Logger) -> None:
    stream, log = written()
    try:
        raise OSError("down")
    except OSError:
        log.exception("failed")
    first, *others = stream.getvalue().splitlines()
    assert first.endswith("ERROR shop: failed")
    assert others[0] == "Traceback (most recent call last):"
    assert others[-1] == "OSError: down"


def test_levels_of_single_loggers(bare_root: logging.Logger) -> None:
    stream, log = written(level="WARNING", levels={"shop.quiet": "debug"})
    log.info("hidden")
    logging.getLogger("shop.quiet").debug("shown")
    assert stream.getvalue().splitlines()[0].endswith("DEBUG shop.quiet: shown")
    assert "hidden" not in stream.getvalue()


def test_a_program_that_has_set_up_logging_keeps_it(bare_root: logging.Logger) -> None:
    own = logging.NullHandler()
    bare_root.handlers[:] = [own]
    logs.configure(logs.LogSettings())
    assert bare_root.handlers == [own]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"level": "warn"}, r"argument: .log. level: there is no level 'warn'. .* 'warning'"),
        ({"levels": {"shop": "loud"}}, r"there is no level 'loud'"),
        ({"format": "xml"}, r"format: must be one of 'human', 'json'"),
    ],
)
def test_wrong_settings(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load(logs.LogSettings, "log", arguments=settings, environ={})
