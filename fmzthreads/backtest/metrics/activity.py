"""Figures of what a strategy did: orders, fees, funding, slippage, exposure, turnover and leverage."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from ..config.settings import BacktestSettings
from .curves import Curve, Prices, Snapshots
from .figure import DAY_MS, Undefined, Value, Wanted
from .fills import BacktestFill, market_of, quote_currency
from .round_trips import busy_ms

__all__ = ["activity_figures", "commissions", "position_value"]

_WANTED = (
    Wanted("orders", "Orders placed", "count", "BuyOrderCount + SellOrderCount of all symbols, condition orders included"),
    Wanted("fills", "Fills", "count", "fills that are known"),
    Wanted("cancels", "Cancels", "count", "cancel rows of the log"),
    Wanted("errors", "Errors", "count", "error rows of the log"),
    Wanted("fees", "Fees", "money", "Commission of all assets in the last snapshot, at its prices; negative for rebates"),
    Wanted("fees_share", "Fees of the initial worth", "share", "fees / worth of all accounts at the start"),
    Wanted("fees_of_turnover", "Fees of the turnover", "share", "fees / turnover"),
    Wanted("funding", "Funding", "money", "Funding of all assets in the last snapshot, at its prices; negative when more was paid than received"),
    Wanted("funding_share", "Funding of the initial worth", "share", "funding / worth of all accounts at the start"),
    Wanted("slippage", "Slippage", "money", "sum of (price - mid) * amount of buys and (mid - price) * amount of sells; mid is the middle of the book when the order was sent"),
    Wanted("slippage_share", "Slippage of the turnover", "share", "slippage / turnover"),
    Wanted("turnover", "Turnover", "money", "sum of the value of all fills in quote currency"),
    Wanted("turnover_a_year", "Turnover a year", "ratio", "turnover / mean worth of all accounts * year / time from start to end"),
    Wanted("exposure", "Exposure", "share", "time with an open position / time from start to end; spot coins count from what there was at the start"),
    Wanted("leverage_mean", "Mean leverage", "ratio", "mean over the snapshots of the value of all positions / worth of all accounts"),
    Wanted("leverage_highest", "Highest leverage", "ratio", "highest of these"),
    Wanted("utilization_highest", "Highest utilization", "share", "highest Utilization of an exchange in a snapshot, as FMZ's engine counts it"),
)  # fmt: skip


def commissions(snapshots: Snapshots) -> dict[int, float]:
    """What each exchange took in fees, by its place, in the currency of the fees."""
    if not snapshots:
        return {}
    return {
        number: math.fsum(asset.get("Commission") or 0.0 for asset in account.get("Assets") or ())
        for number, account in enumerate(snapshots[-1][1])
    }


def position_value(account: Mapping[str, Any], settings: BacktestSettings, exchange: int) -> dict[str, float]:
    """The value of the positions of one account in a snapshot, by quote currency; spot coins count as what differs from the start."""
    found: dict[str, float] = {}
    symbols = account.get("Symbols") or {}
    contracts = any("Long" in state or "Short" in state for state in symbols.values())
    for symbol, state in symbols.items():
        quote = quote_currency(symbol)
        market = market_of(settings, exchange, symbol)
        for side in ("Long", "Short"):
            held = state.get(side) or {}
            found[quote] = found.get(quote, 0.0) + market.value(state.get("Last", 0.0), held.get("Amount", 0.0))
    if not contracts:
        for asset in account.get("Assets") or ():
            if asset["Currency"] != account.get("QuoteCurrency"):
                moved = abs(asset["Amount"] + asset["FrozenAmount"] - asset.get("Initial", 0.0))
                found[asset["Currency"]] = found.get(asset["Currency"], 0.0) + moved
    return found


def activity_figures(
    result: Mapping[str, Any],
    settings: BacktestSettings,
    *,
    report: str,
    equity: Curve | Undefined,
    fills: Sequence[BacktestFill] | Undefined,
    year_days: float,
) -> dict[str, dict[str, Any]]:
    """The figures by their keys.

    Args:
        result: What ``Join`` gives.
        settings: The backtest's settings.
        report: The currency of the report.
        equity: The worth of all accounts.
        fills: In the order of their times; or why they are not known.
        year_days: The days of a year.
    """
    snapshots = result.get("Snapshots") or []
    values = _counts(result, snapshots, fills)
    values |= _costs(snapshots, report, equity)
    values |= _traded(settings, snapshots, report, fills, equity, year_days)
    values["fees_of_turnover"] = _share(values["fees"], values["turnover"], "nothing was traded")
    values |= _leverage(snapshots, settings, report, equity)
    return {want.key: want.figure(values[want.key]) for want in _WANTED}


def _counts(
    result: Mapping[str, Any], snapshots: Snapshots, fills: Sequence[BacktestFill] | Undefined
) -> dict[str, Value]:
    kinds = [row[2] for row in result.get("RuntimeLogs") or ()]
    orders: Value = Undefined("the result has no account snapshots")
    if snapshots:
        statuses = [
            state.get("TradeStatus") or {}
            for account in snapshots[-1][1]
            for state in (account.get("Symbols") or {}).values()
        ]
        orders = sum(one.get("BuyOrderCount", 0) + one.get("SellOrderCount", 0) for one in statuses)
    known = fills if isinstance(fills, Undefined) else len(fills)
    return {"orders": orders, "fills": known, "cancels": kinds.count(2), "errors": kinds.count(3)}


def _costs(snapshots: Snapshots, report: str, equity: Curve | Undefined) -> dict[str, Value]:
    fees, funding = _posted(snapshots, report, "Commission"), _posted(snapshots, report, "Funding")
    initial = equity if isinstance(equity, Undefined) else equity.values[0]
    nothing = "the account began with nothing"
    return {
        "fees": fees,
        "fees_share": _share(fees, initial, nothing),
        "funding": funding,
        "funding_share": _share(funding, initial, nothing),
    }


def _posted(snapshots: Snapshots, report: str, field: str) -> Value:
    if not snapshots:
        return Undefined("the result has no account snapshots")
    prices, accounts = Prices(snapshots), snapshots[-1][1]
    prices.take(accounts)
    total = 0.0
    for number, account in enumerate(accounts):
        for asset in account.get("Assets") or ():
            amount = asset.get(field) or 0.0
            if amount:
                rate = prices.rate(asset["Currency"], report, number)
                if rate is None:
                    return Undefined(f"no snapshot has a price of {asset['Currency']} in {report}")
                total += amount * rate
    return total


def _share(above: Value, below: Value, when_zero: str) -> Value:
    if isinstance(above, Undefined):
        return above
    if isinstance(below, Undefined):
        return below
    return above / below if below > 0 else Undefined(when_zero)


def _traded(
    settings: BacktestSettings,
    snapshots: Snapshots,
    report: str,
    fills: Sequence[BacktestFill] | Undefined,
    equity: Curve | Undefined,
    year_days: float,
) -> dict[str, Value]:
    keys = ("turnover", "turnover_a_year", "slippage", "slippage_share", "exposure")
    if isinstance(fills, Undefined):
        return dict.fromkeys(keys, fills)
    span = settings.end_ms - settings.start_ms
    turnover = _turnover(fills, settings, snapshots, report)
    worth: Value = equity if isinstance(equity, Undefined) else statistics.fmean(equity.values)
    a_year = _share(turnover, worth, "the accounts were worth nothing on average")
    if not isinstance(a_year, Undefined):
        a_year = a_year * year_days * DAY_MS / span if span > 0 else Undefined("the backtest has no length")
    slippage = _slippage(fills, settings, snapshots, report)
    return {
        "turnover": turnover,
        "turnover_a_year": a_year,
        "slippage": slippage,
        "slippage_share": _share(slippage, turnover, "nothing was traded"),
        "exposure": busy_ms(fills, settings.end_ms) / span if span > 0 else Undefined("the backtest has no length"),
    }


def _turnover(fills: Sequence[BacktestFill], settings: BacktestSettings, snapshots: Snapshots, report: str) -> Value:
    prices, total = Prices(snapshots), 0.0
    for fill in fills:
        rate = _quote_rate(fill, prices, report)
        if rate is None:
            return Undefined(f"no snapshot has a price of {fill.symbol}'s quote currency in {report}")
        total += rate * market_of(settings, fill.exchange, fill.symbol).value(fill.price, fill.amount)
    return total


def _slippage(fills: Sequence[BacktestFill], settings: BacktestSettings, snapshots: Snapshots, report: str) -> Value:
    prices, total = Prices(snapshots), 0.0
    for fill in fills:
        rate = _quote_rate(fill, prices, report)
        if fill.mid is None or rate is None:
            return Undefined("the middle of the order book is not known for all fills")
        market = market_of(settings, fill.exchange, fill.symbol)
        total -= rate * fill.sign * market.profit(fill.price, fill.mid, fill.amount)
    return total


def _quote_rate(fill: BacktestFill, prices: Prices, report: str) -> float | None:
    return prices.rate(quote_currency(fill.symbol) or report, report, fill.exchange)


def _leverage(
    snapshots: Snapshots, settings: BacktestSettings, report: str, equity: Curve | Undefined
) -> dict[str, Value]:
    used = [account.get("Utilization") or 0.0 for _, accounts in snapshots for account in accounts]
    none = Undefined("the result has no account snapshots")
    found: dict[str, Value] = {"utilization_highest": max(used) if used else none}
    if isinstance(equity, Undefined):
        return found | dict.fromkeys(("leverage_mean", "leverage_highest"), equity)
    prices, levels = Prices(snapshots), []
    for time_ms, accounts in snapshots:
        prices.take(accounts)
        value = 0.0
        for number, account in enumerate(accounts):
            for currency, amount in position_value(account, settings, number).items():
                value += amount * (prices.rate(currency, report, number) or 0.0)
        worth = equity.at(time_ms)
        if value and worth <= 0:
            lost = Undefined("a position was open while the accounts were worth nothing or less")
            return found | dict.fromkeys(("leverage_mean", "leverage_highest"), lost)
        levels.append(value / worth if value else 0.0)
    return found | {"leverage_mean": statistics.fmean(levels), "leverage_highest": max(levels)}
