"""The bench's results as the tables of docs/benchmarks.md."""

from __future__ import annotations

from statistics import median
from typing import Any

YARDSTICK = "grpc.aio loop"
COLUMNS = {
    "drain": [
        ("cpu_us_per_job", "CPU per job, us"),
        ("wall_s", "wall, s"),
        ("rss_mb", "memory, MB"),
    ],
    "idle": [("cpu_s", "CPU, s"), ("rss_mb", "memory, MB")],
    "latency": [
        ("p50_ms", "p50, ms"),
        ("p90_ms", "p90, ms"),
        ("p99_ms", "p99, ms"),
        ("cpu_us_per_job", "CPU per job, us"),
    ],
}
TITLES = {
    "drain": "{jobs} jobs that wait, {concurrency} at once",
    "idle": "50 idle subscriptions for 20 s",
    "latency": "creation to handler entry, {latency_jobs} jobs at 50 per second",
}


def markdown(results: dict[str, Any]) -> str:
    """Return a table for each measurement: medians, and the median ratio to the yardstick."""
    parts: list[str] = []
    for name, by_peer in results["runs"].items():
        parts += ["", "**" + TITLES[name].format(**results["settings"]) + "**", ""]
        columns = COLUMNS[name]
        heads = ["client", *(text for _, text in columns), f"{columns[0][1]}: ratio", "runs"]
        parts += [_row(heads), _row(["---"] + ["---:"] * (len(heads) - 1))]
        parts += [_peer_row(peer, by_peer, columns) for peer in by_peer]
    return "\n".join(parts)


def _peer_row(
    peer: str, by_peer: dict[str, list[dict[str, Any]]], columns: list[tuple[str, str]]
) -> str:
    runs = by_peer[peer]
    figures = [f"{median(run[key] for run in runs):.4g}" for key, _ in columns]
    return _row([peer, *figures, ratio(by_peer, peer, columns[0][0]), str(len(runs))])


def ratio(by_peer: dict[str, list[dict[str, Any]]], peer: str, key: str) -> str:
    """Return the median over the rounds of a peer's figure by the yardstick's."""
    pairs = zip(by_peer[peer], by_peer.get(YARDSTICK, []), strict=False)
    ratios = [mine[key] / theirs[key] for mine, theirs in pairs if theirs[key]]
    return f"{median(ratios):.2f}" if ratios else "-"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
