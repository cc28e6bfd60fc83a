"""A real Zeebe broker on this machine: fetched once, started, waited for, stopped whole.

    async with zbtrio.broker.running("8.6.0") as broker:
        async with zbtrio.ZeebeClient(address=broker.address) as client:
            ...

It needs no Docker: the distribution comes from the Maven repository, Java from this machine or
from the extra `zbtrio[broker]`. Linux and macOS.
"""

import sys

if sys.platform == "win32":
    raise ImportError("zbtrio.broker runs on Linux and macOS; on Windows use WSL or a container.")

from zbtrio.broker.distribution import fetch
from zbtrio.broker.errors import BrokerError, JavaNotFound
from zbtrio.broker.java import Java, find_java
from zbtrio.broker.metrics import Metrics, Sample, parse_metrics, read_metrics
from zbtrio.broker.process import Broker
from zbtrio.broker.report import Report, on_terminal
from zbtrio.broker.running import running
from zbtrio.broker.settings import BrokerSettings

__all__ = [
    "Broker",
    "BrokerError",
    "BrokerSettings",
    "Java",
    "JavaNotFound",
    "Metrics",
    "Report",
    "Sample",
    "fetch",
    "find_java",
    "on_terminal",
    "parse_metrics",
    "read_metrics",
    "running",
]
