"""Logging of a program that runs a worker: for people, or one JSON object a line for machines.

Every record that is made while a handler works on a job, by whatever library, carries that job's
type, key and process instance. The worker's own records about a job carry them as attributes.
"""

import logging
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

import attrs
import msgspec

from zbtrio.settings import option
from zbtrio.suggest import suggest
from zbtrio.worker.job import current_job

__all__ = ["HumanFormatter", "JsonFormatter", "LogSettings", "configure", "level_number"]

FORMATS = ("human", "json")
LEVELS = ("debug", "info", "warning", "error", "critical")
JOB_FIELDS = ("job_type", "job_key", "process_instance")

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"asctime", "message", "taskName"}


def level_number(name: str) -> int:
    """The number of a level's name, in any case. Raises ValueError for an unknown one."""
    if name.lower() not in LEVELS:
        raise ValueError(f"there is no level {name!r}. {suggest(name.lower(), LEVELS)}")
    return logging.getLevelNamesMapping()[name.upper()]


def _is_level(settings: object, attribute: "attrs.Attribute[str]", value: str) -> None:
    level_number(value)


def _are_levels(
    settings: object, attribute: "attrs.Attribute[Any]", value: Mapping[str, str]
) -> None:
    for name in value.values():
        level_number(name)


@attrs.frozen
class LogSettings:
    """The table [log]."""

    level: str = option("info", validator=_is_level, help="Lowest level that is shown.")
    format: str = option("human", choices=FORMATS, help="For people, or JSON for machines.")
    levels: dict[str, str] = option(
        factory=dict[str, str],
        validator=_are_levels,
        help='Levels of single loggers, such as {"zbtrio.rpc" = "debug"}.',
    )


def configure(settings: LogSettings, stream: TextIO | None = None) -> None:
    """Log to `stream` (standard error) as set. A program that has set up logging keeps its way."""
    root = logging.getLogger()
    if not root.handlers:
        handler = logging.StreamHandler(stream or sys.stderr)
        handler.setFormatter(JsonFormatter() if settings.format == "json" else HumanFormatter())
        root.addHandler(handler)
        root.setLevel(level_number(settings.level))
    for name, level in settings.levels.items():
        logging.getLogger(name).setLevel(level_number(level))


def job_fields(record: logging.LogRecord) -> dict[str, object]:
    """Type, key and process instance of the job that a record is about."""
    job = current_job.get()
    fields = {} if job is None else job.log_fields()
    given = vars(record)
    return fields | {name: given[name] for name in JOB_FIELDS if name in given}


class HumanFormatter(logging.Formatter):
    """`2025-01-31 12:00:00.123 INFO zbtrio.worker [charge-card, job 1, instance 2]: message`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text, a traceback below it."""
        when = datetime.fromtimestamp(record.created).astimezone()
        stamp = when.strftime("%Y-%m-%d %H:%M:%S.") + f"{when.microsecond // 1000:03}"
        about = _about(job_fields(record))
        lines = [f"{stamp} {record.levelname} {record.name}{about}: {record.getMessage()}"]
        return "\n".join([*lines, *_traces(record).values()])


class JsonFormatter(logging.Formatter):
    """One object a line: time, level, logger, message, the job's fields, whatever `extra` gave."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON."""
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        extra = {k: v for k, v in vars(record).items() if k not in _STANDARD}
        entry |= job_fields(record) | extra | _traces(record)
        return msgspec.json.encode(entry, enc_hook=repr).decode()


def _about(fields: Mapping[str, object]) -> str:
    labels = {"job_type": "", "job_key": "job ", "process_instance": "instance "}
    parts = [f"{labels[name]}{value}" for name, value in fields.items() if name in labels]
    return f" [{', '.join(parts)}]" if parts else ""


def _traces(record: logging.LogRecord) -> dict[str, str]:
    traces: dict[str, str] = {}
    if record.exc_info:
        traces["exception"] = "".join(traceback.format_exception(*record.exc_info)).rstrip()
    if record.stack_info:
        traces["stack"] = record.stack_info
    return traces
