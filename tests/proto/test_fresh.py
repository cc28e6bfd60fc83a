"""The generated package is what `make protos` makes of protos/ now."""

import subprocess
import sys
from pathlib import Path

import pytest

from protos.generate import generate

GENERATED = Path(__file__).parents[2] / "zbtrio" / "_proto"


def contents(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in files}


def test_generated_code_is_fresh(tmp_path: Path) -> None:
    generate(tmp_path / "fresh")
    assert contents(GENERATED) == contents(tmp_path / "fresh"), "run `make protos` and commit"


@pytest.mark.parametrize("module", ["zbtrio", "zbtrio._proto.grpc.health.v1"])
def test_nothing_imports_asyncio(module: str) -> None:
    """Nor the other libraries whose place zbtrio.rpc takes; each would slow every start down."""
    heavy = ["asyncio", "h2", "grpc", "grpclib.client", "grpclib.server", "google.protobuf"]
    code = f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.check_output([sys.executable, "-W", "error", "-c", code], text=True)
    assert found.strip() == "[]"
