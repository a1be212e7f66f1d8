"""The fills that the figures of our own runs are computed of, against what FMZ's engine counted in the golden cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fmzthreads.backtest import outputs
from fmzthreads.backtest.backtest_run import BacktestRun
from fmzthreads.backtest.config.settings import MaintenanceTier, MarketDetail
from fmzthreads.backtest.config.task import settings_of
from fmzthreads.backtest.data.bars import BarSeries
from fmzthreads.backtest.failures import NoData
from fmzthreads.backtest.nano import nano
from fmzthreads.cli import main
from fmzthreads.strategy.program.reading import read_source
from tests.helpers.backtest_results import GOLDEN, golden_folder
from tests.helpers.backtests import START, detail, flat, series_of


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
        assert sum(fill.fee or 0.0 for fill in own) == pytest.approx(paid, abs=1e-8)
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


SWAP = "BTC_USDT.swap"


class ServedBars:
    """Bars with a market that the settings do not know, as a data server gives them."""

    def __init__(self, market: MarketDetail, rows: list[tuple[float, ...]]) -> None:
        self._series = series_of(rows, market=market)

    def bars(self, eid: str, symbol: str, period_ms: int, from_ms: int, to_ms: int, *, fill: bool = False) -> BarSeries:
        if fill:
            raise NoData("no older bars")
        return self._series

    def custom(self, eid: str, name: str, from_ms: int, to_ms: int) -> None:
        return None


def served_run(tmp_path: Path, market: MarketDetail, text: str, prices: list[float], **task: Any) -> BacktestRun:
    exchange = {"eid": "Futures_Binance", "currency": "BTC_USDT", "balance": 1000, "stocks": 0, "fee": [0.1, 0.2]}
    settings = settings_of({
        "start": "2023-11-14 00:00:00", "end": "2023-11-14 01:00:00", "period": "1m", "basePeriod": "1m",
        "exchanges": [exchange], **task,
    })  # fmt: skip
    path = tmp_path / "s.py"
    path.write_text(text)
    run = BacktestRun(settings, ServedBars(market, [flat(price, 4) for price in prices]), folder=tmp_path)
    run.finish(run.run(read_source(path), {}))
    return run


def test_figures_know_the_markets_that_a_data_server_describes(tmp_path: Path) -> None:
    market = detail(SWAP, volume_multiple=nano(0.01))
    text = "def main():\n    exchange.SetContractType('swap')\n    exchange.Buy(-1, 20)\n    Sleep(120000)\n    exchange.SetDirection('closebuy')\n    exchange.Sell(-1, 20)\n"
    run = served_run(tmp_path, market, text, [1000.0] * 2 + [1100.0] * 58)
    found = outputs.result_object(run)["metrics"]
    assert found["activity"]["turnover"]["value"] == pytest.approx(0.2 * (1000.01 + 1099.99))
    (trip,) = found["round_trips"]
    fee = 0.2 * (1000.01 + 1099.99) * 0.002
    assert trip["fee"] == pytest.approx(fee)
    assert trip["profit"] == pytest.approx(0.2 * 99.98 - fee)
    assert found["equity"]["total_profit"]["value"] == pytest.approx(trip["profit"])


def test_each_part_and_each_liquidation_has_the_fee_that_it_paid(tmp_path: Path) -> None:
    tiers = (MaintenanceTier(up_to=None, rate=nano(0.01)),)
    market = detail(SWAP, tiers=tiers, liquidation_fee=nano(0.002), margin_level=nano(100))
    text = "def main():\n    exchange.SetContractType('swap')\n    exchange.Buy(1001, 3)\n    Sleep(300000)\n"
    run = served_run(tmp_path, market, text, [1000.0] * 20 + [673.0] * 40, participation=0.5)
    fills = run.fills() or []
    # Two at once as a taker, one from the next bar as a maker; then a liquidation at 673.
    taken = 2 * 1000.01 * 0.002 + 1001 * 0.001
    assert [fill.fee for fill in fills] == pytest.approx([taken, 3 * 673 * 0.002])
    commission = run.engine.snapshots[-1][1][0]["Assets"][0]["Commission"]
    assert sum(fill.fee or 0.0 for fill in fills) == pytest.approx(commission, abs=1e-8)
    (trip,) = outputs.result_object(run)["metrics"]["round_trips"]
    assert trip["fee"] == pytest.approx(commission)


def test_a_run_that_was_stopped_is_measured_by_the_time_that_it_ran(tmp_path: Path) -> None:
    text = "def main():\n    exchange.SetContractType('swap')\n    exchange.Buy(-1, 1)\n    Sleep(720000 - 400)\n    raise KeyboardInterrupt\n"
    run = served_run(tmp_path, detail(SWAP), text, [1000.0] * 60, yearDays=100)
    assert run.known_settings().end_ms == START + 720_000 - 200
    found = outputs.result_object(run)["metrics"]
    assert found["end_ms"] == START + 719_800
    assert found["activity"]["exposure"]["value"] == pytest.approx(1, abs=1e-3)
    worth = 1000 - 1.0  # without half of the fee, on average
    assert found["activity"]["turnover_a_year"]["value"] == pytest.approx(1000.01 / worth * 100 * 120, rel=0.01)
    assert found["year_days"] == 100
