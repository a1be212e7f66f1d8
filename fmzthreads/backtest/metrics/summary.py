"""All figures of a backtest's result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..config.settings import BacktestSettings
from ..data.bars import BarSeries
from .activity import activity_figures, commissions
from .curves import Curve, Prices, Snapshots, equity_curve, pnl_curve, price_curve, profit_curve
from .drawdown import drawdown_figures, drawdowns
from .figure import DAY_MS, Sampling, Undefined, Value
from .fills import BacktestFill, fills_of_orders, quote_currency, share_fees
from .fmz import fmz_figures
from .price_ranges import PriceRanges
from .returns import return_figures
from .round_trips import Place, RoundTrip, round_trips
from .trades import trade_figures

__all__ = ["curves_of", "fills_of", "metrics_of", "rank_key", "sampling_of", "trips_of"]

HOUR_MS = 3_600_000
_FEW_PERIODS = 10

Bars = Mapping[Place, BarSeries]


def sampling_of(settings: BacktestSettings, year_days: float = 365, sample_ms: int | None = None) -> Sampling:
    """What returns are taken over: a day; an hour in backtests of less than ten days; the snapshots' period in those of less than ten hours.

    Args:
        settings: The backtest's settings.
        year_days: The days of a year.
        sample_ms: The period, when it is to be another one.
    """
    if sample_ms is None:
        span = settings.end_ms - settings.start_ms
        fitting = next((one for one in (DAY_MS, HOUR_MS) if span >= _FEW_PERIODS * one), settings.snapshot_ms)
        sample_ms = max(fitting, settings.snapshot_ms, 1)
    return Sampling(sample_ms, year_days * DAY_MS / sample_ms)


def curves_of(result: Mapping[str, Any], settings: BacktestSettings) -> dict[str, Curve | Undefined]:
    """The curves that figures are taken of, in the currency of the report.

    ``equity`` is the worth of all accounts, ``pnl`` its start plus FMZ's ``PnL``, ``log_profit`` its start plus what the strategy reported,
    ``buy_and_hold`` what its start would have become in the first exchange's first symbol, without fees.
    """
    snapshots, report = result.get("Snapshots") or [], settings.exchanges[0].quote_currency
    equity = equity_curve(snapshots, settings, report)
    initial = equity if isinstance(equity, Undefined) else equity.values[0]
    price = price_curve(snapshots)
    held: Curve | Undefined = price if isinstance(initial, Undefined) else _scaled(price, initial)
    return {
        "equity": equity,
        "pnl": initial if isinstance(initial, Undefined) else pnl_curve(snapshots, settings, report, initial),
        "log_profit": profit_curve(result.get("ProfitLogs") or [], settings, initial),
        "buy_and_hold": held,
    }


def _scaled(price: Curve | Undefined, initial: float) -> Curve | Undefined:
    if isinstance(price, Undefined):
        return price
    return Curve(price.times, [value / price.values[0] * initial for value in price.values])


def fills_of(
    result: Mapping[str, Any],
    settings: BacktestSettings,
    *,
    final: Sequence[Mapping[str, Any]] | None = None,
    fills: Sequence[BacktestFill] | None = None,
) -> Sequence[BacktestFill] | Undefined:
    """The fills, those without a fee with their share of the commission; or why they are not known.

    Args:
        result: What ``Join`` gives, or an object with that under ``result`` and ``final`` beside it.
        settings: The backtest's settings.
        final: The state of each exchange at the end; taken from the result's ``final`` when None.
        fills: The fills, when the engine kept them; those of the order history otherwise.
    """
    final = result.get("final") if final is None else final
    if fills is None and final is None:
        return Undefined("the result has neither fills nor an order history")
    known = list(fills) if fills is not None else fills_of_orders(final or ())
    return share_fees(known, settings, commissions(result.get("Snapshots") or []))


def trips_of(
    result: Mapping[str, Any],
    settings: BacktestSettings,
    fills: Sequence[BacktestFill] | Undefined,
    bars: Bars | None = None,
) -> list[RoundTrip] | Undefined:
    """The round trips, in the order in which they were closed; or why they are not known.

    Args:
        result: What ``Join`` gives.
        settings: The backtest's settings.
        fills: In the order of their times.
        bars: The bars by exchange and symbol; the snapshots' prices serve where there are none.
    """
    if isinstance(fills, Undefined):
        return fills
    snapshots: Snapshots = result.get("Snapshots") or []
    ranges: dict[Place, PriceRanges] = {}
    for place in {(fill.exchange, fill.symbol) for fill in fills}:
        series = (bars or {}).get(place)
        curve = price_curve(snapshots, *place)
        if series is not None and len(series):
            ranges[place] = PriceRanges.of_bars(series)
        elif not isinstance(curve, Undefined):
            ranges[place] = PriceRanges.of_curve(curve)
    return _in_currency(round_trips(fills, settings, ranges), snapshots, settings.exchanges[0].quote_currency)


def _in_currency(trips: list[RoundTrip], snapshots: Snapshots, report: str) -> list[RoundTrip] | Undefined:
    """Round trips with their money in the report's currency, at the prices of the last snapshot."""
    prices = Prices(snapshots)
    if snapshots:
        prices.take(snapshots[-1][1])
    found = []
    for trip in trips:
        quote = quote_currency(trip.symbol) or report
        rate = prices.rate(quote, report, trip.exchange)
        if rate is None:
            return Undefined(f"no snapshot has a price of {quote} in {report}")
        found.append(
            trip
            if quote == report
            else trip._replace(fee=trip.fee * rate, profit=trip.profit * rate, value=trip.value * rate)
        )
    return found


def metrics_of(
    result: Mapping[str, Any],
    settings: BacktestSettings,
    *,
    final: Sequence[Mapping[str, Any]] | None = None,
    fills: Sequence[BacktestFill] | None = None,
    bars: Bars | None = None,
    year_days: float = 365,
    sample_ms: int | None = None,
    risk_free: float = 0.0,
) -> dict[str, Any]:
    """All figures of a result, ready for JSON.

    Sections ``equity``, ``pnl``, ``log_profit`` and ``buy_and_hold`` have the same figures of four curves (see ``curves_of``); ``fmz`` has those
    of FMZ's report, ``trades`` those of round trips, ``activity`` fees, funding, slippage, exposure, turnover and leverage; ``round_trips`` is
    a list. A figure is a dict of ``name``, ``value`` (None when it is undefined), ``reason``, ``unit``, ``formula``, ``sample_ms`` and
    ``periods_a_year``.

    Args:
        result: What ``Join`` gives.
        settings: The backtest's settings.
        final: The state of each exchange at the end (account, ``historyOrders``, ...); taken from the result's ``final`` when None.
        fills: The fills, when the engine kept them; those of the order history otherwise.
        bars: The bars by exchange and symbol, for excursions; the snapshots' prices serve where there are none.
        year_days: The days of a year: 365, since these markets never close.
        sample_ms: The time between two values that a return is taken of; None for a day, or less in short backtests.
        risk_free: The interest a year that returns are measured against, as a share.
    """
    sampling = sampling_of(settings, year_days, sample_ms)
    curves = curves_of(result, settings)
    equity = curves["equity"]
    initial = equity if isinstance(equity, Undefined) else equity.values[0]
    report = settings.exchanges[0].quote_currency
    known = fills_of(result, settings, final=final, fills=fills)
    trips = trips_of(result, settings, known, bars)
    found: dict[str, Any] = {
        "currency": report,
        "start_ms": settings.start_ms,
        "end_ms": settings.end_ms,
        "year_days": year_days,
        "risk_free": risk_free,
        "sample_ms": sampling.period_ms,
        "periods_a_year": sampling.periods_a_year,
    }
    for key, curve in curves.items():
        deepest: Value = curve if isinstance(curve, Undefined) else drawdowns(curve).share
        found[key] = return_figures(
            curve, sampling, year_days=year_days, max_drawdown=deepest, risk_free=risk_free
        ) | drawdown_figures(curve)
    found["fmz"] = fmz_figures(result.get("ProfitLogs") or [], settings, initial, year_days)
    found["trades"] = trade_figures(trips)
    found["activity"] = activity_figures(
        result, settings, report=report, equity=equity, fills=known, year_days=year_days
    )
    found["notes"] = []
    if fills is None and not isinstance(known, Undefined):
        found["notes"].append(
            "Fills are those of the order history: their times are those of placement, their fees are shared by value."
        )
    found["round_trips"] = [] if isinstance(trips, Undefined) else [trip.row() for trip in trips]
    return found


def rank_key(
    metrics: Mapping[str, Any] | None, section: str, key: str, *, highest_first: bool = True
) -> tuple[bool, float]:
    """A sort key that puts the best run first, and runs that failed or have no value last.

    Args:
        metrics: What ``metrics_of`` gave; None for a run that failed.
        section: Such as ``equity``.
        key: Such as ``sharpe``.
        highest_first: Whether a higher value is better.
    """
    value = None if metrics is None else metrics[section][key]["value"]
    if value is None:
        return True, 0.0
    return False, -value if highest_first else value
