from hypothesis import given
from hypothesis import strategies as st

from zbtrio.worker.capacity import PATIENCE, Capacity


def quick(concurrency: int = 8, most: int = 16) -> Capacity:
    capacity = Capacity(concurrency, most, 60.0)
    capacity.handler_took(0.01)
    return capacity


def test_nothing_is_queued_before_handlers_are_known_to_be_quick() -> None:
    capacity = Capacity(8, 16, 60.0)
    assert capacity.wanted() == 8
    capacity.running = capacity.held = 8
    assert capacity.wanted() == 0
    capacity.handler_took(0.01)
    assert capacity.wanted() == 8


def test_the_queue_is_as_long_as_patience_allows() -> None:
    for seconds, queue in [(PATIENCE / 2, 8), (PATIENCE * 2, 4), (PATIENCE * 8, 1), (30, 0)]:
        capacity = Capacity(8, 16, 60.0)
        capacity.handler_took(seconds)
        assert capacity.queue == queue


def test_a_short_lease_shortens_the_queue() -> None:
    capacity = Capacity(8, 16, 1.0)
    capacity.handler_took(0.1)
    assert capacity.queue == 4


def test_a_free_slot_asks_at_once_and_the_queue_when_half_empty() -> None:
    capacity = quick()
    capacity.running, capacity.held = 7, 15
    assert capacity.wanted() == 1
    capacity.running, capacity.held = 8, 12
    assert capacity.wanted() == 0
    capacity.held = 11
    assert capacity.wanted() == 5


def test_blocked_slots_do_not_keep_free_ones_idle() -> None:
    capacity = Capacity(8, 16, 60.0)
    capacity.running = capacity.held = 5
    assert capacity.wanted() == 3


def test_what_only_waits_to_be_acknowledged_takes_no_slot_but_counts() -> None:
    capacity = Capacity(8, 32, 60.0)
    capacity.held = capacity.unacknowledged = 8
    assert capacity.wanted() == 8
    capacity.held = capacity.unacknowledged = 30
    assert capacity.wanted() == 2
    capacity.held = capacity.unacknowledged = 32
    assert capacity.wanted() == 0


def test_abandoned_threads_take_room() -> None:
    capacity = Capacity(2, 4, 60.0)
    capacity.running, capacity.abandoned = 2, 2
    assert capacity.wanted() == 0
    capacity.running, capacity.abandoned, capacity.held = 2, 1, 1
    assert capacity.wanted() == 0
    capacity.running, capacity.held = 1, 0
    assert capacity.wanted() == 1


def test_a_queue_that_stands_ends_the_queueing() -> None:
    capacity = quick()
    capacity.queue_stood(1.0)
    assert capacity.queue == 2
    for _ in range(100):
        capacity.handler_took(0.01)
    assert capacity.queue == 8


@given(
    st.integers(1, 64),
    st.integers(0, 64),
    st.integers(0, 200),
    st.integers(0, 200),
    st.floats(0, 100),
)
def test_never_more_than_the_limits(
    concurrency: int, beyond: int, held: int, running: int, mean: float
) -> None:
    capacity = Capacity(concurrency, concurrency + beyond, 60.0)
    capacity.handler_took(mean)
    capacity.held, capacity.running = held, min(running, held)
    wanted = capacity.wanted()
    assert wanted >= 0
    assert wanted == 0 or held + wanted <= capacity.max_jobs_active
    if capacity.running < concurrency and held < concurrency:
        assert wanted >= concurrency - held
