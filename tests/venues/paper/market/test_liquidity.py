"""What was taken of a level is gone until the book changes there, on both sides and at the edges of what is shown."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fmzthreads.venues.paper.market.liquidity import BookSide, Match, TakenLiquidity, walk
from tests.helpers.paper_rooms import BIDS, SpotRoom

D = Decimal
ASKS: BookSide = [(D(101), D(1)), (D(102), D(2)), (D(103), D(3))]
BIDS_SIDE: BookSide = [(D(100), D(1)), (D(99), D(2)), (D(98), D(3))]


@pytest.mark.parametrize("side", [ASKS, BIDS_SIDE])
def test_a_level_beyond_what_is_shown_is_remembered(side: BookSide) -> None:
    taken = TakenLiquidity()
    taken.take(side, [Match(side[2][0], D(1)), Match(side[0][0], D("0.5"))])
    assert taken.left(side) == [(side[0][0], D("0.5")), side[1], (side[2][0], D(2))]
    assert taken.left(side[:2])[0] == (side[0][0], D("0.5"))  # the third may still be there
    assert taken.left(side)[2] == (side[2][0], D(2))
    taken.left([side[0], side[2]])  # the second was untouched
    taken.left([side[1], side[2]])  # before the best one there is nothing: the first is gone
    assert taken.left(side)[0] == side[0]


@pytest.mark.parametrize("side", [ASKS, BIDS_SIDE])
def test_the_last_level_that_is_shown_counts_as_shown(side: BookSide) -> None:
    taken = TakenLiquidity()
    taken.take(side, [Match(side[2][0], D(1))])
    changed = [*side[:2], (side[2][0], D(5))]
    assert taken.left(changed) == changed
    assert taken.left(side) == side


def test_an_empty_side_proves_nothing() -> None:
    taken = TakenLiquidity()
    taken.take(ASKS, [Match(D(101), D(1))])
    assert taken.left([]) == []
    assert taken.left(ASKS) == ASKS[1:]


def test_a_limit_takes_its_own_price() -> None:
    given = {"amount": D(9), "spends": None, "step": None}
    assert walk(ASKS, buy=True, limit=D(102), **given) == [Match(D(101), D(1)), Match(D(102), D(2))]  # type: ignore[arg-type]
    assert walk(BIDS_SIDE, buy=False, limit=D(99), **given) == [Match(D(100), D(1)), Match(D(99), D(2))]  # type: ignore[arg-type]


def test_what_money_buys_is_cut_to_the_step() -> None:
    given = {"buy": True, "limit": None, "amount": None}
    assert walk(ASKS, spends=D(50), step=D("0.01"), **given) == [Match(D(101), D("0.49"))]  # type: ignore[arg-type]
    # Of the rest (0.99 after the first level) nothing can be bought.
    assert walk(ASKS, spends=D("101.99"), step=D("0.01"), **given) == [Match(D(101), D(1))]  # type: ignore[arg-type]
    (whole,) = walk(ASKS, spends=D(50), step=None, **given)  # type: ignore[arg-type]
    assert abs(whole.amount * 101 - 50) < D("1e-50")
    room = SpotRoom()
    order = room.venue.order(room.place("buy", None, 50))
    assert order.DealAmount == 0.495  # 0.49504.. of a market with the step 0.0001
    assert room.money()[0] == 1000 - 49.995


def test_a_book_without_asks_fills_nothing_and_forgets_nothing() -> None:
    room = SpotRoom()
    room.place("buy", None, 101)
    room.market.set_book("BTC_USDT", asks=[], bids=BIDS)
    room.venue.order(room.place("buy", 101, 1, time_in_force="IOC"))
    room.market.set_book("BTC_USDT", asks=[(101.0, 1.0)], bids=BIDS)
    assert room.venue.order(room.place("buy", 101, 1, time_in_force="IOC")).DealAmount == 0
