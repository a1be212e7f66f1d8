"""What a report shows, section by section: HTML, and the charts' data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from ..config.settings import BacktestSettings
from ..metrics.curves import returns_of, sampled
from ..metrics.figure import Sampling, Undefined
from ..metrics.fills import BacktestFill
from ..metrics.summary import Bars, curves_of, fills_of
from ..metrics.table import monte_carlo_lines, shown_curves
from .account_charts import cost_chart, equity_chart, fan_charts, monthly_returns, return_chart, rolling_chart
from .escaping import html_text
from .figures import Figure
from .log_rows import log_rows
from .market_charts import position_chart, price_charts, trip_charts
from .status import status_html
from .strategy_charts import strategy_charts
from .tables import figures_html, months_html, tiles_html, trips_html

__all__ = ["Document", "Section", "document_of"]


@attrs.frozen
class Section:
    """One card of the page.

    Attributes:
        key: Its id in the page.
        title: Its heading.
        body: HTML.
    """

    key: str
    title: str
    body: str


@attrs.define
class Document:
    """The page before it is put together.

    Attributes:
        head: HTML above the sections.
        sections: The sections in their order.
        data: What the page's script takes: ``figures`` and ``log``.
    """

    head: str
    sections: list[Section]
    data: dict[str, Any]

    def html(self) -> str:
        """All of it but the data."""
        cards = "".join(
            f'<section id="{one.key}"><h2>{html_text(one.title)}</h2>{one.body}</section>' for one in self.sections
        )
        return self.head + cards


def document_of(
    result: Mapping[str, Any],
    settings: BacktestSettings,
    metrics: Mapping[str, Any],
    columns: int,
    *,
    bars: Bars | None = None,
    final: Sequence[Mapping[str, Any]] | None = None,
    fills: Sequence[BacktestFill] | None = None,
    charts: bool = True,
) -> Document:
    """Everything that the page shows.

    Args:
        result: What ``Join`` gives.
        settings: The backtest's settings.
        metrics: What ``metrics_of`` gave.
        columns: How many columns of pixels series are thinned to.
        bars: The bars by exchange and symbol.
        final: The state of each exchange at the end.
        fills: The fills.
        charts: Whether there are charts; without, there are tables only.
    """
    builder = _Builder(charts)
    curves = curves_of(result, settings)
    known = fills_of(result, settings, final=final, fills=fills)
    snapshots = result.get("Snapshots") or []
    currency, equity = metrics["currency"], curves["equity"]
    sampling = Sampling(metrics["sample_ms"], metrics["periods_a_year"])
    builder.add("equity", "Equity", [equity_chart(curves, shown_curves(metrics), currency, columns)])
    builder.add("figures", "Figures", [], figures_html(metrics))
    builder.add("own", "Strategy charts", strategy_charts(result.get("Chart"), columns), titled=True)
    builder.add("status-bar", "Status", [], status_html(str(result.get("Status") or "")))
    builder.add("prices", "Prices and fills", price_charts(snapshots, settings, known, bars, columns), titled=True)
    builder.add("held", "Positions and margin", [position_chart(snapshots, settings, columns)])
    if not isinstance(equity, Undefined):
        returns = returns_of(sampled(equity, sampling.period_ms))
        builder.add("months", "Months, %", [], months_html(monthly_returns(equity)))
        builder.add(
            "distribution",
            "Distribution",
            [None if isinstance(returns, Undefined) else return_chart(returns)],
        )
        builder.add("rolling-sharpe", "Rolling Sharpe", [rolling_chart(equity, sampling, columns)])
    if not isinstance(known, Undefined):
        trips = metrics["round_trips"]
        builder.add("round-trips", "Round trips", trip_charts(trips, currency, columns), trips_html(trips, settings))
    builder.add("fees", "Fees and funding", [cost_chart(snapshots, currency, columns)])
    builder.add(
        "monte-carlo", "Monte Carlo", fan_charts(metrics.get("monte_carlo") or {}, currency), _fan_notes(metrics)
    )
    names = [one.label or one.eid for one in settings.exchanges]
    log = log_rows(result.get("RuntimeLogs") or [], names)
    builder.add("log", "Log", [], "<div id=log-view></div>" if log["rows"] else "<p class=note>The log is empty.</p>")
    return Document(tiles_html(metrics), builder.sections, {"figures": builder.figures, "log": log})


class _Builder:
    """Collects sections and their charts; a section with neither charts nor text is left out."""

    def __init__(self, charts: bool) -> None:
        self._charts = charts
        self.sections: list[Section] = []
        self.figures: list[Figure] = []

    def add(
        self, key: str, title: str, figures: Sequence[Figure | None], body: str = "", *, titled: bool = False
    ) -> None:
        """Adds a section.

        Args:
            key: Its id in the page.
            title: Its heading.
            figures: Its charts; None for one that could not be made.
            body: HTML below the charts.
            titled: Whether each chart has its own title above it.
        """
        parts = []
        for figure in figures if self._charts else ():
            if figure is not None:
                name, note = figure.pop("title", ""), figure.pop("note", "")
                parts.append(f"<h3>{html_text(name)}</h3>" if titled and name else "")
                parts.append(f'<div class=chart id="figure-{figure["key"]}" style="height:{figure["height"]}px"></div>')
                parts.append(f"<p class=note>{html_text(note)}</p>" if note else "")
                self.figures.append(figure)
        if parts or body:
            self.sections.append(Section(key, title, "".join(parts) + body))


def _fan_notes(metrics: Mapping[str, Any]) -> str:
    return "".join(
        f"<p class=note>{html_text(line)}</p>" for line in monte_carlo_lines(metrics.get("monte_carlo") or {})
    )
