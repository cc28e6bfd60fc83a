"""Reading a broker's metrics: the Prometheus text format."""

import re
from collections.abc import Iterable, Iterator, Mapping

from attrs import frozen

from zbtrio import http1
from zbtrio.broker.errors import BrokerError

_PAIR = r'\s*[a-zA-Z_]\w*\s*=\s*"(?:[^"\\]|\\.)*"\s*'
_SAMPLE = re.compile(
    rf"(?P<name>[a-zA-Z_:][\w:]*)"
    rf"(?:\{{(?P<labels>(?:{_PAIR}(?:,{_PAIR})*,?)?)\s*\}})?"
    rf"\s+(?P<value>\S+)(?:\s+-?\d+)?\s*",
    re.ASCII,
)
_LABEL = re.compile(r'(\w+)\s*=\s*"((?:[^"\\]|\\.)*)"', re.ASCII)
_ESCAPE = re.compile(r"\\(.)")


@frozen
class Sample:
    """One number: `name{label="value"} number`."""

    name: str
    labels: Mapping[str, str]
    value: float


class Metrics:
    """What a metrics endpoint told at one moment."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._by_name: dict[str, list[Sample]] = {}
        for sample in samples:
            self._by_name.setdefault(sample.name, []).append(sample)

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def samples(self, name: str, **labels: str) -> list[Sample]:
        """Those of that name whose labels have all these values."""
        wanted = labels.items()
        return [each for each in self._by_name.get(name, ()) if wanted <= each.labels.items()]

    def total(self, name: str, **labels: str) -> float:
        """The sum of those samples; 0 if there is none (a counter appears when it first counts)."""
        return sum(sample.value for sample in self.samples(name, **labels))


def parse_metrics(text: str) -> Metrics:
    """Read Prometheus's text format. Raises BrokerError for a line that is none of it."""
    return Metrics(_samples(text))


async def read_metrics(url: str, *, timeout: float = 10.0) -> Metrics:
    """The metrics at `url`: the endpoint itself, or the management address of a broker.

    Raises:
        BrokerError: nothing answers there, or not with metrics. `timeout` is in seconds.
    """
    if "/" not in url.removeprefix("http://").removeprefix("https://"):
        url += "/actuator/prometheus"
    try:
        response = await http1.request("GET", url, connect_timeout=timeout, read_timeout=timeout)
    except (OSError, ValueError) as error:
        raise BrokerError(
            f"No metrics from {url}: {error}. Check that the broker runs and that this is its "
            "management address (port 9600 unless set otherwise)."
        ) from error
    if response.status != 200:
        raise BrokerError(f"No metrics from {url}: it answered with status {response.status}.")
    return parse_metrics(response.body.decode())


def _samples(text: str) -> Iterator[Sample]:
    for line in text.split("\n"):
        if not line.strip() or line.startswith("#"):
            continue
        found = _SAMPLE.fullmatch(line)
        if found is None:
            raise BrokerError(f"Not in Prometheus's text format: {line[:200]!r}.")
        yield Sample(found["name"], _labels(found["labels"]), _number(found["value"], line))


def _labels(text: str | None) -> dict[str, str]:
    return {name: _unescaped(value) for name, value in _LABEL.findall(text or "")}


def _unescaped(value: str) -> str:
    return _ESCAPE.sub(lambda found: "\n" if found[1] == "n" else found[1], value)


def _number(text: str, line: str) -> float:
    try:
        return float(text)  # it reads "NaN" and "+Inf" too
    except ValueError:
        raise BrokerError(f"Not in Prometheus's text format: {line[:200]!r}.") from None
