"""Generate the messages, stubs and service bases of protos/*.proto into a folder.

Usage: python protos/generate.py zbtrio/_proto

betterproto2_compiler writes them for grpclib, whose client and server import asyncio and h2. The
few lines that do so are replaced here by zbtrio's own; a line that is not found is an error, so
that a newer compiler can't undo it silently.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

PROTOS = Path(__file__).resolve().parent
OPTIONS = "client_generation=async,server_generation=async"

REPLACEMENTS = {
    "import grpclib\nfrom betterproto2 import grpclib as betterproto2_grpclib\n": (
        "import grpclib\nimport grpclib.const\n\nimport zbtrio.rpc.stub\n"
    ),
    "betterproto2_grpclib.Service": "zbtrio.rpc.stub.Service",
    "    import grpclib.server\n"
    "    from betterproto2.grpclib.grpclib_client import MetadataLike\n"
    "    from grpclib.metadata import Deadline\n": (
        "    from zbtrio.rpc.stub import Deadline, MetadataLike\n"
    ),
    '"grpclib.server.Stream[': '"zbtrio.rpc.stub.ServerStream[',
}


def compile_protos(target: Path) -> None:
    """Run protoc with the betterproto2 plugin, which needs ruff on PATH too."""
    scripts = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}"}
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}"]
    command += [f"--python_betterproto2_out={target}", f"--python_betterproto2_opt={OPTIONS}"]
    command += sorted(path.name for path in PROTOS.glob("*.proto"))
    subprocess.run(command, check=True, env=environment, cwd=PROTOS)


def rewrite(path: Path) -> None:
    """Put zbtrio's base classes in the place of betterproto2's grpclib ones."""
    text = path.read_text("utf-8")
    for old, new in REPLACEMENTS.items():
        if old not in text:
            sys.exit(f"{path}: the compiler no longer writes {old!r}; change REPLACEMENTS")
        text = text.replace(old, new)
    path.write_text(text, "utf-8")


def generate(target: Path) -> None:
    """Make `target` the generated package, and nothing else."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    compile_protos(target)
    for path in target.rglob("__init__.py"):
        if path.stat().st_size:
            rewrite(path)


if __name__ == "__main__":
    generate(Path(sys.argv[1]).resolve())
