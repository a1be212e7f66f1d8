"""Liquidation, insurance, deleveraging, funding and delivery."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.simulator.engine.conditional.conditions import (
    ConditionLeg,
    ConditionState,
    NewCondition,
    TriggerPrice,
)
from fmzthreads.simulator.engine.events import (
    AccountEvent,
    Event,
    LeverageEvent,
    LiquidationEvent,
    MarginCallEvent,
    PriceEvent,
)
from fmzthreads.simulator.engine.exchange import SimulatedExchange
from fmzthreads.simulator.engine.margin.listings import binance_coin_margined, binance_usd_margined
from fmzthreads.simulator.engine.orders import Finish, NewOrder, OrderOrigin, State
from fmzthreads.simulator.engine.reasons import Reason, Rejected

SWAP, COIN = "BTC_USDT.swap", "BTC_USD.swap"


@pytest.fixture
def exchange() -> SimulatedExchange:
    made = SimulatedExchange([binance_usd_margined(), binance_coin_margined()], clock=ManualClock())
    for name in ("ann", "bob"):
        made.create_account(name, balances={"USDT": D(1000), "BTC": D("0.1")}, maker_fee=D(0), taker_fee=D(0))
    made.create_account("maker", house=True, maker_fee=D(0), taker_fee=D(0))
    for swap in (SWAP, COIN):
        made.contracts.set_prices(swap, mark=D(60_000), index=D(60_000))
    return made


def limit(side: Any, quantity: str, price: str, instrument: str = SWAP, **more: Any) -> NewOrder:
    return NewOrder(instrument=instrument, side=side, price=D(price), quantity=D(quantity), **more)


def open_long(exchange: SimulatedExchange, name: str = "ann", other: str = "maker", quantity: str = "0.1") -> None:
    exchange.place(other, limit("sell", quantity, "60000"))
    exchange.place(name, limit("buy", quantity, "60000"))


def lots(exchange: SimulatedExchange, name: str, instrument: str = SWAP) -> D:
    return exchange.contracts.position(exchange.account(name), instrument).quantity


def listen(exchange: SimulatedExchange, *kinds: type) -> list[Event]:
    events: list[Event] = []
    exchange.subscribe(events.append, kinds)
    return events


def test_a_position_is_liquidated_into_the_book_and_the_fee_goes_to_the_insurance(exchange: SimulatedExchange) -> None:
    events = listen(exchange, LiquidationEvent)
    open_long(exchange)
    exchange.place("ann", limit("buy", "0.01", "40000"))
    exchange.place("maker", limit("buy", "1", "50200"))
    before = exchange.supply()
    exchange.contracts.set_prices(SWAP, mark=D(50_210))  # 1000 - 979 is just above the maintenance margin of 20.08
    assert (lots(exchange, "ann"), events) == (D("0.1"), [])
    exchange.contracts.set_prices(SWAP, mark=D(50_200))
    assert lots(exchange, "ann") == 0
    assert [order.state for order in exchange.order_history("ann")][-2:] == [State.CANCELED, State.FILLED]
    forced = exchange.order_history("ann")[-1]
    # The bankruptcy price: 60000 - 1000 / 0.1
    assert (forced.origin, forced.price, forced.average_price, forced.profit) == (
        OrderOrigin.LIQUIDATION,
        50_000,
        50_200,
        -980,
    )
    assert (forced.client_id, forced.fee, forced.reduce_only) == ("liquidation-1", 0, True)
    assert exchange.order_history("ann")[-2].finish is Finish.LIQUIDATION
    assert (exchange.balances("ann")["USDT"].free, exchange.contracts.insurance("USDT")) == (0, 20)
    assert [line.kind for line in exchange.contracts.incomes(exchange.account("ann"))] == ["profit", "insurance"]
    assert isinstance(events[0], LiquidationEvent)
    assert events[0].order.order_id == forced.order_id
    assert exchange.supply() == before


def test_what_the_book_does_not_take_goes_to_the_insurance_or_deleverages_the_most_profitable(
    exchange: SimulatedExchange,
) -> None:
    open_long(exchange, other="bob")
    exchange.contracts.set_prices(SWAP, mark=D(49_000))
    adl = exchange.order_history("bob")[-1]
    assert (lots(exchange, "ann"), lots(exchange, "bob")) == (0, 0)
    assert (adl.origin, adl.average_price, adl.profit, adl.side) == (OrderOrigin.ADL, 50_000, 1000, "buy")
    assert (exchange.balances("ann")["USDT"].free, exchange.balances("bob")["USDT"].free) == (0, 2000)
    assert len(exchange.trades(SWAP)) == 1  # the public sees no trade outside the book
    assert exchange.fills("bob")[-1].trade_id > 10**12


def test_the_insurance_takes_over_while_it_can_pay(exchange: SimulatedExchange) -> None:
    open_long(exchange, other="bob")
    exchange.contracts.fund_insurance("USDT", D(100))
    exchange.contracts.set_prices(SWAP, mark=D(49_000))
    assert (lots(exchange, "ann"), lots(exchange, "bob"), lots(exchange, "insurance")) == (0, D("-0.1"), D("0.1"))


def test_a_short_inverse_position_is_liquidated_at_its_bankruptcy_price(exchange: SimulatedExchange) -> None:
    exchange.place("maker", limit("buy", "100", "60000", COIN))
    exchange.place("ann", limit("sell", "100", "60000", COIN))
    exchange.contracts.set_prices(COIN, mark=D(200_000))
    forced = exchange.order_history("ann")[-1]
    # 10000 USD short from 60000 with 0.1 BTC: worth 1/6 - 0.1 = 1/15 BTC at 150000
    assert (forced.origin, forced.price, lots(exchange, "ann", COIN)) == (OrderOrigin.LIQUIDATION, 150_000, 0)
    assert 0 <= exchange.balances("ann")["BTC"].free < D("0.000001")


def test_an_isolated_position_loses_its_margin_and_no_more(exchange: SimulatedExchange) -> None:
    ann = exchange.account("ann")
    exchange.contracts.set_isolated(ann, SWAP, True)
    exchange.contracts.set_leverage(ann, SWAP, 10)
    open_long(exchange)
    assert exchange.contracts.position(ann, SWAP).isolated_wallet == 600
    assert (exchange.balances("ann")["USDT"].free, exchange.contracts.wallet(ann, "USDT").wallet) == (400, 1000)
    exchange.contracts.set_prices(SWAP, mark=D(54_200))
    forced = exchange.order_history("ann")[-1]
    assert (forced.price, forced.origin, exchange.contracts.position(ann, SWAP).isolated_wallet) == (
        54_000,
        OrderOrigin.LIQUIDATION,
        0,
    )
    assert exchange.balances("ann")["USDT"].free == 400


def test_a_margin_call_comes_once_before_the_liquidation(exchange: SimulatedExchange) -> None:
    events = listen(exchange, MarginCallEvent)
    open_long(exchange)
    for mark in (50_300, 50_240, 50_230, 52_000, 50_240):
        exchange.contracts.set_prices(SWAP, mark=D(mark))
    assert [type(event) for event in events] == [MarginCallEvent, MarginCallEvent]
    assert isinstance(events[0], MarginCallEvent)
    assert events[0].positions[0].mark_price == 50_240
    assert lots(exchange, "ann") == D("0.1")


def test_longs_pay_shorts_at_the_mark_price(exchange: SimulatedExchange) -> None:
    events = listen(exchange, AccountEvent, PriceEvent)
    open_long(exchange, other="bob")
    exchange.contracts.set_prices(SWAP, mark=D(61_000))
    exchange.contracts.set_funding(SWAP, D("0.0001"))
    row = exchange.contracts.pay_funding(SWAP)
    paid = [exchange.balances(name)["USDT"].free for name in ("ann", "bob")]
    assert paid == [D("999.39"), D("1000.61")]  # 0.1 * 61000 * 0.0001
    assert (row.rate, row.mark, exchange.contracts.funding_history(SWAP)) == (D("0.0001"), 61_000, [row])
    told = [event for event in events if isinstance(event, AccountEvent) and event.reason == "funding"]
    assert [(event.account, event.instrument, event.amount) for event in told] == [
        ("ann", SWAP, D("-0.61")),
        ("bob", SWAP, D("0.61")),
    ]
    assert told[0].positions[0].quantity == D("0.1")
    line = exchange.contracts.incomes(exchange.account("bob"))[-1]
    assert (line.kind, line.amount, line.instrument) == ("funding", D("0.61"), SWAP)


def test_funding_is_due_by_the_clock_and_never_paid_twice(exchange: SimulatedExchange) -> None:
    clock = exchange.clock
    assert isinstance(clock, ManualClock)
    open_long(exchange, other="bob")
    exchange.contracts.set_funding(SWAP, D("0.001"))
    due = exchange.contracts.prices(SWAP).next_funding_ms
    assert due % 28_800_000 == 0
    assert 0 < due - exchange.server_time_ms() <= 28_800_000
    exchange.contracts.settle_due()
    assert exchange.contracts.funding_history(SWAP) == []
    clock.advance((due - exchange.server_time_ms()) / 1000 + 1)
    exchange.contracts.settle_due()
    exchange.contracts.settle_due()
    assert [row.time_ms for row in exchange.contracts.funding_history(SWAP)] == [due]
    assert exchange.contracts.prices(SWAP).next_funding_ms == due + 28_800_000
    clock.advance(200_000)
    exchange.contracts.settle_due()
    assert len(exchange.contracts.funding_history(SWAP)) == 2
    assert exchange.contracts.prices(SWAP).next_funding_ms > exchange.server_time_ms()


def test_delivery_closes_everything_and_ends_trading(exchange: SimulatedExchange) -> None:
    open_long(exchange)
    waiting = exchange.place("bob", limit("buy", "0.01", "50000"))
    before = exchange.supply()
    exchange.contracts.deliver(SWAP, D(61_000))
    assert exchange.order("bob", SWAP, waiting.order_id).finish is Finish.DELIVERY
    made = exchange.order_history("ann")[-1]
    assert (made.origin, made.average_price, made.profit) == (OrderOrigin.DELIVERY, 61_000, 100)
    assert [lots(exchange, name) for name in ("ann", "maker", "house")] == [0, 0, 0]
    assert exchange.supply() == before
    with pytest.raises(Rejected) as caught:
        exchange.place("ann", limit("buy", "0.1", "60000"))
    assert (caught.value.reason, exchange.contracts.closed(SWAP)) == (Reason.CLOSED_INSTRUMENT, True)


def test_a_contract_is_delivered_when_it_expires(exchange: SimulatedExchange) -> None:
    clock = ManualClock()
    expiry = clock.now_ns() // 1_000_000 + 60_000
    made = SimulatedExchange([binance_usd_margined(expiry_ms=expiry, suffix="quarter")], clock=clock)
    made.contracts.set_prices("BTC_USDT.quarter", mark=D(60_000), index=D(59_990))
    made.contracts.settle_due()
    assert not made.contracts.closed("BTC_USDT.quarter")
    clock.advance(61)
    made.contracts.settle_due()
    assert made.contracts.closed("BTC_USDT.quarter")
    assert made.contracts.prices("BTC_USDT.quarter").mark == 59_990


def test_an_order_of_deleveraging_can_be_asked_for(exchange: SimulatedExchange) -> None:
    open_long(exchange, other="bob")
    ann = exchange.account("ann")
    assert exchange.contracts.adl_rank(ann, SWAP, "net") == 1
    exchange.contracts.name_forced(lambda origin, number: f"{origin}!{number}")
    exchange.contracts.deleverage(ann, SWAP)
    assert exchange.order_history("ann")[-1].client_id == "adl!1"
    assert (lots(exchange, "ann"), lots(exchange, "insurance")) == (0, D("0.1"))
    assert exchange.contracts.adl_rank(ann, SWAP, "net") == 0
    with pytest.raises(Rejected):
        exchange.contracts.deleverage(ann, SWAP)


def test_a_stop_at_the_mark_price_closes_the_position_that_is_then_there(exchange: SimulatedExchange) -> None:
    open_long(exchange)
    exchange.place("maker", limit("buy", "1", "58000"))
    stop = NewCondition(
        order=NewOrder(instrument=SWAP, side="sell", type="market", quantity=None, reduce_only=True),
        legs=(ConditionLeg(price=D(59_000), rising=False, source=TriggerPrice.MARK),), whole_position=True,
    )  # fmt: skip
    waits = exchange.conditions.place(exchange.account("ann"), stop)
    exchange.contracts.set_prices(SWAP, mark=D(59_001))
    assert lots(exchange, "ann") == D("0.1")
    exchange.contracts.set_prices(SWAP, mark=D(58_999))
    fired = exchange.conditions.find(exchange.account("ann"), waits.condition_id)
    assert (fired.state, fired.order_quantity, lots(exchange, "ann")) == (ConditionState.TRIGGERED, D("0.1"), 0)


def test_a_change_of_leverage_is_told_once(exchange: SimulatedExchange) -> None:
    events = listen(exchange, LeverageEvent)
    for leverage in (20, 5, 5):
        exchange.contracts.set_leverage(exchange.account("ann"), SWAP, leverage)
    assert [event.leverage for event in events if isinstance(event, LeverageEvent)] == [5]


def test_liquidation_costs_no_trading_fee_and_only_what_is_needed_is_closed(exchange: SimulatedExchange) -> None:
    exchange.create_account("cat", balances={"USDT": D(1000), "BTC": D("0.1")})
    cat = exchange.account("cat")
    exchange.place("maker", limit("sell", "0.1", "60000"))
    exchange.place("cat", limit("buy", "0.1", "60000"))
    exchange.place("maker", limit("buy", "1", "50300"))
    exchange.contracts.set_prices(SWAP, mark=D(50_200))
    forced = exchange.order_history("cat")[-1]
    assert (forced.origin, forced.fee, forced.average_price) == (OrderOrigin.LIQUIDATION, 0, 50_300)
    assert exchange.contracts.wallet(cat, "USDT").wallet == 0


def test_a_deficit_is_paid_by_the_insurance(exchange: SimulatedExchange) -> None:
    open_long(exchange)
    exchange.contracts.fund_insurance("USDT", D(200_000))
    ann = exchange.account("ann")
    ann.free["USDT"] -= 101_000 * 10**16  # so much that the bankruptcy price is above the highest price, 1000000
    exchange.contracts.set_prices(SWAP, mark=D(60_001))
    assert (lots(exchange, "ann"), exchange.balances("ann")["USDT"].free) == (0, 0)
    paid = exchange.contracts.incomes(ann)[-1]
    assert (paid.kind, paid.amount) == ("insurance", 6000)


def test_levered_users_stand_before_others_in_the_queue_of_deleveraging(exchange: SimulatedExchange) -> None:
    exchange.create_account("cat", balances={"USDT": D(100_000)}, maker_fee=D(0), taker_fee=D(0))
    exchange.contracts.set_leverage(exchange.account("cat"), SWAP, 1)
    for name in ("cat", "bob"):
        exchange.place(name, limit("sell", "0.05", "60000"))
    exchange.place("ann", limit("buy", "0.1", "60000"))
    exchange.contracts.set_prices(SWAP, mark=D(59_000))
    ranks = {name: exchange.contracts.adl_rank(exchange.account(name), SWAP, "net") for name in ("bob", "cat")}
    assert ranks == {"bob": 1.0, "cat": 0.5}
