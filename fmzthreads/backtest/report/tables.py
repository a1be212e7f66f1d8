"""The page's tables: the figures at a glance, all figures, months, round trips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ..config.settings import BacktestSettings
from ..metrics.table import CURVES, SECTIONS, UNDEFINED, length_text, shown_curves, text_of
from .escaping import html_text

__all__ = ["figures_html", "months_html", "tiles_html", "trips_html"]

_TILES = (
    ("equity", "total_return"), ("equity", "annual_return"), ("equity", "max_drawdown"), ("equity", "sharpe"), ("equity", "sortino"),
    ("trades", "round_trips"), ("trades", "win_rate"), ("trades", "profit_factor"), ("activity", "fees"), ("buy_and_hold", "total_return"),
)  # fmt: skip
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MOST_TRIPS = 500
_LONG = 30
"""Of more rows, a table that scrolls is laid out only when it comes to the screen: it is higher than the part shown."""


def tiles_html(metrics: Mapping[str, Any]) -> str:
    """The figures that are looked at first."""
    parts = []
    for section, key in _TILES:
        figure = metrics[section][key]
        name = "Buy and hold" if section == "buy_and_hold" else figure["name"]
        parts.append(
            f'<div class=tile title="{_hint(figure)}"><span>{html_text(name)}</span>'
            f"<b{_tone(figure)}>{html_text(text_of(figure, metrics['currency']))}</b></div>"
        )
    return f"<div class=tiles>{''.join(parts)}</div>"


def _hint(figure: Mapping[str, Any]) -> str:
    return html_text(f"{figure['formula']}. {figure['reason']}".removesuffix(" "))


def _tone(figure: Mapping[str, Any]) -> str:
    """The class of gains and losses, where the sign of a figure tells them."""
    if figure["value"] is None or figure["unit"] != "returns" or not figure["value"]:
        return ""
    return " class=up" if figure["value"] > 0 else " class=down"


def figures_html(metrics: Mapping[str, Any]) -> str:
    """All figures, a table a section, with formulas as hints, and the reasons of those that are undefined."""
    currency, columns = metrics["currency"], shown_curves(metrics)
    head = "".join(f"<th>{html_text(CURVES[key])}</th>" for key in columns)
    rows = []
    for key, first in metrics["equity"].items():
        cells = "".join(_cell(metrics[column][key], currency) for column in columns)
        rows.append(f'<tr><th title="{html_text(first["formula"])}">{html_text(first["name"])}</th>{cells}</tr>')
    curves = f"<div class=scroll><table class=figures><thead><tr><th></th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    parts = []
    for section, title in SECTIONS.items():
        figures = list(metrics[section].values())
        if all(figure["value"] is None for figure in figures):
            note = f"{UNDEFINED} {html_text(figures[0]['reason'])}"
            parts.append(f"<div><h3>{html_text(title)}</h3><p class=note>{note}</p></div>")
            continue
        rows = [
            f'<tr><th title="{html_text(one["formula"])}">{html_text(one["name"])}</th>{_cell(one, currency)}</tr>'
            for one in figures
        ]
        parts.append(
            f"<div><h3>{html_text(title)}</h3><div class=scroll><table class=figures><tbody>{''.join(rows)}</tbody></table></div></div>"
        )
    notes = "".join(f"<p class=note>{html_text(note)}</p>" for note in metrics["notes"])
    sampling = f"Returns over {length_text(metrics['sample_ms'])}, {metrics['periods_a_year']:,.6g} periods a year ({metrics['year_days']:g} days)."
    return f"{curves}<div class=sections>{''.join(parts)}</div><p class=note>{html_text(sampling)}</p>{notes}{_formulas(metrics)}"


def _formulas(metrics: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><th>{html_text(one['name'])}</th><td>{html_text(one['unit'])}</td><td>{html_text(one['formula'])}</td></tr>"
        for section in ("equity", *SECTIONS)
        for one in metrics[section].values()
    )
    table = f"<table class=formulas><thead><tr><th>Figure</th><th>Unit</th><th>Formula</th></tr></thead><tbody>{rows}</tbody></table>"
    return f"<details><summary>Formulas</summary><div class=scroll>{table}</div></details>"


def _cell(figure: Mapping[str, Any], currency: str) -> str:
    hint = f' title="{html_text(figure["reason"])}"' if figure["reason"] else ""
    return f"<td{hint}{_tone(figure)}>{html_text(text_of(figure, currency))}</td>"


def months_html(months: Sequence[tuple[int, Sequence[float | None]]]) -> str:
    """The heat map of monthly returns, with each year's."""
    largest = max((abs(one) for _, row in months for one in row if one is not None), default=0.0) or 1.0
    head = "".join(f"<th>{name}</th>" for name in (*_MONTHS, "Year"))
    body = []
    for year, row in months:
        total = 1.0
        for one in row:
            total *= 1 + (one or 0.0)
        cells = "".join(_heat(one, largest) for one in row)
        body.append(
            f"<tr><th>{year}</th>{cells}<td class={'up' if total >= 1 else 'down'}>{(total - 1) * 100:.1f} %</td></tr>"
        )
    return f"<div class=scroll><table class=heat><thead><tr><th></th>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"


def _heat(share: float | None, largest: float) -> str:
    if share is None:
        return "<td></td>"
    strength = round(100 * min(1.0, abs(share) / largest) * 0.75)
    color = "up" if share >= 0 else "down"
    return f'<td style="background:color-mix(in srgb,var(--{color}) {strength}%,transparent)">{share * 100:.1f}</td>'


def trips_html(trips: Sequence[Mapping[str, Any]], settings: BacktestSettings) -> str:
    """The newest round trips as a table."""
    if not trips:
        return "<p class=note>No round trip was closed.</p>"
    several = len(settings.exchanges) > 1
    names = [
        "Opened",
        "Closed",
        *(["Exchange"] if several else []),
        "Symbol",
        "Side",
        "Amount",
        "Entry",
        "Exit",
        "Fees",
        "Profit",
        "Held",
    ]
    body = []
    for trip in reversed(trips[-_MOST_TRIPS:]):
        one = settings.exchanges[trip["exchange"]]
        cells = [
            _moment(trip["entry_ms"]),
            _moment(trip["exit_ms"]),
            *([one.label or one.eid] if several else []),
            trip["symbol"],
            trip["side"],
        ]
        cells += [f"{trip[key]:.8g}" for key in ("amount", "entry", "exit")] + [f"{trip['fee']:,.2f}"]
        tone = " class=up" if trip["profit"] > 0 else " class=down" if trip["profit"] < 0 else ""
        cells_html = "".join(f"<td>{html_text(cell)}</td>" for cell in cells)
        body.append(
            f"<tr>{cells_html}<td{tone}>{trip['profit']:,.2f}</td><td>{length_text(trip['exit_ms'] - trip['entry_ms'])}</td></tr>"
        )
    head = "".join(f"<th>{name}</th>" for name in names)
    note = f"<p class=note>The newest {_MOST_TRIPS:,} of {len(trips):,}.</p>" if len(trips) > _MOST_TRIPS else ""
    scroll = "scroll tall long" if len(trips) > _LONG else "scroll tall"
    return f'<div class="{scroll}"><table class=trips><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>{note}'


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
