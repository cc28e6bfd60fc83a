"""`zbtrio run`: a worker as a process, from the module that it is written in."""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from zbtrio.errors import SettingsError, ZbtrioError
from zbtrio.suggest import suggest

if TYPE_CHECKING:
    from zbtrio.worker import Worker

NAME = "run"
HELP = "run a worker: its handlers, and those that plugins bring"
EPILOG = """\
examples:
  zbtrio run shop:app                      `app = zbtrio.Worker()` in shop.py
  zbtrio run                               only what installed plugins bring
  zbtrio run shop:app --log-level zbtrio.rpc=debug --log-format json

exit codes: 0 drained by a signal, 1 failed unexpectedly, 2 could not start (arguments, module,
settings, plugins, handlers), 3 stopped because the gateway refuses it, 130 or 143 ended at once by
a second SIGINT or SIGTERM"""

CANT_START = 2


class TargetError(ZbtrioError):
    """MODULE:APP doesn't lead to a worker."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument(
        "target",
        metavar="MODULE:APP",
        nargs="?",
        help="module (from the current folder on) and the Worker in it (default: app)",
    )
    parser.add_argument("--settings", metavar="FILE", help="instead of zbtrio.toml")
    parser.add_argument(
        "--grace", type=float, metavar="SECONDS", help="for running handlers when it is ended"
    )
    parser.add_argument(
        "--log-level",
        metavar="[LOGGER=]LEVEL",
        action="append",
        default=[],
        help="debug, info, warning, error, critical; may be repeated",
    )
    parser.add_argument(
        "--log-format", choices=["human", "json"], help="--json is the same as json"
    )


def run(args: argparse.Namespace) -> int:
    """Run the worker; the exit code is `zbtrio.program`'s."""
    from zbtrio.program import run_program
    from zbtrio.worker import Worker

    if args.settings:  # whoever reads settings in this process, reads these
        os.environ["ZBTRIO_SETTINGS"] = args.settings
    worker = {} if args.grace is None else {"grace": args.grace}
    try:
        app = load_worker(args.target) if args.target else Worker()
        log = log_arguments(args)
        return run_program(lambda: app.prepare(address=args.address, arguments=worker), log)
    except (TargetError, SettingsError) as error:
        print(f"zbtrio run: {error}", file=sys.stderr)
        return CANT_START


def log_arguments(args: argparse.Namespace) -> dict[str, object]:
    """What the command line says about logging, as arguments for `LogSettings`."""
    arguments: dict[str, object] = {}
    levels: dict[str, str] = {}
    for given in args.log_level:
        logger, equals, level = given.rpartition("=")
        if equals:
            levels[logger] = level
        else:
            arguments["level"] = level
    if levels:
        arguments["levels"] = levels
    style = "json" if args.json else args.log_format
    return arguments | ({"format": style} if style else {})


def load_worker(target: str) -> Worker:
    """The worker that MODULE:APP names. Raises TargetError that names what is nearest to it."""
    from zbtrio.worker import Worker

    name, _, attribute = target.partition(":")
    found: Any = _module(name)
    for part in (attribute or "app").split("."):
        if not hasattr(found, part):
            raise TargetError(_no_attribute(found, name, part))
        found = getattr(found, part)
    if not isinstance(found, Worker):
        raise TargetError(
            f"{target} is {type(found).__name__} {found!r}, not a zbtrio.Worker. "
            "Handlers in a Tasks registry are run by `app.include(tasks)` on a Worker."
        )
    return found


def _module(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    if name.endswith(".py") or "/" in name:
        dotted = name.removesuffix(".py").strip("./").replace("/", ".")
        raise TargetError(f"{name!r} is a path, not a module. Did you mean {dotted!r}?")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise TargetError(_no_module(name, error.name)) from None
        raise TargetError(_broken(name, error)) from error
    except Exception as error:
        raise TargetError(_broken(name, error)) from error


def _no_module(name: str, missing: str) -> str:
    parent, _, _ = missing.rpartition(".")
    folder = list(getattr(sys.modules[parent], "__path__", ())) if parent else [str(Path.cwd())]
    if not folder:
        return f"module {parent!r} is no package and has no modules in it: {name!r} can't be."
    known = [module.name for module in pkgutil.iter_modules(folder, f"{parent}." if parent else "")]
    return f"there is no module {missing!r} in {folder[0]}, nor installed. {suggest(name, known)}"


def _broken(name: str, error: Exception) -> str:
    trace = "".join(traceback.format_exception(error)).rstrip()
    return f"module {name!r} can't be imported:\n{trace}"


def _no_attribute(owner: object, module: str, name: str) -> str:
    from zbtrio.worker import Worker

    workers = [key for key, value in vars(owner).items() if isinstance(value, Worker)]
    others = [key for key in vars(owner) if not key.startswith("_")]
    hint = f"Its workers: {', '.join(workers)}." if workers else suggest(name, others)
    return f"module {module!r} has no {name!r}. {hint}"
