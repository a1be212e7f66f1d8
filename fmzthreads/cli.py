"""The command line: ``fmzthreads run``, ``backtest``, ``optimize``, ``data``, ``demo``, ``simulate``, ``plugin``, ``platform``, and those of running strategies."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from ._version import __version__
from .errors import FmzError

__all__ = ["main"]

# The module of each command; only that of the command that is run is imported, since starting is not to take long.
_COMMANDS = {
    "run": "runner.command",
    "status": "runner.remote",
    "command": "runner.remote",
    "stop": "runner.remote",
    "kill": "runner.kill",
    "release": "runner.kill",
    "logs": "runner.logs",
    "demo": "demo.command",
    "simulate": "simulator.command",
    "plugin": "plugin.command",
    "platform": "platform.command",
    "backtest": "backtest.command",
    "optimize": "backtest.sweep.command",
    "data": "backtest.data.command",
}


_PIPE_CLOSED = 141  # as a shell shows a program that SIGPIPE ended


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        argv: The arguments without the program's name; those of the process when None.

    Returns:
        The exit code: 0 for success, 1 when a run failed, 2 for an invalid command line or a missing file or package,
        130 after Ctrl-C, 141 when the reader of the output has ended.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    # What stands after -- belongs to the script that is run; argparse would mix it with the options before it.
    place = words.index("--") if "--" in words else len(words)
    words, rest = words[:place], words[place + 1 :]
    named = next((word for word in words if not word.startswith("-")), "")
    wanted = [_COMMANDS[named]] if named in _COMMANDS else list(dict.fromkeys(_COMMANDS.values()))
    if not named and "--version" in words:
        wanted = []
    parser = argparse.ArgumentParser(prog="fmzthreads", description="Plain synchronous FMZ strategy scripts, anywhere.")
    parser.add_argument("--version", action="version", version=f"fmzthreads {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    # Modules that are imported leave no garbage, and looking for some costs a tenth of the start.
    collects = gc.isenabled()
    gc.disable()
    try:
        for module in wanted:
            import_module(f".{module}", __package__).add_parser(commands)
    finally:
        if collects:
            gc.enable()
    if argv is None:
        # The process is this command's, and keeps these modules until it ends; each look for garbage, the last one at the exit, would go through
        # all of them again. What a strategy makes is looked through as ever.
        gc.freeze()
    args = parser.parse_args(words)
    if rest and args.command != "run":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    args.script_arguments = rest
    try:
        code = int(args.run(args))
        print(end="", flush=True)
        return code
    except FmzError as error:
        print(f"fmzthreads: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read the output has ended, such as `head`. The interpreter flushes once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_CLOSED
