import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

Install = Callable[..., list[importlib.metadata.EntryPoint]]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Lay out a distribution as pip does; returns the entry points of all that were laid out."""
    monkeypatch.syspath_prepend(tmp_path)
    written = 0

    def write(name: str, code: str, *, attr: str = "Plugin", distribution: str = ""):
        nonlocal written
        written += 1
        module = f"zbtrio_test_plugin_{abs(hash(tmp_path))}_{written}"
        (tmp_path / f"{module}.py").write_text(dedent(code), encoding="utf-8")
        dist = distribution or f"zbtrio-{name}"
        info = tmp_path / f"{dist.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[zbtrio]\n{name} = {module}:{attr}\n")
        found = importlib.metadata.distributions(path=[str(tmp_path)])
        return [entry for dist in found for entry in dist.entry_points]

    return write
