"""Workers on virtual time, against a gateway in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Protocol

import pytest
import trio

from tests.faulty_gateway import FaultyGateway, open_faulty_gateway
from zbtrio import Worker, WorkerHandle, ZeebeClient
from zbtrio.client import ClientSettings
from zbtrio.rpc import Channel


@pytest.fixture(autouse=True)
def _no_installed_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only plugins that a test gives: an installed one would change what handlers' failures do."""
    monkeypatch.setattr("zbtrio.hooks.plugin_set.installed", lambda entries=None: {})


@pytest.fixture
async def gateway() -> AsyncIterator[FaultyGateway]:
    async with open_faulty_gateway() as gateway:
        yield gateway


class Running(Protocol):
    def __call__(self, app: Worker) -> AbstractAsyncContextManager[WorkerHandle]: ...


@pytest.fixture
def running(gateway: FaultyGateway) -> Running:
    """Run a worker inside a block; it is cancelled at the block's end."""

    @asynccontextmanager
    async def run(app: Worker) -> AsyncIterator[WorkerHandle]:
        async with (
            Channel(gateway.target, connector=gateway.connector, keepalive=None) as channel,
            ZeebeClient(channel=channel, settings=ClientSettings()) as client,
            trio.open_nursery() as nursery,
        ):
            yield await nursery.start(partial(app.run, client=client))
            nursery.cancel_scope.cancel()

    return run
