"""The examples run as their first lines say."""

import os
import subprocess
import sys
from pathlib import Path

from zbtrio.broker import Broker

ORDERS = Path(__file__).parents[2] / "examples" / "orders"


def test_an_order_is_placed_and_shipped(broker: Broker) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "zbtrio", "run", "shop:app", "--address", broker.address]
    shop = subprocess.Popen(command, cwd=ORDERS, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        placed = subprocess.run(
            [sys.executable, "place_order.py", broker.address],
            cwd=ORDERS,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    finally:
        shop.terminate()
        output, _ = shop.communicate(timeout=60)
    assert placed.stdout == "order 1: shipped\n"
    assert shop.returncode == 0
    assert "shipped, tracking ZB00000001-1" in output
