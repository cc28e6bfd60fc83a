"""The entry point of the command `zbtrio`."""

import argparse
import os
import pkgutil
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Protocol, cast

from zbtrio import __version__, cli
from zbtrio.cli._options import add_common
from zbtrio.errors import ZbtrioError
from zbtrio.groups import unwrapped_if_single

EPILOG = """\
examples:
  zbtrio demo --broker        see it work: a thousand orders on a real Zeebe, fetched and started
  zbtrio broker start         a Zeebe on this machine to develop against
  zbtrio COMMAND --help       what a command does, with an example

exit codes: 0 it worked, 1 it did not, 2 wrong arguments, 130 ended by Ctrl-C"""


class Command(Protocol):
    """A command's module; `zbtrio.cli` says what else it may have."""

    NAME: str
    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add its options."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Carry it out and give the exit code."""
        ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, as from a shell, and give its exit code."""
    given = sys.argv[1:] if argv is None else argv
    args = _parser(_commands(given)).parse_args(given)
    command = cast("Command", args.command)
    try:
        with unwrapped_if_single():
            return command.run(args)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read the output has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ZbtrioError as error:
        if args.debug:
            traceback.print_exception(error)
        print(f"zbtrio {command.NAME}: {error}", file=sys.stderr)
        return 1


def _commands(given: Sequence[str]) -> list[Command]:
    """The command that is asked for, or all if that is not plain."""
    names = [each.name for each in pkgutil.iter_modules(cli.__path__) if _is_command(each.name)]
    asked = [name for name in names if given and given[0] == name.replace("_", "-")]
    return [cast("Command", import_module(f"zbtrio.cli.{name}")) for name in asked or names]


def _is_command(module: str) -> bool:
    return module != "main" and not module.startswith("_")


def _parser(commands: Sequence[Command]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="zbtrio",
        description="Job workers for Zeebe (Camunda 8), and a Zeebe to try them on.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"zbtrio {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in commands:
        own = subparsers.add_parser(
            command.NAME,
            help=command.HELP,
            description=command.HELP,
            epilog=getattr(command, "EPILOG", None),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        own.set_defaults(command=command)
        if not getattr(command, "HAS_SUBCOMMANDS", False):
            add_common(own)
        command.add_arguments(own)
    return parser
