from __future__ import annotations

import json
import math
from array import array
from typing import Any

import pytest

from fmzthreads.backtest.data.bars import BarSeries
from fmzthreads.backtest.metrics import BacktestFill, metrics_of, metrics_table, rank_key
from fmzthreads.backtest.metrics.figure import Sampling
from fmzthreads.backtest.metrics.summary import sampling_of
from fmzthreads.backtest.metrics.table import length_text, text_of
from fmzthreads.structures.value_objects import evolve
from tests.backtest.metrics.test_curves import coin_margined
from tests.helpers.backtest_results import DAY, GOLDEN, account, golden_result, made_result, snapshot_row, spot_settings
from tests.helpers.shared_data import ROOT

SECTIONS = ("equity", "pnl", "log_profit", "buy_and_hold", "fmz", "trades", "activity")


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for one in value.values() for number in numbers(one)]
    if isinstance(value, list):
        return [number for one in value for number in numbers(one)]
    return [value] if isinstance(value, (int, float)) else []


@pytest.mark.parametrize("case", GOLDEN)
def test_golden_cases_give_json_without_nan_and_a_reason_for_each_gap(case: str) -> None:
    result, settings = golden_result(case)
    found = metrics_of(result, settings)
    json.dumps(found, allow_nan=False)
    assert all(math.isfinite(number) for number in numbers(found))
    for section in SECTIONS:
        for figure in found[section].values():
            assert (figure["value"] is None) == bool(figure["reason"])
            assert figure["name"]
            assert figure["formula"]
            assert figure["unit"]
    assert metrics_table(found) == metrics_table(json.loads(json.dumps(found)))


def test_the_figures_of_a_golden_futures_case() -> None:
    """Money from the engine's own last snapshot; counts from its order history."""
    result, settings = golden_result("usdt_futures_trend")
    found = metrics_of(result, settings)
    assert found["equity"]["total_profit"]["value"] == pytest.approx(206.0215638)
    assert found["pnl"]["total_profit"]["value"] == pytest.approx(206.0215638)
    assert found["log_profit"]["total_profit"]["value"] == pytest.approx(210.2740638)
    assert found["fmz"]["totalReturns"]["value"] == pytest.approx(0.02102740638)
    assert found["activity"]["fees"]["value"] == pytest.approx(1002.8958362)
    assert (found["trades"]["round_trips"]["value"], found["activity"]["orders"]["value"]) == (32, 65)


def test_sections_of_a_made_result_agree_with_each_other() -> None:
    result, settings = made_result()
    found = metrics_of(result, settings)
    assert found["equity"]["total_profit"]["value"] == pytest.approx(found["pnl"]["total_profit"]["value"])
    assert (found["sample_ms"], found["periods_a_year"], found["currency"]) == (DAY, 365, "USDT")
    assert found["buy_and_hold"]["total_return"]["value"] == pytest.approx(
        result["Snapshots"][-1][1][0]["Symbols"]["BTC_USDT"]["Last"] / 100 - 1
    )
    trips = found["round_trips"]
    assert len(trips) == found["trades"]["round_trips"]["value"] > 10
    assert found["notes"]
    assert "placement" in found["notes"][0]


def test_an_empty_result_has_reasons_only() -> None:
    found = metrics_of({}, spot_settings(10))
    assert found["equity"]["sharpe"]["reason"] == "the result has no account snapshots"
    assert found["trades"]["win_rate"]["reason"] == "the result has neither fills nor an order history"
    assert found["round_trips"] == []
    assert found["notes"] == []
    assert metrics_table(found)


def test_fills_of_the_engine_take_the_place_of_the_order_history() -> None:
    result, settings = made_result()
    more = {"exchange": 0, "symbol": "BTC_USDT", "fee": 0.0}
    fills = [
        BacktestFill(time_ms=settings.start_ms + 1, side="buy", price=100.0, amount=1, mid=100.0, **more),
        BacktestFill(time_ms=settings.start_ms + 2, side="sell", price=101.0, amount=1, mid=101.0, **more),
    ]
    found = metrics_of(result, settings, fills=fills)
    assert found["trades"]["round_trips"]["value"] == 1
    assert found["activity"]["slippage"]["value"] == 0
    assert found["notes"] == []


def test_excursions_come_from_bars_where_there_are_any() -> None:
    result, settings = made_result(20)
    fills = [
        BacktestFill(time_ms=settings.start_ms, exchange=0, symbol="BTC_USDT", side="buy", price=100.0, amount=1),
        BacktestFill(
            time_ms=settings.start_ms + 120_000, exchange=0, symbol="BTC_USDT", side="sell", price=101.0, amount=1
        ),
    ]
    detail = next(iter(coin_margined().exchanges[0].details.values()))
    bars = BarSeries(
        detail=evolve(detail, quote_precision=1),
        period_ms=60_000,
        time=array("q", [settings.start_ms, settings.start_ms + 60_000]),
        low=array("q", [950, 990]),
        high=array("q", [1000, 1100]),
    )
    found = metrics_of(result, settings, fills=fills, bars={(0, "BTC_USDT"): bars})["trades"]
    assert (found["mae_worst"]["value"], found["mfe_best"]["value"]) == (pytest.approx(-0.05), pytest.approx(0.1))
    rough = metrics_of(result, settings, fills=fills)["trades"]
    assert rough["mae_worst"]["value"] == 0


def test_profits_in_another_quote_currency_are_converted() -> None:
    settings = spot_settings(10)
    symbols = {"BTC_USDT": {"Last": 100.0}, "ETH_BTC": {"Last": 0.1}}
    rows = [snapshot_row(settings.start_ms, account(10_000, Symbols=symbols))]
    more = {"exchange": 0, "symbol": "ETH_BTC", "fee": 0.0}
    fills = [
        BacktestFill(time_ms=1, side="buy", price=0.1, amount=1, **more),
        BacktestFill(time_ms=2, side="sell", price=0.2, amount=1, **more),
    ]
    found = metrics_of({"Snapshots": rows}, settings, fills=fills)
    assert found["trades"]["expectancy"]["value"] == pytest.approx(10)
    assert found["activity"]["turnover"]["value"] == pytest.approx(30)
    lost = metrics_of({"Snapshots": []}, settings, fills=fills)
    assert lost["trades"]["expectancy"]["reason"] == "no snapshot has a price of BTC in USDT"


@pytest.mark.parametrize(
    ("days", "snapshot_ms", "sampling"),
    [
        (30, 3_600_000, Sampling(DAY, 365)),
        (10, DAY, Sampling(DAY, 365)),
        (9.9, 3_600_000, Sampling(3_600_000, 8760)),
        (5, DAY, Sampling(DAY, 365)),
        (0.1, 60_000, Sampling(60_000, 525_600)),
    ],
)
def test_the_sample_period_fits_the_length(days: float, snapshot_ms: int, sampling: Sampling) -> None:
    assert sampling_of(spot_settings(days, snapshot_ms=snapshot_ms)) == sampling
    assert sampling_of(spot_settings(days), 252, DAY) == Sampling(DAY, 252)


def test_failed_runs_and_those_without_a_value_rank_last() -> None:
    def run(value: float | None) -> dict[str, Any]:
        return {"equity": {"sharpe": {"value": value}}}

    runs = [None, run(1.0), run(None), run(-2.0), run(3.0)]
    ranked = sorted(runs, key=lambda one: rank_key(one, "equity", "sharpe"))
    assert ranked == [run(3.0), run(1.0), run(-2.0), None, run(None)]
    ranked = sorted(runs, key=lambda one: rank_key(one, "equity", "sharpe", highest_first=False))
    assert ranked[:3] == [run(-2.0), run(1.0), run(3.0)]


# The table


def test_the_table_shows_curves_that_differ_and_why_figures_are_missing() -> None:
    result, settings = made_result()
    text = metrics_table(metrics_of(result, settings))
    head = text.splitlines()[2]
    assert "Equity" in head
    assert "Buy and hold" in head
    assert "LogProfit" in head
    assert "PnL" not in head
    assert "365 periods a year" in text
    assert "– Slippage" in text
    assert "not known for all fills" in text
    assert "nan" not in text.lower()
    assert "inf " not in text.lower()


def test_a_section_without_values_is_one_line() -> None:
    result, settings = made_result(profits=False)
    text = metrics_table(metrics_of(result, settings))
    assert "FMZ's report: – (the strategy never called LogProfit)" in text
    assert "sharpeRatio" not in text


def test_formulas_on_request() -> None:
    result, settings = made_result()
    found = metrics_of(result, settings)
    assert found["equity"]["sharpe"]["formula"] in metrics_table(found, formulas=True)
    assert found["equity"]["sharpe"]["formula"] not in metrics_table(found)


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [
        ("share", 0.12345, "12.35 %"),
        ("returns", -0.5, "-50.00 %"),
        ("money", 1234.5, "1,234.50 USDT"),
        ("ratio", 1.23456, "1.235"),
        ("count", 1200, "1,200"),
        ("ms", 90_061_000, "1 d 1 h"),
        ("time", 1_704_067_200_000, "2024-01-01 00:00"),
        ("time", 0, "start"),
        ("share", None, "–"),
    ],
)
def test_values_as_people_read_them(unit: str, value: float | None, text: str) -> None:
    assert text_of({"unit": unit, "value": value}, "USDT") == text


def test_lengths_of_time() -> None:
    assert [length_text(ms) for ms in (0, 999, 61_000, 3_600_000)] == ["0 ms", "999 ms", "1 min 1 s", "1 h"]


def test_the_reference_page_has_every_figure_with_its_formula() -> None:
    page = (ROOT / "docs/reference/metrics.md").read_text("utf-8")
    result, settings = made_result(20)
    found = metrics_of(result, settings)
    for section in SECTIONS:
        for key, figure in found[section].items():
            formula = figure["formula"].replace("|", "&#124;").replace("*", "\\*").replace("_", "\\_")
            assert f"| `{key}` | {figure['name']} | {figure['unit']} | {formula} |" in page
