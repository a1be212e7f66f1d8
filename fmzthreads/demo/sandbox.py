"""``fmzthreads sandbox SCRIPT``: runs a script against two simulated exchanges."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError
from .simulators import parse_faults, set_faults, simulators

__all__ = ["add_parser", "environment", "run"]

_RUNNER = Path(__file__).with_name("script_runner.py")


def add_parser(commands: Any) -> None:
    """Adds the command to the program's parser."""
    parser = commands.add_parser(
        "sandbox",
        help="run a script against two simulated exchanges",
        description=(
            "Starts a simulated Binance and a simulated OKX on the loopback, puts their addresses and ready-made keys into the "
            "script's environment, runs it, and ends with its exit code."
        ),
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the generated prices (default 1)")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="[VENUE:]NAME=VALUE",
        help="a fault of both exchanges, or of one, such as okx:error_5xx=0.2 (see fmzthreads simulate --help); may be repeated",
    )
    parser.add_argument("script", type=Path, help="the Python script to run")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="arguments for the script")
    parser.set_defaults(run=run)


def environment(processes: Mapping[str, Any]) -> dict[str, str]:
    """The environment variables that lead ``Exchange(...)`` to the simulators."""
    found = {}
    for name, process in processes.items():
        prefix = f"FMZ_{name.upper()}_"
        found[prefix + "BASE"] = process.base_url
        found[prefix + "ACCESS_KEY"] = process.key
        found[prefix + "SECRET_KEY"] = process.secret
        if process.passphrase:
            found[prefix + "PASSPHRASE"] = process.passphrase
    return found


def run(args: argparse.Namespace) -> int:
    """Runs the script and returns its exit code; 130 when Ctrl-C ended it.

    Raises:
        InputError: There is no such file, or a fault is not valid.
    """
    if not args.script.is_file():
        raise InputError(f"script not found: {str(args.script)!r}")
    faults = parse_faults(args.fault)
    with simulators(seed=args.seed) as processes:
        set_faults(processes, faults)
        child = subprocess.Popen(  # noqa: S603 (the script that the user named)
            [sys.executable, str(_RUNNER), str(args.script), *args.arguments],
            env={**os.environ, **environment(processes)},
        )
        while True:
            try:
                code = child.wait()
                return code if code >= 0 else 128 - code  # as shells report a signal
            except KeyboardInterrupt:
                # Ctrl-C reaches the script as well; the simulators live until it has ended.
                continue
