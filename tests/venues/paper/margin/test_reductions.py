"""Liquidation in parts: a large position goes down bracket by bracket until what is left is covered."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmzthreads.exchange.contracts.converter import Contract, ContractValue
from fmzthreads.venues.paper.margin.reductions import Exposure, reductions
from fmzthreads.venues.paper.money.brackets import MarginBracket, MarginBrackets
from tests.helpers.paper_rooms import LINEAR, ContractRoom

ROWS = [
    {"notionalCap": 100, "maintMarginRatio": 0.01, "initialLeverage": 50},
    {"notionalCap": 400, "maintMarginRatio": 0.05, "initialLeverage": 20},
    {"notionalCap": 900, "maintMarginRatio": 0.1, "initialLeverage": 10},
    {"maintMarginRatio": 0.2, "initialLeverage": 5},
]
TIERS = MarginBrackets.of_binance(ROWS, "here")


def room_of(**settings: Any) -> ContractRoom:
    return ContractRoom(brackets={LINEAR: ROWS}, margin_level=5, **settings)


def test_only_as_much_as_must_be_is_closed() -> None:
    room = room_of(balances={"USDT": 110}, liquidation_fee=Decimal("0.01"))
    room.place(LINEAR, "sell", 500)  # worth 499.95; margin 99.99
    resting = room.place(LINEAR, "sell", 1, 200)
    room.market.show(LINEAR, 113)  # worth 565, loss 65.05: has 44.95 and needs 56.5 - 24 = 32.5
    room.venue.look()
    assert room.told == []
    room.market.show(LINEAR, 116)  # worth 580, loss 80.05: has 29.95, needs 34; down to 400: 344 contracts of 1.16
    room.venue.look()
    assert room.told == ["the paper account was liquidated: short 156 of 500 BTC_USDT.swap at 116"]
    (position,) = room.venue.positions()
    assert (position.Amount, position.Price) == (344, 99.99)
    assert room.venue.order(resting).Status == 2
    last = room.venue.history_orders(LINEAR)[-1]
    assert (last.MadeBy, last.DealAmount, last.Amount, last.AvgPrice, last.Status) == ("liquidation", 156, 156, 116, 1)
    (fill,) = room.venue.fills(last)
    assert (fill.Amount, fill.Fee, fill.Info.how) == (156, Decimal("1.8096"), "liquidation")
    balances = room.venue.book.balances
    loss = Decimal("1.56") * (116 - Decimal("99.99"))
    assert balances.free("USDT") + balances.frozen("USDT") == 110 - loss - Decimal("1.8096")
    assert balances.frozen("USDT") == Decimal("99.99") * 344 / 500
    room.venue.look()
    assert len(room.told) == 1  # what is left is covered: 28.1 and 16
    room.market.show(LINEAR, 121)
    room.venue.look()
    assert room.told[1:] == ["the paper account was liquidated: short 262 of 344 BTC_USDT.swap at 121"]  # two brackets


def test_what_cannot_be_saved_is_closed_whole() -> None:
    room = room_of(balances={"USDT": 110})
    room.place(LINEAR, "sell", 500)
    room.market.show(LINEAR, 121.99)  # has 0.0: no bracket helps
    room.venue.look()
    assert room.told == ["the paper account was liquidated: short 500 BTC_USDT.swap at 121.99"]
    assert room.venue.positions() == []
    assert room.venue.book.balances.frozen("USDT") == 0


def test_an_isolated_position_keeps_the_rest_of_its_margin() -> None:
    room = room_of(balances={"USDT": 1000}, taker_fee=Decimal("0.001"))
    room.venue.set_cross(LINEAR, False)
    room.place(LINEAR, "buy", 500)  # margin 100
    free = room.venue.book.balances.free("USDT")
    room.market.show(LINEAR, 84)  # worth 420, loss 80: has 20, needs 42 - 24 = 18
    room.venue.look()
    assert room.told == []
    room.market.show(
        LINEAR, 83.5
    )  # worth 417.5, has 17.5, needs 17.75; 479 contracts are worth 399.965 and need 15.99825
    room.venue.look()
    assert room.told == ["the paper account was liquidated: long 21 of 500 BTC_USDT.swap at 83.5"]
    (position,) = room.venue.positions()
    loss, fee = Decimal("0.21") * Decimal("16.5"), Decimal("0.21") * Decimal("83.5") * Decimal("0.001")
    assert (position.Amount, position.Price) == (479, 100)
    assert room.venue.book.held()[0].margin == 100 - loss - fee
    assert room.venue.book.balances.free("USDT") == free  # nothing else of the account was touched
    assert room.venue.book.balances.frozen("USDT") == 100 - loss - fee


LINEAR_CONTRACT = Contract(
    symbol=LINEAR, venue_symbol="", value=ContractValue(Decimal("0.01"), True), value_currency="BTC", margin_currency="USDT",
    step=Decimal(1),
)  # fmt: skip


def exposed(amount: int, mark: int = 100, brackets: MarginBrackets = TIERS) -> Exposure:
    return Exposure(contract=LINEAR_CONTRACT, amount=Decimal(amount), mark=Decimal(mark), brackets=brackets)


@pytest.mark.parametrize(
    ("held", "cover", "at_once", "closed"),
    [
        ([1000], 300, 1, [0]),  # 1000 need 200 - 114 = 86
        ([1000], 86, 1, [100]),  # at the maintenance margin it is liquidated; 900 need 66
        ([1000], 66, 1, [600]),  # 400 need 16
        ([1000], 16, 1, [900]),  # 100 need 1
        ([1000], 1, 1, [1000]),
        ([1000], 86, 2, [600]),  # OKX: two at once, 400
        ([1000], 16, 2, [1000]),  # the second bracket has no two below it
        ([1000, 500], 100, 1, [100, 0]),  # 86 and 26; then 66 and 26
        ([1000, 950], 83, 1, [100, 550]),  # 86 and 76; then 66 and 76, 66 and 66, 66 and 16
        ([1000, 950], 82, 1, [600, 550]),
    ],
)
def test_by_hand(held: list[int], cover: int, at_once: int, closed: list[int]) -> None:
    assert reductions([exposed(one) for one in held], Decimal(cover), Decimal(0), at_once) == closed


def test_the_fee_is_part_of_what_must_be_covered() -> None:
    # 900 contracts need 66 of the 86; the fee of 100 worth may be 19, and not 20.
    assert reductions([exposed(1000)], Decimal(86), Decimal("0.19"), 1) == [100]
    assert reductions([exposed(1000)], Decimal(86), Decimal("0.2"), 1) != [100]


def test_caps_in_contracts_and_steps() -> None:
    by_contracts = MarginBrackets(
        rows=(
            MarginBracket(cap=Decimal(500), leverage=Decimal(50), rate=Decimal("0.01")),
            MarginBracket(cap=None, leverage=Decimal(20), rate=Decimal("0.02")),
        ),
        by_contracts=True,
    )
    assert reductions([exposed(900, brackets=by_contracts)], Decimal(10), Decimal(0), 1) == [400]
    assert reductions([exposed(1000, mark=90)], Decimal(70), Decimal(0), 1) == [0]
    one = exposed(1000, mark=97)  # 900 of worth are 927.8 contracts
    assert reductions([one], one.maintenance(Decimal(1000)), Decimal(0), 1) == [73]
    whole = attrs.evolve(one, contract=attrs.evolve(LINEAR_CONTRACT, step=None))
    assert reductions([whole], one.maintenance(Decimal(1000)), Decimal(0), 1) == [1000 - 900 / Decimal("0.97")]


@given(
    held=st.lists(st.integers(1, 3000), min_size=1, max_size=4),
    cover=st.integers(-50, 600),
    at_once=st.integers(1, 2),
)
def test_what_is_left_is_covered_or_nothing_is_left(held: list[int], cover: int, at_once: int) -> None:
    exposures = [exposed(one) for one in held]
    rate = Decimal("0.001")
    closed = reductions(exposures, Decimal(cover), rate, at_once)
    left = [Decimal(amount) - part for amount, part in zip(held, closed, strict=True)]
    assert all(0 <= one <= amount for one, amount in zip(left, held, strict=True))
    if any(left):
        paid = sum(one.worth(part) for one, part in zip(exposures, closed, strict=True)) * rate
        assert cover - paid > sum(one.maintenance(amount) for one, amount in zip(exposures, left, strict=True))
