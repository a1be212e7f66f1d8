"""The figures as a text table for the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

__all__ = ["UNDEFINED", "metrics_table", "monte_carlo_lines", "text_of"]

UNDEFINED = "–"
"""What stands for a figure without a value."""

CURVES = {"equity": "Equity", "pnl": "PnL", "log_profit": "LogProfit", "buy_and_hold": "Buy and hold"}
SECTIONS = {"trades": "Round trips", "activity": "Costs and use of money", "fmz": "FMZ's report"}

_LENGTHS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"))


def text_of(figure: Mapping[str, Any], currency: str = "") -> str:
    """A figure's value as people read it; an en dash when it has none.

    Args:
        figure: One of ``metrics_of``.
        currency: The currency of money.
    """
    value, unit = figure["value"], figure["unit"]
    if value is None:
        return UNDEFINED
    if unit in ("share", "returns"):
        return f"{value * 100:,.2f} %"
    if unit == "money":
        return f"{value:,.2f} {currency}".rstrip()
    if unit == "ms":
        return length_text(value)
    if unit == "time":
        return datetime.fromtimestamp(value / 1000, UTC).strftime("%Y-%m-%d %H:%M") if value else "start"
    if unit == "count":
        return f"{value:,.10g}"
    return f"{value:,.3f}"


def length_text(ms: float) -> str:
    """A length of time in its two largest units."""
    left, found = round(ms), []
    for size, name in _LENGTHS:
        if left >= size:
            found.append(f"{left // size} {name}")
            left %= size
    return " ".join(found[:2]) or f"{left} ms"


def shown_curves(metrics: Mapping[str, Any]) -> list[str]:
    """The curves worth a column: those that have values, and differ from the equity's."""
    return ["equity"] + [
        key
        for key in CURVES
        if key != "equity"
        and any(one["value"] is not None for one in metrics[key].values())
        and not _same(metrics[key], metrics["equity"])
    ]


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two curves end, swing and fall alike, but for rounding."""
    pairs = [(one[key]["value"], other[key]["value"]) for key in ("total_profit", "volatility", "max_drawdown_amount")]
    return all(
        a == b or (a is not None and b is not None and math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9)) for a, b in pairs
    )


def metrics_table(metrics: Mapping[str, Any], *, formulas: bool = False) -> str:
    """The figures as lines of text: a column a curve, then the other sections, then why figures are missing.

    Args:
        metrics: What ``metrics_of`` gave.
        formulas: Whether each line ends with unit and formula.
    """
    currency, columns = metrics["currency"], shown_curves(metrics)
    rows = [["", *(CURVES[key] for key in columns), *(["Unit", "Formula"] if formulas else [])]]
    for name, first in metrics["equity"].items():
        cells = [text_of(metrics[key][name], currency) for key in columns]
        rows.append([first["name"], *cells, *([first["unit"], first["formula"]] if formulas else [])])
    lines = [_period(metrics), "", *_aligned(rows, formulas)]
    for key, title in SECTIONS.items():
        figures = metrics[key].values()
        if all(one["value"] is None for one in figures):
            lines += ["", f"{title}: {UNDEFINED} ({next(iter(figures))['reason']})"]
            continue
        rows = [
            [one["name"], text_of(one, currency), *([one["unit"], one["formula"]] if formulas else [])]
            for one in figures
        ]
        lines += ["", title, *_aligned(rows, formulas)]
    notes = ["", *metrics["notes"]] if metrics["notes"] else []
    drawn = monte_carlo_lines(metrics.get("monte_carlo") or {})
    notes += ["", "Monte Carlo", *drawn] if drawn else []
    return "\n".join([*lines, *_reasons(metrics, columns), *notes]) + "\n"


def monte_carlo_lines(made: Mapping[str, Any]) -> list[str]:
    """What the Monte Carlo simulations say, in words; nothing when there were none.

    Args:
        made: What ``monte_carlo_of`` gave, or an empty dict.
    """
    lines = [f"{made['runs']:,} paths, seed {made['seed']}."] if made else []
    for key, name in (
        ("block_bootstrap", "Blocks of returns, drawn again"),
        ("trade_shuffle", "Round trips in random order"),
    ):
        one = made.get(key) or {}
        if "reason" in one:
            lines.append(f"{name}: {UNDEFINED} ({one['reason']}).")
        elif one:
            half, rare = (f"{100 * one['max_drawdown'][share]:.1f} %" for share in ("0.5", "0.95"))
            lines.append(
                f"{name}: a maximum drawdown above {half} in half of the paths, above {rare} in one of twenty."
            )
            if "loss_probability" in one:
                lines.append(f"{100 * one['loss_probability']:.1f} % of these paths end with a loss.")
    return lines


def _period(metrics: Mapping[str, Any]) -> str:
    start, end = ({"value": metrics[key], "unit": "time"} for key in ("start_ms", "end_ms"))
    return (
        f"{text_of(start)} to {text_of(end)} UTC; returns over {length_text(metrics['sample_ms'])}, "
        f"{metrics['periods_a_year']:,.6g} periods a year ({metrics['year_days']:g} days)"
    )


def _aligned(rows: Sequence[Sequence[str]], formulas: bool) -> list[str]:
    tail = 2 if formulas else 0
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        for place in range(1, len(row)):
            left = place >= len(row) - tail
            cells.append(row[place].ljust(widths[place]) if left else row[place].rjust(widths[place]))
        lines.append("  ".join(cells).rstrip())
    return lines


def _reasons(metrics: Mapping[str, Any], columns: Sequence[str]) -> list[str]:
    """Why figures have no value, each reason once, with the figures that it concerns."""
    by_reason: dict[str, dict[str, None]] = {}
    for key in (*columns, *SECTIONS):
        if key in SECTIONS and all(one["value"] is None for one in metrics[key].values()):
            continue
        for one in metrics[key].values():
            if one["value"] is None:
                by_reason.setdefault(one["reason"], {})[one["name"]] = None
    if not by_reason:
        return []
    return ["", *(f"{UNDEFINED} {', '.join(names)}: {reason}" for reason, names in by_reason.items())]
