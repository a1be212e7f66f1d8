"""The report of a backtest: one HTML page that holds all it needs and loads nothing."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from ..config.settings import BacktestSettings
from ..metrics.curves import Curve
from ..metrics.figure import Undefined
from ..metrics.fills import BacktestFill
from ..metrics.summary import Bars, curves_of
from .document import Document, Section, document_of
from .escaping import html_text, script_json
from .plotly_script import plotly_script
from .svg import equity_svg

__all__ = ["write_page"]

MOST_BYTES = 5_000_000
"""The most bytes of data in a page."""

_COLUMNS, _FEWEST_COLUMNS = 1200, 50
"""How many pixel columns series are thinned to; fewer where the data do not fit otherwise."""

_WITHOUT_PLOTLY = 'The interactive charts need plotly; install it with: python -m pip install "fmzthreads[plot]"'


def write_page(
    result: Mapping[str, Any],
    settings: BacktestSettings,
    metrics: Mapping[str, Any],
    path: str | os.PathLike[str],
    *,
    bars: Bars | None = None,
    final: Sequence[Mapping[str, Any]] | None = None,
    fills: Sequence[BacktestFill] | None = None,
    title: str = "Backtest",
) -> None:
    """Writes the report.

    Without plotly (extra ``plot``) the page has its tables and an equity curve, but no other charts.

    Args:
        result: What ``Join`` gives.
        settings: The backtest's settings.
        metrics: What ``metrics_of`` gave; what ``monte_carlo_of`` gave is drawn when it is under ``monte_carlo``.
        path: The file; it is replaced as a whole.
        bars: The bars by exchange and symbol; the snapshots' prices are drawn where there are none.
        final: The state of each exchange at the end; taken from the result's ``final`` when None.
        fills: The fills, when the engine kept them; those of the order history otherwise.
        title: The heading, such as the strategy's name.

    Raises:
        OSError: The file cannot be written.
    """
    script = plotly_script()
    text = page_text(result, settings, metrics, script, bars=bars, final=final, fills=fills, title=title)
    new = Path(path).with_name(f"{Path(path).name}.{os.getpid()}.new")
    try:
        new.write_bytes(text.encode("utf-8", "replace"))  # half a surrogate pair in a strategy's text has no bytes
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def page_text(
    result: Mapping[str, Any],
    settings: BacktestSettings,
    metrics: Mapping[str, Any],
    script: str | None,
    *,
    bars: Bars | None = None,
    final: Sequence[Mapping[str, Any]] | None = None,
    fills: Sequence[BacktestFill] | None = None,
    title: str = "Backtest",
) -> str:
    """The whole page.

    Args:
        result: What ``Join`` gives.
        settings: The backtest's settings.
        metrics: What ``metrics_of`` gave.
        script: Plotly's script; None for a page without it.
        bars: As ``write_page`` takes them; so are the others.
        final: The state of each exchange at the end.
        fills: The fills.
        title: The heading.
    """
    columns = _COLUMNS
    while True:
        document = document_of(
            result, settings, metrics, columns, bars=bars, final=final, fills=fills, charts=script is not None
        )
        data = script_json(document.data)
        size = len(data.encode("utf-8", "replace")) + len(document.html().encode("utf-8", "replace"))
        if size <= MOST_BYTES or columns <= _FEWEST_COLUMNS:
            break
        columns = max(_FEWEST_COLUMNS, min(columns // 2, int(columns * 0.9 * MOST_BYTES / size)))
    if script is None:
        document.sections.insert(0, _static_equity(result, settings))
    return _assembled(document, data, script, title, settings)


def _static_equity(result: Mapping[str, Any], settings: BacktestSettings) -> Section:
    curves = curves_of(result, settings)
    drawn: list[tuple[str, Curve]] = []
    for key, color in (("equity", "accent"), ("log_profit", "violet"), ("buy_and_hold", "bench")):
        curve = curves[key]
        if not isinstance(curve, Undefined):
            drawn.append((color, curve))
    equity = curves["equity"]
    body = f"<p class=note>{html_text(equity.reason)}</p>" if isinstance(equity, Undefined) else equity_svg(drawn)
    return Section("equity", "Equity", f"{body}<p class=note>{html_text(_WITHOUT_PLOTLY)}</p>")


def _assembled(document: Document, data: str, script: str | None, title: str, settings: BacktestSettings) -> str:
    assets = resources.files(__package__) / "assets"
    style, figures, own = ((assets / name).read_text("utf-8") for name in ("page.css", "figures.js", "page.js"))
    scripts = [own] if script is None else [script, figures, own]
    policy = f"default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src {' '.join(map(_hash, scripts))}"
    links = "".join(f'<a href="#{one.key}">{html_text(one.title)}</a>' for one in document.sections)
    return "".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer">',
            f'<link rel="icon" href="data:,"><title>{html_text(title)}</title><style>{style}</style></head><body>',
            f"<header><div><h1>{html_text(title)}</h1><p>{_subtitle(settings)}</p></div><button id=theme type=button>Dark</button></header>",
            f"<nav>{links}</nav><main>{document.html()}</main>",
            f'<script type="application/json" id=data>{data}</script>',
            *(f"<script>{one}</script>" for one in scripts),
            "</body></html>",
        ]
    )


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _subtitle(settings: BacktestSettings) -> str:
    start, end = (
        datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M") for ms in (settings.start_ms, settings.end_ms)
    )
    traded = ", ".join(f"{one.label or one.eid} {one.currency}" for one in settings.exchanges)
    return html_text(f"{traded} · {start} to {end} UTC")
