"""Changes of open paper orders: price, amount, what they hold, their place in the queue, and what is refused."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.errors import (
    FmzError,
    InsufficientFunds,
    InvalidOrder,
    NotSupported,
    OperationFailed,
    OrderNotFound,
)
from fmzthreads.exchange.contracts.intents import ModifyIntent
from tests.helpers.exchange_room import run_threads
from tests.helpers.paper_rooms import BIDS, LINEAR, ContractRoom, SpotRoom


def intent(order_id: str, price: float, amount: float | None = None) -> ModifyIntent:
    return ModifyIntent(
        order_id=order_id,
        symbol="BTC_USDT",
        side="buy",
        price=Decimal(str(price)),
        amount=None if amount is None else Decimal(str(amount)),
        client_order_id="m",
    )


def test_price_and_amount_change_with_what_is_held() -> None:
    room = SpotRoom()
    order_id = room.place("buy", 99, 2)
    assert room.money() == (802, 198, 10, 0)
    assert room.change(order_id, "buy", price=98, amount=3) == order_id
    order = room.venue.order(order_id)
    assert (order.Price, order.Amount, order.Status) == (98, 3, 0)
    assert room.money() == (706, 294, 10, 0)
    room.change(order_id, "buy", amount=1)
    assert room.money() == (902, 98, 10, 0)
    room.change(order_id, "buy", price=99)
    assert room.money() == (901, 99, 10, 0)
    room.venue.cancel(order_id)
    assert room.money() == (1000, 0, 10, 0)


def test_what_is_filled_counts_in_the_new_amount() -> None:
    room = SpotRoom(maker_fee=0)
    order_id = room.place("buy", 99.5, 2)
    room.trade()
    room.trade((99, 0.5))
    room.change(order_id, "buy", amount=3)
    order = room.venue.order(order_id)
    assert (order.Amount, order.DealAmount) == (3, 0.5)
    assert room.money() == (1000 - 99.5 * 3, 99.5 * 2.5, 10.5, 0)
    room.trade()  # it has to be seen at its new place first
    room.trade((99, 9))
    assert room.venue.order(order_id).Status == 1
    assert room.money() == (1000 - 99.5 * 3, 0, 13, 0)


@pytest.mark.parametrize(("name", "status", "amount"), [("OKX", 1, 0.5), ("Binance", 2, 2), ("Fake", 2, 2)])
def test_no_more_than_what_is_filled_ends_it_as_the_venue_does(name: str, status: int, amount: float) -> None:
    room = SpotRoom(name=name, maker_fee=0)
    order_id = room.place("buy", 99.5, 2)
    room.trade()
    room.trade((99, 0.5))
    room.change(order_id, "buy", amount=0.5)
    order = room.venue.order(order_id)
    assert (order.Status, order.Amount, order.DealAmount) == (status, amount, 0.5)
    assert room.money() == (1000 - 99.5 * 0.5, 0, 10.5, 0)


def test_a_price_that_crosses_the_book_takes_from_it() -> None:
    room = SpotRoom(taker_fee=0)
    order_id = room.place("buy", 99, 2)
    room.change(order_id, "buy", price=101)
    assert room.fills(order_id) == [(101, 1, "walk", False)]
    assert room.money() == (1000 - 202, 101, 11, 0)
    assert room.fills(room.place("buy", 101, 1)) == []  # and what it took is gone


def test_a_post_only_order_that_would_take_is_cancelled() -> None:
    room = SpotRoom()
    order_id = room.place("buy", 99, 2, time_in_force="GTX")
    room.change(order_id, "buy", price=98)
    assert room.venue.order(order_id).Status == 0
    room.change(order_id, "buy", price=101)
    assert (room.venue.order(order_id).Status, room.fills(order_id)) == (2, [])
    assert room.money() == (1000, 0, 10, 0)


def test_post_only_outlives_the_process(tmp_path: Path) -> None:
    room = SpotRoom(tmp_path)
    order_id = room.place("buy", 99, 2, time_in_force="GTX")
    room.venue.close()
    room = SpotRoom(tmp_path)
    room.change(order_id, "buy", price=101)
    assert room.venue.order(order_id).Status == 2
    room.venue.close()


@pytest.mark.parametrize(
    ("name", "change", "keeps"),
    [
        ("OKX", {"amount": 1}, True),
        ("OKX", {"amount": 3}, False),
        ("Binance", {"amount": 1}, True),
        ("Futures_Binance", {"amount": 1}, False),
        ("OKX", {"price": 98}, False),
    ],
)
def test_the_place_in_the_queue(name: str, change: dict[str, Any], keeps: bool) -> None:
    room = SpotRoom(name=name, queue=True)
    order_id = room.place("buy", 99, 2)  # the book shows 2 there
    room.trade()
    room.trade((99, 1.5))  # 0.5 are still ahead
    room.change(order_id, "buy", **change)
    room.trade()
    room.trade((change.get("price", 99), 1.0))
    assert bool(room.fills(order_id)) is keeps


def test_a_trade_from_before_the_change_does_not_fill_it_at_the_new_price() -> None:
    room = SpotRoom()
    order_id = room.place("buy", 98, 1)
    room.trade((100, 1))
    room.market.public_trades["BTC_USDT"].append(
        room.market.public_trades["BTC_USDT"][0] | {"Id": "x", "Price": 98.5, "Time": 1}
    )
    room.change(order_id, "buy", price=99)
    room.venue.look()  # 98.5 was traded before or after the change: nobody can tell
    assert room.fills(order_id) == []
    room.trade((98.5, 1))
    assert room.fills(order_id) == [(99, 1, "through", True)]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"amount": 11}, InsufficientFunds),
        ({"price": 98.001}, InvalidOrder),
        ({"amount": 1.00001}, InvalidOrder),
        ({"price": 1}, InvalidOrder),  # below the least value
        ({"amount": 1, "options": {"priceMatch": "QUEUE"}}, NotSupported),
    ],
)
def test_refusals_leave_it_as_it_was(change: dict[str, Any], error: type[FmzError]) -> None:
    room = SpotRoom()
    order_id = room.place("buy", 99, 2)
    before = room.venue.order(order_id), room.money()
    with pytest.raises(error):
        room.change(order_id, "buy", **change)
    with pytest.raises(InvalidOrder, match="the side"):
        room.change(order_id, "sell", amount=1)
    assert (room.venue.order(order_id), room.money()) == before


@pytest.mark.parametrize(
    ("name", "words"),
    [("Binance", "Order does not exist. .code -2013."), ("OKX", "already been filled or canceled. .code 51503.")],
)
def test_one_that_has_ended_cannot_be_changed(name: str, words: str) -> None:
    room = SpotRoom(name=name)
    filled, cancelled = room.place("buy", None, 101), room.place("buy", 99, 1)
    room.venue.cancel(cancelled)
    for order_id in (filled, cancelled, "BTC_USDT,99"):
        with pytest.raises(OrderNotFound, match=words):
            room.change(order_id, "buy", amount=2)
    with pytest.raises(OrderNotFound, match=r"-2011|51400"):
        room.venue.cancel(cancelled)


def test_binances_futures_refuse_a_change_of_nothing() -> None:
    room = ContractRoom(name="Futures_Binance")
    order_id = room.place(LINEAR, "buy", 10, 90)
    with pytest.raises(InvalidOrder, match="No need to modify the order"):
        room.change(order_id, "buy", price=90, amount=10)
    room = ContractRoom(name="Futures_OKX")
    order_id = room.place(LINEAR, "buy", 10, 90)
    assert room.change(order_id, "buy", price=90, amount=10) == order_id


def test_a_closing_order_is_changed_up_to_the_position() -> None:
    room = ContractRoom()
    room.place(LINEAR, "buy", 10)
    order_id, other = room.place(LINEAR, "closebuy", 4, 150), room.place(LINEAR, "closebuy", 3, 150)
    room.change(order_id, "closebuy", amount=7)
    with pytest.raises(InvalidOrder, match="of which 3 are being closed"):
        room.change(order_id, "closebuy", amount=8)
    assert room.venue.order(order_id).Amount == 7
    assert room.venue.order(other).Amount == 3
    assert room.money(LINEAR)[1] == 1  # the position's margin alone


def test_an_opening_order_of_a_contract_holds_its_margin_anew() -> None:
    room = ContractRoom()
    order_id = room.place(LINEAR, "buy", 100, 90)
    room.change(order_id, "buy", price=80, amount=50)
    assert room.money(LINEAR)[:2] == (96, 4)


def test_a_change_that_cannot_be_stored_has_not_happened(tmp_path: Path) -> None:
    room = SpotRoom(tmp_path)
    order_id = room.place("buy", 99, 2)
    room.venue.book.store._database.execute("ALTER TABLE orders RENAME TO gone")
    room.market.set_book("BTC_USDT", asks=[(101.0, 1.0)], bids=BIDS)
    with pytest.raises(OperationFailed):
        room.venue.book.modify(intent(order_id, 98), room.market.depth("BTC_USDT"), room.venue.ways)
    room.venue.book.store._database.execute("ALTER TABLE gone RENAME TO orders")
    assert room.venue.order(order_id).Price == 99
    assert room.money() == (802, 198, 10, 0)
    room.venue.close()


def test_changes_cancels_and_fills_from_many_threads_keep_the_money() -> None:
    room = SpotRoom(balances={"USDT": 10_000, "BTC": 10}, maker_fee=0, taker_fee=0)
    ids = [room.place("buy", 90 + index, 1) for index in range(8)]
    room.trade()

    def act(index: int) -> None:
        for turn in range(6):
            try:
                if index == 0:
                    room.trade((95 - turn, 2))
                elif index == 7:
                    room.venue.cancel(ids[turn])
                else:
                    room.venue.book.modify(
                        intent(ids[(index + turn) % 8], 85 + index + turn, 1 + turn % 2),
                        room.market.depth("BTC_USDT"),
                        room.venue.ways,
                    )
            except OrderNotFound:
                continue

    run_threads(8, act)
    orders = [room.venue.order(one) for one in ids]
    free, frozen, coins, _ = room.money()
    assert coins == 10 + sum(order.DealAmount for order in orders)
    assert frozen == sum(order.Price * (order.Amount - order.DealAmount) for order in orders if order.Status == 0)
    assert free + frozen == 10_000 - sum(order.DealAmount * order.AvgPrice for order in orders)
