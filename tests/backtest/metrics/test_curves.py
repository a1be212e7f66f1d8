from __future__ import annotations

from typing import Any

import pytest

from fmzthreads.backtest.config.settings import BacktestSettings, ExchangeSettings, MarketDetail
from fmzthreads.backtest.metrics.curves import Curve, Prices, equity_curve, pnl_curve, price_curve, profit_curve
from fmzthreads.backtest.metrics.figure import Undefined
from fmzthreads.backtest.nano import ONE
from fmzthreads.structures.value_objects import evolve
from tests.helpers.backtest_results import GOLDEN, account, golden_result, snapshot_row, spot_settings


def sure(curve: Curve | Undefined) -> Curve:
    assert isinstance(curve, Curve), curve
    return curve


def test_a_spot_account_is_worth_its_money_and_coins_frozen_ones_too() -> None:
    one = account(9_000, 5, 120)
    one["Assets"][0]["FrozenAmount"] = 2
    rows = [snapshot_row(0, account(10_000, 0, 100)), snapshot_row(10, one)]
    curve = sure(equity_curve(rows, spot_settings(), "USDT"))
    assert list(curve.values) == [10_000, 9_000 + 7 * 120]


def test_coins_without_a_price_yet_count_at_their_first_one() -> None:
    rows = [
        snapshot_row(0, account(10_000, 3, 0, initial_coins=3)),
        snapshot_row(10, account(10_000, 3, 100, initial_coins=3)),
        snapshot_row(20, account(10_000, 3, 110, initial_coins=3)),
    ]
    assert list(sure(equity_curve(rows, spot_settings(), "USDT")).values) == [10_300, 10_300, 10_330]


def test_coins_that_never_had_a_price_leave_no_curve() -> None:
    curve = equity_curve([snapshot_row(0, account(10_000, 3, 0))], spot_settings(), "USDT")
    assert curve == Undefined("no snapshot has a price of BTC in USDT")
    assert isinstance(equity_curve([], spot_settings(), "USDT"), Undefined)


def test_the_own_exchanges_price_comes_first() -> None:
    rows = [snapshot_row(time, account(0, 1, 100), account(0, 1, 110)) for time in (0, 10)]
    assert list(sure(equity_curve(rows, spot_settings(exchanges=2), "USDT")).values) == [20_000, 210]


def test_the_first_value_is_what_there_was_before_the_first_call() -> None:
    settings = spot_settings()
    paid = [snapshot_row(settings.start_ms, account(9_990)), snapshot_row(settings.start_ms + 10, account(9_990))]
    assert list(sure(equity_curve(paid, settings, "USDT")).values) == [10_000, 9_990]
    late = sure(equity_curve([snapshot_row(settings.start_ms + 5, account(9_990))], settings, "USDT"))
    assert (list(late.times), list(late.values)) == ([settings.start_ms, settings.start_ms + 5], [10_000, 9_990])


def test_a_currency_is_valued_by_way_of_another_one() -> None:
    symbols = {"BTC_USDT": {"Last": 100.0}, "ETH_BTC": {"Last": 0.05}, "USD_USDT": {"Last": 0.5}}
    prices = Prices([[0, [{"Symbols": symbols}]]])
    assert prices.rate("ETH", "USDT", 0) == pytest.approx(5)
    assert prices.rate("USDT", "BTC", 0) == pytest.approx(0.01)
    assert prices.rate("USDT", "USD", 0) == pytest.approx(2)
    assert prices.rate("DOGE", "USDT", 0) is None


def test_a_stale_stamp_takes_the_newest_state() -> None:
    rows = [snapshot_row(0, account(10_000)), snapshot_row(10, account(9_000)), snapshot_row(10, account(8_000))]
    curve = sure(equity_curve(rows, spot_settings(), "USDT"))
    assert (list(curve.times), list(curve.values)) == ([0, 10], [10_000, 8_000])


def test_initial_coins_do_not_count_as_profit() -> None:
    rows = [
        snapshot_row(0, account(10_000, 3, 100, initial_coins=3)),
        snapshot_row(10, account(10_000, 3, 200, initial_coins=3)),
    ]
    assert list(sure(equity_curve(rows, spot_settings(), "USDT")).values) == [10_300, 10_600]
    assert list(sure(pnl_curve(rows, spot_settings(), "USDT", 10_300)).values) == [10_300, 10_300]


def coin_margined(symbol: str = "BTC_USD.swap") -> BacktestSettings:
    detail = MarketDetail(
        symbol=symbol,
        base_currency="BTC",
        quote_currency="USD",
        margin_currency="BTC",
        contract_type="swap",
        volume_multiple=100 * ONE,
    )
    one = ExchangeSettings(eid="Futures_OKX", currency="BTC_USD", details={symbol: detail})
    return evolve(spot_settings(), exchanges=(one,))


def coin_account(last: float, **more: Any) -> dict[str, Any]:
    held = {"Amount": 10, "Price": 100.0, "Margin": 0.5, "Profit": 0.25, "CloseProfit": 0}
    assets = [{"Currency": "BTC", "Amount": 2.0, "FrozenAmount": 0.25, "Initial": 3, "Commission": 0, "Funding": 0}]
    return {
        "Assets": assets,
        "PnL": 0.1,
        "Symbols": {"BTC_USD.swap": {"Last": last, "Long": held, "Short": {**held, "Margin": 0, "Profit": 0}}},
    } | more


def test_a_coin_margined_account_is_worth_its_coins_at_the_price() -> None:
    rows = [snapshot_row(0, coin_account(100.0)), snapshot_row(10, coin_account(200.0))]
    assert list(sure(equity_curve(rows, coin_margined(), "USD")).values) == pytest.approx([300, 600])
    assert list(sure(pnl_curve(rows, coin_margined(), "USD", 300)).values) == pytest.approx([300, 320])


def test_the_strategys_profit_holds_from_the_start_to_the_end() -> None:
    settings = spot_settings(10)
    curve = sure(profit_curve([[settings.start_ms + 5, 7.0], [settings.start_ms + 5, 8.0]], settings, 100.0))
    assert list(curve.times) == [settings.start_ms, settings.start_ms + 5, settings.end_ms]
    assert list(curve.values) == [100, 108, 108]
    assert isinstance(profit_curve([], settings, 100.0), Undefined)
    assert profit_curve([[1, 2.0]], settings, Undefined("x")) == Undefined("x")


def test_prices_begin_with_the_first_known_one() -> None:
    rows = [
        snapshot_row(0, account(1, 0, 0)),
        snapshot_row(10, account(1, 0, 100)),
        snapshot_row(20, account(1, 0, 90)),
    ]
    assert price_curve(rows) == Curve([10, 20], [100, 90])
    assert price_curve(rows, 0, "ETH_USDT") == Undefined("the snapshots have no prices of a market")


def test_a_value_holds_until_the_next() -> None:
    curve = Curve([10, 20], [1.0, 2.0])
    assert [curve.at(time) for time in (0, 10, 19, 20, 99)] == [1, 1, 1, 2, 2]
    assert curve.span_ms == 10


@pytest.mark.parametrize("case", GOLDEN)
def test_the_worth_of_golden_cases_moves_by_pnl_and_the_price_of_initial_coins(case: str) -> None:
    result, settings = golden_result(case)
    curve = sure(equity_curve(result["Snapshots"], settings, settings.exchanges[0].quote_currency))
    prices = {
        (place, symbol): state["Last"]
        for _, accounts in reversed(result["Snapshots"])
        for place, one in enumerate(accounts)
        for symbol, state in one["Symbols"].items()
    }
    moved = 0.0
    for place, after in enumerate(result["Snapshots"][-1][1]):
        moved += after["PnL"]
        initial = {asset["Currency"]: asset["Initial"] for asset in after["Assets"]}
        for symbol, state in after["Symbols"].items():
            if "Long" not in state:
                moved += initial.get(symbol.partition("_")[0], 0) * (state["Last"] - prices[place, symbol])
    assert curve.values[-1] - curve.values[0] == pytest.approx(moved, abs=1e-6)
