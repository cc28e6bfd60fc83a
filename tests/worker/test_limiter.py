from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from zbtrio import Limiter
from zbtrio.worker.limiter import ActiveLimiter


@pytest.mark.parametrize("wrong", [{"rate": 0}, {"rate": -1}, {"burst": 0}, {"concurrency": 0}])
def test_limits_are_above_zero(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} of a Limiter is"):
        Limiter(**wrong)  # type: ignore[arg-type]


async def test_a_rate_spaces_starts_evenly(autojump_clock: MockClock) -> None:
    limiter = ActiveLimiter(Limiter(rate=10))
    start, times = trio.current_time(), list[float]()
    for _ in range(4):
        await limiter.acquire()
        times.append(trio.current_time() - start)
        limiter.release()
    assert times == pytest.approx([0, 0.1, 0.2, 0.3])


async def test_a_burst_is_allowed_after_a_pause(autojump_clock: MockClock) -> None:
    limiter = ActiveLimiter(Limiter(rate=10, burst=3))
    start, times = trio.current_time(), list[float]()
    assert limiter.available() == 3
    for _ in range(5):
        await limiter.acquire()
        times.append(trio.current_time() - start)
    assert times == pytest.approx([0, 0, 0, 0.1, 0.2])
    assert limiter.available() == 0
    await trio.sleep(0.2)
    assert limiter.available() == 2
    await trio.sleep(1000)
    assert limiter.available() == 3


async def test_concurrency_waits_for_an_end(autojump_clock: MockClock) -> None:
    limiter = ActiveLimiter(Limiter(concurrency=2))
    order = list[str]()

    async def hold(name: str) -> None:
        await limiter.acquire()
        order.append(name)
        await trio.sleep(1)
        limiter.release()

    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        for name in "abcde":
            nursery.start_soon(hold, name)
            await trio.testing.wait_all_tasks_blocked()
        assert limiter.available() == 0
    assert order == list("abcde")
    assert trio.current_time() - start == 3
    assert limiter.available() == 2


async def test_a_cancelled_wait_takes_nothing(autojump_clock: MockClock) -> None:
    limiter = ActiveLimiter(Limiter(rate=1, concurrency=1))
    await limiter.acquire()
    with trio.move_on_after(5) as scope:
        await limiter.acquire()
    assert scope.cancelled_caught
    limiter.release()
    await limiter.until_available()
    assert limiter.available() == 1
