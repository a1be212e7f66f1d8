"""Charts of the markets: prices with the fills, positions and the use of margin, round trips."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

from ...charts.thinning import column_ranges, thinned
from ..config.settings import BacktestSettings
from ..data.bars import BarSeries
from ..data.column_parts import passed
from ..metrics.curves import Snapshots, price_curve
from ..metrics.figure import Undefined
from ..metrics.fills import BacktestFill, quote_currency
from ..metrics.summary import Bars
from .escaping import chart_text
from .figures import Figure, Trace, chart, line, markers, rounded

__all__ = ["position_chart", "price_charts", "trip_charts"]

_MOST_SYMBOLS = 16
_MOST_FILLS = 800
"""Fills of one side of one symbol that are drawn; of more, the first and the last of each pixel column are."""

Place = tuple[int, str]


def _label(settings: BacktestSettings, exchange: int, symbol: str) -> str:
    """How a symbol of an exchange is called."""
    one = settings.exchanges[exchange]
    return symbol if len(settings.exchanges) == 1 else f"{one.label or one.eid} {symbol}"


def price_charts(
    snapshots: Snapshots,
    settings: BacktestSettings,
    fills: Sequence[BacktestFill] | Undefined,
    bars: Bars | None,
    columns: int,
) -> list[Figure]:
    """A chart for each symbol: its price, and where it was bought and sold.

    Args:
        snapshots: The result's ``Snapshots``.
        settings: The backtest's settings.
        fills: The fills; or why they are not known.
        bars: The bars by exchange and symbol; the snapshots' prices serve where there are none.
        columns: How many columns of pixels the lines are thinned to.
    """
    places = _places(snapshots, bars)
    found = []
    for number, place in enumerate(places[:_MOST_SYMBOLS]):
        traces = [_price(snapshots, (bars or {}).get(place), place, settings, columns)]
        known = (
            [] if isinstance(fills, Undefined) else [fill for fill in fills if (fill.exchange, fill.symbol) == place]
        )
        note = ""
        for side, color, symbol in (("buy", "@up", "triangle-up"), ("sell", "@down", "triangle-down")):
            of_side = [fill for fill in known if fill.side == side]
            drawn = _drawn(of_side)
            if len(drawn) < len(of_side):
                note = f"{len(known):,} fills; of those that share a pixel column, the first and the last are drawn."
            if drawn:
                traces.append(_fills(side, drawn, color, symbol))
        label = _label(settings, *place)
        quote = chart_text(quote_currency(place[1]))
        found.append({**chart(f"price-{number}", traces, panes=((quote, 1),), height=330, note=note), "title": label})
    return found


def _places(snapshots: Snapshots, bars: Bars | None) -> list[Place]:
    places: dict[Place, None] = dict.fromkeys(bars or {})
    for _, accounts in snapshots[-1:]:
        for exchange, account in enumerate(accounts):
            places.update(dict.fromkeys((exchange, symbol) for symbol in account.get("Symbols") or {}))
    return sorted(places)


def _price(
    snapshots: Snapshots, series: BarSeries | None, place: Place, settings: BacktestSettings, columns: int
) -> Trace:
    start = bisect_left(series.time, settings.start_ms) if series is not None else 0
    stop = bisect_left(series.time, settings.end_ms) if series is not None else 0
    if series is not None and start < stop:
        lows, highs = passed(series.low), passed(series.high)
        times, values = thinned(series.time, series.close, columns, lows=lows, highs=highs, start=start, stop=stop)
        scale = 10**series.detail.quote_precision
        values = [value / scale for value in values]
    else:
        curve = price_curve(snapshots, *place)
        times, values = ([], []) if isinstance(curve, Undefined) else (list(curve.times), list(curve.values))
    return line("Price", times, values, columns, color="@muted", line={"width": 1.2})


def _drawn(fills: Sequence[BacktestFill]) -> list[BacktestFill]:
    if len(fills) <= _MOST_FILLS:
        return list(fills)
    kept = {
        place
        for places in column_ranges([fill.time_ms for fill in fills], _MOST_FILLS // 2)
        for place in (places.start, places.stop - 1)
    }
    return [fills[place] for place in sorted(kept)]


def _fills(side: str, fills: Sequence[BacktestFill], color: str, symbol: str) -> Trace:
    texts = [chart_text(f"{side} {fill.amount:g} at {fill.price:g}, order {fill.order_id}") for fill in fills]
    x, y = [fill.time_ms for fill in fills], [fill.price for fill in fills]
    name = "Bought" if side == "buy" else "Sold"
    return markers(name, x, y, color=color, symbol=symbol, text=texts, hoverinfo="x+text")


def position_chart(snapshots: Snapshots, settings: BacktestSettings, columns: int) -> Figure | None:
    """The positions over time, and how much of the initial balance their margins use; None when there never was any.

    Args:
        snapshots: The result's ``Snapshots``.
        settings: The backtest's settings.
        columns: How many columns of pixels the lines are thinned to.
    """
    times = [row[0] for row in snapshots]
    held: dict[Place, list[float]] = {}
    used: list[list[float]] = [[] for _ in settings.exchanges]
    for row, (_, accounts) in enumerate(snapshots):
        for exchange, account in enumerate(accounts):
            used[exchange].append(100 * (account.get("Utilization") or 0.0))
            for name, amount in _amounts(account).items():
                place = (exchange, name)
                if place not in held:
                    held[place] = [0.0] * len(times)
                held[place][row] = amount
    traces = [
        line(chart_text(_label(settings, *place)), times, values, columns, line={"shape": "hv"})
        for place, values in list(held.items())[:_MOST_SYMBOLS]
        if any(values)
    ]
    if not traces:
        return None
    for exchange, values in enumerate(used):
        one = settings.exchanges[exchange]
        name = "Utilization" if len(used) == 1 else f"Utilization {chart_text(one.label or one.eid)}"
        traces.append(
            line(name, times, values, columns, color="@amber" if len(used) == 1 else None, pane=2, line={"shape": "hv"})
        )
    panes = (("Position", 3), ("Utilization, %", 2))
    note = (
        "As of the snapshots. Contracts, long above 0 and short below; coins of a spot account less what it began with."
    )
    return chart("positions", traces, panes=panes, height=400, note=note)


def _amounts(account: Mapping[str, Any]) -> dict[str, float]:
    """The positions of an account by symbol; coins by their currency."""
    found: dict[str, float] = {}
    symbols = account.get("Symbols") or {}
    for symbol, state in symbols.items():
        if "Long" in state or "Short" in state:
            amounts = [(state.get(side) or {}).get("Amount", 0.0) for side in ("Long", "Short")]
            if all(amounts):
                found[f"{symbol} short"] = -amounts[1]
                amounts[1] = 0.0
            found[symbol] = amounts[0] - amounts[1]
    if not found:
        for asset in account.get("Assets") or ():
            if asset["Currency"] != account.get("QuoteCurrency"):
                found[asset["Currency"]] = asset["Amount"] + asset["FrozenAmount"] - (asset.get("Initial") or 0.0)
    return found


def trip_charts(trips: Sequence[Mapping[str, Any]], currency: str, columns: int) -> list[Figure]:
    """The profit of each round trip when it was closed, the sum so far, and how it ended against its worst moment.

    Args:
        trips: ``round_trips`` of the metrics.
        currency: The currency of the report.
        columns: How many columns of pixels the charts are thinned to.
    """
    if not trips:
        return []
    ordered = sorted(trips, key=lambda trip: trip["exit_ms"])
    times, profits, total, sums = [trip["exit_ms"] for trip in ordered], [trip["profit"] for trip in ordered], 0.0, []
    for profit in profits:
        total += profit
        sums.append(total)
    traces = []
    for name, color, sign in (("Won", "@up", 1), ("Lost", "@down", -1)):
        chosen = [place for place, profit in enumerate(profits) if (profit > 0) == (sign > 0)]
        if chosen:
            x, y = thinned([times[place] for place in chosen], [profits[place] for place in chosen], columns // 6)
            traces.append(markers(name, x, y, color=color, size=7))
    traces.append(line("Sum", times, sums, columns, color="@accent", pane=2, line={"shape": "hv"}, showlegend=False))
    found = [chart("trips", traces, panes=((f"Profit, {currency}", 2), (f"Sum, {currency}", 1)), height=380)]
    excursions = [trip for trip in ordered if trip["worst"] is not None and trip["value"]]
    if len(excursions) > 1:
        found.append(_excursions(excursions[-columns:]))
    return found


def _excursions(trips: Sequence[Mapping[str, Any]]) -> Figure:
    traces = []
    for name, color, won in (("Won", "@up", True), ("Lost", "@down", False)):
        chosen = [trip for trip in trips if (trip["profit"] > 0) == won]
        x = rounded([-100 * trip["worst"] for trip in chosen], 5)
        traces.append(markers(name, x, [100 * trip["profit"] / trip["value"] for trip in chosen], color=color, size=7))
    layout = {"xaxis": {"title": {"text": "Worst price change while it was open, %"}}, "hovermode": "closest"}
    return chart("excursions", traces, panes=(("Profit of the value, %", 1),), height=320, layout=layout, date=False)
