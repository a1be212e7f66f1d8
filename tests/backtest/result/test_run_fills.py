"""The fills that the figures of our own runs are computed of, against what FMZ's engine counted in the golden cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fmzthreads.backtest import outputs
from fmzthreads.backtest.backtest_run import BacktestRun
from fmzthreads.cli import main
from tests.helpers.backtest_results import GOLDEN, golden_folder


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[BacktestRun]:
    """The runs that the command line made."""
    seen: list[BacktestRun] = []
    real = outputs.result_object

    def _seen(run: BacktestRun) -> dict[str, Any]:
        seen.append(run)
        return real(run)

    monkeypatch.setattr(outputs, "result_object", _seen)
    return seen


def run_case(case: str, runs: list[BacktestRun], *more: str) -> BacktestRun:
    folder = golden_folder(case)
    files = [str(folder / "strategy.py"), "--config", str(folder / "config.json"), "--bars", str(folder / "bars.csv")]
    assert main(["backtest", *files, "--json", *more]) == 0
    return runs[-1]


@pytest.mark.parametrize("case", GOLDEN)
def test_fills_add_up_to_what_the_snapshots_counted(
    case: str, runs: list[BacktestRun], capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_case(case, runs)
    fills = run.fills()
    assert fills is not None
    for number, account in enumerate(run.engine.snapshots[-1][1]):
        own = [fill for fill in fills if fill.exchange == number]
        paid = sum(asset["Commission"] for asset in account["Assets"])
        assert sum(fill.fee or 0.0 for fill in own) == pytest.approx(paid, abs=1e-5)
        for symbol, state in account["Symbols"].items():
            for side, key in (("buy", "BuyDealAmount"), ("sell", "SellDealAmount")):
                amounts = [fill.amount for fill in own if (fill.symbol, fill.side) == (symbol, side)]
                assert sum(amounts) == pytest.approx(state["TradeStatus"][key], abs=1e-7)
    assert [fill.time_ms for fill in fills] == sorted(fill.time_ms for fill in fills)


def test_a_resting_order_is_filled_when_its_price_is_first_reached(
    runs: list[BacktestRun], capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_case("spot_limit_grid", runs)
    orders = {str(order["Id"]): order for order in run.final()[0]["historyOrders"]}
    series = (run.bars() or {})[0, "ETH_USDT"]
    fills = run.fills() or []
    later = [fill for fill in fills if fill.time_ms > orders[fill.order_id]["Time"]]
    assert len(later) > 50
    scale = 10**series.detail.quote_precision
    for fill in later:
        bar = max(n for n, time in enumerate(series.time) if time <= fill.time_ms)
        assert series.low[bar] / scale <= fill.price <= series.high[bar] / scale


def test_figures_and_report_know_times_books_and_bars(
    tmp_path: Path, runs: list[BacktestRun], capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_case("spot_limit_grid", runs, "--out", str(tmp_path / "out"))
    whole = outputs.result_object(run)
    assert whole["metrics"]["activity"]["slippage"]["value"] is not None
    assert whole["metrics"]["trades"]["mae_worst"]["value"] < 0
    assert whole["metrics"]["notes"] == []
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "<title>strategy</title>" in page
    pytest.importorskip("plotly", reason="the charts of the page are drawn by the extra plot")
    assert '"name":"Bought"' in page
