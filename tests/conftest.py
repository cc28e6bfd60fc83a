"""Real brokers for every test that asks for one, started once for the whole run."""

import os
from collections.abc import Iterator
from functools import partial

import pytest
import trio

from zbtrio.broker import Broker
from zbtrio.broker.environment import Options
from zbtrio.broker.running import dispose, prepare

BROKER_FIXTURES = {"broker", "broker_858"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a broker; ZBTRIO_NO_BROKER=1 is for people without network."""
    for item in items:
        if BROKER_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("broker")
        if item.get_closest_marker("broker") and os.environ.get("ZBTRIO_NO_BROKER"):
            item.add_marker(pytest.mark.skip(reason="ZBTRIO_NO_BROKER is set: no real broker"))


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """A Zeebe 8.6.0. All tests share it: use job types and process ids of your own."""
    yield from _running("8.6.0")


@pytest.fixture(scope="session")
def broker_858() -> Iterator[Broker]:
    """A Zeebe 8.5.8, shared as `broker` is."""
    yield from _running("8.5.8")


def _running(version: str) -> Iterator[Broker]:
    """Not in one `trio.run`, as `running()` would be: each test has its own.

    Quick costs less up to some 6000 jobs.
    """
    broker = trio.run(partial(prepare, version, options=Options(quick=True)))
    try:
        trio.run(broker.start)
        yield broker
    finally:
        trio.run(dispose, broker)
