"""Backtests from the pages: the form, the progress, the report, and runs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ....backtest.metrics.table import text_of
from ....errors import FmzError, InputError, require
from ..port import BacktestView
from ..rendering import Renderer
from ..replies import html, json_reply
from ..site import SitePage, redirect
from ..visit import PageVisit
from .robot_forms import strategy_fields, typed_by_strategy

__all__ = ["BacktestPages", "compared"]

_MOST_COMPARED = 8
_SETTINGS = (
    "start",
    "end",
    "period",
    "exchange",
    "pair",
    "balance",
    "stocks",
    "fee_maker",
    "fee_taker",
    "data",
    "further",
)
_DEFAULTS = {
    "period": "1h", "exchange": "Binance", "pair": "BTC_USDT", "balance": "10000", "stocks": "0", "fee_maker": "0.075", "fee_taker": "0.1",
}  # fmt: skip
_LOOKED_AT = (
    ("equity", "total_return"), ("equity", "annual_return"), ("equity", "max_drawdown"), ("equity", "sharpe"), ("equity", "sortino"),
    ("equity", "volatility"), ("trades", "round_trips"), ("trades", "win_rate"), ("trades", "profit_factor"), ("activity", "fees"),
)  # fmt: skip
# The report's own scripts run in a frame of no origin: they reach neither the cookies nor the pages of the platform.
_REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "frame-ancestors 'self'"
)


class BacktestPages:
    """The pages of backtests.

    Args:
        renderer: Makes HTML.
    """

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def pages(self) -> list[SitePage]:
        """The pages."""
        base = "/backtests/{number:int}"
        return [
            SitePage("/backtests", self._list),
            SitePage("/backtests/new", self._ask, "owner"),
            SitePage("/backtests/new", self._start, "owner", "POST"),
            SitePage("/backtests/compare", self._compare),
            SitePage(base, self._show),
            SitePage(f"{base}/progress.json", self._progress),
            SitePage(f"{base}/report", self._report),
            SitePage(f"{base}/stop", self._stop, "owner", "POST"),
        ]

    def _list(self, visit: PageVisit) -> Any:
        runs = [(one, _shown(one)) for one in visit.service.backtests()]
        return html(self._renderer.page(visit, "backtests/list.html", runs=runs))

    def _ask(self, visit: PageVisit) -> Any:
        strategy = visit.query.text("strategy")
        settings = visit.service.backtest_defaults(strategy) if strategy else {}
        return self._form(visit, strategy, visit.query.many("template"), settings, {}, "")

    def _start(self, visit: PageVisit) -> Any:
        form = visit.form
        strategy, templates = form.text("strategy"), form.many("template")
        settings = {name: form.text(name).strip() for name in _SETTINGS if form.text(name).strip()}
        args: Mapping[str, Any] = {}
        try:
            args = typed_by_strategy(visit.service, strategy, templates, form)
            number = visit.service.start_backtest(strategy, args, settings, templates)
        except FmzError as error:
            return self._form(visit, strategy, templates, settings, args, str(error), status=400)
        return redirect(f"/backtests/{number}")

    def _form(
        self,
        visit: PageVisit,
        strategy: str,
        chosen: Sequence[str],
        settings: Mapping[str, str],
        args: Mapping[str, Any],
        problem: str,
        status: int = 200,
    ) -> Any:
        groups = []
        if strategy:
            try:
                groups = strategy_fields(visit.service, strategy, chosen, args, visit.language)
            except FmzError as error:
                problem = problem or str(error)
        files = visit.service.strategies()
        text = self._renderer.page(
            visit, "backtests/form.html", strategies=[one for one in files if one.kind == "strategy"],
            templates=[one for one in files if one.kind == "template"], chosen=chosen, strategy=strategy, settings={**_DEFAULTS, **settings}, groups=groups,
            problem=problem,
        )  # fmt: skip
        return html(text, status=status)

    def _show(self, visit: PageVisit) -> Any:
        run = visit.service.backtest(visit.params["number"])
        return html(self._renderer.page(visit, "backtests/run.html", run=run, figures=_shown(run)))

    def _progress(self, visit: PageVisit) -> Any:
        run = visit.service.backtest(visit.params["number"])
        return json_reply({"state": run.state, "share_done": run.share_done, "problem": run.problem})

    def _report(self, visit: PageVisit) -> Any:
        text = visit.service.report(visit.params["number"])
        headers = {"content-security-policy": _REPORT_POLICY}
        response = require("starlette.responses", "platform").HTMLResponse
        return response(text.encode("utf-8", "replace"), headers=headers)

    def _stop(self, visit: PageVisit) -> Any:
        visit.service.stop_backtest(visit.params["number"])
        return redirect("/backtests")

    def _compare(self, visit: PageVisit) -> Any:
        numbers = [text for text in dict.fromkeys(visit.query.many("id")) if text.isascii() and text.isdigit()]
        if not 2 <= len(numbers) <= _MOST_COMPARED:
            raise InputError(f"{len(numbers)} backtests are chosen, expected 2 to {_MOST_COMPARED}")
        runs = [visit.service.backtest(int(number)) for number in numbers]
        return html(self._renderer.page(visit, "backtests/compare.html", runs=runs, rows=compared(runs)))


def _shown(run: BacktestView) -> list[tuple[str, str, str]]:
    """The figures looked at first, as ``(name, text, tone)``; empty before the run is done."""
    found = []
    currency = str(run.figures.get("currency") or "")
    for section, key in _LOOKED_AT:
        figure = _figure(run, section, key)
        if figure is not None:
            found.append((str(figure.get("name", key)), text_of(figure, currency), _tone(figure)))
    return found


def _figure(run: BacktestView, section: str, key: str) -> Mapping[str, Any] | None:
    found = run.figures.get(section)
    figure = found.get(key) if isinstance(found, Mapping) else None
    return figure if isinstance(figure, Mapping) else None


def _tone(figure: Mapping[str, Any]) -> str:
    value = figure.get("value")
    if figure.get("unit") != "returns" or not isinstance(value, (int, float)) or not value:
        return ""
    return "up" if value > 0 else "down"


def compared(runs: Sequence[BacktestView]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Rows of a table with a column a run: settings and arguments that differ, then figures; each cell is ``(text, tone)``."""
    rows: list[tuple[str, list[tuple[str, str]]]] = []
    rows.append(("Strategy", [(one.strategy, "") for one in runs]))
    for what in ("settings", "args"):
        tables = [getattr(one, what) for one in runs]
        for name in dict.fromkeys(key for table in tables for key in table):
            texts = [str(table.get(name, "–")) for table in tables]
            if len(set(texts)) > 1:
                rows.append((name, [(text, "changed") for text in texts]))
    for section, key in _LOOKED_AT:
        figures = [_figure(one, section, key) for one in runs]
        named = next((figure for figure in figures if figure is not None), None)
        if named is None:
            continue
        cells = [
            ("–", "") if figure is None else (text_of(figure, str(run.figures.get("currency") or "")), _tone(figure))
            for run, figure in zip(runs, figures, strict=True)
        ]
        rows.append((str(named.get("name", key)), cells))
    return rows
