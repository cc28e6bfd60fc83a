"""Options that every command has."""

import argparse


def add_common(parser: argparse.ArgumentParser, *, address: bool = True) -> None:
    """Add --address (unless the command has no gateway to talk to), --json and --debug."""
    if address:
        parser.add_argument(
            "--address", metavar="HOST:PORT", help="the gateway's (default: the setting address)"
        )
    parser.add_argument("--json", action="store_true", help="print JSON, for machines")
    parser.add_argument("--debug", action="store_true", help="show where an error came from")
