"""``fmzthreads demo``: hedges between two simulated exchanges and audits the accounts."""

from __future__ import annotations

import argparse
import contextlib
import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from ..clock import Clock, WallClock
from ..runner.simulated import VENUES, parse_faults, set_faults
from ..simulator import SimulatorProcess
from ..simulator.market.bars import load_bars
from ..strategy.exports import Exchange
from ..strategy.runtime import Runtime, use
from .audit import audit
from .display import open_display
from .scripts import load_example
from .simulators import holdings, simulators
from .summary import Spread, Summary

__all__ = ["add_parser", "run"]

_BASE, _QUOTE = "BTC", "USDT"
# Ctrl-C must end the demo within a second: one pair of calls to cancel, one to query, one to close the exposure.
_HURRIED_MS = 250
# Three times the simulator's own: at that, three runs of 20 s out of four would have no hedge.
_DEVIATION = 0.0024


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0 and 86400 seconds")
    return value


def _count(text: str) -> int:
    try:
        count = int(text)
    except ValueError:
        count = 0
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return count


def add_parser(commands: Any) -> None:
    """Adds the command to the program's parser."""
    parser = commands.add_parser(
        "demo",
        help="hedge between two simulated exchanges and audit the books",
        description=(
            "Starts two simulated exchanges on the loopback (one speaks Binance spot's dialect, one OKX v5's), runs the hedging "
            "example against them, and ends with a summary. The exit code is 0 only if the remaining exposure is within one lot "
            "and both accounts reconcile with what the simulators hold."
        ),
    )
    parser.add_argument("--seconds", type=_seconds, default=20.0, metavar="N", help="how long to hedge (default 20)")
    parser.add_argument(
        "--hedges", type=_count, default=math.inf, metavar="N", help="end after so many hedges, if that is earlier"
    )
    parser.add_argument(
        "--data",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="replay all bars of a file within the run: a CSV with time in ms, open, high, low, close, volume, or a zipped minute "
        "file; given twice, one file drives each exchange",
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the generated prices (default 1)")
    parser.add_argument("--rest", action="store_true", help="fetch the books by REST instead of streaming them")
    parser.add_argument("--json", action="store_true", help="print only one line of JSON, at the end")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="[VENUE:]NAME=VALUE",
        help="activate a fault of one exchange, or of both, when the hedging begins, such as okx:hang=true (see fmzthreads simulate --help)",
    )
    parser.set_defaults(run=run)


def _replay_speed(files: list[Path], seconds: float) -> float | None:
    """Bars a second that cover the longest file within the run; None without files."""
    return max(len(load_bars(file).bars) for file in files) / seconds if files else None


def run(args: argparse.Namespace) -> int:
    """Runs the demo; 0 when it ended hedged and reconciled, else 1.

    Raises:
        InputError: A file or a fault is not valid.
        MissingExtra: The extra ``server`` is not installed.
    """
    example = load_example("hedge_two_exchanges")
    faults = parse_faults(args.fault, list(VENUES))
    speed = _replay_speed(args.data, args.seconds)
    with simulators(seed=args.seed, data=args.data, speed=speed, deviation=_DEVIATION) as processes:
        if not args.json:
            print("\n".join(_introduction(args)), flush=True)
        begin = {name: holdings(process) for name, process in processes.items()}
        clock = WallClock()
        with use(Runtime(clock, console=False, name="demo")), contextlib.ExitStack() as stack:
            exchanges = [stack.enter_context(_account(name, process)) for name, process in processes.items()]
            bot = example.HedgeBot(exchanges, streams=not args.rest)
            seconds = _hedge(bot, clock, args, lambda: set_faults(processes, faults))
            for process in processes.values():
                process.clear_faults()  # the audit asks the venues themselves
            summary = _summarise(bot, seconds, begin, processes)
    print(summary.to_json() if args.json else "\n".join(summary.lines()), flush=True)
    return 0 if summary.ok else 1


def _introduction(args: argparse.Namespace) -> list[str]:
    """Explains the run before it starts."""
    prices = (
        "a replay of your bars"
        if args.data
        else f"generated (seed {args.seed}); they differ more often than on real markets"
    )
    return [
        f"Two simulated exchanges, {' and '.join(VENUES)}, trade {_BASE}_{_QUOTE} with play money.",
        f"Prices: {prices}.",
        f"For {args.seconds:g} s the bot buys {_BASE} on the cheaper exchange and sells the same amount on the other",
        "whenever the difference exceeds both fees.",
    ]


def _account(name: str, process: SimulatorProcess) -> Exchange:
    return Exchange(
        name,
        f"{_BASE}_{_QUOTE}",
        access_key=process.key,
        secret_key=process.secret,
        passphrase=process.passphrase,
        base=process.base_url,
    )


def _hedge(bot: Any, clock: Clock, args: argparse.Namespace, switch_on: Callable[[], None]) -> float:
    """Runs the bot until its end or Ctrl-C; returns the seconds it ran."""
    for exchange in bot.exchanges:
        exchange.SetTimeout(bot.timeout_ms)
        exchange.warm(2)
    with open_display(clock, quiet=args.json) as display:
        bot.start()
        switch_on()
        began = clock.monotonic()
        try:
            bot.run(
                args.seconds, lambda bot: display.show(bot, args.seconds - (clock.monotonic() - began)), args.hedges
            )
            bot.finish()
        except KeyboardInterrupt:
            bot.finish(patience_ms=_HURRIED_MS, tries=1)
        return clock.monotonic() - began


def _summarise(
    bot: Any, seconds: float, begin: Mapping[str, Mapping[str, Decimal]], processes: Mapping[str, SimulatorProcess]
) -> Summary:
    audits, problems = {}, []
    end = {name: holdings(process) for name, process in processes.items()}
    for exchange in bot.exchanges:
        name = exchange.GetName()
        try:
            audits[name] = audit(exchange, _BASE, _QUOTE, begin[name], end[name])
        except LookupError as error:
            problems.append(f"{error}: {exchange.GetLastError()}")
    for name, process in processes.items():
        open_orders = process.state()["open_orders"]
        if open_orders:
            problems.append(f"{name} still has {len(open_orders)} open orders")
    gained = {name: {c: end[name][c] - begin[name][c] for c in (_BASE, _QUOTE)} for name in processes}
    mark = bot.mark()
    return Summary(
        base=_BASE,
        quote=_QUOTE,
        seconds=round(seconds, 3),
        loops=bot.loops,
        calls=bot.calls,
        pair_over_slower=Spread.of(bot.ratios),
        start_skew_ms=Spread.of(bot.skews_ms),
        leg_ms={name: Spread.of(times) for name, times in zip(bot.names, bot.leg_ms, strict=True)},
        hedges=bot.hedges,
        failed_legs=bot.failures,
        fees={name: round(found.fees, 8) for name, found in audits.items()},
        profit={name: round(float(g[_QUOTE]) + float(g[_BASE]) * mark, 8) for name, g in gained.items()},
        exposure=float(sum(g[_BASE] for g in gained.values())),
        lot=bot.lot,
        differences={name: found.differences for name, found in audits.items()},
        problems=problems,
    )
