"""``fmzthreads logs NAME``: reads and exports the log of a run."""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import sys
from pathlib import Path
from typing import Any

import attrs

from ..clock import WallClock
from ..errors import OperationFailed
from ..strategy.log.console import plain_line
from ..strategy.log.lines import Line
from ..strategy.log.log_database import LOG_TYPES, store_left_lines
from ..strategy.log.reader import LogReader
from .remote import found_run

__all__ = ["add_parser"]

_FIELDS = [field.name for field in attrs.fields(Line)]
# How often a followed log is looked at: lines are in the database within 50 ms.
_LOOK_S = 0.2


def add_parser(commands: Any) -> None:
    """Adds the command to the program's parser."""
    parser = commands.add_parser(
        "logs", help="show, follow or export the log of a run", description="Shows the log of a run, oldest line first."
    )
    parser.add_argument("name", help="the run")
    parser.add_argument("--follow", action="store_true", help="go on with new lines until the run ends")
    parser.add_argument(
        "--type",
        action="append",
        default=[],
        choices=sorted(LOG_TYPES),
        help="only lines of this type; may be repeated",
    )
    parser.add_argument("--export", choices=("csv", "json"), help="write all lines in this form instead of for reading")
    parser.add_argument("--last", type=int, metavar="N", help="only the newest N lines (default: all)")
    parser.add_argument(
        "--folder", type=Path, metavar="F", help="the run folder, for a run that was started with --folder"
    )
    parser.set_defaults(run=_logs)


def _logs(args: argparse.Namespace) -> int:
    run, ran = found_run(args.name, args.folder)
    if ran.state != "running":
        with contextlib.suppress(OperationFailed):  # what is in the database can be read all the same
            store_left_lines(run.database)
    kinds = tuple(args.type)
    writer = _Writer(args.export)
    clock = WallClock()
    if not run.database.exists() and not args.follow:
        return 0
    with LogReader(run.database) as reader:
        after = 0
        rows = reader.after(0, kinds) if args.last is None else reader.last(args.last, kinds)
        while True:
            for line in rows:
                writer.write(line)
                after = max(after, line.number)
            if not args.follow and not (args.last is None and rows):
                return 0
            if not rows:
                record = run.record()
                if record is None or record.state != "running":
                    with contextlib.suppress(OperationFailed):  # as above
                        store_left_lines(run.database)
                    for line in reader.after(after, kinds):  # what was written between the last look and the end
                        writer.write(line)
                    return 0
                clock.sleep(_LOOK_S)
            rows = reader.after(after, kinds)


class _Writer:
    def __init__(self, form: str | None) -> None:
        self._form = form
        self._csv = csv.writer(sys.stdout, lineterminator="\n")
        if form == "csv":
            self._csv.writerow(_FIELDS)

    def write(self, line: Line) -> None:
        """Prints one line of the log in the form."""
        values = attrs.asdict(line)
        if self._form == "csv":
            self._csv.writerow(["" if values[field] is None else values[field] for field in _FIELDS])
        elif self._form == "json":
            print(json.dumps(values, ensure_ascii=False))
        else:
            print(plain_line(line))
        sys.stdout.flush()
