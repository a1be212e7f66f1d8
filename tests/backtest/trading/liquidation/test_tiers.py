"""Maintenance tiers: caps met exactly, tiers that jump, and brackets that are refused."""

from __future__ import annotations

from typing import Any

import pytest

from fmzthreads.backtest.config.details import detail_of
from fmzthreads.backtest.config.settings import MaintenanceTier
from fmzthreads.backtest.nano import nano
from fmzthreads.backtest.trading.liquidation.margin_watch import is_even, maintenance_of
from fmzthreads.errors import InputError
from fmzthreads.structures.value_objects import evolve
from tests.backtest.trading.liquidation.test_liquidation import ONE_PERCENT, SWAP, bench_of, last_order
from tests.backtest.trading.test_funding import funded, wallet

JUMPING = (MaintenanceTier(up_to=nano(1000), rate=nano(0.01)), MaintenanceTier(up_to=None, rate=nano(0.2)))


def detail(**row: Any) -> Any:
    return detail_of(row, SWAP, "here")


def test_a_value_of_just_the_cap_is_in_the_lower_tier() -> None:
    jumping = evolve(detail(), tiers=JUMPING)
    assert maintenance_of(jumping, nano(1000)) == nano(10)
    assert maintenance_of(jumping, nano(1000) + 1) == nano(200)
    bench = bench_of(150, tiers=JUMPING)
    bench.desk.place(SWAP, "buy", -1, 1)  # equity 150 against 10 at 1000, and against 200 above
    assert len(bench.desk.positions() or []) == 1


def test_where_no_margin_is_left_at_all_it_is_time() -> None:
    bench = bench_of(100)
    bench.desk.place(SWAP, "buy", -1, 1)
    bench.price(909.090909091)  # equity 9.090909091 against 9.090909090
    assert len(bench.desk.positions() or []) == 1
    bench.price(909.090909090)  # equity 9.09090909 against 9.09090909: nothing left
    assert bench.desk.positions() == []


@pytest.mark.parametrize("price", [909.090909091, 909.090909090, 909.090909089])
def test_two_symbols_meet_the_margin_at_the_same_nano_as_one(price: float) -> None:
    bench = bench_of(100, symbols=("BTC", "ETH"))
    bench.markets["ETH_USDT.swap"].prices[-1] = nano(0.000000001)
    bench.desk.place("ETH_USDT.swap", "buy", -1, 1)
    bench.desk.place(SWAP, "buy", -1, 1)
    bench.price(price)
    assert (bench.desk.positions("USDT.swap") == []) is (price < 909.0909090905)


def test_tiers_that_jump_are_looked_at_tick_by_tick() -> None:
    """The margin left is positive at 1000 and at 1200, and not at 1010: the search between two prices would not see it."""
    bench = bench_of(190, tiers=JUMPING)
    assert not is_even(bench.main.detail)
    bench.desk.place(SWAP, "buy", -1, 1)
    for price in (1200, 1010, 1200):  # equity 390 against 240, 200 against 202, 390 against 240
        bench.price(price)
    assert bench.desk.positions() == []
    assert (last_order(bench).Time, last_order(bench).AvgPrice) == (3000, 1010)


def test_even_tiers_are_told_from_others() -> None:
    rows = [
        {"notionalCap": cap, "maintMarginRatio": rate} for cap, rate in ((333.33, 0.0037), (7777.7, 0.0123), (1e6, 0.1))
    ]
    assert is_even(detail(brackets=rows))
    assert is_even(detail())
    assert not is_even(detail(brackets=[row | {"cum": 0} for row in rows]))


def test_another_symbol_with_the_same_position_has_its_own_price() -> None:
    """Same balance, amount, price and margin, but other tiers."""
    bench = bench_of(100, symbols=("BTC", "ETH"))
    other = "ETH_USDT.swap"
    bench.markets[other].detail = evolve(
        bench.markets[other].detail, tiers=(MaintenanceTier(up_to=None, rate=nano(0.05)),)
    )
    bench.price(1000, SWAP)
    bench.price(1000, other)
    bench.desk.place(SWAP, "buy", -1, 1)
    bench.desk.account(SWAP)
    bench.desk.place(SWAP, "closebuy", -1, 1)
    bench.desk.place(other, "buy", -1, 1)
    assert len(bench.desk.positions("USDT.swap") or []) == 1
    bench.price(940, other)  # equity 40 against 47; with the other symbol's tiers 9.4
    assert bench.desk.positions("USDT.swap") == []


def test_of_two_prices_that_liquidate_the_first_one_counts() -> None:
    """A hedge with steep tiers has one below and one above."""
    tiers = (
        MaintenanceTier(up_to=nano(2200), rate=nano(0.01)),
        MaintenanceTier(up_to=None, rate=nano(0.9), deduction=nano(1958)),
    )
    for first, second in ((600, 3000), (3000, 600)):  # at 600 0 against 18; at 3000 2400 against 3472
        bench = bench_of(400, tiers=tiers)
        bench.desk.place(SWAP, "buy", -1, 2)
        bench.desk.place(SWAP, "sell", -1, 1)
        assert len(bench.desk.positions() or []) == 2
        for price in (1001, first, second):
            bench.price(price)
        assert bench.desk.positions() == []
        assert (last_order(bench).Time, last_order(bench).AvgPrice) == (3000, first)


@pytest.mark.parametrize(("brackets", "says"), [
    ([], "expected a list"),
    ({}, "expected a list"),
    ([{"notionalCap": 5, "maintMarginRatio": 0.01}, {"notionalCap": 5, "maintMarginRatio": 0.02}], None),
    ([{"notionalCap": 5, "maintMarginRatio": 0.01}] * 2 + [{"maintMarginRatio": 0.02}], "after one up to 5"),
    ([{"maintMarginRatio": 0.01}, {"maintMarginRatio": 0.02}], "only the last may have none"),
    ([{"notionalCap": 0, "maintMarginRatio": 0.01}, {"maintMarginRatio": 0.02}], "notionalCap 0 after one up to 0"),
    ([{"notionalCap": 5, "maintMarginRatio": 0.01}, {"notionalFloor": 4, "maintMarginRatio": 0.02}], "ends at 5"),
    ([{"notionalCap": 5, "maintMarginRatio": 0.01}, {"notionalFloor": 6, "maintMarginRatio": 0.02}], "ends at 5"),
    ([{"notionalCap": 5, "maintMarginRatio": 0.01, "cum": 0}, {"maintMarginRatio": 0.02}], "cum is missing"),
    ([{"notionalCap": 5, "maintMarginRatio": 0.02}, {"notionalCap": 9, "maintMarginRatio": 0.01}], "grows with"),
    ([{"notionalCap": 5, "maintMarginRatio": 1.5}], "a share"),
    ([{"notionalCap": "nan", "maintMarginRatio": 0.1}], "here: notionalCap is 'nan'"),
])  # fmt: skip
def test_brackets_that_contradict_themselves_are_refused(brackets: Any, says: str | None) -> None:
    if says is None:  # the cap of the last tier means nothing
        assert len(detail(brackets=brackets).tiers) == 2
        return
    with pytest.raises(InputError, match=says):
        detail(brackets=brackets)


def test_unsorted_brackets_and_those_in_coins_are_read() -> None:
    rows = [
        {"qtyCap": 50, "qtyFloor": 5, "maintMarginRatio": 0.02, "cum": 0.05},
        {"qtyCap": 5, "qtyFloor": 0, "maintMarginRatio": 0.01, "cum": 0},
    ]
    assert [tier.up_to for tier in detail(brackets=rows).tiers] == [nano(5), None]
    assert detail(brackets="").tiers == detail(brackets=None).tiers == ()


def test_a_liquidation_fee_in_percent_is_refused() -> None:
    with pytest.raises(InputError, match=r"a share of less than 1 \(0.0125 is 1.25 %\)"):
        detail(liquidationFee=1.25)


def test_the_fee_of_a_liquidation_is_its_orders() -> None:
    bench = bench_of(100, fee=0.005)
    bench.desk.place(SWAP, "buy", -1, 1)
    bench.price(909)
    assert bench.desk.positions() == []
    assert [order.fee for order in bench.desk.dealt_orders()] == [0, nano(4.545)]


def test_the_fee_leaves_what_later_positions_lose() -> None:
    """The winner's fee must not spend the money that the loser still needs."""
    bench = bench_of(100, fee=0.2, symbols=("BTC", "ETH"))
    other = "ETH_USDT.swap"
    bench.desk.place(SWAP, "buy", -1, 0.5)
    bench.desk.place(other, "buy", -1, 0.5)
    bench.price(1200, SWAP)
    bench.price(623, other)  # 100 + 100 - 188.5 = 11.5 against 9.115
    assert len(bench.desk.positions("USDT.swap") or []) == 2
    bench.price(610, other)  # 5: all of it is the first one's fee
    assert bench.desk.positions("USDT.swap") == []
    assert [order.fee for order in bench.desk.dealt_orders()[-2:]] == [nano(5), 0]
    assert bench.desk.account(SWAP).Balance == 0


@pytest.mark.parametrize("multiple", [0.5, 10])
def test_the_bankruptcy_price_knows_the_multiple(multiple: float) -> None:
    bench = bench_of(100 * multiple, multiple=multiple, tiers=ONE_PERCENT)
    bench.desk.place(SWAP, "buy", -1, 1)
    bench.price(700)
    assert bench.desk.positions() == []
    assert last_order(bench).AvgPrice == 900


@pytest.mark.parametrize(("first", "last"), [(5000, 5001), (2300, 2301)])
def test_a_position_that_no_price_can_save_is_closed_at_the_mark(first: float, last: float) -> None:
    """What the first short loses is more than the second could ever win (at 2300: all that it could win)."""
    bench = bench_of(300, symbols=("BTC", "ETH"))
    other = "ETH_USDT.swap"
    bench.desk.place(SWAP, "sell", -1, 1)
    bench.desk.place(other, "sell", -1, 1)
    bench.price(last, SWAP)
    bench.markets[other].put(first, bench.now_ms)
    assert bench.desk.positions("USDT.swap") == []
    assert [(o.Symbol, o.AvgPrice) for o in bench.desk.history()[-2:]] == [(other, first), (SWAP, last)]
    assert bench.desk.account(SWAP).Balance == 0


@pytest.mark.parametrize("symbols", [("BTC",), ("BTC", "ETH")])
@pytest.mark.parametrize("more", [0, 0.000000001])
def test_an_order_that_leaves_no_margin_is_liquidated_at_once(symbols: tuple[str, ...], more: float) -> None:
    bench = bench_of(10 * len(symbols) + more, symbols=symbols, level=200)
    for symbol in bench.markets:
        bench.desk.place(symbol, "buy", -1, 1)
    assert (bench.desk.positions("USDT.swap") == []) is (not more)


def test_an_order_filled_at_the_events_moment_does_not_pay_it_in_a_market_with_tiers() -> None:
    bench = funded({2000: 0.001}, {0: 1000})
    bench.main.detail = evolve(bench.main.detail, tiers=ONE_PERCENT)
    bench.desk.place(SWAP, "buy", -1, 1)
    bench.desk.place(SWAP, "buy", 1590, 2)
    bench.price(1500)  # at 2000, as the event
    assert (bench.desk.positions() or [])[0].Amount == 3
    assert wallet(bench)["Funding"] == -1.001
