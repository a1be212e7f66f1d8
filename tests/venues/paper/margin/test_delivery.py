"""Delivery on paper: a code that names the next contract, positions and orders of the old one."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import attrs
import pytest

from fmzthreads.constants import ORDER_CONDITION_TYPE_SL as SL
from fmzthreads.errors import UnknownSymbol
from fmzthreads.exchange.contracts.converter import Contract, ContractValue
from fmzthreads.venues.paper.venue import PaperVenue
from tests.helpers.paper_rooms import ContractRoom

QUARTER = "BTC_USDT.quarter"


def opened(folder: Path | None = None, *, again: bool = False) -> ContractRoom:
    room = ContractRoom(folder, taker_fee=Decimal("0.001"))
    room.symbol = QUARTER
    room.market.list_pair(QUARTER)
    contract = Contract(
        symbol=QUARTER,
        venue_symbol="BTCUSDT_261225",
        value=ContractValue(Decimal("0.01"), True),
        value_currency="BTC",
        margin_currency="USDT",
        expires_ms=int(room.clock.now() * 1000) + 60_000,
    )
    room.market.listed[QUARTER] = contract
    room.market.marks[QUARTER] = 100.0
    room.market.show(QUARTER, 100.0)
    if not again:
        room.place(QUARTER, "buy", 100)
    return room


def roll(room: ContractRoom, contract: Contract) -> None:
    room.market.listed[QUARTER] = attrs.evolve(
        contract, venue_symbol="BTCUSDT_270326", expires_ms=contract.expires_ms + 10**9
    )


def test_positions_are_settled_at_the_last_mark_price_and_orders_end() -> None:
    room = opened()
    order_id, stop = room.place(QUARTER, "closebuy", 10, 150), room.condition("closebuy", 1, SL, sl_trigger=50)
    room.market.show(QUARTER, 120.0, mark=110.0)
    room.venue.look()
    room.clock.advance(61)
    contract = room.market.contract(QUARTER)
    roll(room, contract)
    room.market.show(QUARTER, 500.0)  # the next contract's price
    assert room.venue.look() is False
    assert room.told == ["the venue delivered positions of the paper account: long 100 BTC_USDT.quarter at 110"]
    assert room.venue.positions() == []
    assert (room.venue.order(order_id).Status, room.venue.condition_order(stop).Status) == (2, 2)
    assert room.venue.account(QUARTER).Balance == pytest.approx(100 - 0.1 + 10 - 0.11)
    last = room.venue.history_orders(QUARTER)[-1]
    assert (last.MadeBy, last.AvgPrice, room.venue.fills(last)[0].Info.how) == ("delivery", 110, "delivery")
    room.place(QUARTER, "buy", 1)  # of the next contract
    assert room.venue.positions()[0].Price == 500
    room.venue.look()
    assert len(room.told) == 1


def test_an_order_of_the_next_contract_comes_after_the_delivery() -> None:
    room = opened()
    room.venue.look()
    room.clock.advance(61)
    roll(room, room.market.contract(QUARTER))
    room.market.show(QUARTER, 500.0)
    room.place(QUARTER, "buy", 1)  # before anything looked
    assert room.told == ["the venue delivered positions of the paper account: long 100 BTC_USDT.quarter at 100"]
    (position,) = room.venue.positions()
    assert (position.Amount, position.Price) == (1, 500)


def test_a_contract_that_is_no_longer_listed_is_delivered() -> None:
    room = opened()
    room.venue.look()
    room.clock.advance(61)
    room.market.listed[QUARTER] = None
    assert room.venue.look() is False
    assert room.told == ["the venue delivered positions of the paper account: long 100 BTC_USDT.quarter at 100"]
    with pytest.raises(UnknownSymbol):
        room.place(QUARTER, "buy", 1)


def test_the_next_contract_has_a_price_of_its_own(tmp_path: Path) -> None:
    room = opened(tmp_path)
    room.venue.look()
    for price, past in ((500.0, 61), (600.0, 10**6 + 61)):
        room.clock.advance(past)
        roll(room, room.market.contract(QUARTER))
        room.market.show(QUARTER, price)
        if price == 600:
            room.venue.close()
            venue = room.venue
            room.venue = PaperVenue(room.market, venue.paper, tmp_path, room.clock, watching=False)
            room.venue.warn_with(room.told.append)
        room.place(QUARTER, "buy", 1)
    assert room.told == [
        "the venue delivered positions of the paper account: long 100 BTC_USDT.quarter at 100",
        "the venue delivered positions of the paper account: long 1 BTC_USDT.quarter at 500",  # where it was opened
    ]
    room.venue.close()


def test_nothing_is_delivered_before_its_time() -> None:
    room = opened()
    room.clock.advance(59)
    room.market.listed[QUARTER] = None
    room.venue.look()
    assert room.told == [
        f"resting paper orders of {QUARTER} cannot be matched; it is tried again: {QUARTER} is not listed"
    ]
    assert len(room.venue.book.held()) == 1


def test_a_delivery_while_the_process_was_away(tmp_path: Path) -> None:
    room = opened(tmp_path)
    room.market.marks[QUARTER] = 105.0
    room.venue.look()
    contract = room.market.contract(QUARTER)
    room.venue.close()
    room = opened(tmp_path, again=True)
    room.clock.advance(61)
    roll(room, contract)
    room.venue.look()
    assert room.told == ["the venue delivered positions of the paper account: long 100 BTC_USDT.quarter at 105"]
    assert room.venue.positions() == []
    room.venue.close()
