"""No paper money appears or vanishes, to the last digit, whatever is traded: on spot markets, and with contracts in both position modes."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import Any, Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from fmzthreads.errors import FmzError
from fmzthreads.venues.paper.account.account import PaperAccount
from fmzthreads.venues.paper.money.balances import booked
from fmzthreads.venues.paper.money.contract_money import part_of
from tests.helpers.paper_rooms import HOUR_MS, INVERSE, LINEAR, ContractRoom, SpotRoom

SIDES = ("buy", "sell", "closebuy", "closesell")
# What is done: an order (side, price, amount), a price that the market shows, a cancel, or funding.
ORDERS = st.tuples(st.just("order"), st.sampled_from(SIDES), st.none() | st.integers(80, 120), st.integers(1, 60))
STEPS = st.lists(
    st.one_of(
        ORDERS,
        ORDERS,
        st.tuples(st.just("show"), st.integers(70, 130)),
        st.tuples(st.just("cancel"), st.integers(0, 3)),
        st.tuples(st.just("fund")),
    ),
    max_size=14,
)


def frozen_adds_up(account: PaperAccount, currency: str) -> None:
    """What is frozen is what open orders hold and positions have as margin, exactly."""
    orders = sum((one.held for one in account.open_orders() if one.currency == currency), Decimal(0))
    margin = sum(
        (one.margin for one in account.held() if account.contract(one.symbol).margin_currency == currency), Decimal(0)
    )
    assert account.balances.frozen(currency) == orders + margin


def fees_of(account: PaperAccount, symbol: str, currency: str) -> Decimal:
    orders = account.store.orders("symbol = ?", (symbol,))
    fills = [fill for order in orders for fill in account.store.fills(order.number)]
    return sum((fill.fee for fill in fills if fill.fee_currency == currency), Decimal(0))


@settings(max_examples=30)
@given(
    steps=STEPS,
    symbol=st.sampled_from([LINEAR, INVERSE]),
    mode=st.sampled_from(["hedge", "one_way"]),
    level=st.integers(3, 20),
)
def test_contracts(steps: list[Any], symbol: str, mode: Literal["hedge", "one_way"], level: int) -> None:
    room = ContractRoom(
        position_mode=mode, margin_level=level, taker_fee=Decimal("0.00055"), maker_fee=Decimal("-0.00013"),
        balances={"USDT": 30, "BTC": 60}, brackets={LINEAR: [{"notionalCap": 30, "maintMarginRatio": 0.01, "initialLeverage": 20}, {"maintMarginRatio": 0.02, "initialLeverage": 20}]},
    )  # fmt: skip
    account, currency = room.venue.book, "USDT" if symbol == LINEAR else "BTC"
    for step in steps:
        with contextlib.suppress(FmzError):
            if step[0] == "order":
                room.place(symbol, step[1], step[3], step[2])
            elif step[0] == "show":
                room.market.show(symbol, float(step[1]))
                room.venue.look()
            elif step[0] == "cancel":
                for order in account.open_orders()[step[1] :][:1]:
                    room.venue.cancel(order.id)
            else:
                room.clock.advance(3600)
                room.market.due_ms += HOUR_MS
                room.venue.look()
        frozen_adds_up(account, currency)
        for one in account.held():
            closing = [
                order for order in account.open_orders() if order.side == ("closebuy" if one.long else "closesell")
            ]
            assert sum((order.left for order in closing), Decimal(0)) <= one.amount
        assert mode == "hedge" or len(account.held()) <= 1
    for order in account.open_orders():
        room.venue.cancel(order.id)
    room.market.show(symbol, 100.0)
    for position in account.held():
        room.place(symbol, "closebuy" if position.long else "closesell", int(position.amount))
    assert account.held() == []
    assert account.balances.frozen(currency) == 0
    # What all fills have moved, less fees, plus funding, is what the balance has changed by: to the rounding of each profit.
    moved, fills = Decimal(0), 0
    for order in account.store.orders("symbol = ?", (symbol,)):
        for fill in account.store.fills(order.number):
            worth = fill.amount * fill.price / 100 if symbol == LINEAR else -fill.amount * 100 / fill.price
            moved += -worth if order.buys else worth
            fills += 1
    paid = sum((one.amount for one in account.store.payments()), Decimal(0))
    start = 30 if symbol == LINEAR else 60
    change = account.balances.free(currency) - start - (moved - fees_of(account, symbol, currency) + paid)
    rounding = Decimal("1e-12") * 2 * (1 + fills)
    assert change >= -rounding
    # A liquidation may leave a loss to the venue.
    assert change <= rounding or any("liquidated" in one for one in room.told)


@settings(max_examples=30)
@given(steps=STEPS)
def test_spot(steps: list[Any]) -> None:
    room = SpotRoom(taker_fee=Decimal("0.00055"), maker_fee=Decimal("-0.00013"), balances={"USDT": 10_000, "BTC": 100})
    account = room.venue.book
    for step in steps:
        with contextlib.suppress(FmzError):
            if step[0] == "order":
                side = {"buy": "buy", "closesell": "buy"}.get(step[1], "sell")
                amount = step[3] / 7 if step[2] is not None else step[3]
                room.place(side, step[2], round(amount, 4) if side == "sell" or step[2] else step[3] * 13)
            elif step[0] == "show":
                room.market.set_book("BTC_USDT", asks=[(step[1] + 0.01, 3.0)], bids=[(float(step[1]), 3.0)])
                room.venue.look()
            elif step[0] == "cancel":
                for order in account.open_orders()[step[1] :][:1]:
                    room.venue.cancel(order.id)
        for currency in ("USDT", "BTC"):
            frozen_adds_up(account, currency)
    coins = money = Decimal(0)
    for order in account.store.orders("symbol = ?", ("BTC_USDT",)):
        for fill in account.store.fills(order.number):
            sign = 1 if order.buys else -1
            coins += sign * fill.amount
            money -= sign * fill.amount * fill.price
    for currency, start, moved in (("USDT", 10_000, money), ("BTC", 100, coins)):
        total = account.balances.free(currency) + account.balances.frozen(currency)
        assert total == start + moved - fees_of(account, "BTC_USDT", currency)


def test_money_is_booked_with_12_decimals_and_the_last_part_takes_the_rest() -> None:
    assert booked(Decimal(1) / 3) == Decimal("0.333333333333")
    assert booked(Decimal("0.1234567890123")) == Decimal("0.123456789012")
    assert booked(Decimal("5E+3")) == 5000
    third = part_of(Decimal(10), Decimal(1), Decimal(3))
    assert third == Decimal("3.333333333333")
    assert part_of(Decimal(10) - third, Decimal(2), Decimal(2)) == Decimal("6.666666666667")
