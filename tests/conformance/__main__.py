"""The table of cases: `python -m tests.conformance [--address HOST:PORT] [CASE...]`.

Each case is run on the embedded gateway's engine, and with an address on that gateway too, such as
one that `zbtrio broker start` prints.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import trio

from .client_gateway import open_client
from .compare import client_agrees, engine_agrees
from .recorded import CASES


async def _at_address(address: str, cases: list[Path]) -> dict[str, bool]:
    async with open_client(address) as gateway:
        return {case.name: await client_agrees(case, gateway) for case in cases}


def main() -> int:
    """Print the table; 1 if a case differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", help="HOST:PORT of a further gateway")
    parser.add_argument("cases", nargs="*", help="beginnings of case names; all without any")
    given = parser.parse_args()
    cases = [c for c in CASES if not given.cases or c.name.startswith(tuple(given.cases))]
    columns = {"embedded": {case.name: engine_agrees(case) for case in cases}}
    if given.address:
        columns[given.address] = trio.run(_at_address, given.address, cases)
    print(f"{'case':58}", *(f"{name:16}" for name in columns))
    for case in cases:
        print(f"{case.name:58}", *(f"{_word(c[case.name]):16}" for c in columns.values()))
    for name, column in columns.items():
        print(f"{name}: {sum(column.values())} of {len(cases)} as recorded")
    return 0 if all(all(column.values()) for column in columns.values()) else 1


def _word(agrees: bool) -> str:
    return "ok" if agrees else "DIFFERS"


sys.exit(main())
