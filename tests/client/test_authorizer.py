"""One token for all calls, fetched once, renewed in time, replaced when it is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from attrs import define, field
from grpclib.const import Status

from tests.client.fake_channel import Answer, FakeChannel, ok, received
from zbtrio import errors, gateway
from zbtrio._proto import gateway_protocol as proto
from zbtrio.auth import Authorizer, BasicCredentials, Credentials, Grant
from zbtrio.client import ClientSettings, ZeebeClient
from zbtrio.errors import CredentialsError
from zbtrio.rpc import Metadata

UNAUTHENTICATED = received(Status.UNAUTHENTICATED, "token refused")


@define(eq=False)
class ScriptedCredentials(Credentials):
    """Gives token 1, 2, ... each good for `life` seconds, after `takes` seconds."""

    life: float = 100.0
    takes: float = 1.0
    failures: list[CredentialsError] = field(factory=list)
    same: bool = False
    fetched: int = 0
    refused: list[Metadata] = field(factory=list)

    async def fetch(self, refused: Metadata = ()) -> Grant:
        self.fetched += 1
        self.refused.append(refused)
        await trio.sleep(self.takes)
        if self.failures:
            raise self.failures.pop(0)
        now = trio.current_time()
        token = bearer(1 if self.same else self.fetched)
        return Grant(token, refresh_at=now + self.life * 0.8, expires_at=now + self.life)


def bearer(number: int) -> tuple[tuple[str, str]]:
    return (("authorization", f"Bearer {number}"),)


@pytest.fixture
def source() -> ScriptedCredentials:
    return ScriptedCredentials()


@pytest.fixture
def authorizer(source: ScriptedCredentials, nursery: trio.Nursery) -> Authorizer:
    return Authorizer(source, nursery)


async def test_many_calls_fetch_one_token(
    authorizer: Authorizer, source: ScriptedCredentials, autojump_clock: Any
) -> None:
    found: list[Metadata] = []

    async def call() -> None:
        found.append(await authorizer.get())

    assert authorizer.at_hand() is None
    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(call)
    assert found == [bearer(1)] * 50
    assert authorizer.at_hand() == bearer(1)
    assert source.fetched == 1


async def test_who_gives_up_does_not_end_it_for_others(
    authorizer: Authorizer, source: ScriptedCredentials, autojump_clock: Any
) -> None:
    async def impatient() -> None:
        with trio.move_on_after(0.5):
            await authorizer.get()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(impatient)
        await trio.sleep(0.1)
        assert await authorizer.get() == bearer(1)
    assert source.fetched == 1


async def test_a_failure_is_shared_and_stands_for_a_second(
    authorizer: Authorizer, source: ScriptedCredentials, autojump_clock: Any
) -> None:
    source.failures = [CredentialsError("no", refused=True)]
    caught: list[CredentialsError] = []

    async def call() -> None:
        with pytest.raises(CredentialsError, match="no") as info:
            await authorizer.get()
        caught.append(info.value)

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(call)
    await call()
    assert source.fetched == 1
    assert all(error.refused for error in caught)
    assert len(set(map(id, caught))) == 6  # each has its own traceback
    await trio.sleep(1.5)
    assert await authorizer.get() == bearer(2)


async def test_it_is_renewed_while_the_old_one_serves(
    authorizer: Authorizer, source: ScriptedCredentials, autojump_clock: Any
) -> None:
    await authorizer.get()
    await trio.sleep(81)
    assert authorizer.at_hand() == authorizer.at_hand() == bearer(1)
    await trio.sleep(2)
    assert authorizer.at_hand() == bearer(2)
    assert source.fetched == 2


async def test_a_failed_renewal_does_no_harm_before_the_end(
    authorizer: Authorizer,
    source: ScriptedCredentials,
    caplog: pytest.LogCaptureFixture,
    autojump_clock: Any,
) -> None:
    await authorizer.get()
    source.failures = [CredentialsError("endpoint down")] * 2
    await trio.sleep(81)
    assert authorizer.at_hand() == bearer(1)
    await trio.sleep(3)
    assert authorizer.at_hand() == bearer(1)
    await trio.sleep(3)
    assert authorizer.at_hand() == bearer(1)
    await trio.sleep(3)
    assert authorizer.at_hand() == bearer(4)
    assert caplog.text.count("could not be renewed: endpoint down") == 2


async def test_an_expired_one_is_not_given(authorizer: Authorizer, autojump_clock: Any) -> None:
    await authorizer.get()
    await trio.sleep(100)
    assert authorizer.at_hand() is None
    assert await authorizer.get() == bearer(2)


async def test_a_refused_one_is_replaced_once(
    authorizer: Authorizer, source: ScriptedCredentials, autojump_clock: Any
) -> None:
    first = await authorizer.get()
    await trio.sleep(20)
    found: list[Metadata | None] = []

    async def replace() -> None:
        found.append(await authorizer.replacement(first))

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(replace)
    assert found == [bearer(2)] * 5
    assert await authorizer.replacement(first) == bearer(2)
    assert source.fetched == 2
    assert source.refused == [(), first]


async def test_a_fresh_one_is_not_replaced(
    authorizer: Authorizer, source: ScriptedCredentials, autojump_clock: Any
) -> None:
    first = await authorizer.get()
    assert await authorizer.replacement(first) is None
    assert source.fetched == 1


async def test_the_same_again_is_no_replacement(
    authorizer: Authorizer, source: ScriptedCredentials, autojump_clock: Any
) -> None:
    source.same = True
    first = await authorizer.get()
    await trio.sleep(20)
    assert await authorizer.replacement(first) is None
    assert source.fetched == 2


async def test_no_replacement_when_the_endpoint_fails(
    authorizer: Authorizer, source: ScriptedCredentials, autojump_clock: Any
) -> None:
    first = await authorizer.get()
    await trio.sleep(20)
    source.failures = [CredentialsError("no")]
    assert await authorizer.replacement(first) is None


async def test_fixed_credentials_need_no_fetch(nursery: trio.Nursery) -> None:
    basic = BasicCredentials("a", "b")
    authorizer = Authorizer(basic, nursery, always=(("x", "y"),))
    assert basic.fixed is not None
    assert authorizer.at_hand() == (("x", "y"), *basic.fixed.metadata) == authorizer.fixed
    assert await authorizer.get() == authorizer.fixed
    assert await authorizer.replacement(authorizer.fixed) is None


# In a client


@asynccontextmanager
async def client_with(
    source: Credentials, *answers: Answer, **settings: Any
) -> AsyncIterator[tuple[ZeebeClient, FakeChannel]]:
    channel = FakeChannel(answers)
    client = ZeebeClient(
        channel=channel,  # type: ignore
        credentials=source,
        settings=ClientSettings(**settings),
    )
    async with client:
        yield client, channel


def tokens(channel: FakeChannel) -> list[Metadata]:
    return [attempt.metadata for attempt in channel.attempts]


async def test_a_call_is_repeated_once_with_a_new_token(
    source: ScriptedCredentials, autojump_clock: Any
) -> None:
    async with client_with(source, ok(), UNAUTHENTICATED, ok()) as (client, channel):
        await client.topology()
        await trio.sleep(20)
        await client.topology()
    assert tokens(channel) == [bearer(1), bearer(1), bearer(2)]


async def test_a_call_is_not_repeated_with_the_same_token(
    source: ScriptedCredentials, autojump_clock: Any
) -> None:
    source.same = True
    async with client_with(source, ok(), UNAUTHENTICATED) as (client, channel):
        await client.topology()
        await trio.sleep(20)
        with pytest.raises(errors.Unauthenticated, match="token refused"):
            await client.topology()
    assert len(channel.attempts) == 2


async def test_a_client_refused_by_the_endpoint_is_told_so(
    source: ScriptedCredentials, autojump_clock: Any
) -> None:
    source.failures = [CredentialsError("wrong secret", refused=True)]
    async with client_with(source, ok()) as (client, channel):
        with pytest.raises(CredentialsError, match="wrong secret"):
            await client.topology()
    assert channel.attempts == []


async def test_an_endpoint_that_is_down_for_a_while(
    source: ScriptedCredentials, autojump_clock: Any
) -> None:
    source.failures = [CredentialsError("down")] * 2
    async with client_with(source, ok()) as (client, channel):
        await client.create_process_instance("order")
    assert tokens(channel) == [bearer(3)]


async def test_an_endpoint_that_stays_down(
    source: ScriptedCredentials, autojump_clock: Any
) -> None:
    source.failures = [CredentialsError("down")] * 100
    async with client_with(source, ok(), timeout=20.0) as (client, channel):
        started = trio.current_time()
        with pytest.raises(CredentialsError, match="down"):
            await client.topology()
        assert trio.current_time() - started <= 20.0 + 1e-6
    assert channel.attempts == []


async def test_a_token_that_takes_too_long(
    source: ScriptedCredentials, autojump_clock: Any
) -> None:
    source.takes = 1000.0
    async with client_with(source, ok(), timeout=20.0) as (client, _):
        started = trio.current_time()
        with pytest.raises(CredentialsError, match=r"No credentials came within \d"):
            await client.topology()
        assert trio.current_time() - started <= 20.0 + 1e-6


class Done:
    """Collects ended calls."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.event = trio.Event()

    def __call__(self, call: Any) -> None:
        self.calls.append(call)
        self.event.set()

    async def wait(self) -> Any:
        await self.event.wait()
        (call,) = self.calls
        return call


def start(client: ZeebeClient, done: Done, timeout: float | None = 30.0) -> Any:
    request = proto.CompleteJobRequest(job_key=7)
    return client.start(gateway.COMPLETE_JOB, request, timeout=timeout, on_done=done)


async def test_start_waits_for_a_token(source: ScriptedCredentials, autojump_clock: Any) -> None:
    response = proto.CompleteJobResponse()
    async with client_with(source, ok(response)) as (client, channel):
        call = start(client, done := Done())
        assert channel.attempts == []
        assert await done.wait() is call
        assert call.error is None
        assert call.response() is response
        (attempt,) = channel.attempts
        assert attempt.metadata == bearer(1)
        assert attempt.timeout == pytest.approx(29.0)
        start(client, done := Done())
        assert len(channel.attempts) == 2  # at once: the token is at hand
        await done.wait()


async def test_start_goes_on_with_a_new_token(
    source: ScriptedCredentials, autojump_clock: Any
) -> None:
    async with client_with(source, ok(), UNAUTHENTICATED, ok()) as (client, channel):
        await client.topology()
        await trio.sleep(20)
        start(client, done := Done())
        call = await done.wait()
    assert call.error is None
    assert tokens(channel) == [bearer(1), bearer(1), bearer(2)]


async def test_start_does_not_go_on_without_one(
    source: ScriptedCredentials, autojump_clock: Any
) -> None:
    async with client_with(source, UNAUTHENTICATED) as (client, channel):
        start(client, done := Done())
        call = await done.wait()
        assert call.error is UNAUTHENTICATED.error
        with pytest.raises(type(call.error)):
            call.response()
    assert len(channel.attempts) == 1


@pytest.mark.parametrize(
    ("refused", "status"), [(True, Status.UNAUTHENTICATED), (False, Status.UNAVAILABLE)]
)
async def test_start_tells_what_the_endpoint_said(
    refused: bool, status: Status, source: ScriptedCredentials, autojump_clock: Any
) -> None:
    source.failures = [CredentialsError("endpoint says no", refused=refused)]
    async with client_with(source, ok()) as (client, channel):
        start(client, done := Done())
        error = (await done.wait()).error
    assert (error.status, error.unprocessed, error.received) == (status, True, False)
    assert "endpoint says no" in str(errors.from_rpc_error("CompleteJob", error))
    assert channel.attempts == []


async def test_start_ends_in_time_without_a_token(
    source: ScriptedCredentials, autojump_clock: Any
) -> None:
    source.takes = 1000.0
    async with client_with(source, ok()) as (client, channel):
        started = trio.current_time()
        start(client, done := Done(), timeout=5.0)
        call = await done.wait()
        assert trio.current_time() - started == pytest.approx(5.0)
    assert call.error.status is Status.UNAVAILABLE
    assert channel.attempts == []


@pytest.mark.parametrize("after", [0.5, 1.5])
async def test_a_started_call_can_be_cancelled(
    after: float, source: ScriptedCredentials, autojump_clock: Any
) -> None:
    async with client_with(source, ok(after=1.0)) as (client, channel):
        call = start(client, done := Done())
        await trio.sleep(after)
        call.cancel()
        await trio.sleep(10)
    assert done.calls == []
    assert len(channel.attempts) == (after > 1)


async def test_a_started_call_ends_with_its_client(
    source: ScriptedCredentials, autojump_clock: Any
) -> None:
    done = Done()
    async with client_with(source, ok()) as (client, channel):
        start(client, done)
        await trio.sleep(0.5)
    (call,) = done.calls
    assert call.error.unprocessed
    assert channel.attempts == []


async def test_no_new_token_in_time_leaves_the_refusal(
    source: ScriptedCredentials, autojump_clock: Any
) -> None:
    async with client_with(source, ok(), UNAUTHENTICATED) as (client, channel):
        await client.topology()
        await trio.sleep(20)
        source.takes = 1000.0
        start(client, done := Done(), timeout=5.0)
        assert (await done.wait()).error is UNAUTHENTICATED.error
    assert len(channel.attempts) == 2
