"""Partial fills: orders share the volume of bars in time order, and each quantity is given once."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmzthreads.backtest.config.settings import PartialFills
from fmzthreads.backtest.nano import ONE, nano
from tests.backtest.trading.test_conservation import AMOUNTS, PRICES, STEPS, check_margin, check_spot, run
from tests.helpers.price_market import Bench, futures_bench, spot_bench

HALF = PartialFills(participation=nano(0.5))
PAIR = "BTC_USDT"


def bench_of(partial: PartialFills = HALF, **settings: Any) -> Bench:
    """Bars of four ticks and a volume of 8; the first tick is at 200."""
    bench = spot_bench(balance=100_000, stocks=100, maker=0, taker=0.2, partial=partial, **settings)
    bench.price(200)
    return bench


def deal(bench: Bench, number: int) -> float:
    order = bench.desk.order(number)
    assert order is not None
    return float(order.DealAmount)


def test_a_crossing_order_takes_what_its_bar_has_and_rests_with_the_remainder() -> None:
    bench = bench_of()
    bench.desk.place(PAIR, "buy", 205, 10)
    order = bench.desk.order(1)
    assert order is not None
    assert (order.DealAmount, order.AvgPrice, order.Status) == (4, 200.01, 0)
    account = bench.desk.account(PAIR)
    assert account.Stocks == 104
    assert account.FrozenBalance == pytest.approx(6 * 205 * 1.002)
    bench.price(200)
    assert deal(bench, 1) == 4  # the bar has nothing left
    for _ in range(3):
        bench.price(200)
    assert deal(bench, 1) == 8
    order = bench.desk.order(1)
    assert order is not None
    assert order.AvgPrice == (4 * 200.01 + 4 * 205) / 8
    for _ in range(4):
        bench.price(200)
    order = bench.desk.order(1)
    assert order is not None
    assert (order.DealAmount, order.Status) == (10, 1)
    account = bench.desk.account(PAIR)
    assert (account.Stocks, account.FrozenBalance) == (110, 0)
    assert account.Balance == pytest.approx(100_000 - 4 * 200.01 * 1.002 - 6 * 205)


def test_the_earlier_order_comes_first_and_a_quantity_is_given_once() -> None:
    bench = bench_of()
    bench.desk.place(PAIR, "buy", 199, 3)
    bench.desk.place(PAIR, "buy", 199.5, 3)
    bench.price(198)
    assert (deal(bench, 1), deal(bench, 2)) == (3, 1)
    bench.price(190)
    bench.price(190)
    assert deal(bench, 2) == 1
    bench.price(190)  # the next bar
    assert deal(bench, 2) == 3


def test_the_order_that_is_reached_first_takes_first() -> None:
    bench = bench_of()
    bench.desk.place(PAIR, "buy", 190, 3)
    bench.desk.place(PAIR, "buy", 199, 3)
    bench.price(195)
    bench.price(185)
    assert (deal(bench, 1), deal(bench, 2)) == (1, 3)


def test_a_market_order_goes_on_at_the_prices_of_later_bars_as_a_taker() -> None:
    bench = bench_of()
    bench.desk.place(PAIR, "sell", -1, 6)
    for price in (200, 200, 200, 210):
        bench.price(price)
    order = bench.desk.order(1)
    assert order is not None
    assert (order.Status, order.DealAmount) == (1, 6)
    assert bench.desk.account(PAIR).Balance == pytest.approx(100_000 + (4 * 199.99 + 2 * 209.99) * 0.998)


def test_a_market_buy_spends_its_money_over_several_bars() -> None:
    bench = bench_of()
    bench.desk.place(PAIR, "buy", -1, 1000)
    assert bench.desk.account(PAIR).FrozenBalance == pytest.approx(1000 - 4 * 200.01 * 1.002)
    for price in (200, 200, 200, 100):
        bench.price(price)
    order = bench.desk.order(1)
    assert order is not None
    assert order.Status == 1
    account = bench.desk.account(PAIR)
    assert account.FrozenBalance == 0
    assert 99_000 <= account.Balance < 99_000.01


def test_amounts_stay_multiples_of_the_step() -> None:
    bench = bench_of(PartialFills(participation=nano(0.0123456789)), digits=(2, 2))
    bench.desk.place(PAIR, "buy", 205, 10)
    assert deal(bench, 1) == 0.09


def test_a_resting_order_waits_for_a_price_beyond_its_own() -> None:
    bench = bench_of()
    bench.desk.place(PAIR, "buy", 199, 1)
    bench.price(199)
    bench.price(198.995)  # between the price and the touch
    assert deal(bench, 1) == 0
    bench.price(198.99)
    assert deal(bench, 1) == 1


def test_with_a_queue_the_volume_at_the_touch_first_serves_those_before() -> None:
    bench = spot_bench(
        balance=100_000, stocks=100, maker=0, partial=PartialFills(participation=ONE, queue=nano(0.025))
    )  # 5 of the 200 that a level shows
    bench.price(200)
    bench.desk.place(PAIR, "buy", 199, 3)
    bench.price(199)  # each tick trades 2
    bench.price(199)
    assert deal(bench, 1) == 0
    bench.price(199)
    assert deal(bench, 1) == 1
    bench.price(199)
    assert deal(bench, 1) == 3


def test_a_tick_at_the_touch_gives_no_more_than_what_the_bar_has_left() -> None:
    """Each tick trades 2 of the 8 of a bar, of which 1 may be taken: 0.125 x 8."""
    bench = spot_bench(
        balance=100_000, stocks=100, maker=0, partial=PartialFills(participation=nano(0.125), queue=nano(0.0001))
    )  # 0.02 before the order
    bench.price(200)
    bench.desk.place(PAIR, "buy", 199, 5)
    bench.price(199)
    assert deal(bench, 1) == 1
    for _ in range(2):
        bench.price(199)
        assert deal(bench, 1) == 1
    bench.price(199)  # the next bar
    assert deal(bench, 1) == 2


def test_beyond_the_touch_the_queue_is_gone() -> None:
    bench = bench_of(PartialFills(participation=ONE, queue=nano(1000)))
    bench.desk.place(PAIR, "sell", 201, 3)
    bench.price(201)
    assert deal(bench, 1) == 0
    bench.price(201.01)
    assert deal(bench, 1) == 3


def test_once_beyond_the_touch_an_order_is_first_at_its_price() -> None:
    bench = bench_of(PartialFills(participation=ONE, queue=nano(1000)))
    bench.desk.place(PAIR, "sell", 201, 10)
    bench.price(201.01)
    assert deal(bench, 1) == 8  # all that the bar has
    bench.price(200)
    bench.price(200)
    bench.price(201)  # the next bar, at the touch: its tick trades 2
    assert deal(bench, 1) == 10


def test_a_canceled_order_keeps_what_was_filled() -> None:
    bench = bench_of()
    bench.desk.place(PAIR, "sell", 150, 10)
    assert bench.desk.cancel(1)
    order = bench.desk.order(1)
    assert order is not None
    assert (order.Status, order.DealAmount) == (2, 4)
    account = bench.desk.account(PAIR)
    assert (account.Stocks, account.FrozenStocks) == (96, 0)


def test_a_close_is_filled_by_parts() -> None:
    bench = futures_bench(partial=PartialFills(participation=nano(0.25)), balance=100_000)
    bench.price(1600)
    bench.desk.place("BTC_USDT.swap", "buy", -1, 4)
    margins = []
    for _ in range(8):
        margins += [p.Margin for p in bench.desk.positions() or []]
        bench.price(1600)
    assert margins == [320.02] * 4 + [640.04] * 4
    assert bench.desk.account("BTC_USDT.swap").FrozenBalance == 0
    bench.desk.place("BTC_USDT.swap", "closebuy", 1500, 4)
    assert [(p.Amount, p.FrozenAmount, p.Margin) for p in bench.desk.positions() or []] == [(2, 2, 320.02)]
    for _ in range(4):
        bench.price(1600)
    assert bench.desk.positions() == []


class Ledgered:
    """Notes each fill of a desk with its tick's bar."""

    def __init__(self, bench: Bench) -> None:
        self.by_bar: dict[int, int] = defaultdict(int)
        self.by_order: dict[int, int] = defaultdict(int)
        self._bench = bench
        self._fill = bench.desk._fill
        bench.desk._fill = self.fill  # type: ignore[method-assign]

    def fill(self, order: Any, price: int, taker: bool, most: int | None) -> int:
        quantity = self._fill(order, price, taker, most)
        self.by_bar[self._bench.main.bar_of(order.seen)] += quantity
        self.by_order[order.id] += quantity
        return quantity


@pytest.mark.parametrize("kind", ["spot", "hedge", "net", "coin"])
@given(steps=STEPS, share=st.sampled_from([0.05, 0.3, 1.0]), queue=st.sampled_from([None, 0.0, 0.02]))
def test_no_bar_gives_more_than_its_share_and_the_books_agree(
    kind: str, steps: list[tuple[Any, ...]], share: float, queue: float | None
) -> None:
    partial = PartialFills(participation=nano(share), queue=None if queue is None else nano(queue))
    if kind == "spot":
        bench = spot_bench(balance=1500, stocks=10, maker=-0.01, taker=0.07, partial=partial)
    else:
        coin = kind == "coin"
        bench = futures_bench(
            coin=coin,
            balance=0 if coin else 300,
            stocks=3,
            margin_currency="BTC" if coin else "USDT",
            partial=partial,
        )
        bench.desk.set_dual(kind != "net")
    noted = Ledgered(bench)
    bench.price(100)
    for step in steps:
        run(bench, step)
        bench.desk.settle()
        bench.desk.settle()
        (check_spot if kind == "spot" else check_margin)(bench)
    for order in bench.desk._orders:
        assert order.deal == noted.by_order[order.id]
        assert order.in_quote or order.deal <= order.amount
        assert (order.state == 1) == (order.deal == order.amount or (order.in_quote and order.state == 1))
    most = nano(8 * share)
    assert all(given <= most for given in noted.by_bar.values())
    for shown in bench.desk.orders():
        bench.desk.cancel(shown.Id)
    assert all(asset.FrozenAmount == 0 for asset in bench.desk.assets(bench.main.detail.symbol))


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("price"), PRICES),
            st.tuples(st.just("place"), st.sampled_from(["buy", "sell"]), st.one_of(st.just(-1.0), PRICES), AMOUNTS),
        ),
        max_size=40,
    )
)
def test_a_late_settlement_shares_as_one_at_each_tick_does(steps: list[tuple[Any, ...]]) -> None:
    often, late = bench_of(), bench_of()
    for step in steps:
        for bench in (often, late):
            run(bench, step)
        often.desk.settle()
    assert often.desk.orders() == late.desk.orders()
    assert often.desk.history() == late.desk.history()
    assert often.desk.account(PAIR) == late.desk.account(PAIR)


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_an_order_of_just_what_the_bar_has_is_filled_and_over(side: str) -> None:
    bench = bench_of()
    bench.desk.place(PAIR, side, 205 if side == "buy" else 195, 4)
    order = bench.desk.order(1)
    assert order is not None
    assert (order.DealAmount, order.Status) == (4, 1)
    assert bench.desk.orders() == []
    assert not bench.desk.has_open(PAIR)


@pytest.mark.parametrize(("queue", "expected"), [(0.0, [(2, 0), (3, 1)]), (0.005, [(1, 0), (3, 0)])])
def test_the_volume_at_the_touch_is_given_once(queue: float, expected: list[tuple[float, float]]) -> None:
    """Each tick trades 2, of which the earlier order gets what it wants before the later one."""
    bench = spot_bench(balance=100_000, maker=0, partial=PartialFills(participation=ONE, queue=nano(queue)))
    assert bench.desk.settings.depth_amount == nano(200)  # a queue of 0.005 is 1
    bench.price(200)
    bench.desk.place(PAIR, "buy", 199, 3)
    bench.desk.place(PAIR, "buy", 199, 3)
    seen = []
    for _ in range(2):
        bench.price(199)
        seen.append((deal(bench, 1), deal(bench, 2)))
    assert seen == expected


def test_a_bar_that_has_nothing_left_still_uses_up_the_queue() -> None:
    """The first order takes the 4 of the bar at once; the trades at the price of the second one, 2 a tick, go on to serve those before it."""
    bench = spot_bench(balance=100_000, maker=0, partial=PartialFills(participation=nano(0.5), queue=nano(0.03)))
    bench.price(200)
    bench.desk.place(PAIR, "buy", 199, 3)  # 6 before it
    bench.desk.place(PAIR, "buy", 205, 4)
    for _ in range(3):
        bench.price(199)
    assert (deal(bench, 1), deal(bench, 2)) == (0, 4)
    bench.price(199)  # the next bar: 6 were traded before, so that the 2 of this tick are the order's
    assert deal(bench, 1) == 2


def test_an_order_gets_the_volume_of_a_tick_once_also_when_another_is_placed_there() -> None:
    bench = spot_bench(balance=100_000, maker=0, partial=PartialFills(participation=ONE, queue=0))
    bench.price(200)
    bench.desk.place(PAIR, "buy", 199, 3)
    bench.price(199)  # trades 2
    assert deal(bench, 1) == 2
    bench.desk.place(PAIR, "buy", 150, 3)
    assert (deal(bench, 1), deal(bench, 2)) == (2, 0)
    bench.desk.place(PAIR, "buy", -1, 199)
    assert deal(bench, 1) == 2
