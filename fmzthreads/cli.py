"""The command line: ``fmzthreads demo``, ``fmzthreads simulate``, ``fmzthreads sandbox``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ._version import __version__
from .demo import command as demo_command
from .demo import sandbox as sandbox_command
from .errors import FmzError
from .simulator import command as simulate_command

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        argv: The arguments without the program's name; those of the process when None.

    Returns:
        The exit code: 0 for success, 1 when a run failed, 2 for an invalid command line or a missing file or package,
        130 after Ctrl-C.
    """
    parser = argparse.ArgumentParser(prog="fmzthreads", description="Plain synchronous FMZ strategy scripts, anywhere.")
    parser.add_argument("--version", action="version", version=f"fmzthreads {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (demo_command, simulate_command, sandbox_command):
        command.add_parser(commands)
    args = parser.parse_args(argv)
    try:
        return int(args.run(args))
    except FmzError as error:
        print(f"fmzthreads: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
