"""Paper orders of spot markets: how they are filled, refused, kept, and what they cost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.errors import (
    DuplicateOrder,
    InputError,
    InsufficientFunds,
    InvalidOrder,
    NotSupported,
    OperationFailed,
    OrderNotFound,
    UnknownName,
    WouldTake,
)
from fmzthreads.exchange.venue import OrderIntent
from fmzthreads.structures import Record
from fmzthreads.testing import FakeVenue
from fmzthreads.venues.paper.settings import Paper, paper_of
from fmzthreads.venues.paper.venue import PaperVenue
from tests.helpers.exchange_room import run_threads
from tests.helpers.forked import in_fork, needs_fork
from tests.helpers.paper_rooms import ASKS, BIDS, SpotRoom


def test_a_market_buy_walks_the_asks_and_pays_its_fee_in_coins() -> None:
    room = SpotRoom()
    order = room.venue.order(room.place("buy", None, 305))
    assert (order.Status, order.Amount, order.DealAmount) == (1, 3.0, 3.0)
    assert order.AvgPrice == pytest.approx(305 / 3)
    assert room.fills(order.Id) == [(101, 1, "walk", False), (102, 2, "walk", False)]
    assert room.money() == (695, 0, 12.997, 0)


def test_a_sale_pays_its_fee_in_quote_currency() -> None:
    room = SpotRoom(taker_fee=Decimal("0.002"))
    room.place("sell", None, 2)
    assert room.money() == (1000 + 199 * 0.998, 0, 8, 0)


def test_what_was_taken_is_gone_until_the_book_changes_there() -> None:
    room = SpotRoom()
    room.place("buy", None, 50.5)  # half of the first level
    assert room.fills(room.place("buy", 102, 1)) == [(101, 0.5, "walk", False), (102, 0.5, "walk", False)]
    room.market.set_book("BTC_USDT", asks=[(101.0, 1.0), (102.0, 2.5), (103.0, 3.0)], bids=BIDS)
    # 102 shows another size; 101 shows the same, so that nothing of it is left
    assert room.fills(room.place("buy", 102, 1)) == [(102, 1, "walk", False)]
    room.market.set_book("BTC_USDT", asks=[(102.0, 2.5), (103.0, 3.0)], bids=BIDS)
    room.place("buy", 101, 1)
    room.market.set_book("BTC_USDT", asks=ASKS, bids=BIDS)  # 101 was gone and is back
    assert room.fills(room.place("buy", 101, 1)) == [(101, 1, "walk", False)]


def test_two_sides_and_two_threads_never_take_the_same_liquidity() -> None:
    room = SpotRoom(balances={"USDT": 10_000, "BTC": 10})
    run_threads(16, lambda index: room.place("buy", 103, 1, client_order_id=f"t{index}", time_in_force="IOC") and None)
    orders = room.venue.history_orders("BTC_USDT")
    assert sum(order.DealAmount for order in orders) == 6
    assert sum(order.Status == 1 for order in orders) == 6
    assert room.venue.book.balances.free("USDT") == 10_000 - (101 + 204 + 309)


def test_a_market_order_beyond_the_book_is_filled_in_part_and_ends() -> None:
    room = SpotRoom()
    order = room.venue.order(room.place("sell", None, 9))
    assert (order.Status, order.Amount, order.DealAmount) == (2, 9, 6)
    assert room.money()[2:] == (4, 0)
    order = room.venue.order(room.place("buy", None, 900))
    assert order.DealAmount == 6


@pytest.mark.parametrize(("in_force", "dealt", "status"), [("IOC", 1, 2), ("FOK", 0, 2), ("GTC", 1, 0)])
def test_time_in_force(in_force: str, dealt: float, status: int) -> None:
    room = SpotRoom()
    order = room.venue.order(room.place("buy", 101, 2, time_in_force=in_force))
    assert (order.DealAmount, order.Status) == (dealt, status)
    assert room.money()[1] == (101 if status == 0 else 0)


def test_post_only_orders_never_take() -> None:
    room = SpotRoom()
    with pytest.raises(WouldTake):
        room.place("buy", 101, 1, time_in_force="GTX")
    assert room.venue.order(room.place("buy", 100.5, 1, time_in_force="GTX")).Status == 0


def test_at_okx_a_post_only_order_that_would_take_is_cancelled() -> None:
    room = SpotRoom(name="OKX")
    order = room.venue.order(room.place("buy", 101, 1, time_in_force="GTX"))
    assert (order.Status, order.DealAmount) == (2, 0)
    assert room.money() == (1000, 0, 10, 0)
    assert room.venue.orders() == []
    assert room.fills(room.place("buy", 101, 1)) == [(101, 1, "walk", False)]  # it took nothing
    assert room.venue.order(room.place("buy", 100.5, 1, time_in_force="GTX")).Status == 0


def test_a_resting_order_is_filled_by_trades_through_its_price_with_their_amounts() -> None:
    room = SpotRoom()
    order_id = room.place("buy", 99.5, 2)
    assert room.money() == (801, 199, 10, 0)
    room.trade((99, 5))  # the first look shows what was traded before
    room.trade((99.5, 5))  # at its price, not through
    assert room.fills(order_id) == []
    room.trade((99.4, 0.5), (99.6, 5), (99.0, 0.5))
    assert room.fills(order_id) == [(99.5, 0.5, "through", True), (99.5, 0.5, "through", True)]
    assert room.venue.order(order_id).Status == 0
    room.trade()
    assert len(room.fills(order_id)) == 2  # each trade counts once
    room.trade((90, 5))
    assert room.venue.order(order_id).Status == 1
    assert room.money() == (801, 0, 12 - 0.002, 0)


def test_an_order_is_not_filled_by_trades_from_before_it_rested() -> None:
    room = SpotRoom()
    room.place("buy", 99, 1)
    room.trade((100, 1))
    late = room.place("buy", 99.5, 1)
    room.trade((99.4, 1))  # made before or after it was placed: nobody can tell
    assert room.fills(late) == []
    room.trade((99.4, 1))
    assert len(room.fills(late)) == 1


def test_the_better_price_and_then_the_older_order_comes_first() -> None:
    room = SpotRoom()
    low, first, second = room.place("buy", 98, 1), room.place("buy", 99, 1), room.place("buy", 99, 1)
    dear, sale = room.place("sell", 106, 1), room.place("sell", 105, 1)
    room.trade()
    room.trade((90, 1.5), (110, 0.4))
    assert [room.venue.order(one).DealAmount for one in (low, first, second, sale, dear)] == [0, 1, 0.5, 0.4, 0]


def test_the_queue_estimate_fills_at_the_price_after_what_was_ahead() -> None:
    room = SpotRoom(queue=True)
    order_id = room.place("buy", 99, 1)  # the book shows 2 there
    room.trade()
    room.trade((99, 1.5))
    assert room.fills(order_id) == []
    room.trade((99, 1.0))
    assert room.fills(order_id) == [(99, 0.5, "queue", True)]
    room.trade((99, 9))
    assert room.venue.order(order_id).Status == 1


def test_a_sale_queues_behind_the_asks() -> None:
    room = SpotRoom(queue=True)
    sale = room.place("sell", 103, 1)  # the book shows 3 there
    room.trade()
    room.trade((103, 2.9))
    assert room.fills(sale) == []
    room.trade((103, 0.4))
    assert room.fills(sale) == [(103, 0.3, "queue", True)]
    first = room.place("sell", 104, 1)  # the book shows nothing there
    room.trade()
    room.trade((104, 0.8))  # through the better price first
    assert room.fills(sale)[1:] == [(103, 0.7, "through", True)]
    assert room.fills(first) == [(104, 0.1, "queue", True)]


def test_a_book_that_moves_through_a_price_fills_the_order() -> None:
    room = SpotRoom()
    order_id = room.place("buy", 100.5, 2)
    room.market.set_book("BTC_USDT", asks=[(100.2, 0.5), (100.4, 0.7), (103.0, 3.0)], bids=[(100.0, 1.0)])
    room.venue.look()
    room.venue.look()  # and once only
    assert room.fills(order_id) == [(100.5, 1.2, "book", True)]


def test_cancelled_orders_free_what_they_held() -> None:
    room = SpotRoom()
    order_id = room.place("sell", 105, 3)
    assert room.money() == (1000, 0, 7, 3)
    room.venue.cancel(order_id)
    assert room.money() == (1000, 0, 10, 0)
    assert room.venue.order(order_id).Status == 2
    with pytest.raises(OrderNotFound):
        room.venue.cancel(order_id)
    with pytest.raises(OrderNotFound):
        room.venue.order("BTC_USDT,999")
    with pytest.raises(OrderNotFound):
        room.venue.order("nonsense")


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda room: room.place("buy", 100, 11), InsufficientFunds),
        (lambda room: room.place("buy", None, 1001), InsufficientFunds),
        (lambda room: room.place("sell", 105, 11), InsufficientFunds),
        (lambda room: room.place("sell", None, 10.5), InsufficientFunds),
        (lambda room: room.place("buy", 100.001, 1), InvalidOrder),
        (lambda room: room.place("buy", 100, 1.00001), InvalidOrder),
        (lambda room: room.place("buy", 1, 1), InvalidOrder),
        (lambda room: room.place("buy", None, 4), InvalidOrder),
        (lambda room: room.place("closebuy", 100, 1), InputError),
        (lambda room: room.place("buy", 100, 1, options={"type": "STOP"}), NotSupported),
        (lambda room: room.venue.request("POST", "/api/v3/order"), NotSupported),
        (lambda room: room.venue.history_orders("BTC_USDT", -1), InputError),
    ],
)
def test_refusals_change_nothing(call: Callable[[SpotRoom], Any], error: type[Exception]) -> None:
    room = SpotRoom()
    with pytest.raises(error):
        call(room)
    assert room.money() == (1000, 0, 10, 0)
    assert room.venue.history_orders("BTC_USDT") == []


def test_a_client_order_id_is_taken_once() -> None:
    room = SpotRoom()
    order_id = room.place("buy", 99, 1, client_order_id="mine")
    with pytest.raises(DuplicateOrder):
        room.place("buy", 99, 1, client_order_id="mine")
    assert room.venue.order_by_client_id("BTC_USDT", "mine").Id == order_id
    assert room.venue.client_id_of(room.venue.order(order_id)) == "mine"
    with pytest.raises(OrderNotFound):
        room.venue.order_by_client_id("BTC_USDT", "other")


def test_lists_and_rates() -> None:
    room = SpotRoom(maker_fee=Decimal("-0.0001"))
    first = room.place("buy", 99, 1)
    room.clock.advance(1)
    second = room.place("buy", 101, 1)
    assert [order.Id for order in room.venue.orders()] == [first]
    assert [order.Id for order in room.venue.orders("ETH_USDT")] == []
    history = room.venue.history_orders
    assert [order.Id for order in history("BTC_USDT")] == [first, second]
    assert [order.Id for order in history("BTC_USDT", 0, 1)] == [second]
    assert [order.Id for order in history("BTC_USDT", history("BTC_USDT")[1].Time)] == [second]
    assert room.venue.fee_rates("BTC_USDT") == (-0.0001, 0.001)
    assert {asset.Currency for asset in room.venue.assets()} == {"USDT", "BTC"}
    room.trade()
    room.trade((90, 9))
    assert room.venue.book.balances.free("BTC") == Decimal("11.999") + Decimal("0.0001")  # a rebate


def test_an_order_travels_for_the_latency() -> None:
    room = SpotRoom(latency_ms=150)
    order_id = room.place("buy", 99, 1)
    assert room.clock.slept == [0.15]
    room.venue.cancel(order_id)
    assert room.clock.slept == [0.15, 0.15]


def test_more_levels_are_fetched_for_an_order_that_needs_them() -> None:
    room = SpotRoom(balances={"BTC": 500})
    room.market.set_book("BTC_USDT", asks=ASKS, bids=[(100 - n / 10, 1.0) for n in range(150)])
    order = room.venue.order(room.place("sell", None, 120))
    assert order.DealAmount == 120


# The file


def test_an_account_outlives_its_process(tmp_path: Path) -> None:
    room = SpotRoom(tmp_path)
    order_id = room.place("buy", 99.5, 2)
    bought = room.place("buy", None, 101)
    room.venue.close()
    room = SpotRoom(tmp_path, balances={"USDT": 5})
    assert room.money() == (700, 199, 10.999, 0)
    assert [order.Id for order in room.venue.orders()] == [order_id]
    assert room.fills(bought) == [(101, 1, "walk", False)]
    assert room.place("buy", 50, 1, client_order_id="next") == "BTC_USDT,3"
    room.venue.close()
    assert [path.name for path in tmp_path.iterdir()] == ["paper-Fake.sqlite3"]


def test_what_the_market_did_meanwhile_is_caught_up(tmp_path: Path) -> None:
    room = SpotRoom(tmp_path)
    filled, resting = room.place("buy", 99.5, 2), room.place("buy", 90, 1)
    made_ms = room.venue.order(filled).Time
    room.venue.close()
    room = SpotRoom(tmp_path)
    low = {made_ms - 30_000: 80.0, made_ms + 30_000: 99.5, made_ms + 90_000: 99.4}
    room.market.bars[("BTC_USDT", 60)] = [
        Record(Time=time, Open=100.0, High=101.0, Low=price, Close=100.0, Volume=1.0) for time, price in low.items()
    ]
    room.venue.look()
    assert room.fills(filled) == [(99.5, 2, "through", True)]
    assert room.venue.fills(room.venue.order(filled))[0].Time == made_ms + 150_000
    assert room.venue.order(resting).Status == 0  # the bar in which it was placed proves nothing
    room.venue.close()


def test_bars_of_before_the_last_look_count_for_nothing(tmp_path: Path) -> None:
    room = SpotRoom(tmp_path)
    order_id = room.place("buy", 99.5, 2)
    made_ms = room.venue.order(order_id).Time
    room.clock.advance(90)
    room.venue.look()
    room.venue.close()
    room = SpotRoom(tmp_path)

    def _bar(after_ms: int) -> Record:
        return Record(Time=made_ms + after_ms, Open=100.0, High=101.0, Low=80.0, Close=100.0, Volume=1.0)

    room.market.bars[("BTC_USDT", 60)] = [_bar(30_000)]  # that look saw its trades
    room.venue.look()
    assert room.fills(order_id) == []
    room.venue.close()
    room = SpotRoom(tmp_path)
    room.market.bars[("BTC_USDT", 60)] = [_bar(30_000), _bar(90_000)]
    room.venue.look()
    assert room.fills(order_id) == [(99.5, 2, "through", True)]
    room.venue.close()


def test_two_venues_share_an_account_by_its_file_and_other_processes_are_refused(tmp_path: Path) -> None:
    first, second = SpotRoom(tmp_path), SpotRoom(tmp_path)
    first.place("buy", 99, 1)
    assert len(second.venue.orders()) == 1
    first.venue.close()
    second.place("buy", 98, 1, client_order_id="second")
    from fmzthreads.venues.paper.account.store import PaperStore

    with pytest.raises(OperationFailed, match="another process trades with it"):
        PaperStore(second.venue.account_file).open({})
    second.venue.close()
    PaperStore(second.venue.account_file).open({})


def test_an_account_is_taken_by_the_process_that_opens_it_before_it_trades(tmp_path: Path) -> None:
    from fmzthreads.venues.paper.account.store import PaperStore

    PaperStore(tmp_path / "paper.sqlite3").open({})
    first, second = PaperStore(tmp_path / "paper.sqlite3"), PaperStore(tmp_path / "paper.sqlite3")
    first.open({})  # nothing is new
    with pytest.raises(OperationFailed, match="another process trades with it"):
        second.open({})
    first.close()


def test_the_place_in_the_queue_outlives_the_process(tmp_path: Path) -> None:
    room = SpotRoom(tmp_path, queue=True)
    order_id = room.place("buy", 99, 1)  # the book shows 2 there
    room.trade()
    room.trade((99, 1.5))
    room.venue.close()
    room = SpotRoom(tmp_path, queue=True)
    room.trade()
    room.trade((99, 1.0))
    assert room.fills(order_id) == [(99, 0.5, "queue", True)]
    room.venue.close()


def test_another_programs_file_is_left_alone(tmp_path: Path) -> None:
    from fmzthreads.database import Database

    Database(tmp_path / "other.sqlite3", ("CREATE TABLE mine (x)",), durable=False).execute("SELECT 1")
    with pytest.raises(OperationFailed, match="another program's tables"):
        SpotRoom(file=tmp_path / "other.sqlite3")


def test_an_order_that_cannot_be_stored_has_not_happened(tmp_path: Path) -> None:
    room = SpotRoom(tmp_path)
    room.venue.book.store._database.execute("DROP TABLE fills")
    with pytest.raises(OperationFailed):
        room.place("buy", None, 101)
    assert room.money() == (1000, 0, 10, 0)
    assert room.venue.orders() == []
    room.venue.close()


# The watch


def test_the_watch_looks_while_orders_rest_and_ends_with_the_venue() -> None:
    clock = ManualClock(1000)
    market = FakeVenue(clock=clock)
    market.set_book("BTC_USDT", asks=ASKS, bids=BIDS)
    venue = PaperVenue(market, Paper(latency_ms=0, poll_ms=500), None, clock)
    warnings: list[str] = []
    told = threading.Event()

    def warn(text: str) -> None:
        warnings.append(text)
        told.set()

    venue.warn_with(warn)
    market.fail("trades", OperationFailed("no trades"), always=True)
    intent = OrderIntent(symbol="BTC_USDT", side="buy", price=Decimal(99), amount=Decimal(1), client_order_id="w")
    order_id = venue.place(intent)
    assert told.wait(60)
    assert warnings == ["resting paper orders of BTC_USDT cannot be matched; it is tried again: no trades"]
    market.heal("trades")
    market.set_book("BTC_USDT", asks=[(98.0, 5.0)], bids=[(97.0, 5.0)])
    while venue.order(order_id).Status == 0:
        clock.advance(0.5)
        threading.Event().wait(0.001)
    assert venue._watch is not None
    thread = venue._watch._thread
    venue.close()
    assert thread is not None
    assert not thread.is_alive()


# Settings


@pytest.mark.parametrize(
    "table",
    [
        {"maker_fee": 1},
        {"latency_ms": -1},
        {"balances": {"USDT": -1}},
        {"balances": 5},
        {"poll_ms": 0},
        {"taker_fee": "x"},
        5,
    ],
)
def test_settings_that_are_not_valid(table: Any) -> None:
    with pytest.raises(InputError):
        paper_of(table)


def test_settings() -> None:
    assert paper_of(None) is None
    assert paper_of(False) is None
    assert paper_of(True) == Paper()
    assert paper_of({"balances": {"USD": 5}}) == Paper(balances={"USD": Decimal(5)})
    with pytest.raises(UnknownName, match="did you mean 'maker_fee'"):
        paper_of({"makerfee": 1})


@needs_fork
def test_a_forked_child_is_refused_the_parents_account(tmp_path: Path) -> None:
    room = SpotRoom(tmp_path)
    kept = room.place("buy", 90, 1)

    def child() -> str:
        with pytest.raises(OperationFailed) as told:
            room.place("buy", 90, 1)
        return str(told.value)

    assert "belongs to the process that opened it" in in_fork(child)
    assert [order["Id"] for order in room.venue.orders("BTC_USDT")] == [kept]
