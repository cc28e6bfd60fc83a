"""`running()`: a broker for as long as a block lasts."""

import shutil
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import attrs
import trio

from zbtrio.broker.distribution import fetch
from zbtrio.broker.environment import Options
from zbtrio.broker.errors import BrokerError
from zbtrio.broker.java import find_java
from zbtrio.broker.process import Broker
from zbtrio.broker.report import Report, on_terminal
from zbtrio.broker.settings import BrokerSettings
from zbtrio.settings import load


@asynccontextmanager
async def running(
    version: str | None = None,
    *,
    data: str | Path | None = None,
    quick: bool = False,
    partitions: int = 1,
    controlled_clock: bool = False,
    request_limit: int | None = None,
    environ: Mapping[str, str] | None = None,
    settings: BrokerSettings | None = None,
    report: Report | None = None,
) -> AsyncGenerator[Broker]:
    """Run a broker while the block lasts. It also ends if this process is killed.

    Args:
        version: Zeebe's (default: the settings').
        data: a folder to keep its data in, for a later run; else it is gone with the block.
        quick: Java compiles less: half the CPU to start, about half more for each job afterwards.
        partitions: how many it has.
        controlled_clock: let `Broker.advance_clock` move its time.
        request_limit: how many commands it takes at once before it says RESOURCE_EXHAUSTED.
        environ: further environment variables of the broker, which is how Zeebe is configured.
        settings: in place of those from the environment (ZBTRIO_BROKER_...).
        report: hears of a download's progress (default: standard error).

    Raises:
        BrokerError: it can't be fetched or started; the message says what to do.
    """
    options = Options(
        quick=quick,
        partitions=partitions,
        controlled_clock=controlled_clock,
        request_limit=request_limit,
        environ=environ or {},
    )
    broker = await prepare(version, data=data, options=options, settings=settings, report=report)
    try:
        await broker.start()
        yield broker
    finally:
        with trio.CancelScope(shield=True):
            await dispose(broker)


async def prepare(
    version: str | None = None,
    *,
    data: str | Path | None = None,
    options: Options | None = None,
    settings: BrokerSettings | None = None,
    report: Report | None = None,
) -> Broker:
    """A broker with all that it needs on this machine, for `Broker.start()` and `dispose()`.

    The arguments are those of `running()`. Raises BrokerError.
    """
    settings = settings or load(BrokerSettings, "broker")
    if version is not None:
        settings = attrs.evolve(settings, version=version)
    java = await trio.to_thread.run_sync(find_java, settings.java)
    distribution = await trio.to_thread.run_sync(
        partial(
            fetch,
            settings.version,
            repository=settings.repository,
            report=report or on_terminal(),
            checkpoint=trio.from_thread.check_cancelled,
        )
    )
    return Broker(
        distribution,
        java,
        _folder(data),
        settings=settings,
        options=options or Options(),
        temporary=data is None,
    )


async def dispose(broker: Broker) -> None:
    """End a broker. One whose data goes with it is not asked first."""
    if not broker.temporary:
        await broker.stop()
        return
    await broker.kill()
    await trio.to_thread.run_sync(partial(shutil.rmtree, broker.data, ignore_errors=True))


def _folder(data: str | Path | None) -> Path:
    if data is None:
        return Path(tempfile.mkdtemp(prefix="zbtrio-broker-"))
    folder = Path(data).expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BrokerError(f"The data can't be kept in {folder}: {error}.") from error
    return folder
