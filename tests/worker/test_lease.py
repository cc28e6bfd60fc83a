import pytest

from zbtrio.worker.lease import LeaseClock

EPOCH = 1_700_000_000.0  # the broker's clock when ours says 0


def stamp(activated: float, timeout: float = 60.0) -> int:
    return round((EPOCH + activated + timeout) * 1000)


def test_a_quick_delivery_has_the_whole_lease_less_a_margin() -> None:
    clock = LeaseClock(60.0)
    assert clock.deadline(10.005, stamp(10.0)) == pytest.approx(69.005)
    assert clock.margin == 1.0
    assert LeaseClock(2.0).margin == 0.1


def test_a_job_that_was_long_on_its_way_is_older() -> None:
    clock = LeaseClock(60.0)
    clock.deadline(10.0, stamp(10.0))
    assert clock.deadline(50.0, stamp(20.0)) == pytest.approx(79.0, abs=0.1)


def test_the_first_slow_one_is_corrected_by_a_quick_one() -> None:
    clock = LeaseClock(60.0)
    assert clock.deadline(15.0, stamp(10.0)) == pytest.approx(74.0)
    assert clock.deadline(20.0, stamp(20.0)) == pytest.approx(79.0)
    assert clock.deadline(35.0, stamp(30.0)) == pytest.approx(89.0, abs=0.1)


@pytest.mark.parametrize("step", [3600.0, -3600.0])
def test_a_clock_that_was_set_harms_nobody(step: float) -> None:
    clock = LeaseClock(60.0)
    clock.deadline(10.0, stamp(10.0))
    assert clock.deadline(20.0, stamp(20.0 + step)) == pytest.approx(79.0)
    assert clock.deadline(30.0, stamp(30.0 + step)) == pytest.approx(89.0)


def test_clocks_that_drift_apart_are_followed() -> None:
    clock = LeaseClock(60.0)
    for second in range(0, 200_000, 10):  # ours is fast by 20 ppm: 4 s in all
        ours = second * 1.00002
        deadline = clock.deadline(ours, stamp(second))
    assert deadline == pytest.approx(ours + 59.0, abs=0.3)


def test_a_job_without_a_stamp_has_the_whole_lease() -> None:
    clock = LeaseClock(60.0)
    assert clock.deadline(10.0, 0) == pytest.approx(69.0)
