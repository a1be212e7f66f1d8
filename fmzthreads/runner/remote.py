"""``fmzthreads status``, ``command`` and ``stop``: looks at runs, and speaks to them."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from ..clock import WallClock
from ..errors import OperationFailed, UnknownName, nearest
from ..process_start import start_of
from ..strategy.log.render import readable
from ..strategy.run.control import ask
from ..strategy.run.folder import ProcessRecord, RunFolder, default_folder, run_names
from .buttons import button_commands
from .facts import RunFacts, facts_of

__all__ = ["add_parser", "found_run"]


def add_parser(commands: Any) -> None:
    """Adds the three commands to the program's parser."""
    parser = commands.add_parser(
        "status",
        help="show runs: state, since when, last log line, profit",
        description="Shows all runs, or one with its status bar.",
    )
    parser.add_argument("name", nargs="?", help="a run; all if none is named")
    _add_folder(parser)
    parser.add_argument("--json", action="store_true", help="print one line of JSON for each run")
    parser.set_defaults(run=_status)
    parser = commands.add_parser(
        "command",
        help="send a command to a running strategy",
        description='Sends a command, such as "name" or "name:value", which GetCommand() returns; it wakes EventLoop.',
    )
    parser.add_argument("name", help="the run")
    parser.add_argument("text", help='the command: "name", "name:value" or "name:{json}"')
    _add_folder(parser)
    parser.set_defaults(run=_command)
    parser = commands.add_parser(
        "stop", help="stop a running strategy", description="Stops a run: its waits end, onexit runs, the process ends."
    )
    parser.add_argument("name", help="the run")
    parser.add_argument(
        "--wait", type=float, default=30.0, metavar="S", help="how long to wait for its end, in seconds (default 30)"
    )
    parser.add_argument("--cancel", action="store_true", help="cancel the open orders that it placed, before onexit")
    _add_folder(parser)
    parser.set_defaults(run=_stop)


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--folder", type=Path, metavar="F", help="the run folder, for a run that was started with --folder"
    )


def found_run(name: str, folder: Path | None) -> tuple[RunFolder, ProcessRecord]:
    """The folder and the record of a run.

    Args:
        name: The run's name.
        folder: Its folder; None for the usual place.

    Raises:
        UnknownName: There is no such run; names those that are like it.
    """
    run = RunFolder(folder if folder is not None else default_folder(name))
    record = run.record()
    if record is None:
        raise UnknownName(f"no run {name!r} in {str(run.path)!r}{nearest(name, run_names())}")
    return run, record


def _alive(name: str, folder: Path | None) -> tuple[RunFolder, ProcessRecord]:
    run, record = found_run(name, folder)
    if record.state != "running":
        raise OperationFailed(
            f"the run {name!r} is not running: {record.state}{f' ({record.reason})' if record.reason else ''}"
        )
    return run, record


def _command(args: argparse.Namespace) -> int:
    run, record = _alive(args.name, args.folder)
    if not ask(run.path, record, {"command": args.text}).get("accepted"):
        raise OperationFailed(f"the run {args.name!r} refused the command: a thousand are waiting")
    return 0


def _stop(args: argparse.Namespace) -> int:
    run, record = _alive(args.name, args.folder)
    try:
        ask(run.path, record, {"stop": True, "cancel": args.cancel})
    except OperationFailed as error:
        if args.cancel or start_of(record.pid) != record.started:
            raise
        print(f"fmzthreads: {error}; sending SIGTERM to process {record.pid}", file=sys.stderr)
        os.kill(record.pid, signal.SIGTERM)
    clock = WallClock()
    deadline = clock.monotonic() + args.wait
    while record.state == "running":
        if clock.monotonic() >= deadline:
            print(f"fmzthreads: {args.name} has not ended within {args.wait:g} s", file=sys.stderr)
            return 1
        clock.sleep(0.05)
        record = run.record() or record
    print(f"{args.name}: {record.state}{f', {record.reason}' if record.reason else ''}")
    return 0


def _status(args: argparse.Namespace) -> int:
    if args.name is not None or args.folder is not None:
        run, record = found_run(args.name or "", args.folder)
        facts = [facts_of(run, record, live=True)]
    else:
        facts = []
        for name in run_names():
            run = RunFolder(default_folder(name))
            record_or_none = run.record()
            if record_or_none is not None:
                facts.append(facts_of(run, record_or_none))
    if args.json:
        for one in facts:
            print(json.dumps(one.as_dict(), ensure_ascii=False, default=str))
        return 0
    if not facts:
        print("no runs")
        return 0
    print(_table(facts))
    if args.name is not None and facts[0].status:
        print()
        print(readable(facts[0].status))
        commands = button_commands(facts[0].status)
        if commands:
            print(f"\ncommands: {', '.join(commands)}")
    return 0


def _table(facts: list[RunFacts]) -> str:
    rows = [("NAME", "STATE", "PID", "SINCE", "PROFIT", "LAST LINE")]
    rows += [one.row() for one in facts]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
