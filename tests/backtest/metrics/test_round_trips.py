from __future__ import annotations

import random
from typing import Any

import pytest

from fmzthreads.backtest.config.settings import BacktestSettings
from fmzthreads.backtest.metrics.fills import BacktestFill, fills_of_orders, market_of, share_fees
from fmzthreads.backtest.metrics.price_ranges import PriceRanges
from fmzthreads.backtest.metrics.round_trips import RoundTrip, busy_ms, round_trips
from fmzthreads.backtest.metrics.summary import fills_of, trips_of
from fmzthreads.structures.value_objects import evolve
from tests.backtest.metrics.test_curves import coin_margined
from tests.helpers.backtest_results import GOLDEN, golden_result, spot_settings


def fill(time_ms: int, side: str, price: float, amount: float, **more: Any) -> BacktestFill:
    return BacktestFill(
        time_ms=time_ms,
        side=side,
        price=price,
        amount=amount,
        **({"exchange": 0, "symbol": "BTC_USDT", "fee": 0.0} | more),
    )


def trips(*fills: BacktestFill, settings: BacktestSettings | None = None) -> list[RoundTrip]:
    return round_trips(fills, settings or spot_settings())


def short(trip: RoundTrip) -> tuple[Any, ...]:
    return trip.side, trip.amount, trip.entry_ms, trip.exit_ms, pytest.approx(trip.profit)


def test_first_in_first_out() -> None:
    found = trips(fill(1, "buy", 100, 1), fill(2, "buy", 110, 2), fill(3, "sell", 120, 2), fill(4, "sell", 90, 1))
    assert [short(trip) for trip in found] == [("long", 1, 1, 3, 20), ("long", 1, 2, 3, 10), ("long", 1, 2, 4, -20)]


def test_selling_coins_that_were_there_is_a_short_trip() -> None:
    found = trips(fill(1, "sell", 100, 2), fill(2, "buy", 90, 3), fill(3, "sell", 95, 1))
    assert [short(trip) for trip in found] == [("short", 2, 1, 2, 20), ("long", 1, 2, 3, 5)]


def test_long_and_short_positions_do_not_touch_each_other() -> None:
    found = trips(
        fill(1, "buy", 100, 1, position="long"),
        fill(2, "sell", 100, 1, position="short"),
        fill(3, "buy", 90, 1, position="short"),
        fill(4, "sell", 130, 1, position="long"),
    )
    assert [short(trip) for trip in found] == [("short", 1, 2, 3, 10), ("long", 1, 1, 4, 30)]


def test_closing_more_than_is_known_opens_nothing() -> None:
    found = trips(fill(1, "sell", 100, 1, position="long"), fill(2, "buy", 90, 1, position="long"))
    assert found == []


def test_exchanges_and_symbols_are_kept_apart() -> None:
    found = trips(fill(1, "buy", 100, 1), fill(2, "sell", 110, 1, exchange=1), settings=spot_settings(exchanges=2))
    assert found == []
    assert trips(fill(1, "buy", 100, 1), fill(2, "sell", 110, 1, symbol="ETH_USDT")) == []


def test_fees_of_both_fills_count_by_the_share_of_their_amounts() -> None:
    (found,) = trips(fill(1, "buy", 100, 4, fee=2.0), fill(2, "sell", 110, 1, fee=0.25))
    assert found.fee == pytest.approx(0.75)
    assert found.profit == pytest.approx(10 - 0.75)
    assert found.value == 100


def test_a_coin_margined_profit_is_the_coins_at_the_closing_price() -> None:
    more = {"symbol": "BTC_USD.swap", "position": "long"}
    (found,) = trips(
        fill(1, "buy", 100, 5, fee=0.01, **more), fill(2, "sell", 125, 5, fee=0.02, **more), settings=coin_margined()
    )
    coins = 100 * 5 * (1 / 100 - 1 / 125)
    assert found.fee == pytest.approx(0.01 * 100 + 0.02 * 125)
    assert found.profit == pytest.approx(coins * 125 - found.fee)
    assert found.value == 500


def test_the_worst_and_the_best_price_while_it_was_held() -> None:
    prices = PriceRanges([0, 10, 20, 30], [100.0, 90.0, 95.0, 1.0], [100.0, 105.0, 130.0, 999.0])
    found = round_trips([fill(0, "buy", 100, 1), fill(25, "sell", 110, 1)], spot_settings(), {(0, "BTC_USDT"): prices})
    assert (found[0].worst, found[0].best) == (pytest.approx(-0.1), pytest.approx(0.3))
    found = round_trips([fill(0, "sell", 100, 1), fill(25, "buy", 110, 1)], spot_settings(), {(0, "BTC_USDT"): prices})
    assert (found[0].worst, found[0].best) == (pytest.approx(-0.3), pytest.approx(0.1))
    assert trips(fill(0, "buy", 100, 1), fill(25, "sell", 110, 1))[0].worst is None


def test_its_own_prices_count_where_no_bar_lies_within() -> None:
    prices = PriceRanges([0], [1.0], [999.0])
    found = round_trips([fill(5, "buy", 100, 1), fill(6, "sell", 110, 1)], spot_settings(), {(0, "BTC_USDT"): prices})
    assert (found[0].worst, found[0].best) == (0, pytest.approx(0.1))


def test_the_time_with_any_position_counts_once() -> None:
    fills = [
        fill(10, "buy", 1, 1),
        fill(20, "buy", 1, 1, symbol="X_Y"),
        fill(30, "sell", 1, 1),
        fill(45, "sell", 1, 1, symbol="X_Y"),
    ]
    assert busy_ms(fills, 100) == 35
    assert busy_ms([*fills, fill(60, "buy", 1, 1)], 100) == 75
    assert busy_ms([], 100) == 0


def test_fills_of_an_order_history() -> None:
    order = {
        "Id": 7,
        "Time": 5,
        "Price": 0,
        "Amount": 2,
        "DealAmount": 1,
        "AvgPrice": 9.0,
        "Type": 1,
        "Offset": 0,
        "Status": 1,
        "Symbol": "BTC_USDT",
    }
    contract = {**order, "Symbol": "BTC_USDT.swap", "ContractType": "swap", "Time": 3}
    unfilled = {**order, "DealAmount": 0}
    found = fills_of_orders(
        [
            {
                "historyOrders": [order, contract, unfilled],
                "openOrders": [{**contract, "Type": 0, "Offset": 1, "Time": 9}],
            }
        ]
    )
    assert [(one.time_ms, one.side, one.position, one.amount) for one in found] == [
        (3, "sell", "short", 1),
        (5, "sell", "net", 1),
        (9, "buy", "short", 1),
    ]
    assert [
        one.position
        for one in fills_of_orders([{"historyOrders": [{**contract, "Type": 0}, {**contract, "Offset": 1}]}])
    ] == ["long", "long"]


def test_unknown_fees_are_what_is_left_shared_by_value() -> None:
    fills = [fill(1, "buy", 100, 1, fee=None), fill(2, "sell", 100, 3, fee=None), fill(3, "buy", 5, 1, fee=0.5)]
    found = share_fees(fills, spot_settings(), {0: 2.5})
    assert [one.fee for one in found] == [pytest.approx(0.5), pytest.approx(1.5), 0.5]
    assert [one.fee for one in share_fees(fills, spot_settings(), {})] == [None, None, 0.5]


@pytest.mark.parametrize("block", [1, 2, 3, 1024])
def test_ranges_are_those_of_a_plain_search(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fmzthreads.backtest.metrics.price_ranges._BLOCK", block)
    rng = random.Random(block)
    lows = [rng.uniform(1, 2) for _ in range(40)]
    highs = [low + rng.random() for low in lows]
    times = [10 * n for n in range(40)]
    ranges = PriceRanges(times, lows, highs, scale=2.0, period_ms=10)
    for _ in range(300):
        begin, end = sorted((rng.randrange(-20, 430), rng.randrange(-20, 430)))
        inside = [n for n, time in enumerate(times) if begin <= time and time + 10 <= end]
        expected = (
            (min(lows[n] for n in inside) / 2, max(highs[n] for n in inside) / 2)
            if inside
            else (float("inf"), float("-inf"))
        )
        assert ranges.between(begin, end) == expected


@pytest.mark.parametrize("case", GOLDEN)
def test_round_trips_and_open_positions_of_golden_cases_add_up_to_pnl(case: str) -> None:
    """What round trips made, what is still open, and the fees of what is open are FMZ's ``PnL``."""
    result, settings = golden_result(case)
    last = result["Snapshots"][-1][1]
    known = fills_of(result, settings)
    assert isinstance(known, list)
    found = trips_of(result, settings, known)
    assert isinstance(found, list)
    held: dict[tuple[int, str, str], list[BacktestFill]] = {}
    closed = sum(trip.profit for trip in found)
    # Closing all at the last price adds the round trips of what is still open.
    for one in known:
        held.setdefault((one.exchange, one.symbol, one.position), []).append(one)
    closing = []
    for (exchange, symbol, position), fills in held.items():
        amount = sum(one.sign * one.amount for one in fills)
        if abs(amount) > 1e-9:
            price = last[exchange]["Symbols"][symbol]["Last"]
            side = "sell" if amount > 0 else "buy"
            closing.append(fill(2**60, side, price, abs(amount), exchange=exchange, symbol=symbol, position=position))
    total = sum(trip.profit for trip in round_trips([*known, *closing], settings))
    assert total == pytest.approx(sum(one["PnL"] for one in last), abs=1e-4)
    assert closing or total == pytest.approx(closed)


def test_a_market_without_details_has_a_multiple_of_1() -> None:
    market = market_of(spot_settings(), 0, "BTC_USDT")
    assert (market.multiple, market.coin) == (1, False)
    coin = market_of(coin_margined(), 0, "BTC_USD.swap")
    assert (coin.multiple, coin.coin) == (100, True)
    assert evolve(coin, coin=False).value(10.0, 2) == 2000
