from __future__ import annotations

from typing import Any

import pytest

from fmzthreads.backtest.config.settings import BacktestSettings
from fmzthreads.backtest.metrics.activity import activity_figures, position_value
from fmzthreads.backtest.metrics.curves import equity_curve
from fmzthreads.backtest.metrics.figure import Undefined
from fmzthreads.backtest.metrics.fills import BacktestFill
from tests.backtest.metrics.test_curves import coin_account, coin_margined
from tests.backtest.metrics.test_round_trips import fill
from tests.helpers.backtest_results import DAY, account, snapshot_row, spot_settings

SETTINGS = spot_settings(10)
START = SETTINGS.start_ms


def figures(
    rows: list[Any], fills: list[BacktestFill] | Undefined, settings: BacktestSettings = SETTINGS, **result: Any
) -> dict[str, Any]:
    return activity_figures(
        {"Snapshots": rows} | result,
        settings,
        report=settings.exchanges[0].quote_currency,
        equity=equity_curve(rows, settings, settings.exchanges[0].quote_currency),
        fills=fills,
        year_days=365,
    )


def traded() -> tuple[list[Any], list[BacktestFill]]:
    rows = [snapshot_row(START, account(10_000)), snapshot_row(START + 10 * DAY, account(8_000, 20, 100, fees=20.0))]
    return rows, [fill(START + 5 * DAY, "buy", 101, 20, mid=100.5), fill(START + 6 * DAY, "sell", 99, 10, mid=99.5)]


def test_costs_turnover_and_exposure_by_hand() -> None:
    found = {key: one["value"] for key, one in figures(*traded()).items()}
    assert (found["orders"], found["fills"]) == (3, 2)
    assert (found["fees"], found["fees_share"], found["funding"]) == (20, 0.002, 0)
    assert found["turnover"] == 101 * 20 + 99 * 10
    assert found["fees_of_turnover"] == pytest.approx(20 / 3010)
    assert found["slippage"] == pytest.approx(0.5 * 20 + 0.5 * 10)
    assert found["slippage_share"] == pytest.approx(15 / 3010)
    assert found["turnover_a_year"] == pytest.approx(3010 / 10_000 * 36.5)
    assert found["exposure"] == pytest.approx(0.5)
    assert (found["leverage_mean"], found["leverage_highest"]) == (pytest.approx(0.1), pytest.approx(0.2))
    assert found["utilization_highest"] == pytest.approx(0.2)


def test_cancels_and_errors_are_counted_in_the_log() -> None:
    log = [[n, START, kind, 1, 0, 0, 0, "", "", ""] for n, kind in enumerate((0, 2, 2, 3, 5))]
    found = figures(*traded(), RuntimeLogs=log)
    assert (found["cancels"]["value"], found["errors"]["value"]) == (2, 1)


def test_a_fill_without_the_book_leaves_slippage_undefined() -> None:
    rows, fills = traded()
    found = figures(rows, [*fills, fill(START + 7 * DAY, "buy", 99, 1)])
    assert found["slippage"]["value"] is None
    assert "not known for all fills" in found["slippage_share"]["reason"]


def test_fees_in_coins_count_at_the_last_price() -> None:
    one = coin_account(200.0)
    one["Assets"][0]["Commission"], one["Assets"][0]["Funding"] = 0.01, -0.02
    found = figures([snapshot_row(START, one), snapshot_row(START + DAY, one)], [], coin_margined())
    assert (found["fees"]["value"], found["funding"]["value"]) == (pytest.approx(2), pytest.approx(-4))


def test_the_value_of_coin_margined_contracts_does_not_depend_on_the_price() -> None:
    assert position_value(coin_account(200.0), coin_margined(), 0) == {"USD": 2000}


def test_coins_from_the_start_are_no_position() -> None:
    assert position_value(account(10_000, 3, 100, initial_coins=3), SETTINGS, 0).get("BTC") == 0
    assert position_value(account(10_000, 1, 100, initial_coins=3), SETTINGS, 0)["BTC"] == 2


def test_a_position_of_an_account_worth_nothing_has_no_leverage() -> None:
    rows = [snapshot_row(START, account(10_000)), snapshot_row(START + DAY, account(-600, 5, 100))]
    assert "worth nothing or less" in figures(rows, [])["leverage_highest"]["reason"]


def test_without_fills_and_snapshots_there_are_reasons() -> None:
    found = figures([], Undefined("no fills"))
    assert found["turnover"]["reason"] == found["exposure"]["reason"] == "no fills"
    assert found["fees"]["reason"] == found["orders"]["reason"] == "the result has no account snapshots"


def test_nothing_traded_has_no_share_of_it() -> None:
    found = figures([snapshot_row(START, account(10_000)), snapshot_row(START + DAY, account(10_000))], [])
    assert found["fees_of_turnover"]["reason"] == "nothing was traded"
    assert (found["turnover"]["value"], found["exposure"]["value"]) == (0, 0)
