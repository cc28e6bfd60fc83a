"""The recorded cases, and what was answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CASES = sorted((Path(__file__).parent / "cases").iterdir())


def expected_answers(case: Path) -> dict[str, Any]:
    """What each step was answered, and how each instance ended."""
    expected = _read(case)
    return {"steps": expected["steps"], "end": expected["end"]}


def expected_story(case: Path) -> dict[str, Any]:
    """What the broker's log told."""
    return _read(case)["broker_log"]


def _read(case: Path) -> dict[str, Any]:
    return json.loads((case / "expected.json").read_text(encoding="utf-8"))
