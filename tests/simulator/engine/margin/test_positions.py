"""Positions, profit and margin of linear and inverse contracts, against numbers that Binance publishes or by hand."""

from __future__ import annotations

import itertools
from decimal import ROUND_DOWN
from decimal import Decimal as D
from typing import Any

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.simulator.engine.exchange import SimulatedExchange
from fmzthreads.simulator.engine.instruments import binance_spot
from fmzthreads.simulator.engine.margin.listings import binance_coin_margined, binance_usd_margined, tiers
from fmzthreads.simulator.engine.orders import Finish, NewOrder, OrderView, State
from fmzthreads.simulator.engine.reasons import Reason, Rejected

SWAP, COIN = "BTC_USDT.swap", "BTC_USD.swap"


@pytest.fixture
def exchange() -> SimulatedExchange:
    made = SimulatedExchange(
        [binance_spot()[0], binance_usd_margined(), binance_coin_margined()],
        clock=ManualClock(),
    )
    for name in ("ann", "bob"):
        made.create_account(name, balances={"USDT": D(10_000), "BTC": D(1)}, maker_fee=D(0), taker_fee=D(0))
    made.create_account("maker", balances={"USDT": D(10**9)}, house=True, maker_fee=D(0), taker_fee=D(0))
    return made


def order(side: Any, quantity: str, price: str | None = None, instrument: str = SWAP, **more: Any) -> NewOrder:
    return NewOrder(
        instrument=instrument, side=side, type="limit" if price else "market", price=D(price) if price else None, quantity=D(quantity), **more
    )  # fmt: skip


def trade(
    exchange: SimulatedExchange, buyer: str, seller: str, quantity: str, price: str, instrument: str = SWAP
) -> OrderView:
    exchange.place(seller, order("sell", quantity, price, instrument))
    return exchange.place(buyer, order("buy", quantity, price, instrument))


def position(exchange: SimulatedExchange, name: str, instrument: str = SWAP, **more: Any) -> Any:
    return exchange.contracts.position(exchange.account(name), instrument, **more)


def free(exchange: SimulatedExchange, name: str, asset: str = "USDT") -> D:
    return exchange.balances(name)[asset].free


def test_a_linear_position_opens_grows_shrinks_and_turns(exchange: SimulatedExchange) -> None:
    trade(exchange, "ann", "bob", "0.1", "60000")
    trade(exchange, "ann", "bob", "0.3", "62000")
    held = position(exchange, "ann")
    assert (held.quantity, held.entry_price, held.mark_price) == (D("0.4"), D(61_500), D(60_000))
    assert (free(exchange, "ann"), held.unrealized) == (10_000, -600)
    filled = exchange.place("bob", order("buy", "0.1", "63000"))
    closed = exchange.place("ann", order("sell", "0.1", "63000"))
    assert (closed.fills[0].profit, filled.state, exchange.order("bob", SWAP, filled.order_id).profit) == (
        150,
        State.NEW,
        -150,
    )
    assert (free(exchange, "ann"), position(exchange, "ann").quantity, position(exchange, "ann").realized) == (
        10_150,
        D("0.3"),
        150,
    )
    trade(exchange, "bob", "ann", "0.5", "61000")
    turned = position(exchange, "ann")
    assert (turned.quantity, turned.entry_price, free(exchange, "ann")) == (D("-0.2"), 61_000, 10_000)
    assert exchange.supply()["USDT"] == 20_000 + 10**9


def test_an_inverse_position_has_binances_entry_price_and_profit(exchange: SimulatedExchange) -> None:
    # A recorded answer of GET /dapi/v1/positionRisk, as ccxt's static tests keep it: 2 contracts of 100 USD.
    trade(exchange, "ann", "bob", "1", "37643.0", COIN)
    trade(exchange, "ann", "bob", "1", "37643.2", COIN)
    exchange.contracts.set_prices(COIN, mark=D("38103.05510455"))
    held = position(exchange, "ann", COIN)
    assert (held.quantity, round(held.entry_price, 4)) == (2, D("37643.1000"))
    assert held.unrealized.quantize(D("1e-8"), ROUND_DOWN) == D("0.00006413")
    assert held.value.quantize(D("1e-8"), ROUND_DOWN) == D("0.00524892")


@pytest.mark.parametrize(("buyer", "price"), [("ann", D("37650")), ("bob", D("149400"))])
def test_the_liquidation_price_is_where_margin_balance_and_maintenance_margin_meet(
    exchange: SimulatedExchange, buyer: str, price: D
) -> None:
    for name in ("ann", "bob"):
        exchange.contracts.set_isolated(exchange.account(name), COIN, True)
    exchange.contracts.set_prices(COIN, mark=D(60_000))
    trade(exchange, buyer, "bob" if buyer == "ann" else "ann", "50", "60000", COIN)
    account = exchange.account("ann")
    held = position(exchange, "ann", COIN)
    exchange.contracts.move_margin(account, COIN, "net", D("0.05") - held.isolated_wallet)
    assert position(exchange, "ann", COIN).isolated_wallet == D("0.05")
    # By hand: 50 contracts at 60000 with 0.05 BTC and 0.4 %: long 200.8 * 25 / (0.05 + 1/12); short likewise.
    assert round(position(exchange, "ann", COIN).liquidation_price, 4) == price


def test_margin_is_what_position_and_orders_need_at_the_leverage(exchange: SimulatedExchange) -> None:
    ann = exchange.account("ann")
    exchange.contracts.set_leverage(ann, SWAP, 10)
    exchange.contracts.set_prices(SWAP, mark=D(60_000))
    exchange.place("ann", order("buy", "0.5", "50000"))
    wallet = exchange.contracts.wallet(ann, "USDT")
    assert (wallet.order_margin, wallet.initial_margin, wallet.available, wallet.wallet) == (2500, 0, 7500, 10_000)
    trade(exchange, "ann", "bob", "0.5", "60000")
    wallet = exchange.contracts.wallet(ann, "USDT")
    assert (wallet.order_margin, wallet.initial_margin, wallet.available) == (2500, 3000, 4500)
    # Selling 0.9 at 70000 may turn the position into 33000 short, less than the 55000 long that the bid can make.
    assert exchange.place("ann", order("sell", "0.9", "70000")).state is State.NEW
    assert exchange.contracts.wallet(ann, "USDT").available == 4500
    with pytest.raises(Rejected) as caught:
        exchange.place("ann", order("buy", "1", "50000"))
    assert caught.value.reason is Reason.INSUFFICIENT_FUNDS
    exchange.cancel_all("ann")
    assert exchange.contracts.wallet(ann, "USDT").order_margin == 0


def test_spot_cannot_spend_what_positions_need(exchange: SimulatedExchange) -> None:
    ann = exchange.account("ann")
    exchange.contracts.set_leverage(ann, SWAP, 1)
    trade(exchange, "ann", "maker", "0.1", "60000")
    exchange.place("ann", order("buy", "0.1", "40000", "BTC_USDT"))
    with pytest.raises(Rejected) as caught:
        exchange.place("ann", order("buy", "0.001", "40000", "BTC_USDT"))
    assert caught.value.reason is Reason.INSUFFICIENT_FUNDS


def test_hedge_mode_keeps_long_and_short_apart_and_closing_sides_never_open(exchange: SimulatedExchange) -> None:
    ann = exchange.account("ann")
    with pytest.raises(Rejected) as caught:
        exchange.place("ann", order("buy", "0.1", "60000", position_side="long"))
    assert caught.value.reason is Reason.POSITION_SIDE
    exchange.contracts.set_hedge(ann, True)
    with pytest.raises(Rejected) as caught:
        exchange.place("ann", order("buy", "0.1", "60000"))
    assert caught.value.reason is Reason.POSITION_SIDE
    exchange.place("maker", order("sell", "1", "60000"))
    exchange.place("maker", order("buy", "1", "59000"))
    exchange.place("ann", order("buy", "0.1", position_side="long"))
    exchange.place("ann", order("sell", "0.3", position_side="short"))
    assert [position(exchange, "ann", side=side).quantity for side in ("long", "short")] == [D("0.1"), D("-0.3")]
    closed = exchange.place("ann", order("sell", "0.5", position_side="long"))
    assert (closed.quantity, closed.filled, closed.state, closed.reduce_only) == (
        D("0.1"),
        D("0.1"),
        State.FILLED,
        True,
    )
    with pytest.raises(Rejected) as caught:
        exchange.place("ann", order("sell", "0.1", position_side="long"))
    assert caught.value.reason is Reason.REDUCE_ONLY
    with pytest.raises(Rejected) as caught:
        exchange.contracts.set_hedge(ann, False)
    assert caught.value.reason is Reason.OPEN_POSITIONS


def test_a_resting_reduce_only_order_ends_when_the_position_leaves_it_no_room(exchange: SimulatedExchange) -> None:
    trade(exchange, "ann", "maker", "0.5", "60000")
    first = exchange.place("ann", order("sell", "0.3", "61000", reduce_only=True))
    second = exchange.place("ann", order("sell", "0.2", "62000", reduce_only=True))
    exchange.place("ann", order("sell", "0.2", "60500"))  # stands before both in the queue
    states = [exchange.order("ann", SWAP, view.order_id) for view in (first, second)]
    assert [(view.state, view.finish) for view in states] == [
        (State.NEW, Finish.OPEN),
        (State.EXPIRED, Finish.REDUCE_ONLY),
    ]
    exchange.place("maker", order("buy", "1", "61000"))
    assert position(exchange, "ann").quantity == 0
    assert exchange.order("ann", SWAP, first.order_id).state is State.FILLED


def test_leverage_has_a_limit_by_tier_and_must_be_affordable(exchange: SimulatedExchange) -> None:
    ann, contracts = exchange.account("ann"), exchange.contracts
    for leverage in (0, 126, 2.5):
        with pytest.raises(Rejected) as caught:
            contracts.set_leverage(ann, SWAP, leverage)  # type: ignore[arg-type]
        assert caught.value.reason is Reason.BAD_LEVERAGE
    contracts.set_leverage(ann, SWAP, 100)
    trade(exchange, "ann", "maker", "10", "60000")
    with pytest.raises(Rejected) as caught:
        contracts.set_leverage(ann, SWAP, 125)  # 600000 are beyond the first bracket
    assert caught.value.reason is Reason.POSITION_LIMIT
    with pytest.raises(Rejected) as caught:
        contracts.set_leverage(ann, SWAP, 20)
    assert (caught.value.reason, contracts.leverage(ann, SWAP)) == (Reason.INSUFFICIENT_FUNDS, 100)


def test_the_amounts_of_tiers_make_the_maintenance_margin_continuous() -> None:
    rows = tiers(("5", 125, "0.004"), ("10", 100, "0.005"), ("20", 50, "0.01"))
    # Binance's FAQ "Leverage and Margin of COIN-M Futures Contracts": cum = floor * (rate - rate before) + cum before
    assert [tier.amount for tier in rows] == [0, D("0.005"), D("0.055")]
    for lower, upper in itertools.pairwise(rows):
        assert lower.cap * lower.maintenance_rate - lower.amount == upper.floor * upper.maintenance_rate - upper.amount


def test_only_an_order_that_reduces_may_be_below_the_minimum_value(exchange: SimulatedExchange) -> None:
    trade(exchange, "ann", "maker", "0.01", "60000")
    exchange.place("maker", order("buy", "1", "60000"))
    for price in ("60000", None):
        with pytest.raises(Rejected) as caught:
            exchange.place("ann", order("sell", "0.001", price))
        assert caught.value.reason is Reason.NOTIONAL_TOO_SMALL
        assert exchange.place("ann", order("sell", "0.001", price, reduce_only=True)).state is State.FILLED


def test_profit_is_cut_to_the_coins_smallest_part_and_the_rest_is_the_houses(exchange: SimulatedExchange) -> None:
    trade(exchange, "ann", "maker", "3", "60000.1", COIN)
    exchange.place("maker", order("buy", "3", "60700.3", COIN))
    closed = exchange.place("ann", order("sell", "3", "60700.3", COIN))
    exact = 300 / D("60000.1") - 300 / D("60700.3")
    assert closed.profit == exact.quantize(D("1e-8"), ROUND_DOWN)
    assert free(exchange, "ann", "BTC") == 1 + closed.profit
    assert 0 < free(exchange, "house", "BTC") < D("1e-7")
    assert exchange.supply()["BTC"] == 2


def test_a_part_of_an_isolated_position_gives_back_its_part_of_the_margin(exchange: SimulatedExchange) -> None:
    ann = exchange.account("ann")
    exchange.contracts.set_isolated(ann, SWAP, True)
    exchange.contracts.set_leverage(ann, SWAP, 10)
    trade(exchange, "ann", "maker", "0.4", "60000")
    exchange.place("maker", order("buy", "1", "60500"))
    exchange.place("ann", order("sell", "0.1", "60500"))
    assert position(exchange, "ann").isolated_wallet == 1800
    assert (free(exchange, "ann"), exchange.contracts.wallet(ann, "USDT").wallet) == (8250, 10_050)
    exchange.place("ann", order("sell", "0.3", "60500"))
    assert (free(exchange, "ann"), position(exchange, "ann").realized) == (10_200, 200)
    exchange.cancel_all("maker")
    trade(exchange, "ann", "maker", "0.1", "60500")
    assert position(exchange, "ann").realized == 0


def test_the_fee_must_be_affordable_beside_the_margin(exchange: SimulatedExchange) -> None:
    exchange.create_account("cat", balances={"USDT": D(600)})
    cat = exchange.account("cat")
    exchange.contracts.set_leverage(cat, SWAP, 10)
    with pytest.raises(Rejected) as caught:
        exchange.place("cat", order("buy", "0.1", "60000"))  # needs 600 of margin and 3 for the fee
    assert caught.value.reason is Reason.INSUFFICIENT_FUNDS
    exchange.deposit("cat", "USDT", D(3))
    assert exchange.place("cat", order("buy", "0.1", "60000")).state is State.NEW


def test_an_order_that_needs_no_more_margin_is_taken_even_when_none_is_left(exchange: SimulatedExchange) -> None:
    ann = exchange.account("ann")
    exchange.contracts.set_prices(SWAP, mark=D(60_000))
    exchange.contracts.set_leverage(ann, SWAP, 10)
    trade(exchange, "ann", "maker", "1.6", "60000")
    exchange.contracts.set_prices(SWAP, mark=D(59_000))
    assert exchange.contracts.wallet(ann, "USDT").available == 0
    assert exchange.place("ann", order("sell", "0.5", "61000")).state is State.NEW
    with pytest.raises(Rejected):
        exchange.place("ann", order("buy", "0.1", "58000"))
