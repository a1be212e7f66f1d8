"""``fmzthreads data check`` and ``fmzthreads data download``."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC
from pathlib import Path
from typing import Any

from ...clock import WallClock
from ...errors import InputError
from ..config.times import moment_ms
from ..progress import showing_progress
from .files.bars_file import read_bars
from .quality import findings_of

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Adds the command to the program's parser."""
    parser = commands.add_parser("data", help="check and download bars for backtests")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser(
        "check",
        help="report gaps, duplicates, disorder, zero volumes, outliers and time-zone slips",
        epilog="exit codes: 0 nothing found, 1 something found, 2 not readable",
    )
    check.add_argument("file", type=Path, metavar="FILE", help="bars: CSV, CSV in gzip or zip, parquet")
    check.add_argument("--columns", default="", metavar="ROLE=NAME,...", help="which column is what")
    check.set_defaults(run=run_check)
    load = actions.add_parser("download", help="download candles; an interrupted download goes on where it stopped")
    load.add_argument("venue", help="binance or okx")
    load.add_argument("symbol", help="FMZ's symbol, such as BTC_USDT or BTC_USDT.swap")
    load.add_argument("period", help="such as 1m, 15m, 1h, 1d")
    load.add_argument("--from", dest="start", required=True, metavar="TIME", help="the first moment (UTC)")
    load.add_argument("--to", dest="end", metavar="TIME", help="the end, not included (default: now)")
    load.add_argument("--file", type=Path, metavar="FILE", help="where to (default VENUE-SYMBOL-PERIOD.csv)")
    load.add_argument("--base", default="", metavar="URL", help="another base URL")
    load.add_argument("--quiet", action="store_true", help="show no progress")
    load.set_defaults(run=run_download)


def run_check(args: argparse.Namespace) -> int:
    """Checks a file and returns the exit code.

    Raises:
        FmzError: The file cannot be read.
    """
    columns = dict(part.partition("=")[::2] for part in args.columns.split(",") if part)
    found = 0
    whole = read_bars(args.file, columns=columns, checked=False)
    if not whole:
        print(f"{args.file}: no bars")
        return 1
    for name, series in whole.items():
        findings = findings_of(series)
        found += len(findings)
        period = series.period_ms() // 1000
        print(f"{name or args.file}: {len(series)} bars of {period} s{_span(series.time)}")
        for finding in findings:
            print(f"  {finding.kind}: {finding.text}{'; a backtest refuses them' if finding.serious else ''}")
            for place in finding.places:
                print(f"    {place}")
            if finding.count > len(finding.places) > 0:
                print(f"    ... and {finding.count - len(finding.places)} more")
        if not findings:
            print("  nothing found")
    return 1 if found else 0


def _span(times: Any) -> str:
    from datetime import datetime

    if not times:
        return ""
    first, last = (datetime.fromtimestamp(times[place] / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S") for place in (0, -1))
    return f", {first} to {last} UTC"


def run_download(args: argparse.Namespace) -> int:
    """Downloads candles and returns the exit code.

    Raises:
        FmzError: The venue or the file cannot be used.
    """
    from .download.candles import CandlePages
    from .download.growing_file import GrowingFile

    clock = WallClock()
    pages = CandlePages(args.venue, args.symbol, args.period, base=args.base, clock=clock)
    start = moment_ms(args.start, UTC, "--from")
    end = moment_ms(args.end, UTC, "--to") if args.end else clock.now_ns() // 1_000_000
    if end <= start:
        raise InputError(f"--to {args.end!r} is not after --from {args.start!r}")
    path = args.file if args.file is not None else Path(f"{args.venue.lower()}-{args.symbol}-{args.period}.csv")
    with GrowingFile(path, pages.period_ms) as file:
        if file.first_ms is not None and start < file.first_ms - pages.period_ms + 1:
            raise InputError(
                f"{file.path} begins at {file.first_ms} ms, after --from {args.start}: a file grows at its end only; name another --file"
            )
        # From the last bar on, which shows whether the file is of the same symbol.
        begun = start if file.last_ms is None else max(start, file.last_ms)
        place = [begun]
        with showing_progress(
            lambda: (place[0] - start) / (end - start),
            shown=not args.quiet and sys.stderr.isatty(),
            note=lambda: str(file.path),
        ):
            count = 0
            for rows in pages.pages(begun, end):
                count += file.add(rows)
                place[0] = rows[-1][0] + pages.period_ms
            place[0] = end
    print(f"{count} bars added to {path}")
    return 0
