"""``fmzthreads sandbox SCRIPT``: runs a script with both simulated exchanges in its environment."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError
from .simulators import simulators

__all__ = ["add_parser", "environment", "run"]


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
    parser.add_argument("--seed", type=int, default=1, help="what the prices follow from (default 1)")
    parser.add_argument("script", type=Path, help="the Python script to run")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="what the script gets as its own arguments")
    parser.set_defaults(run=run)


def environment(processes: Mapping[str, Any]) -> dict[str, str]:
    """The variables by which ``Exchange("Binance", ...)`` and ``Exchange("OKX", ...)`` find the simulators and their keys."""
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
    """Runs the script and gives its exit code.

    Raises:
        InputError: There is no such file.
    """
    if not args.script.is_file():
        raise InputError(f"there is no script {str(args.script)!r}")
    with simulators(seed=args.seed) as processes:
        child = subprocess.Popen(  # noqa: S603 (the script that the user named)
            [sys.executable, str(args.script), *args.arguments], env={**os.environ, **environment(processes)}
        )
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:
                # Ctrl-C reaches the script as well; the simulators live until it has ended.
                continue
