"""The settings of a worker: table [worker] of zbtrio.toml."""

from __future__ import annotations

import os
import platform
from typing import Any

import attrs

from zbtrio.settings import Variable, milliseconds, option
from zbtrio.worker.tasks import Poll

__all__ = ["WorkerSettings"]


def _above_zero(settings: object, attribute: attrs.Attribute[Any], value: float | None) -> None:
    if value is not None and not isinstance(value, str) and value <= 0:
        raise ValueError(f"it is {value:g}; it must be above 0")


def _streaming(text: str) -> str:
    """The ecosystem's switch for push streams, a boolean."""
    return "stream" if text.strip().lower() in ("true", "1", "yes", "on") else "long"


def _default_name() -> str:
    return f"{platform.node() or 'zbtrio'}-{os.getpid()}"


@attrs.frozen
class WorkerSettings:
    """How a worker asks for jobs and treats them. A task's own option goes before the setting."""

    name: str = option(
        factory=_default_name,
        env="CAMUNDA_WORKER_NAME",
        help="The worker's name in Zeebe's records; host and process id unless set.",
    )
    concurrency: int = option(
        32,
        env="CAMUNDA_WORKER_MAX_CONCURRENT_JOBS",
        validator=_above_zero,
        help="How many jobs of a type are worked on at once.",
    )
    max_jobs_active: int | None = option(
        None,
        validator=_above_zero,
        help="How many jobs of a type are held, running or waiting; 4 x concurrency unless set.",
    )
    timeout: float = option(
        60.0,
        env=milliseconds("CAMUNDA_WORKER_TIMEOUT"),
        validator=_above_zero,
        help="Seconds until the gateway gives a job to someone else, and its handler ends.",
    )
    poll: Poll = option(
        "long",
        env=(
            Variable("CAMUNDA_CLIENT_WORKER_STREAM_ENABLED", _streaming),
            Variable("ZEEBE_CLIENT_WORKER_STREAM_ENABLED", _streaming),
        ),
        validator=_above_zero,
        help="How jobs are asked for: long, stream, or seconds between two requests.",
    )
    request_timeout: float = option(
        30.0,
        env=milliseconds("CAMUNDA_WORKER_REQUEST_TIMEOUT"),
        validator=_above_zero,
        help="Seconds for which a long poll is held open; many proxies cut idle ones at 60.",
    )
    tenants: tuple[str, ...] = option(
        (),
        env=("CAMUNDA_DEFAULT_JOB_WORKER_TENANT_IDS", "ZEEBE_DEFAULT_JOB_WORKER_TENANT_IDS"),
        help="Tenants whose jobs are wanted; none: the default tenant.",
    )
    grace: float = option(
        20.0, help="Seconds that running handlers have to finish when the worker is asked to end."
    )
    report_grace: float = option(
        60.0, help="Seconds after a job's deadline in which its outcome is still reported."
    )
    stop_on_error: bool = option(
        False,
        help="End the whole worker when one subscription has to stop, not only with the last.",
    )
