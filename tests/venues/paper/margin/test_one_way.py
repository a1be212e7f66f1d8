"""One-way mode on paper: one position of a contract at a time, which an opposite order first closes."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.constants import ORDER_CONDITION_TYPE_SL, PD_LONG, PD_SHORT
from fmzthreads.errors import InputError, InsufficientFunds, InvalidOrder, UnknownName, VenueRejected
from fmzthreads.structures import Record
from fmzthreads.venues.paper.settings import Paper
from tests.helpers.paper_rooms import INVERSE, LINEAR, ContractRoom

BRACKETS = {LINEAR: [{"notionalCap": 100, "maintMarginRatio": 0.01, "initialLeverage": 20}]}


def one_way(folder: Path | None = None, **settings: Any) -> ContractRoom:
    return ContractRoom(folder, position_mode="one_way", **settings)


def held(room: ContractRoom) -> list[tuple[int, float, float]]:
    return [(one.Type, one.Amount, one.Price) for one in room.venue.positions()]


def test_an_opposite_order_closes_first_and_only_its_rest_opens() -> None:
    room = one_way(taker_fee=Decimal("0.001"))
    assert room.venue.position_mode() == "one_way"
    room.place(LINEAR, "buy", 100)  # at 100, margin 10, fee 0.1
    room.place(LINEAR, "sell", 40, 99)  # at 99.99: loss 0.004, fee 0.039996; nothing is opened
    assert held(room) == [(PD_LONG, 60, 100)]
    assert room.money(LINEAR)[:2] == (pytest.approx(100 - 0.1 - 6 - 0.004 - 0.039996), 6)
    room.place(LINEAR, "sell", 100)
    assert held(room) == [(PD_SHORT, 40, 99.99)]
    assert room.money(LINEAR)[1] == pytest.approx(40 * 0.01 * 99.99 / 10)
    room.place(LINEAR, "buy", 40)
    assert held(room) == []
    balances = room.venue.book.balances
    assert balances.frozen("USDT") == 0
    fees = Decimal("0.1") + Decimal("0.039996") + Decimal("0.09999") + Decimal("0.04")
    # 40 at 99.99, 60 at 99.99 and 40 bought back at 100: 0.01 of loss for each of 140 contracts of 0.01.
    assert balances.free("USDT") == 100 - fees - Decimal("0.014")


def test_an_inverse_position_turns() -> None:
    room = one_way()
    room.place(INVERSE, "sell", 5)
    room.market.show(INVERSE, 80)
    room.place(INVERSE, "buy", 8)
    assert held(room) == [(PD_LONG, 3, 80)]
    assert room.money(INVERSE)[0] == pytest.approx(10 + 500 / 80 - 500 / 99.99 - 300 / 80 / 10, abs=1e-9)


def test_what_closes_freezes_nothing_and_what_rests_counts_once() -> None:
    room = one_way()
    room.place(LINEAR, "buy", 100)
    room.place(LINEAR, "closebuy", 30, 200)
    room.place(LINEAR, "sell", 50, 200)  # closes 50
    assert room.money(LINEAR)[1] == 10
    room.place(LINEAR, "sell", 50, 200)  # closes 20, opens 30: 60 worth, margin 6
    assert room.money(LINEAR)[1] == 16
    room.place(LINEAR, "buy", 10, 50)  # on the side of the position: 5 worth
    assert room.money(LINEAR)[1] == 16.5
    with pytest.raises(InsufficientFunds):
        room.place(LINEAR, "sell", 500, 200)


def test_closing_orders_are_cancelled_when_others_have_closed_the_position() -> None:
    room = one_way()
    room.place(LINEAR, "buy", 100)
    first, second = room.place(LINEAR, "closebuy", 60, 150), room.place(LINEAR, "closebuy", 40, 160)
    room.place(LINEAR, "sell", 50)
    assert [room.venue.order(one).Status for one in (first, second)] == [2, 2]  # 60 are more than the 50 that are left
    assert held(room) == [(PD_LONG, 50, 100)]


@pytest.mark.parametrize("by", ["book", "trade", "bar"])
def test_a_look_that_turns_a_position_fills_no_closing_order_beyond_it(by: str, tmp_path: Path) -> None:
    room = one_way(tmp_path)
    room.place(LINEAR, "buy", 100)
    sale, closing = room.place(LINEAR, "sell", 150, 110), room.place(LINEAR, "closebuy", 100, 120)
    if by == "book":
        room.market.set_book(LINEAR, asks=[(131.0, 1000.0)], bids=[(130.0, 1000.0)])
        room.venue.look()
    elif by == "trade":
        room.trade()
        room.trade((130.0, 10000.0))
    else:
        made_ms = room.venue.order(sale).Time
        room.venue.close()
        room = one_way(tmp_path)
        room.market.bars[(LINEAR, 60)] = [
            Record(Time=made_ms + 60_000, Open=100.0, High=130.0, Low=100.0, Close=100.0, Volume=1.0)
        ]
        room.venue.look()
    assert [room.venue.order(one).Status for one in (sale, closing)] == [1, 2]
    assert held(room) == [(PD_SHORT, 50, 110)]
    room.venue.close()


def test_a_stop_finds_the_position_that_is_left() -> None:
    room = one_way()
    room.place(LINEAR, "buy", 100)
    stop = room.condition("closebuy", 100, ORDER_CONDITION_TYPE_SL, sl_trigger=90)
    room.place(LINEAR, "sell", 130)
    room.market.show(LINEAR, 80)
    room.trade((80, 1))
    assert "no position to close" in room.venue.condition_order(stop).Refused
    assert held(room) == [(PD_SHORT, 30, 99.99)]


def test_brackets_count_what_is_opened() -> None:
    room = one_way(brackets=BRACKETS)
    room.place(LINEAR, "buy", 90)
    with pytest.raises(InvalidOrder, match="at most 100"):
        room.place(LINEAR, "buy", 20)
    room.place(LINEAR, "sell", 180, 100)  # 90 close, 90 open
    with pytest.raises(InvalidOrder, match="at most 100"):
        room.place(LINEAR, "sell", 200, 100)


@pytest.mark.parametrize(
    ("name", "with_orders", "with_position"),
    [("Futures_Binance", "code -4067", "code -4068"), ("Futures_OKX", "code 59000", "code 59000")],
)
def test_the_mode_is_changed_without_orders_and_positions(
    name: str, with_orders: str, with_position: str, tmp_path: Path
) -> None:
    room = ContractRoom(tmp_path, name=name)
    room.market.contracts_only = room.venue.contracts_only = True
    order_id = room.place(LINEAR, "buy", 1, 50)
    assert room.venue.io("dual", True) is True  # as it is
    with pytest.raises(VenueRejected, match=with_orders):
        room.venue.io("dual", False)
    room.venue.cancel(order_id)
    stop = room.condition("buy", 1, ORDER_CONDITION_TYPE_SL, sl_trigger=200)
    with pytest.raises(VenueRejected, match=with_orders):
        room.venue.io("dual", False)
    room.venue.cancel_condition(stop)
    room.place(LINEAR, "buy", 1)
    with pytest.raises(VenueRejected, match=with_position):
        room.venue.io("dual", False)
    room.place(LINEAR, "closebuy", 1)
    for wrong in ((), ("false",), (True, True)):
        with pytest.raises(InputError, match="IO\\('dual'\\)"):
            room.venue.io("dual", *wrong)
    assert room.venue.io("dual", False) is True
    room.venue.close()
    room = ContractRoom(tmp_path, name=name)  # the account's mode outlives the process, whatever the settings say
    room.count = 9
    assert room.venue.position_mode() == "one_way"
    room.place(LINEAR, "buy", 2)
    room.place(LINEAR, "sell", 2)
    assert held(room) == []
    room.venue.close()


def test_a_spot_exchange_has_no_position_mode() -> None:
    room = ContractRoom()
    with pytest.raises(UnknownName):
        room.venue.io("dual", True)  # passed to the venue, which has no contracts only


def test_modes_and_fees_that_are_not_valid() -> None:
    with pytest.raises(UnknownName, match="one_way"):
        Paper(position_mode="oneway")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="liquidation_fee"):
        Paper(liquidation_fee=1)  # type: ignore[arg-type]
