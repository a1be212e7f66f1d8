"""``fmzthreads demo``: hedges between two simulated markets and audits the accounts."""

from __future__ import annotations

import argparse
import contextlib
import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from ..clock import Clock, WallClock
from ..exchange.contracts.converter import ContractValue
from ..exchange.exchange import Exchange
from ..runner.simulated import parse_faults, set_faults
from ..simulator.market.bars import load_bars
from ..strategy.runtime import Runtime, use
from .audit import Audit, audit, sent_twice
from .display import open_display
from .market_pairs import BASE, QUOTE, DemoAccount, MarketPair, market_pair, set_funding
from .scripts import load_example
from .simulators import simulators
from .summary import Spread, Summary

__all__ = ["add_parser", "run"]

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
        help="hedge between two simulated markets and audit the books",
        description=(
            "Starts two simulated exchanges on the loopback (one speaks Binance spot's dialect, one OKX v5's), or with --pair "
            "spot-swap a spot market and a USD-margined perpetual contract of Binance, runs the hedging example against them, and "
            "ends with a summary. The exit code is 0 only if the remaining exposure is within one lot and both accounts reconcile "
            "with what the simulators hold."
        ),
    )
    parser.add_argument(
        "--pair",
        choices=("spot-spot", "spot-swap"),
        default="spot-spot",
        help="the markets: two spot exchanges (the default), or a spot exchange and a perpetual contract",
    )
    parser.add_argument(
        "--spot", choices=("Binance", "OKX"), help="the spot exchange of --pair spot-swap (default Binance)"
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
        "file; given twice, one file drives each simulated exchange (--pair spot-swap has two only with --spot OKX)",
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
    pair = market_pair(args.pair, args.spot)
    bot_class = getattr(load_example(pair.example), pair.bot)
    faults = parse_faults(args.fault, pair.names)
    speed = _replay_speed(args.data, args.seconds)
    with simulators(pair.names, seed=args.seed, data=args.data, speed=speed, deviation=_DEVIATION) as processes:
        if not args.json:
            print("\n".join(_introduction(args, pair)), flush=True)
        accounts = pair.accounts(processes)
        clock = WallClock()
        with use(Runtime(clock, console=False, name="demo")), contextlib.ExitStack() as stack:
            exchanges = [stack.enter_context(_exchange(account)) for account in accounts]
            bot = bot_class(exchanges, streams=not args.rest)

            def _begin() -> None:
                set_funding(accounts, args.seconds)
                set_faults(processes, faults)

            seconds = _hedge(bot, clock, args, _begin)
            for process in processes.values():
                process.clear_faults()  # the audit asks the venues themselves
            summary = _summarise(bot, seconds, accounts, clock)
    print(summary.to_json() if args.json else "\n".join(summary.lines()), flush=True)
    return 0 if summary.ok else 1


def _introduction(args: argparse.Namespace, pair: MarketPair) -> list[str]:
    """Explains the run before it starts."""
    prices = (
        "a replay of your bars"
        if args.data
        else f"generated (seed {args.seed}); they differ more often than on real markets"
    )
    lines = [
        f"Two simulated exchanges, {' and '.join(pair.names)}, trade {BASE}_{QUOTE} with play money.",
        f"Prices: {prices}.",
        f"For {args.seconds:g} s the bot {pair.words}",
        "whenever the difference exceeds both fees.",
    ]
    if pair.has_contract:
        lines.append("The second one is a perpetual contract; its funding is due once, after half of the time.")
    return lines


def _exchange(account: DemoAccount) -> Exchange:
    process = account.process
    return Exchange(
        account.name,
        f"{BASE}_{QUOTE}",
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


def _audited(
    exchange: Exchange, account: DemoAccount, end: dict[str, Decimal], sent: int, clock: Clock
) -> tuple[Audit | None, list[str]]:
    """The audit of one account, and what is wrong with it."""
    problems = account.problems()
    try:
        found = audit(exchange, BASE, QUOTE, account.begin, end)
        problems += sent_twice(exchange, account.symbol, round(clock.now() * 1000), sent)
    except LookupError as error:
        return None, [*problems, f"{error}: {exchange.GetLastError()}"]
    return found, problems


def _contract_coins(exchange: Exchange, account: DemoAccount) -> Decimal:
    """How many coins one contract is; 1 for spot."""
    markets = exchange.GetMarkets() if account.product else None
    return ContractValue.of(markets[account.symbol]).coins(Decimal(1), Decimal(1)) if markets else Decimal(1)


def _summarise(bot: Any, seconds: float, accounts: Sequence[DemoAccount], clock: Clock) -> Summary:
    audits: dict[str, Audit] = {}
    profit, problems, exposure, mark = {}, [], Decimal(0), bot.mark()
    for exchange, account, sent in zip(bot.exchanges, accounts, bot.sent, strict=True):
        end = account.holdings()
        found, wrong = _audited(exchange, account, end, sent, clock)
        if found is not None:
            audits[account.name] = found
        problems += wrong
        coins, money = account.gained(end, _contract_coins(exchange, account))
        profit[account.name] = round(float(money) + float(coins) * mark, 8)
        exposure += coins
    return Summary(
        base=BASE,
        quote=QUOTE,
        seconds=round(seconds, 3),
        loops=bot.loops,
        calls=bot.calls,
        pair_over_slower=Spread.of(bot.ratios),
        start_skew_ms=Spread.of(bot.skews_ms),
        leg_ms={name: Spread.of(times) for name, times in zip(bot.names, bot.leg_ms, strict=True)},
        hedges=bot.hedges,
        failed_legs=bot.failures,
        fees={name: round(found.fees, 8) for name, found in audits.items()},
        funding={
            account.name: round(audits[account.name].funding, 8)
            for account in accounts
            if account.product and account.name in audits
        },
        profit=profit,
        exposure=float(exposure),
        lot=bot.lot,
        differences={name: found.differences for name, found in audits.items()},
        problems=problems,
    )
