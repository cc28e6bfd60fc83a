"""`zbtrio broker`: a real Zeebe on this machine."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from zbtrio.cli._options import add_common

if TYPE_CHECKING:
    from collections.abc import Callable

    from zbtrio.broker.record import Record

    Parser = argparse.ArgumentParser
    Actions = argparse._SubParsersAction[Parser]  # pyright: ignore[reportPrivateUsage]
    Action = Callable[[argparse.Namespace], int]

NAME = "broker"
HELP = "start, stop and look at a real Zeebe on this machine"
HAS_SUBCOMMANDS = True
EPILOG = """\
examples:
  zbtrio broker start                         fetch Zeebe once, start it, leave it running
  zbtrio broker start --data ./zeebe --json   keep its data for the next start; print JSON
  zbtrio broker status
  zbtrio broker logs -f
  zbtrio broker stop

exit codes: 0 it worked (status: it runs), 1 it did not (status: it does not run),
2 wrong arguments"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add start, stop, status and logs."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    start = _action(actions, "start", "start one and leave it running", _start)
    start.add_argument("--version", help="Zeebe's (default: the setting, else 8.6.0)")
    start.add_argument("--data", metavar="DIR", help="keep its data there (default: don't keep it)")
    start.add_argument("--partitions", type=int, default=1, metavar="N", help="(%(default)s)")
    start.add_argument(
        "--quick", action="store_true", help="half the CPU to start, more for each job afterwards"
    )
    start.add_argument(
        "--controlled-clock", action="store_true", help="let /actuator/clock move its time"
    )
    start.add_argument(
        "--request-limit", type=int, metavar="N", help="commands taken at once, for backpressure"
    )
    _action(actions, "stop", "end it; it is no error if none runs", _stop)
    _action(actions, "status", "show address, metrics address and process", _status)
    logs = _action(actions, "logs", "print what it writes", _logs)
    logs.add_argument("-f", "--follow", action="store_true", help="go on until it ends or Ctrl-C")
    logs.add_argument("-n", "--lines", type=int, metavar="N", help="only the last (default: all)")


def run(args: argparse.Namespace) -> int:
    """Carry out the action."""
    return args.action(args)


def _action(actions: Actions, name: str, help: str, action: Action) -> argparse.ArgumentParser:
    parser = actions.add_parser(
        name,
        help=help,
        description=help,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_common(parser, address=False)
    parser.add_argument("--name", default="default", help="of several brokers (%(default)s)")
    parser.set_defaults(action=action)
    return parser


def _start(args: argparse.Namespace) -> int:
    from functools import partial

    import trio

    from zbtrio.broker import record
    from zbtrio.broker.environment import Options
    from zbtrio.broker.left_running import leave_running
    from zbtrio.broker.lock import file_lock

    options = Options(
        quick=args.quick,
        partitions=args.partitions,
        controlled_clock=args.controlled_clock,
        request_limit=args.request_limit,
    )
    start = partial(leave_running, args.name, args.version, data=args.data, options=options)
    with file_lock(record.lock_path(args.name)):
        left = trio.run(start)
    _show(left, args)
    return 0


def _stop(args: argparse.Namespace) -> int:
    import trio

    from zbtrio.broker import record
    from zbtrio.broker.left_running import end
    from zbtrio.broker.lock import file_lock

    with file_lock(record.lock_path(args.name)):
        left = record.read(args.name)
        was_alive = left is not None and left.is_alive
        if left:
            trio.run(end, left)
    if args.json:
        print(json.dumps({"name": args.name, "stopped": was_alive}))
    elif left and was_alive:
        print(f"Stopped Zeebe {left.version} (process {left.pid}).")
    else:
        print(f"No broker named {args.name!r} was running.")
    return 0


def _status(args: argparse.Namespace) -> int:
    from zbtrio.broker import record

    left = record.read(args.name)
    if left and left.is_alive:
        _show(left, args)
        return 0
    if args.json:
        print(json.dumps({"name": args.name, "running": False}))
    elif left:
        print(f"The broker {args.name!r} (process {left.pid}) has ended by itself: see {left.log}")
    else:
        print(f"No broker named {args.name!r} is running.")
    return 1


def _logs(args: argparse.Namespace) -> int:
    from pathlib import Path

    from zbtrio.broker import log, record

    left = record.read(args.name)
    if left is None:
        print(f"No broker named {args.name!r} is running.", file=sys.stderr)
        return 1
    if args.follow:
        import trio

        trio.run(log.follow, Path(left.log), args.lines, _write, lambda: left.is_alive)
    else:
        _write(log.tail(Path(left.log), args.lines))
    return 0


def _write(text: str) -> None:
    print(text, end="", flush=True)


def _show(left: Record, args: argparse.Namespace) -> None:
    if args.json:
        print(json.dumps(_as_json(left)))
        return
    print(f"Zeebe {left.version} runs as process {left.pid}.")
    print(f"  address  {left.address}")
    print(f"  metrics  {left.metrics_address}/actuator/prometheus")
    print(f"  data     {left.data}{' (gone when it stops)' if left.temporary else ''}")
    print(f"  log      {left.log}")
    name = "" if left.name == "default" else f" --name {left.name}"
    print(f"Stop it with: zbtrio broker stop{name}")


def _as_json(left: Record) -> dict[str, object]:
    return {
        "name": left.name,
        "running": True,
        "address": left.address,
        "metrics_address": left.metrics_address,
        "pid": left.pid,
        "version": left.version,
        "data": left.data,
        "temporary": left.temporary,
        "log": left.log,
    }
