"""Curves of an account over time: its worth by the snapshots, the strategy's own profit, the price of what it trades."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, pairwise
from typing import Any

from ...structures.value_objects import ValueObject
from ..config.settings import BacktestSettings, ExchangeSettings
from .figure import Undefined

__all__ = [
    "Curve",
    "Prices",
    "Snapshots",
    "equity_curve",
    "pnl_curve",
    "price_curve",
    "profit_curve",
    "returns_of",
    "sampled",
]

Snapshots = Sequence[Sequence[Any]]
_Amounts = Callable[[Mapping[str, Any], ExchangeSettings], Mapping[str, float]]


class Curve(ValueObject):
    """A value over time; each value holds until the next.

    Attributes:
        times: Milliseconds since the epoch, ascending.
        values: As many values, at least one.
    """

    times: Sequence[int]
    values: Sequence[float]

    @property
    def span_ms(self) -> int:
        """The time from the first value to the last."""
        return self.times[-1] - self.times[0]

    def at(self, time_ms: int) -> float:
        """The value at a time; before the first one, the first."""
        return self.values[max(0, bisect_right(self.times, time_ms) - 1)]


class Prices:
    """Prices of pairs by the snapshots; before the first known price, that one holds."""

    def __init__(self, snapshots: Snapshots) -> None:
        self._last: dict[tuple[int, str, str], float] = {}
        for _, accounts in snapshots:
            for key, price in _prices(accounts):
                self._last.setdefault(key, price)

    def take(self, accounts: Sequence[Mapping[str, Any]]) -> None:
        """Goes on to the prices of a snapshot."""
        self._last.update(_prices(accounts))

    def rate(self, currency: str, report: str, exchange: int) -> float | None:
        """What one unit of a currency is worth, by way of at most one other currency; None when no price tells.

        The prices of the exchange itself come first.
        """
        if currency == report:
            return 1.0
        direct = self._direct(currency, report, exchange)
        if direct is not None:
            return direct
        for _, base, quote in self._last:
            if currency in (base, quote):
                other = quote if base == currency else base
                first, second = self._direct(currency, other, exchange), self._direct(other, report, exchange)
                if first is not None and second is not None:
                    return first * second
        return None

    def _direct(self, currency: str, report: str, exchange: int) -> float | None:
        elsewhere = None
        for (place, base, quote), price in self._last.items():
            if (base, quote) == (currency, report):
                found = price
            elif (quote, base) == (currency, report):
                found = 1 / price
            else:
                continue
            if place == exchange:
                return found
            elsewhere = elsewhere or found
        return elsewhere


def _prices(accounts: Sequence[Mapping[str, Any]]) -> Iterable[tuple[tuple[int, str, str], float]]:
    for exchange, account in enumerate(accounts):
        for symbol, state in (account.get("Symbols") or {}).items():
            base, _, quote = symbol.partition(".")[0].partition("_")
            if state.get("Last", 0) > 0 and quote:
                yield (exchange, base, quote), state["Last"]


def margin_currency(account: Mapping[str, Any], exchange: ExchangeSettings, symbol: str) -> str:
    """The currency of a contract's margin and profit."""
    detail = exchange.details.get(symbol)
    known = account.get("MarginCurrency") or (detail.margin_currency if detail else "")
    if known:
        return str(known)
    return exchange.base_currency if exchange.quote_currency == "USD" else exchange.quote_currency


def holdings(account: Mapping[str, Any], exchange: ExchangeSettings) -> dict[str, float]:
    """What an account holds by currency: money and coins, frozen ones too, margins, and the profits of open positions."""
    found: dict[str, float] = {}
    for asset in account.get("Assets") or ():
        found[asset["Currency"]] = found.get(asset["Currency"], 0.0) + asset["Amount"] + asset["FrozenAmount"]
    for symbol, state in (account.get("Symbols") or {}).items():
        for side in ("Long", "Short"):
            held = state.get(side)
            if held:
                currency = margin_currency(account, exchange, symbol)
                found[currency] = found.get(currency, 0.0) + held["Margin"] + held["Profit"]
    return found


def equity_curve(snapshots: Snapshots, settings: BacktestSettings, report: str) -> Curve | Undefined:
    """The worth of all accounts together, in the report's currency.

    A spot account is worth its money and coins, a futures account its money, margins and open profits. The first value is the worth of what there
    was before the first order, at the start; a snapshot that FMZ's engine stamps with the start is taken after the first call.

    Args:
        snapshots: The result's ``Snapshots``.
        settings: The backtest's settings.
        report: The currency of the report.
    """
    return _worth(snapshots, settings, report, holdings, _initial)


def pnl_curve(snapshots: Snapshots, settings: BacktestSettings, report: str, initial: float) -> Curve | Undefined:
    """The initial worth plus what FMZ's engine calls ``PnL``: coins that were there at the start do not count.

    Args:
        snapshots: The result's ``Snapshots``.
        settings: The backtest's settings.
        report: The currency of the report.
        initial: The worth of all accounts at the start.
    """

    def gained(account: Mapping[str, Any], exchange: ExchangeSettings) -> dict[str, float]:
        """The account's ``PnL`` by its currency."""
        currency = exchange.quote_currency
        if exchange.is_futures:
            currency = margin_currency(account, exchange, next(iter(account.get("Symbols") or {}), ""))
        return {currency: account.get("PnL") or 0.0}

    return _worth(snapshots, settings, report, gained, lambda account, exchange: {}, initial)


def _worth(
    snapshots: Snapshots, settings: BacktestSettings, report: str, of: _Amounts, first: _Amounts, initial: float = 0.0
) -> Curve | Undefined:
    """The sum of amounts that accounts have by currency, at each snapshot, and before the first one.

    Args:
        snapshots: The result's ``Snapshots``.
        settings: The backtest's settings.
        report: The currency of the sum.
        of: What an account has in a snapshot.
        first: What it had at the start.
        initial: What is added to each sum.
    """
    if not snapshots:
        return Undefined("the result has no account snapshots")
    prices = Prices(snapshots)
    start_ms = min(settings.start_ms, snapshots[0][0])
    times: list[int] = []
    values: list[float] = []
    begun = ((start_ms, snapshots[-1][1], first),)
    for time_ms, accounts, amounts in chain(begun, ((*row, of) for row in snapshots)):
        if times:
            prices.take(accounts)
        worth = initial
        for number, account in enumerate(accounts):
            for currency, amount in amounts(account, settings.exchanges[number]).items():
                if amount:
                    rate = prices.rate(currency, report, number)
                    if rate is None:
                        return Undefined(f"no snapshot has a price of {currency} in {report}")
                    worth += amount * rate
        if not times or time_ms > times[-1]:
            times.append(time_ms)
            values.append(worth)
        elif len(times) > 1:  # FMZ's engine repeats stale stamps: the newest state counts
            values[-1] = worth
    return Curve(times, values)


def _initial(account: Mapping[str, Any], exchange: ExchangeSettings) -> dict[str, float]:
    return {asset["Currency"]: asset.get("Initial") or 0.0 for asset in account.get("Assets") or ()}


def profit_curve(
    profits: Sequence[Sequence[Any]], settings: BacktestSettings, initial: float | Undefined
) -> Curve | Undefined:
    """The initial worth plus the profit that the strategy reported with ``LogProfit``, from start to end.

    Args:
        profits: The result's ``ProfitLogs``.
        settings: The backtest's settings.
        initial: The worth of all accounts at the start.
    """
    if not profits:
        return Undefined("the strategy never called LogProfit")
    if isinstance(initial, Undefined):
        return initial
    times, values = [settings.start_ms], [initial]
    for time_ms, profit in profits:
        if time_ms > times[-1]:
            times.append(time_ms)
            values.append(initial + profit)
        else:
            values[-1] = initial + profit
    if settings.end_ms > times[-1]:
        times.append(settings.end_ms)
        values.append(values[-1])
    return Curve(times, values)


def price_curve(snapshots: Snapshots, exchange: int = 0, symbol: str = "") -> Curve | Undefined:
    """The last price of a symbol at each snapshot.

    Args:
        snapshots: The result's ``Snapshots``.
        exchange: The place of its exchange.
        symbol: The symbol; empty for the first one that the exchange has.
    """
    times: list[int] = []
    values: list[float] = []
    for time_ms, accounts in snapshots:
        symbols = accounts[exchange].get("Symbols") or {}
        symbol = symbol or next(iter(symbols), "")
        last = symbols.get(symbol, {}).get("Last", 0)
        if last > 0 and (not times or time_ms > times[-1]):
            times.append(time_ms)
            values.append(last)
    return Curve(times, values) if times else Undefined("the snapshots have no prices of a market")


def sampled(curve: Curve, period_ms: int) -> list[float]:
    """The values of a curve at its start and after each whole period; a rest shorter than a period is left out."""
    return [curve.at(curve.times[0] + n * period_ms) for n in range(curve.span_ms // period_ms + 1)]


def returns_of(values: Sequence[float]) -> list[float] | Undefined:
    """The relative changes from value to value."""
    if any(value <= 0 for value in values):
        return Undefined("the account fell to zero or below, where returns mean nothing")
    found = [later / earlier - 1 for earlier, later in pairwise(values)]
    if not all(map(math.isfinite, found)):
        return Undefined("the account grew from next to nothing, where returns mean nothing")
    return found
