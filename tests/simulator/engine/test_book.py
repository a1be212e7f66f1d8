from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmzthreads.simulator.engine.book import BookOrder, MatchingBook, SelfTrade


def put(book: MatchingBook, number: int, is_buy: bool, ticks: int, lots: int, owner: object = None) -> BookOrder:
    order = BookOrder(number, owner, is_buy, ticks, lots)
    assert book.take(order) == []
    book.submit(order)
    return order


def test_best_price_first_then_first_come() -> None:
    book = MatchingBook()
    put(book, 1, False, 102, 5)
    put(book, 2, False, 101, 5)
    put(book, 3, False, 101, 5)
    taker = BookOrder(4, None, True, 102, 12)
    assert [(maker.order_id, ticks, lots) for maker, ticks, lots in book.take(taker)] == [
        (2, 101, 5),
        (3, 101, 5),
        (1, 102, 2),
    ]
    assert taker.left == 0
    assert book.levels(False, 10) == [(102, 3, 1)]


def test_a_limit_order_stops_at_its_price_and_rests() -> None:
    book = MatchingBook()
    put(book, 1, False, 101, 5)
    put(book, 2, False, 103, 5)
    taker = BookOrder(3, None, True, 102, 9)
    book.take(taker)
    book.submit(taker)
    assert taker.left == 4
    assert (book.best_bid(), book.best_ask()) == (102, 103)
    assert book.lots_at(True, 102) == 4
    assert book.lots_at(True, 99) == 0


def test_an_order_in_part_filled_keeps_its_place() -> None:
    book = MatchingBook()
    first, second = put(book, 1, True, 100, 5), put(book, 2, True, 100, 5)
    book.take(BookOrder(3, None, False, 100, 3))
    fills = book.take(BookOrder(4, None, False, 100, 3))
    assert [(maker, lots) for maker, _, lots in fills] == [(first, 2), (second, 1)]


@pytest.mark.parametrize("victim", [0, 1, 2])
def test_cancel_from_any_place_in_the_queue(victim: int) -> None:
    book = MatchingBook()
    orders = [put(book, number, True, 100, number + 1) for number in range(3)]
    book.remove(orders[victim])
    book.remove(orders[victim])  # again has no effect
    rest = [order for order in orders if order is not orders[victim]]
    assert list(book.orders(True)) == rest
    assert book.levels(True, 1) == [(100, sum(order.left for order in rest), 2)]


def test_the_last_order_of_a_price_takes_the_price_with_it() -> None:
    book = MatchingBook()
    middle = put(book, 1, False, 102, 1)
    put(book, 2, False, 101, 1)
    put(book, 3, False, 103, 1)
    book.remove(middle)
    assert [level[0] for level in book.levels(False, 9)] == [101, 103]
    assert book.levels(False, 0) == []


def test_a_budget_buys_whole_lots_and_never_more() -> None:
    book = MatchingBook()
    put(book, 1, False, 10, 3)
    put(book, 2, False, 11, 3)
    taker = BookOrder(3, None, True, 0, 100)
    expected = (4, 41)
    assert book.preview(taker, any_price=True, budget=51) == expected
    fills = book.take(taker, any_price=True, budget=51)
    assert (sum(lots for _, _, lots in fills), sum(ticks * lots for _, ticks, lots in fills)) == expected


@pytest.mark.parametrize(
    ("mode", "fills", "prevented", "left_in_book"),
    [
        (SelfTrade.NONE, [1, 2], [], []),
        (SelfTrade.EXPIRE_MAKER, [2], [1], []),
        (SelfTrade.EXPIRE_TAKER, [], [9], [1, 2]),
        (SelfTrade.EXPIRE_BOTH, [], [1, 9], [2]),
    ],
)
def test_self_trade_prevention(
    mode: SelfTrade, fills: list[int], prevented: list[int], left_in_book: list[int]
) -> None:
    book = MatchingBook()
    me, you = object(), object()
    put(book, 1, False, 100, 5, me)
    put(book, 2, False, 100, 5, you)
    taker, out = BookOrder(9, me, True, 100, 10), []
    looked = book.preview(taker, self_trade=mode)
    got = book.take(taker, self_trade=mode, prevented=out)
    assert [maker.order_id for maker, _, _ in got] == fills
    assert [order.order_id for order in out] == prevented
    assert [order.order_id for order in book.orders(False)] == left_in_book
    assert looked == (5 * len(fills), 500 * len(fills))


def test_changes_are_noted_only_while_somebody_wants_them() -> None:
    book = MatchingBook()
    put(book, 1, False, 100, 5)
    book.changes = set()
    before = book.version
    book.take(BookOrder(2, None, True, 100, 2))
    assert book.changes == {(False, 100)}
    assert book.version > before
    book.changes = None
    put(book, 3, True, 90, 1)
    assert book.changes is None


commands = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.booleans(), st.integers(90, 110), st.integers(1, 20), st.integers(0, 2)),
        st.tuples(st.just("market"), st.booleans(), st.just(0), st.integers(1, 50), st.integers(0, 2)),
        st.tuples(st.just("cancel"), st.booleans(), st.just(0), st.integers(0, 60), st.just(0)),
    ),
    max_size=60,
)


def plain_match(resting: list[BookOrder], taker: BookOrder, any_price: bool) -> list[tuple[int, int, int]]:
    """The rule as one would write it down: sort everything, go through it."""
    sign = 1 if taker.is_buy else -1
    line = sorted(
        (o for o in resting if o.is_buy != taker.is_buy and o.left), key=lambda o: (sign * o.ticks, o.order_id)
    )
    left, fills = taker.left, []
    for order in line:
        if not left or (not any_price and sign * order.ticks > sign * taker.ticks):
            break
        lots = min(left, order.left)
        left -= lots
        fills.append((order.order_id, order.ticks, lots))
    return fills


@given(commands, st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_stream_matches_the_plain_rule_and_never_crosses(
    stream: list[tuple[str, bool, int, int, int]], careful: bool
) -> None:
    book, resting = MatchingBook(), []
    book.changes = set()
    shadow: dict[tuple[bool, int], int] = {}
    for number, (kind, is_buy, ticks, lots, owner) in enumerate(stream):
        if kind == "cancel":
            if resting:
                book.remove(resting.pop(lots % len(resting)))
        else:
            taker, any_price = BookOrder(number, owner, is_buy, ticks, lots), kind == "market"
            expected = plain_match(resting, taker, any_price)
            looked = book.preview(taker, any_price=any_price)
            # A budget that is never reached takes the careful way through the same book.
            got = book.take(taker, any_price=any_price, budget=10**9 if careful else None)
            assert [(maker.order_id, price, size) for maker, price, size in got] == expected
            assert looked == (sum(f[2] for f in got), sum(f[1] * f[2] for f in got))
            assert taker.left == lots - looked[0]
            if taker.left and not any_price:
                book.submit(taker)
                resting.append(taker)
            resting = [order for order in resting if order.left]
        check(book, resting)
        for side, price in book.changes:
            shadow[side, price] = book.lots_at(side, price)
        book.changes.clear()
        for side in (True, False):
            assert {p: n for (s, p), n in shadow.items() if s is side and n} == {
                p: n for p, n, _ in book.levels(side, 99)
            }


def check(book: MatchingBook, resting: list[BookOrder]) -> None:
    if book.best_bid() and book.best_ask():
        assert book.best_bid() < book.best_ask()
    for is_buy in (True, False):
        sums: dict[int, int] = defaultdict(int)
        for order in resting:
            if order.is_buy is is_buy:
                sums[order.ticks] += order.left
        levels = book.levels(is_buy, 99)
        assert {ticks: lots for ticks, lots, _ in levels} == dict(sums)
        assert [ticks for ticks, _, _ in levels] == sorted(sums, reverse=is_buy)
