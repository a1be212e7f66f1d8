"""Charts of the account: equity, under water, returns, rolling Sharpe ratio, fees, Monte Carlo."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ..metrics.curves import Curve, Prices, Snapshots, returns_of, sampled
from ..metrics.drawdown import under_water
from ..metrics.figure import Sampling, Undefined
from .figures import Figure, bars, chart, line, rounded

__all__ = ["cost_chart", "equity_chart", "fan_charts", "monthly_returns", "return_chart", "rolling_chart"]

Curves = Mapping[str, "Curve | Undefined"]

_LINES = (
    ("buy_and_hold", "Buy and hold", "@bench"),
    ("log_profit", "LogProfit", "@violet"),
    ("pnl", "PnL", "@amber"),
    ("equity", "Equity", "@accent"),
)


def equity_chart(curves: Curves, shown: Sequence[str], currency: str, columns: int) -> Figure | None:
    """Equity, what it is compared with, and how far it is under water; None when there is no equity.

    Args:
        curves: Those of ``curves_of``.
        shown: The keys of those that are drawn.
        currency: The currency of the report.
        columns: How many columns of pixels the lines are thinned to.
    """
    equity = curves["equity"]
    if isinstance(equity, Undefined):
        return None
    traces = []
    for key, name, color in _LINES:
        curve = curves[key]
        if key in shown and not isinstance(curve, Undefined):
            style = {"width": 2.2} if key == "equity" else {"dash": "dot"} if key == "buy_and_hold" else {}
            traces.append(line(name, curve.times, curve.values, columns, color=color, line=style))
    depth = [100 * share for share in under_water(equity)]
    traces.append(
        line(
            "Under water",
            equity.times,
            depth,
            columns,
            color="@down",
            pane=2,
            fill="tozeroy",
            fillcolor="@down-soft",
            showlegend=False,
        )
    )
    panes = ((currency, 3), ("Under water, %", 1.25))
    return chart("equity", traces, panes=panes, height=460, scale_switch=min(equity.values) > 0)


def return_chart(returns: Sequence[float]) -> Figure | None:
    """How often each return of one sample period came; None with fewer than two."""
    if len(returns) < 2:
        return None
    low, high = min(returns), max(returns)
    count = min(60, max(8, round(2 * len(returns) ** 0.5)))
    width = (high - low) / count or 0.001
    low = math.floor(low / width) * width  # so that one edge is 0
    count = int((high - low) / width) + 1
    counts = [0] * count
    for one in returns:
        counts[min(count - 1, max(0, math.floor((one - low) / width + 1e-9)))] += 1
    centers = [100 * (low + (place + 0.5) * width) for place in range(count)]
    colors = ["@up" if center > 0 else "@down" for center in centers]
    trace = bars("Returns", rounded(centers, 5), counts, color=colors, showlegend=False, width=100 * width)
    layout = {"xaxis": {"title": {"text": "Return of one period, %"}}, "bargap": 0.05}
    return chart("returns", [trace], panes=(("Periods", 1),), height=300, layout=layout, date=False)


def rolling_chart(curve: Curve, sampling: Sampling, columns: int) -> Figure | None:
    """The Sharpe ratio of the last periods over time; None in short backtests.

    Args:
        curve: The equity.
        sampling: What returns are taken over.
        columns: How many columns of pixels the line is thinned to.
    """
    returns = returns_of(sampled(curve, sampling.period_ms))
    if isinstance(returns, Undefined) or len(returns) < 20:
        return None
    window = min(60, len(returns) // 3)
    year = math.sqrt(sampling.periods_a_year)
    times, values = [], []
    total, squares = math.fsum(returns[:window]), math.fsum(one * one for one in returns[:window])
    for end in range(window, len(returns) + 1):
        if end > window:
            new, old = returns[end - 1], returns[end - 1 - window]
            total, squares = total + new - old, squares + new * new - old * old
        variance = (squares - total * total / window) / (window - 1)
        times.append(curve.times[0] + end * sampling.period_ms)
        values.append(total / window / math.sqrt(variance) * year if variance > 1e-18 else None)
    trace = line("Sharpe ratio", times, values, columns, color="@accent", showlegend=False)
    zero = {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": 0,
        "y1": 0,
        "line": {"color": "@muted", "width": 1, "dash": "dot"},
    }
    return chart(
        "rolling",
        [trace],
        panes=(("Sharpe ratio", 1),),
        height=280,
        note=f"Over {window} sample periods.",
        layout={"shapes": [zero]},
    )


def monthly_returns(curve: Curve) -> list[tuple[int, list[float | None]]]:
    """For each year the returns of its twelve months; None before the start, after the end, and where the account was worth nothing."""
    found: dict[int, list[float | None]] = {}
    first, last = (datetime.fromtimestamp(ms / 1000, UTC) for ms in (curve.times[0], curve.times[-1]))
    year, month, before = first.year, first.month, curve.values[0]
    while (year, month) <= (last.year, last.month):
        following = (year + month // 12, month % 12 + 1)
        end_ms = int(datetime(*following, 1, tzinfo=UTC).timestamp() * 1000)
        after = curve.at(end_ms)
        if curve.times[-1] > datetime(year, month, 1, tzinfo=UTC).timestamp() * 1000:
            found.setdefault(year, [None] * 12)[month - 1] = after / before - 1 if before > 0 else None
        before, (year, month) = after, following
    return sorted(found.items())


def cost_chart(snapshots: Snapshots, report: str, columns: int) -> Figure | None:
    """Fees and funding so far; None when there were none."""
    prices = Prices(snapshots)
    times: list[int] = []
    sums: dict[str, list[float]] = {"Commission": [], "Funding": []}
    for time_ms, accounts in snapshots:
        prices.take(accounts)
        times.append(time_ms)
        for field, values in sums.items():
            total = 0.0
            for number, account in enumerate(accounts):
                for asset in account.get("Assets") or ():
                    total += (asset.get(field) or 0.0) * (prices.rate(asset["Currency"], report, number) or 0.0)
            values.append(total)
    traces = [
        line(name, times, sums[field], columns, color=color, line={"shape": "hv"})
        for field, name, color in (("Commission", "Fees paid", "@down"), ("Funding", "Funding received", "@up"))
        if any(sums[field])
    ]
    return chart("costs", traces, panes=((report, 1),), height=280) if traces else None


def fan_charts(monte_carlo: Mapping[str, Any], currency: str) -> list[Figure]:
    """The fans of both Monte Carlo simulations, those that could be made."""
    found = []
    for key, unit, of in (("block_bootstrap", "Growth", "sample periods"), ("trade_shuffle", currency, "round trips")):
        made = monte_carlo.get(key) or {}
        if "fan" not in made:
            continue
        steps, fan = made["steps"], made["fan"]
        band = {
            "mode": "lines",
            "line": {"width": 0},
            "type": "scatter",
            "x": steps,
            "hoverinfo": "skip",
            "showlegend": False,
        }
        traces = []
        for low, high, color in (("0.05", "0.95", "@accent-faint"), ("0.25", "0.75", "@accent-soft")):
            traces.append({**band, "y": rounded(fan[low])})
            name = f"{float(low) * 100:.0f} to {float(high) * 100:.0f} %"
            traces.append(
                {
                    **band,
                    "y": rounded(fan[high]),
                    "fill": "tonexty",
                    "fillcolor": color,
                    "name": name,
                    "showlegend": True,
                }
            )
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": "Median",
                "x": steps,
                "y": rounded(fan["0.5"]),
                "line": {"color": "@accent", "width": 2},
            }
        )
        layout = {"xaxis": {"title": {"text": of.capitalize()}}}
        found.append(chart(key.replace("_", "-"), traces, panes=((unit, 1),), height=320, layout=layout, date=False))
    return found
