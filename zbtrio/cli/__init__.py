"""The command `zbtrio`. Each module here without a leading underscore, but for main, is one of
its commands:

    NAME: str                   as typed
    HELP: str                   one line
    EPILOG: str                 examples and exit codes
    def add_arguments(parser: argparse.ArgumentParser) -> None: ...
    def run(args: argparse.Namespace) -> int: ...       the exit code

All of them are imported to list them, so what they need is imported in run(). Each gets the
options of `_options.add_common` (args.address, args.json, args.debug) unless its module says
`HAS_SUBCOMMANDS = True`: then it adds them to its own subcommands.

Exit codes: 0 it worked, 1 it did not, 2 wrong arguments, 130 ended by Ctrl-C. What a command is
asked for goes to standard output, everything else to standard error.
"""
