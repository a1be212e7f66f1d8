"""Orders matched against recorded books and trades."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmzthreads.backtest.recorded.recording import PublicTrade, Recording
from tests.helpers.backtests import START
from tests.helpers.recorded_books import BookTest

BOOK = ([(101, 1), (102, 2), (103, 4)], [(100, 1), (99, 2), (98, 4)])
STILL = [(n, *BOOK) for n in range(10)]


def test_a_market_order_walks_the_book() -> None:
    test = BookTest(STILL, stocks=10 * 10**9)
    assert test.order(test.exchange.Sell(-1, 2.5)) == (1, 2.5, (100 + 1.5 * 99) / 2.5)
    bought = test.exchange.Buy(-1, 101 + 102)
    assert test.order(bought) == (1, 2, 101.5)


def test_a_limit_order_takes_up_to_its_price_and_rests_with_the_rest() -> None:
    test = BookTest(STILL)
    order = test.exchange.Buy(102, 5)
    assert test.order(order) == (0, 3, pytest.approx((101 + 2 * 102) / 3))
    assert [one.Id for one in test.exchange.GetOrders() or ()] == [order]


def test_a_quantity_is_given_once_while_its_level_stands() -> None:
    test = BookTest([*STILL, (10, [(101, 3), (102, 2)], BOOK[1]), (11, [(102, 2)], BOOK[1]), (12, *BOOK)])
    assert test.order(test.exchange.Buy(101, 1)) == (1, 1, 101)
    assert test.order(test.at(5).Buy(101, 1)) == (0, 0, 0)  # the level still shows what was taken
    test.at(9)
    for order in test.exchange.GetOrders() or ():
        test.exchange.CancelOrder(order.Id)
    assert test.order(test.at(10).Buy(101, 2)) == (1, 2, 101)  # two more have come
    assert test.order(test.at(12).Buy(101, 1)) == (1, 1, 101)  # the level was gone in between


def test_a_resting_order_waits_behind_what_its_level_showed() -> None:
    trade = [(n, *BOOK, [(n, 1, 100, 0.75)]) for n in range(1, 8)]
    test = BookTest([(0, *BOOK), *trade])
    order = test.exchange.Buy(100, 1)
    assert test.order(order) == (0, 0, 0)
    test.at(1)
    assert test.order(order)[1] == 0  # 0.75 of the 1 before it
    test.at(2)
    assert test.order(order) == (0, 0.5, 100)
    test.at(3)
    assert test.order(order) == (1, 1, 100)


def test_a_level_that_shows_less_moves_the_order_forward() -> None:
    thin = (BOOK[0], [(100, 0.25), (99, 2)])
    test = BookTest([(0, *BOOK), (1, *thin), (2, *BOOK, [(2, 1, 100, 0.5)])])
    order = test.exchange.Buy(100, 1)
    assert test.order(order)[0] == 0
    test.at(2)
    assert test.order(order) == (0, 0.25, 100)


def test_a_trade_beyond_the_price_or_a_book_at_it_fills_at_the_orders_own_price() -> None:
    test = BookTest([(0, *BOOK), (1, *BOOK, [(1, 1, 99, 0.5)]), (2, [(99, 0.25), (101, 1)], [(98, 1)])])
    order = test.exchange.Buy(100, 1)
    assert test.order(order)[0] == 0
    test.at(1)
    assert test.order(order) == (0, 0.5, 100)
    test.at(2)
    assert test.order(order) == (0, 0.75, 100)


def test_one_trade_is_shared_by_price_and_age() -> None:
    test = BookTest([(0, *BOOK), (1, *BOOK, [(1, 0, 103, 4.5)])], stocks=10 * 10**9)
    later, first, second = (test.exchange.Sell(price, 2) for price in (103, 102.5, 102.5))
    assert [test.order(order)[0] for order in (later, first, second)] == [0, 0, 0]
    test.at(1)
    assert [test.order(order)[1] for order in (first, second, later)] == [2, 2, 0]  # 4 stand before the one at 103


def test_orders_at_one_price_do_not_stand_before_each_other_twice() -> None:
    books = [(0, *BOOK), (1, BOOK[0], [(100, 4)]), (2, BOOK[0], [(100, 4)], [(2, 1, 100, 4)])]
    test = BookTest(books)
    first = test.exchange.Buy(100, 2)
    assert test.order(first)[0] == 0
    second = test.at(1).Buy(100, 2)
    assert test.order(second)[0] == 0
    test.at(2)
    # 1 before the first, its own 2, and only 1 of the 3 between the two
    assert [test.order(order)[1] for order in (first, second)] == [2, 0]


def test_what_stands_between_two_own_orders_is_used_up_once() -> None:
    books = [(0, *BOOK), (1, BOOK[0], [(100, 4)]), (2, BOOK[0], [(100, 4)], [(2, 1, 100, 7)])]
    test = BookTest(books)
    first = test.exchange.Buy(100, 2)
    assert test.order(first)[0] == 0
    second = test.at(1).Buy(100, 2)
    assert test.order(second)[0] == 0
    test.at(2)
    assert [test.order(order)[1] for order in (first, second)] == [2, 1]  # 1, own 2, 3 between, own 1


def test_what_was_taken_from_a_level_counts_while_it_is_beyond_the_recorded_depth() -> None:
    two = [(101, 1), (102, 2)]
    test = BookTest([(0, two, BOOK[1]), (1, two[:1], BOOK[1]), (2, two, BOOK[1])])
    assert test.order(test.exchange.Buy(102, 3))[1] == 3
    assert test.order(test.at(2).Buy(102, 3))[1] == 0


def test_a_trade_before_the_order_came_does_not_fill_it() -> None:
    test = BookTest([(0, *BOOK), (2, *BOOK, [(0.4, 1, 98, 5), (1.5, 1, 99, 0.25)])])
    order = test.at(1).Buy(100, 1)
    assert test.order(order)[0] == 0
    test.at(2)
    assert test.order(order) == (0, 0.25, 100)


def test_an_order_beyond_the_recorded_depth_knows_its_place_once_its_level_is_shown() -> None:
    shown = (BOOK[0], [(97, 3)])
    test = BookTest([(0, *BOOK), (1, *BOOK, [(1, 1, 97, 9)]), (2, *shown), (3, *shown, [(3, 1, 97, 3.5)])])
    order = test.exchange.Buy(97, 1)
    for second, filled in ((1, 0), (2, 0), (3, 0.5)):
        test.at(second)
        assert test.order(order)[1] == filled


def test_the_rest_of_a_market_order_takes_from_the_next_books() -> None:
    test = BookTest([(0, [(101, 1)], [(100, 1)]), (1, [(105, 9)], [(104, 1)])])
    order = test.exchange.Buy(-1, 311)
    assert test.order(order)[1] == 1
    test.at(1)
    assert test.order(order) == (1, 3, pytest.approx(311 / 3))


def test_slippage_is_paid_by_takers() -> None:
    test = BookTest(STILL, slip_point=100)  # a price tick is 0.01
    assert test.order(test.exchange.Buy(101.5, 1))[0] == 0
    assert test.order(test.exchange.Buy(102, 1)) == (1, 1, 102)


def test_maker_and_taker_fees() -> None:
    test = BookTest([(0, *BOOK), (1, *BOOK, [(1, 1, 99, 1)])], fee_maker=10**6, fee_taker=2 * 10**6)
    test.exchange.Buy(101, 1)
    test.exchange.Buy(100, 1)
    test.at(1)
    account = test.exchange.GetAccount()
    assert account is not None
    assert account.Balance == pytest.approx(10_000 - 101 * 1.002 - 100 * 1.001)


def test_the_age_of_a_price_is_in_the_orders_info_and_gaps_are_told() -> None:
    test = BookTest([(0, *BOOK), (300, *BOOK, [(300, 1, 99, 1)]), (301, *BOOK)])
    taker, resting = test.at(90).Buy(101, 1), test.exchange.Buy(100, 1)
    assert (test.exchange.GetOrder(taker) or {})["Info"] == {"PriceAge": 90_000}
    assert "Info" not in (test.exchange.GetOrder(resting) or {})
    fresh = test.at(301).Buy(102, 1)
    ages = [(test.exchange.GetOrder(order) or {})["Info"]["PriceAge"] for order in (resting, fresh)]
    assert ages == [300_000, 1000]
    assert test.rows.errors == [
        f"order {taker} of BTC_USDT was filled at a price 90 s old: no tick is recorded in between",
        f"order {resting} of BTC_USDT was filled at a price 300 s old: no tick is recorded in between",
    ]


def test_condition_orders_go_by_the_last_price() -> None:
    test = BookTest([(0, *BOOK), (1, *BOOK, [(1, 1, 99, 1)]), (2, *BOOK)], stocks=10**9)
    stop = {"ConditionType": 2, "SlTriggerPrice": 99.5, "SlOrderPrice": -1}
    order = test.exchange.CreateConditionOrder("BTC_USDT", "sell", 1, stop)
    assert [one.Id for one in test.exchange.GetConditionOrders() or ()] == [order]
    test.at(2)
    assert test.exchange.GetConditionOrders() == []
    assert [(one.Status, one.AvgPrice) for one in test.exchange.GetHistoryOrders() or ()] == [(1, 100)]


def market(seed: int) -> Recording:
    """A market at random: books that move, with trades between."""
    rng = random.Random(seed)
    found = Recording("Binance/BTC_USDT")
    middle = 10_000
    for n in range(120):
        middle += rng.randint(-2, 2)
        asks = [((middle + 1 + k) / 100, rng.randint(1, 9) / 10) for k in range(rng.randint(0, 4))]
        bids = [((middle - 1 - k) / 100, rng.randint(1, 9) / 10) for k in range(rng.randint(0, 4))]
        trades = [
            PublicTrade(START + n * 1000 - rng.randint(0, 900), rng.randint(0, 1), (middle + rng.randint(-3, 3)) / 100, rng.randint(1, 20) / 10)
            for _ in range(rng.randint(0, 2))
        ]  # fmt: skip
        found.add(START + n * 1000, asks, bids, trades, middle / 100)
    found.close()
    return found


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_money_is_conserved_and_nothing_is_filled_beyond_its_price(seed: int, moves: int) -> None:
    rng = random.Random(moves)
    test = BookTest(market(seed), seconds=119, stocks=5 * 10**9)
    exchange = test.exchange
    asked: dict[int, tuple[str, float]] = {}
    try:
        while True:
            move = rng.randint(0, 4)
            price = rng.choice([-1, (10_000 + rng.randint(-12, 12)) / 100])
            if move == 0:
                order = exchange.Buy(price, rng.randint(1, 30) * (10 if price < 0 else 0.1))
                asked.update({order: ("buy", price)} if order else {})
            elif move == 1:
                order = exchange.Sell(price, rng.randint(1, 30) / 10)
                asked.update({order: ("sell", price)} if order else {})
            elif move == 2 and asked:
                exchange.CancelOrder(rng.choice(list(asked)))
            test.engine.sleep(rng.randint(1, 3000))
    except EOFError:
        pass
    test.engine.finish()
    [part] = test.engine.parts
    orders = part.desk.dealt_orders()
    for order in orders:
        side, price = asked[order.id]
        average = order.average / 10**9
        if price > 0:
            assert average <= price + 1e-9 if side == "buy" else average >= price - 1e-9
        assert order.deal <= order.amount or order.in_quote
    bought = sum(order.deal * (1 if order.is_buy else -1) for order in orders)
    paid = sum(order.turnover * (1 if order.is_buy else -1) for order in orders)
    wallets = part.desk.ledger.wallets  # type: ignore[attr-defined]
    assert wallets["BTC"].total == 5 * 10**9 + bought
    assert abs(wallets["USDT"].total - (10_000 * 10**9 - paid)) <= len(orders)
    assert all(wallet.free >= 0 and wallet.frozen >= 0 for wallet in wallets.values())


@given(st.integers(0, 10**6))
def test_settling_late_gives_the_same_as_settling_at_each_tick(seed: int) -> None:
    """Skipping is proven against looking at each tick."""

    def _run(step_ms: int) -> list[object]:
        rng = random.Random(seed)
        test = BookTest(market(seed), seconds=119, stocks=5 * 10**9)
        for moment in sorted(rng.sample(range(110), 6)):
            while START + moment * 1000 - test.engine.now_ms > step_ms:
                test.engine.sleep(step_ms)
                test.exchange.GetOrders()
            test.at(moment)
            test.exchange.Buy((10_000 + rng.randint(-8, 3)) / 100, rng.randint(1, 30) / 10)
            test.exchange.Sell((10_000 + rng.randint(-3, 8)) / 100, rng.randint(1, 10) / 10)
        test.engine.finish()
        return [
            (order.id, order.deal, order.turnover, order.filled_ms)
            for order in test.engine.parts[0].desk.dealt_orders()
        ]

    assert _run(500) == _run(10**9)
