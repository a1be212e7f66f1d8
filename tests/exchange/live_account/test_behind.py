"""After a fill the stream's positions are not an answer until it has told of the position that the fill made."""

from __future__ import annotations

from fmzthreads.clock import ManualClock
from fmzthreads.constants import ORDER_STATE_CLOSED
from fmzthreads.exchange.live_account.events import AccountSnapshot, OrderChange, PositionChange
from fmzthreads.exchange.live_account.view import AccountView
from fmzthreads.structures import Info, Position
from tests.helpers.account_streams import order, position

SWAP = "BTC_USDT.swap"


class Stream:
    """A view that is live, and what its stream tells."""

    def __init__(self, *positions: tuple[Position, int]) -> None:
        self.clock = ManualClock(1_600_000_000)
        self.view = AccountView(self.clock)
        self.view.catch_up(AccountSnapshot(orders=[], conditions=[], positions=list(positions)), [])
        self.view.set_live()

    def fill(self, time_ms: int, number: int = 1, fill_id: str = "1", **more: object) -> None:
        filled = order(number, 10, ORDER_STATE_CLOSED, **more)
        self.view.apply(OrderChange(order=filled, time_ms=time_ms, fill=Info(Id=fill_id)))

    def position(self, amount: float, time_ms: int, told_ms: int = 0) -> None:
        held = position(amount, MarginLevel=5.0, Margin=8.0)
        self.view.apply(PositionChange(position=held, time_ms=time_ms, told_ms=told_ms))

    def amounts(self, scope: str = SWAP) -> list[float] | None:
        found = self.view.positions(scope)
        return None if found is None else [one.Amount for one in found]


def test_a_fill_makes_the_venue_be_asked_until_its_position_is_told() -> None:
    stream = Stream()
    assert stream.amounts() == []
    stream.fill(100)
    assert stream.amounts() is None
    assert stream.view.positions(SWAP, amounts_only=True) is None  # nor before a closing order
    assert stream.amounts("USD.swap") == []
    assert stream.view.orders(None) == []
    stream.position(4, 99)  # of before the fill
    assert stream.amounts() is None
    stream.position(10, 100)
    assert stream.amounts() == [10]
    stream.fill(100, 2)  # the same trade, of another order of ours, or the message comes after its position
    assert stream.amounts() == [10]


def test_the_time_of_the_message_counts_where_the_position_has_an_older_one() -> None:
    stream = Stream()
    stream.fill(100)
    stream.position(10, 90, told_ms=101)
    assert stream.amounts() == [10]


def test_a_position_that_is_flat_again_is_news_too() -> None:
    stream = Stream((position(10, MarginLevel=5.0, Margin=8.0), 50))
    stream.fill(100)
    stream.position(0, 100)
    assert stream.amounts() == []
    stream.fill(200, 2)
    stream.position(0, 200)  # opened and closed at once
    assert stream.amounts() == []


def test_it_is_not_asked_for_ever_and_not_after_a_reading() -> None:
    stream = Stream()
    stream.fill(100)
    stream.clock.advance(1.9)
    assert stream.amounts() is None
    stream.clock.advance(0.2)
    assert stream.amounts() == []
    stream.fill(200, 2)
    stream.view.catch_up(AccountSnapshot(orders=[], conditions=[], positions=[(position(3), 150)]), [])
    assert stream.amounts() == [3]


def test_an_order_without_a_fill_and_one_of_a_spot_market_change_no_position() -> None:
    stream = Stream()
    stream.view.apply(OrderChange(order=order(1), time_ms=100))
    stream.fill(100, Symbol="BTC_USDT", ContractType="")
    assert stream.view.positions(None) == []


def test_an_own_order_that_ends_at_once_must_have_ended() -> None:
    stream = Stream()
    stream.view.expect("BTCUSDT,1", SWAP, ends_at_once=True)
    stream.view.apply(OrderChange(order=order(1), time_ms=100))  # accepted, and not filled yet
    assert stream.view.orders(SWAP) is not None
    assert stream.amounts() is None
    stream.fill(101)
    assert stream.amounts() is None
    stream.position(10, 101)
    assert stream.amounts() == [10]
    stream.view.expect("BTCUSDT,1", SWAP, ends_at_once=True)  # the stream was faster than the reply
    assert stream.amounts() == [10]
    stream.view.expect("BTCUSDT,2", SWAP, ends_at_once=True)
    stream.view.apply(OrderChange(order=order(2), time_ms=102))
    stream.clock.advance(1.9)
    assert stream.amounts() is None
    stream.clock.advance(0.2)
    assert stream.amounts() == [10]
    stream.view.expect("BTCUSDT,3", SWAP)
    stream.view.apply(OrderChange(order=order(3), time_ms=103))
    assert stream.amounts() == [10]  # it rests
