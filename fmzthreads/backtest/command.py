"""``fmzthreads backtest FILE``: runs a strategy over historical data."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..errors import InputError
from ..strategy.program.command_options import add_program_options, argument_of
from ..strategy.program.reading import read_source
from .backtest_run import BacktestRun, RunEnd
from .failures import NoData
from .inputs import BacktestInputs, BarsFile, ReadyBacktest
from .progress import showing_progress
from .result.join import json_parts
from .script_run import is_script, run_script

if TYPE_CHECKING:
    from .manifest import StoredRun

__all__ = ["add_input_options", "add_parser", "inputs_of", "interruptible", "run", "warn"]

_DESCRIPTION = """\
Runs an FMZ strategy over historical data, as FMZ's own engine would, and reports the result. What to run is said by the strategy's header
('''backtest ... '''), by a config file, and by options; options go before the config file, which goes before the header."""
_EPILOG = """\
exit codes: 0 done, 1 the strategy failed (its own traceback is shown), 2 not valid, 3 no bars, 130 interrupted (what there is is reported)."""

_CHANGES = ("start", "end", "period", "basePeriod", "timezone", "seed")
_OF_INPUTS = ("exchange", "arg", "template", "config", "bars", "columns", "data_server")


def add_parser(commands: Any) -> None:
    """Adds the command to the program's parser."""
    parser = commands.add_parser(
        "backtest",
        help="run a strategy over historical data",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_input_options(parser)
    add = parser.add_argument
    add("--out", type=Path, metavar="DIR", help="write result.json, report.html and manifest.json there")
    add("--json", action="store_true", help="print one JSON object: result, final, metrics")
    add(
        "--monte-carlo",
        type=int,
        default=0,
        metavar="N",
        help="draw N other orders of the same round trips, and N paths of blocks of the same returns",
    )
    add("--progress", action="store_true", help="show the progress (on a terminal it is shown by itself)")
    add(
        "--check-lookahead",
        type=int,
        nargs="?",
        const=3,
        metavar="K",
        help="run again with the bars cut, and altered, from K instants on (default 3): what came before must not change",
    )
    add(
        "--repeat",
        type=Path,
        metavar="RUN",
        help="run a --out folder's backtest again, and compare the result byte by byte",
    )
    parser.set_defaults(run=run)


def add_input_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say what is run; ``inputs_of`` reads them."""
    add = parser.add_argument
    add("file", type=Path, nargs="?", metavar="FILE", help="the strategy")
    add(
        "--start",
        metavar="TIME",
        help="where it starts, such as '2024-01-01 00:00:00' (UTC unless --timezone says otherwise)",
    )
    add("--end", metavar="TIME", help="where it ends")
    add("--period", metavar="P", help="the default period of records, such as 1h")
    add("--base-period", dest="basePeriod", metavar="P", help="the period of the bars that ticks are made from")
    add("--timezone", metavar="ZONE", help="the zone of local times, such as +08:00 or Asia/Shanghai (default UTC)")
    add("--seed", type=int, metavar="N", help="the seed of everything that is drawn by chance (default 0)")
    add("--exchange", action="append", default=[], metavar="JSON", help="an exchange as in the header; may be repeated")
    add_program_options(parser)
    add("--config", type=Path, metavar="FILE.json", help="the settings as a JSON object")
    add(
        "--bars",
        action="append",
        default=[],
        metavar="[EID/SYMBOL=]FILE",
        help="bars: CSV, CSV in gzip or zip, parquet; may be repeated",
    )
    add("--columns", default="", metavar="ROLE=NAME,...", help="which column is what, such as time=when,close=last")
    add("--data-server", default="", metavar="URL", help="a server of FMZ's data protocol")


def inputs_of(args: argparse.Namespace) -> BacktestInputs:
    """What a parsed command line says.

    Raises:
        InputError: An option is not valid.
    """
    if args.file is None:
        raise InputError("name the strategy: fmzthreads backtest FILE")
    values: dict[str, Any] = {}
    template_args: dict[str, dict[str, Any]] = {}
    for text in args.arg:
        template, name, value = argument_of(text)
        (template_args.setdefault(template, {}) if template else values)[name] = value
    changes: dict[str, Any] = {key: getattr(args, key) for key in _CHANGES if getattr(args, key) is not None}
    if args.exchange:
        changes["exchanges"] = [_exchange(text) for text in args.exchange]
    columns = {}
    for part in filter(None, args.columns.split(",")):
        role, equals, name = part.partition("=")
        if not equals:
            raise InputError(f"--columns {part!r}: expected ROLE=NAME, such as time=when")
        columns[role.strip()] = name.strip()
    return BacktestInputs(
        file=args.file,
        templates=tuple(args.template),
        args=values,
        template_args=template_args,
        config=args.config,
        changes=changes,
        bars=tuple(BarsFile.parse(text) for text in args.bars),
        columns=columns,
        data_server=args.data_server,
    )


def _exchange(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"--exchange is not JSON ({error}): {text[:200]}") from None


def run(args: argparse.Namespace) -> int:
    """Runs the backtest and returns the exit code.

    Raises:
        FmzError: Something is not valid; nothing was run.
    """
    if args.monte_carlo < 0:
        raise InputError(f"--monte-carlo {args.monte_carlo}: expected the number of paths, 0 for none")
    stored = _stored(args)
    inputs = inputs_of(args) if stored is None else stored.inputs
    strategy = read_source(inputs.file)
    shown = args.progress or _terminal(args)
    if is_script(strategy):
        if args.check_lookahead:
            raise InputError(f"{inputs.file}: --check-lookahead needs a strategy; this is a script that runs itself")
        with interruptible(), _kept_for_json(args.json):
            host, end = run_script(strategy, inputs, warn, sys.stderr if args.json else None, shown=shown)
        if not host.contexts:
            if end.reason == "no data":
                return _no_data(end.text)
            raise InputError(f"{inputs.file}: a plain script that makes no VCtx; there is nothing to report")
        host.contexts[-1].run.finish(end)
        host.contexts[-1].Join()
        return _report(args, inputs, host.contexts[-1].run, end, stored)
    try:
        ready = ReadyBacktest.of(inputs)
    except NoData as error:
        return _no_data(str(error))
    for text in ready.warnings:
        warn(text)
    run, end = simulate(ready, shown=shown, quiet=args.json)
    code = _report(args, inputs, run, end, stored)
    return _looked_ahead(args, ready) or code if args.check_lookahead else code


def _stored(args: argparse.Namespace) -> StoredRun | None:
    """The run that is to be repeated; None for none."""
    if args.repeat is None:
        return None
    from .manifest import read_manifest

    if args.file is not None:
        raise InputError(f"--repeat {args.repeat} says what is run: give no FILE with it")
    given = [name for name in (*_CHANGES, *_OF_INPUTS) if getattr(args, name) not in (None, [], "")]
    if given:
        raise InputError(
            f"--repeat {args.repeat} says what is run: it cannot be changed by --{given[0].replace('_', '-')}"
        )
    stored = read_manifest(args.repeat)
    if stored.changed:
        raise InputError(f"--repeat {args.repeat}: changed since: {', '.join(map(str, stored.changed))}")
    return stored


def _looked_ahead(args: argparse.Namespace, ready: ReadyBacktest) -> int:
    """Checks for look-ahead; 1 when some was found."""
    from .lookahead.check import check_lookahead

    with _kept_for_json(args.json):
        report = check_lookahead(ready, args.check_lookahead)
    print(report.text(), file=sys.stderr if args.json else sys.stdout)
    return 1 if report.findings else 0


def _compared(stored: StoredRun, whole: Mapping[str, Any]) -> int:
    """Says whether a repeated run gave the same bytes; 1 when it did not."""
    from .manifest import result_digest

    same = result_digest(whole) == stored.result_sha256
    made_by = "" if stored.version == __version__ else f" (made by fmzthreads {stored.version}, this is {__version__})"
    if stored.interrupted:
        made_by += "; that one was interrupted, this one ran to its end"
    print(
        f"fmzthreads: {'the same bytes as' if same else 'the result differs from'} the stored run{made_by}",
        file=sys.stderr,
    )
    return 0 if same else 1


def _kept_for_json(quiet: bool) -> AbstractContextManager[object]:
    """Sends to the standard error what a strategy writes to ``sys.stdout`` itself, past ``print``, where the standard output holds one JSON object."""
    return redirect_stdout(sys.stderr) if quiet else nullcontext()


def simulate(ready: ReadyBacktest, *, shown: bool, quiet: bool) -> tuple[BacktestRun, RunEnd]:
    """Runs a backtest.

    Args:
        ready: What to run.
        shown: Whether the progress is shown.
        quiet: Whether the strategy's ``print`` goes to the standard error.
    """
    run = BacktestRun(
        ready.settings,
        ready.source,
        folder=ready.strategy.path.parent,
        output=sys.stderr if quiet else None,
        warn=warn,
        load_ns=ready.load_ns,
    )
    with showing_progress(lambda: run.progress, shown=shown), interruptible(), _kept_for_json(quiet):
        end = run.run(ready.strategy, ready.values, ready.templates)
        run.finish(end)
    return run, end


def _report(
    args: argparse.Namespace, inputs: BacktestInputs, run: BacktestRun, end: RunEnd, stored: StoredRun | None
) -> int:
    from .outputs import add_monte_carlo, result_object, summary_text, write_folder, write_report

    if end.traceback:
        print(end.traceback, file=sys.stderr)
    if end.reason == "no data":
        return _no_data(end.text)
    try:
        with interruptible():  # bars that the strategy did not ask for are loaded here
            whole = result_object(run)
    except NoData as error:
        return _no_data(str(error))
    if args.out is not None:
        from .manifest import manifest_of  # with OpenSSL

        manifest = manifest_of(inputs, run.settings, end, whole, run.own_files, sys.argv[1:])
        write_folder(args.out, whole, manifest)
    shown = whole
    if args.monte_carlo:
        shown = {**whole, "metrics": {**whole["metrics"]}}  # the stored result has none
        add_monte_carlo(shown, run.known_settings(), args.monte_carlo)
    if args.out is not None:
        write_report(shown, run, args.out / "report.html", title=inputs.file.stem)
    if args.json:
        sys.stdout.writelines(json_parts(shown))
        print()
    else:
        print(summary_text(shown, end))
        if args.out is not None:
            print(f"\nreport: {args.out / 'report.html'}")
    if stored is not None and _compared(stored, whole):
        return 1
    return end.code


def warn(text: str) -> None:
    """Shows a warning."""
    print(f"fmzthreads: warning: {text}", file=sys.stderr)


def _no_data(text: str) -> int:
    print(f"fmzthreads: no data: {text}", file=sys.stderr)
    return 3


def _terminal(args: argparse.Namespace) -> bool:
    return bool(not args.json and sys.stderr.isatty())


@contextmanager
def interruptible() -> Iterator[None]:
    """Has Ctrl-C raise KeyboardInterrupt in the strategy, also where the process was started with it ignored."""
    try:
        former = signal.signal(signal.SIGINT, signal.default_int_handler)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)
