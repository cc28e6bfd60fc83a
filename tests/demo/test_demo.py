"""`zbtrio demo` on real brokers, and the book that it keeps."""

import json
import subprocess
import sys

import pytest

from zbtrio.broker import Broker
from zbtrio.cli.main import main
from zbtrio.demo.handlers import JOB_TYPES, Faults
from zbtrio.demo.ledger import Ledger, quantile
from zbtrio.demo.run import Plan

KEYS = {"wall_s", "limit_s", "orders", "ended", "lost", "per_type", "latency_ms", "cpu_us_per_job"}


def demo(*options: str) -> dict:
    command = [sys.executable, "-m", "zbtrio", "demo", "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("poll", ["long", "100ms", "1s", "stream"])
def test_every_order_ends_however_jobs_are_asked_for(broker: Broker, poll: str) -> None:
    result = demo("--address", broker.address, "--orders", "30", "--poll", poll)
    assert result.keys() >= KEYS
    assert (result["orders"], result["ended"], result["lost"]) == (30, 30, 0)
    assert result["outcomes"] == {"shipped": 30}
    assert result["per_type"] == {name: {"jobs": 30, "retries": 0} for name in JOB_TYPES}
    assert result["limit_s"] == pytest.approx(29 * 0.04 + 2)
    assert result["wall_s"] >= result["limit_s"]
    assert result["latency_ms"]["notify-customer"]["p50"] > 2000


def test_the_same_on_8_5(broker_858: Broker) -> None:
    result = demo("--address", broker_858.address, "--orders", "30")
    assert (result["ended"], result["gateway_version"]) == (30, "8.5.8")


def test_orders_that_fail_reach_their_ends_too(broker: Broker) -> None:
    result = demo(
        *("--address", broker.address, "--orders", "120", "--interval", "0.03"),
        *("--faults", "some", "--seed", "7"),
    )
    declined = sum(Faults.some(119 * 0.03, 7).declines(order) for order in range(120))
    assert declined > 0
    assert result["outcomes"] == {"shipped": 120 - declined, "declined": declined}
    assert result["lost"] == 0
    assert result["per_type"]["book-shipping"]["retries"] > 0
    assert result["per_type"]["pack-order"]["jobs"] == 120 - declined


def test_a_person_sees_tables(broker: Broker, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--address", broker.address, "--orders", "5"]) == 0
    shown = capsys.readouterr().out
    assert "5: 5 shipped, 0 lost" in shown
    assert all(name in shown for name in JOB_TYPES)


def test_orders_that_do_not_end_are_lost() -> None:
    ledger = Ledger(3)
    for order in range(3):
        ledger.order_created(order, 10.0 + order)
    ledger.order_ended(0, "shipped", 14.0)
    ledger.order_ended(2, "declined", 13.0)
    assert (ledger.lost, ledger.wall) == (1, 4.0)
    assert ledger.outcomes == {"shipped": 1, "declined": 1}


def test_waits_count_from_the_creation_of_the_order() -> None:
    ledger = Ledger(2)
    ledger.order_created(0, 5.0)
    ledger.order_created(1, 6.0)
    ledger.handler_entered("pack-order", 0, 5.5)
    ledger.handler_entered("pack-order", 1, 6.1)
    assert ledger.latencies() == {"pack-order": {"p50": 500.0, "p95": 500.0, "p99": 500.0}}
    assert ledger.jobs["pack-order"] == 2


def test_quantiles_are_of_the_nearest_rank() -> None:
    values = [float(n) for n in range(100)]
    assert [quantile(values, q) for q in (0.0, 0.5, 0.99, 1.0)] == [0.0, 50.0, 99.0, 99.0]
    assert quantile([], 0.5) == 0.0


def test_faults_are_the_same_for_the_same_seed() -> None:
    one, same, other = (Faults.some(40, seed) for seed in (1, 1, 2))
    orders = range(1000)
    assert [one.declines(n) for n in orders] == [same.declines(n) for n in orders]
    assert [one.declines(n) for n in orders] != [other.declines(n) for n in orders]
    assert 40 < sum(one.declines(n) for n in orders) < 130
    assert [one.shipping_is_down(t) for t in (11.9, 12, 17.9, 18)] == [False, True, True, False]


def test_the_last_order_ends_at_the_earliest_after_its_shipping() -> None:
    assert Plan(orders=1000, interval=0.04).limit == pytest.approx(41.96)


@pytest.mark.parametrize("options", [["--orders", "0"], ["--interval", "-1"]])
def test_impossible_plans_are_refused(options: list[str]) -> None:
    assert main(["demo", *options]) == 2
