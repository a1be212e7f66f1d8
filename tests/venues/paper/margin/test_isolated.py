"""Isolated margin, brackets and liquidation prices of a paper account."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmzthreads.errors import InputError, InvalidOrder, VenueRejected
from fmzthreads.exchange.contracts.converter import Contract, ContractValue
from fmzthreads.venues.paper.margin.liquidation_price import liquidation_price
from fmzthreads.venues.paper.money.brackets import MarginBrackets
from fmzthreads.venues.paper.money.contract_money import profit_of, worth_of
from fmzthreads.venues.paper.money.positions import PaperPosition
from tests.helpers.paper_rooms import HOUR_MS, INVERSE, LINEAR, ContractRoom

BRACKETS = [
    {"notionalCap": 50, "maintMarginRatio": 0.01, "initialLeverage": 50},
    {"notionalCap": 500, "maintMarginRatio": 0.02, "initialLeverage": 20},
    {"maintMarginRatio": 0.1, "initialLeverage": 5},
]


def isolated(symbol: str = LINEAR, **options: Any) -> ContractRoom:
    room = ContractRoom(**options)
    room.venue.set_cross(symbol, False)
    return room


def test_an_isolated_position_is_liquidated_by_its_own_margin_alone() -> None:
    room = isolated(taker_fee=Decimal("0.001"))
    room.place(LINEAR, "buy", 100)  # worth 100, margin 10
    resting, other = room.place(LINEAR, "buy", 1, 50), room.place(LINEAR, "sell", 1, 150)
    room.market.show(LINEAR, 90.6)
    room.venue.look()
    assert room.told == []
    room.market.show(LINEAR, 90.4)  # 0.4 of the margin are left, and 0.452 are needed
    room.venue.look()
    assert room.told == ["the paper account was liquidated: long 100 BTC_USDT.swap at 90.4"]
    free, frozen, equity, _ = room.money(LINEAR)
    # Of the margin 10 the loss 9.6 and the fee 0.0904 are gone; the rest of the account is as it was.
    assert (free, frozen) == (pytest.approx(100 - 0.1 - 9.6 - 0.0904 - 0.15), pytest.approx(0.15))
    assert equity == pytest.approx(free + frozen)
    assert (room.venue.order(resting).Status, room.venue.order(other).Status) == (2, 0)
    (order,) = [one for one in room.venue.history_orders(LINEAR) if one.MadeBy]
    assert (order.MadeBy, order.DealAmount) == ("liquidation", 100)


def test_no_more_than_its_margin_is_lost() -> None:
    room = isolated()
    room.place(LINEAR, "buy", 100)
    room.market.show(LINEAR, 50)
    room.venue.look()
    assert room.money(LINEAR) == (90, 0, 90, 0)


def test_an_isolated_position_neither_covers_cross_ones_nor_is_covered_by_them() -> None:
    room = ContractRoom(balances={"BTC": 100})
    room.venue.set_cross(INVERSE, False)
    other = "ETH_BTC.swap"
    room.market.list_pair(other)
    value = ContractValue(Decimal("0.01"), True)
    room.market.listed[other] = Contract(
        symbol=other, venue_symbol=other, value=value, value_currency="", margin_currency="BTC", step=None
    )
    room.market.marks[other] = 100.0
    room.market.show(other, 100)
    room.place(INVERSE, "buy", 80)  # worth 80 BTC, margin 8
    resting = room.place(INVERSE, "closebuy", 80, 500)
    room.place(other, "buy", 900)  # worth 900 BTC, margin 90, cross
    room.market.show(INVERSE, 200)  # the isolated one gains 40
    room.venue.look()
    room.market.show(other, 91)  # the cross one loses 81, of 92 that cover it
    room.venue.look()
    assert room.told == []
    room.market.show(other, 90)  # 90: less than its maintenance margin is left
    room.venue.look()
    assert room.told == ["the paper account was liquidated: long 900 ETH_BTC.swap at 90"]
    (left,) = room.venue.positions()
    assert (left.Symbol, left.Info.marginMode) == (INVERSE, "isolated")
    assert room.venue.order(resting).Status == 0


def test_what_others_owe_is_not_forgiven_when_an_isolated_position_is_liquidated() -> None:
    room = isolated(balances={"USDT": 20})
    other = "BTC_USDT.quarter"
    room.market.list_pair(other)
    room.market.listed[other] = attrs.evolve(LINEAR_CONTRACT, symbol=other)
    room.market.marks[other] = 100.0
    room.market.show(other, 100)
    room.place(LINEAR, "buy", 90)  # margin 9
    room.place(other, "buy", 100)  # margin 10, cross; 1 is left
    room.venue.look()
    room.clock.advance(3600)
    room.market.rate, room.market.due_ms = 0.05, room.market.due_ms + HOUR_MS
    room.venue.look()  # at the rate of before: 0.1 of the one, 0.09 of the other
    room.clock.advance(3600)
    room.market.due_ms += HOUR_MS
    room.venue.look()  # 5 of the one
    assert room.venue.account(LINEAR).Balance == pytest.approx(1 - 0.1 - 5)
    room.market.show(LINEAR, 50)
    room.venue.look()
    assert len(room.told) == 1
    assert room.venue.account(LINEAR).Balance == pytest.approx(1 - 0.1 - 5)


def test_nothing_is_liquidated_before_all_prices_are_known(tmp_path: Path) -> None:
    room = ContractRoom(tmp_path)
    other = "BTC_USDT.quarter"
    room.market.list_pair(other)
    room.market.listed[other] = Contract(
        symbol=other,
        venue_symbol=other,
        value=ContractValue(Decimal("0.01"), True),
        value_currency="",
        margin_currency="USDT",
    )
    room.market.marks[other] = 100.0
    room.market.show(other, 100)
    room.place(LINEAR, "sell", 400)
    room.place(other, "buy", 400)
    room.market.show(LINEAR, 50)
    room.market.show(other, 50)
    room.venue.close()
    again = ContractRoom(tmp_path)
    again.market.listed, again.market.marks = room.market.listed, room.market.marks
    again.market.list_pair(other)
    for symbol in (LINEAR, other):
        again.market.show(symbol, 50)
    again.venue.look()
    assert again.told == []  # one lost 200, and the other won them
    assert len(again.venue.positions()) == 2
    again.venue.close()


def test_funding_of_an_isolated_position_comes_out_of_its_margin() -> None:
    room = isolated()
    room.place(LINEAR, "buy", 100)
    room.venue.look()
    room.clock.advance(3600)
    room.market.due_ms += HOUR_MS
    room.venue.look()
    (position,) = room.venue.positions()
    assert position.Margin == pytest.approx(9.9)  # 100 USDT at 0.1 %
    assert room.money(LINEAR)[:2] == (90, pytest.approx(9.9))
    room.place(LINEAR, "closebuy", 100)
    assert room.money(LINEAR)[:2] == (pytest.approx(99.9 - 0.01), 0)  # it is sold at 99.99


@pytest.mark.parametrize(("name", "code"), [("Futures_Binance", "code -404"), ("Futures_OKX", "cannot be changed")])
def test_the_margin_mode_is_changed_without_orders_and_positions(name: str, code: str, tmp_path: Path) -> None:
    room = ContractRoom(tmp_path, name=name)
    room.venue.set_cross(LINEAR, True)  # as it is
    order_id = room.place(LINEAR, "buy", 1, 50)
    with pytest.raises(VenueRejected, match=code):
        room.venue.set_cross(LINEAR, False)
    room.venue.cancel(order_id)
    room.venue.set_cross(LINEAR, False)
    room.place(LINEAR, "buy", 1)
    with pytest.raises(VenueRejected, match=code):
        room.venue.set_cross(LINEAR, True)
    room.venue.close()
    room = ContractRoom(tmp_path, name=name)
    assert room.venue.positions()[0].Info.marginMode == "isolated"
    room.venue.set_cross(LINEAR, False)
    room.venue.close()


def test_brackets_bound_the_leverage_and_the_size() -> None:
    room = ContractRoom(brackets={LINEAR: BRACKETS})
    with pytest.raises(InputError, match="from 1 to 50 by its brackets, got 51"):
        room.venue.set_margin_level(LINEAR, 51)
    assert room.venue.set_margin_level(LINEAR, 50) == 50
    with pytest.raises(InvalidOrder, match="may have at most 50 USDT by its brackets"):
        room.place(LINEAR, "buy", 51)
    exactly = ContractRoom(brackets={LINEAR: BRACKETS}, margin_level=50)
    exactly.place(LINEAR, "buy", 50)  # all of the bracket
    room.place(LINEAR, "buy", 30)
    room.place(LINEAR, "buy", 10, 90)
    with pytest.raises(InvalidOrder, match="it would have 51"):
        room.place(LINEAR, "buy", 12)
    room.place(LINEAR, "sell", 50)  # the other side counts for itself
    room.venue.set_margin_level(LINEAR, 20)
    room.place(LINEAR, "buy", 100)
    room.venue.look()
    with pytest.raises(InputError, match="from 1 to 20 by its position, got 50"):
        room.venue.set_margin_level(LINEAR, 50)


def test_brackets_decide_when_it_is_liquidated() -> None:
    room = ContractRoom(brackets={LINEAR: BRACKETS}, margin_level=5)
    room.place(LINEAR, "buy", 450)  # worth 450 in the second bracket: 2 %, less 0.5
    (position,) = room.venue.positions()
    assert (position.Info.liquidationPrice, position.Info.maintenanceMargin) == (0, 0)  # no mark price yet
    room.venue.look()
    (position,) = room.venue.positions()
    assert position.Info.maintenanceMargin == pytest.approx(8.5)
    price = position.Info.liquidationPrice
    assert price == pytest.approx((450 - 100 - 0.5) / (4.5 * 0.98))
    room.market.show(LINEAR, price + 0.01)
    room.venue.look()
    assert room.told == []
    room.market.show(LINEAR, price - 0.001)
    room.venue.look()
    assert len(room.told) == 1


LINEAR_CONTRACT = Contract(
    symbol="BTC_USDT.swap",
    venue_symbol="",
    value=ContractValue(Decimal("0.01"), True),
    value_currency="BTC",
    margin_currency="USDT",
)
INVERSE_CONTRACT = Contract(
    symbol="BTC_USD.swap",
    venue_symbol="",
    value=ContractValue(Decimal(100), False),
    value_currency="USD",
    margin_currency="BTC",
)
AMOUNTS = st.integers(0, 500).map(Decimal)


@given(
    contract=st.sampled_from([LINEAR_CONTRACT, INVERSE_CONTRACT]),
    long=AMOUNTS,
    short=AMOUNTS,
    entry=st.integers(50, 200).map(Decimal),
    wallet=st.integers(1, 400).map(Decimal),
)
def test_at_the_liquidation_price_the_equity_is_the_maintenance_margin(
    contract: Contract, long: Decimal, short: Decimal, entry: Decimal, wallet: Decimal
) -> None:
    brackets = MarginBrackets.of_binance(BRACKETS, "here")
    positions = [
        PaperPosition(symbol=contract.symbol, long=is_long, amount=amount, price=entry)
        for is_long, amount in ((True, long), (False, short))
        if amount
    ]
    price = liquidation_price(contract, positions, wallet, entry, brackets)
    if price is None:
        return
    equity = wallet + sum(profit_of(contract, one, one.amount, price) for one in positions)
    needed = sum(brackets.maintenance(one.amount, worth_of(contract, one.amount, price)) for one in positions)
    assert float(equity) == pytest.approx(float(needed), abs=1e-6, rel=1e-6)


def test_liquidation_prices_by_hand() -> None:
    flat = MarginBrackets.flat(Decimal("0.004"))
    long = PaperPosition(symbol=INVERSE, long=True, amount=Decimal(50), price=Decimal(60_000))
    # 5000 USD at 60000 and 0.05 BTC: the two prices at which 0.4 % are left.
    found = liquidation_price(INVERSE_CONTRACT, [long], Decimal("0.05"), Decimal(60_000), flat)
    assert float(found or 0) == pytest.approx(5020 / (0.05 + 5000 / 60_000))
    short = PaperPosition(symbol=INVERSE, long=False, amount=Decimal(50), price=Decimal(60_000))
    found = liquidation_price(INVERSE_CONTRACT, [short], Decimal("0.05"), Decimal(60_000), flat)
    assert float(found or 0) == pytest.approx(4980 / (5000 / 60_000 - 0.05))
    assert liquidation_price(INVERSE_CONTRACT, [short], Decimal("0.09"), Decimal(60_000), flat) is None
    covered = PaperPosition(symbol=LINEAR, long=True, amount=Decimal(1), price=Decimal(100))
    assert liquidation_price(LINEAR_CONTRACT, [covered], Decimal(5), Decimal(100), flat) is None
