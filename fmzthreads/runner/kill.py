"""``fmzthreads kill`` and ``release``: hold back the orders of a strategy, or of all, until they are released."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..clock import WallClock
from ..errors import OperationFailed, UnknownName, nearest
from ..exchange.guards.kill_switch import FILE_NAME, Killed, KillReport, read_killed, remove_killed, write_killed
from ..home import data_folder
from ..strategy.paths import database_path
from ..strategy.run.control import ask
from ..strategy.run.folder import RunFolder, default_folder, run_names

__all__ = ["add_parser"]

_CANCEL_S = 120.0
"""How long a run may take to cancel its orders, in seconds."""


def add_parser(commands: Any) -> None:
    """Adds the two commands to the program's parser."""
    parser = commands.add_parser(
        "kill",
        help="refuse all new orders of a strategy (or of all) and cancel its open ones",
        description="Refuses all new orders of a run, also after a restart, until it is released, and cancels the open orders that it "
        "placed. Without a name: of all strategies of this user.",
    )
    parser.add_argument("name", nargs="?", default="", help="a run; all strategies if none is named")
    parser.add_argument(
        "--folder", type=Path, metavar="F", help="the run folder, for a run that was started with --folder"
    )
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the log")
    parser.add_argument(
        "--protective", action="store_true", help="also cancel orders that can only reduce a position (stop losses)"
    )
    parser.set_defaults(run=_kill)
    parser = commands.add_parser(
        "release",
        help="let orders pass again after kill",
        description="Ends a kill. Without a name: that of all strategies; those that were killed by name stay killed.",
    )
    parser.add_argument("name", nargs="?", default="", help="a run; the kill of all if none is named")
    parser.add_argument(
        "--folder", type=Path, metavar="F", help="the run folder, for a run that was started with --folder"
    )
    parser.set_defaults(run=_release)


def _folder_of(name: str, folder: Path | None) -> Path | None:
    """The folder of a run, or of a script that runs by itself; None for all strategies.

    Raises:
        UnknownName: There is neither.
    """
    if folder is not None:
        path = RunFolder(folder).path
        if not path.is_dir():
            raise UnknownName(f"no run folder {str(path)!r}")
        return path
    if not name:
        return None
    for path in (default_folder(name), database_path(name).parent):
        if path.is_dir():
            return path
    raise UnknownName(f"no run {name!r} in {str(default_folder(name).parent)!r}{nearest(name, run_names())}")


def _kill(args: argparse.Namespace) -> int:
    folder = _folder_of(args.name, args.folder)
    killed = Killed(reason=args.reason, at_s=WallClock().now(), protective=args.protective)
    write_killed((folder if folder is not None else data_folder()) / FILE_NAME, killed)
    who = "all strategies" if folder is None else args.name or str(folder)
    print(f"{who}: new orders are refused until fmzthreads release{f' {args.name}' if args.name else ''}")
    runs = [RunFolder(default_folder(name)) for name in run_names()] if folder is None else [RunFolder(folder)]
    return max([_cancel(run) for run in runs], default=0)


def _cancel(run: RunFolder) -> int:
    """Has a run cancel its open orders; returns the exit code."""
    record = run.record()
    name = record.name if record is not None else run.path.name
    if record is None or record.state != "running":
        # A script of its own has no record; it finds the file when it places its next order.
        how = "when it starts again" if record is not None else "when it places its next order"
        print(f"{name}: its open orders are cancelled {how}")
        return 0
    try:
        reply = ask(run.path, record, {"killed": True}, patience_s=_CANCEL_S)
    except OperationFailed as error:
        print(f"{name}: its open orders may still be there: {error}")
        return 1
    report = KillReport(
        cancelled=int(reply.get("cancelled", 0)), kept=int(reply.get("kept", 0)), failed=tuple(reply.get("failed", ()))
    )
    print(f"{name}: {report.words()}")
    return 1 if report.failed else 0


def _release(args: argparse.Namespace) -> int:
    folder = _folder_of(args.name, args.folder)
    who = "all strategies" if folder is None else args.name or str(folder)
    was_set = remove_killed((folder if folder is not None else data_folder()) / FILE_NAME)
    print(f"{who}: {'released' if was_set else 'not killed'}")
    if folder is not None and read_killed(data_folder() / FILE_NAME) is not None:
        print("all strategies are still killed: fmzthreads release")
    if folder is None:
        left = [name for name in run_names() if read_killed(default_folder(name) / FILE_NAME) is not None]
        if left:
            print(f"still killed by name: {', '.join(left)}")
    return 0
