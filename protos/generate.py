"""Generate the messages, stubs and service bases of protos/*.proto into a folder.

Usage: python protos/generate.py zbtrio/_proto

betterproto2_compiler writes them for grpclib, whose client and server import asyncio and h2. The
few lines that do so are replaced here by zbtrio's own; a line that is not found is an error, so
that a newer compiler can't undo it silently.

Each message also gets its constructor written out. `@dataclass` would make it at import, by
exec and with a look at its signature for the missing docstring: two thirds of the import's time.
"""

import ast
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


DEFAULTS = {
    "TYPE_BOOL": "False",
    "TYPE_BYTES": 'b""',
    "TYPE_MESSAGE": "None",
    "TYPE_STRING": '""',
}


def compile_protos(target: Path) -> None:
    """Run protoc with the betterproto2 plugin, which needs ruff on PATH too."""
    scripts = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}"}
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}"]
    command += [f"--python_betterproto2_out={target}", f"--python_betterproto2_opt={OPTIONS}"]
    command += sorted(path.name for path in PROTOS.glob("*.proto"))
    subprocess.run(command, check=True, env=environment, cwd=PROTOS)


def replace_bases(text: str) -> str:
    """Put zbtrio's base classes in the place of betterproto2's grpclib ones."""
    for old, new in REPLACEMENTS.items():
        if old not in text:
            sys.exit(f"the compiler no longer writes {old!r}; change REPLACEMENTS")
        text = text.replace(old, new)
    return text


def write_constructors(text: str) -> str:
    """Give each message a docstring and an `__init__`, and tell `@dataclass` to make none."""
    lines = text.splitlines()
    messages = [node for node in ast.parse(text).body if _is_message(node)]
    for message in reversed(messages):  # from the end, so that line numbers stay true
        lines[message.end_lineno : message.end_lineno] = _constructor(message)
        if ast.get_docstring(message) is None:
            lines.insert(message.lineno, f'    """Protobuf message {message.name}."""\n')
        lines[message.decorator_list[0].lineno - 1] = "@dataclass(init=False, eq=False, repr=False)"
    return "\n".join(lines) + "\n"


def _is_message(node: ast.stmt) -> bool:
    return isinstance(node, ast.ClassDef) and bool(node.decorator_list)


def _constructor(message: ast.ClassDef) -> list[str]:
    fields = [node for node in message.body if isinstance(node, ast.AnnAssign)]
    parameters = ["self", *map(_parameter, fields)]
    return [
        "",
        f"    def __init__({', '.join(parameters)}) -> None:",
        *(f"        {_assignment(field)}" for field in fields),
        '        self._unknown_fields = b""',
    ]


def _parameter(field: ast.AnnAssign) -> str:
    name, annotation = field.target.id, field.annotation.value
    options = {keyword.arg for keyword in field.value.keywords}
    if "repeated" in options:
        return f'{name}: "{annotation} | None" = None'
    if options & {"optional", "group"}:
        return f'{name}: "{annotation}" = None'
    kind = field.value.args[1].attr
    default = f"{annotation}(0)" if kind == "TYPE_ENUM" else DEFAULTS.get(kind, "0")
    return f'{name}: "{annotation}" = {default}'


def _assignment(field: ast.AnnAssign) -> str:
    name = field.target.id
    repeated = any(keyword.arg == "repeated" for keyword in field.value.keywords)
    value = f"[] if {name} is None else {name}" if repeated else name
    return f"self.{name} = {value}"


def generate(target: Path) -> None:
    """Make `target` the generated package, and nothing else."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    compile_protos(target)
    for path in target.rglob("__init__.py"):
        if text := path.read_text("utf-8"):
            path.write_text(write_constructors(replace_bases(text)), "utf-8")
    command = [sys.executable, "-m", "ruff", "format", "--quiet", "--isolated"]
    subprocess.run([*command, "--line-length", "100", str(target)], check=True)


if __name__ == "__main__":
    generate(Path(sys.argv[1]).resolve())
