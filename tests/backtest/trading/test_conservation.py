"""Random orders, cancels, modifies, conditions and prices through every kind of account: the books agree, to the last nano where they can."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmzthreads.backtest.nano import ONE, nano
from fmzthreads.backtest.trading.margin import MarginAccount
from fmzthreads.backtest.trading.orders import DeskOrder
from fmzthreads.backtest.trading.spot import SpotAccount
from fmzthreads.errors import InputError
from tests.backtest.trading.test_funding import funded
from tests.helpers.price_market import Bench, futures_bench, spot_bench

Kind = Literal["spot", "hedge", "net", "coin", "coin net", "funded"]
KINDS: tuple[Kind, ...] = ("spot", "hedge", "net", "coin", "coin net", "funded")

PRICES = st.integers(900, 1100).map(lambda tenth: tenth / 10)
SIDES = st.sampled_from(["buy", "sell", "closebuy", "closesell"])
AMOUNTS = st.integers(1, 40).map(lambda n: n / 8)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("price"), PRICES),
        st.tuples(st.just("prices"), st.lists(PRICES, max_size=4)),
        st.tuples(st.just("place"), SIDES, st.one_of(st.just(-1.0), PRICES), AMOUNTS),
        st.tuples(st.just("cancel"), st.integers(1, 12)),
        st.tuples(st.just("modify"), st.integers(1, 12), SIDES, st.one_of(st.just(-1.0), PRICES), AMOUNTS),
        st.tuples(st.just("condition"), SIDES, st.integers(0, 3), PRICES, PRICES, AMOUNTS),
        st.tuples(st.just("level"), st.integers(1, 7)),
        st.tuples(st.just("look")),
    ),
    max_size=30,
)


def bench_of(kind: Kind) -> Bench:
    if kind == "spot":
        bench = spot_bench(balance=1500, stocks=10, maker=-0.01, taker=0.07)
    elif kind == "funded":
        bench = funded({t: (-1) ** t * 0.0003 for t in range(1500, 60_000, 1500)}, {0: 100})
        bench.now_ms = 0
        bench.main.prices.clear()
        bench.main.times.clear()
    else:
        coin = kind.startswith("coin")
        bench = futures_bench(
            coin=coin, balance=0 if coin else 300, stocks=3 if coin else 0, margin_currency="BTC" if coin else None
        )
        bench.desk.set_dual("net" not in kind)
    bench.price(100)
    return bench


def run(bench: Bench, step: tuple[Any, ...]) -> None:
    desk, symbol = bench.desk, bench.main.detail.symbol
    name, *args = step
    if name == "price":
        bench.price(args[0])
    elif name == "prices":
        for price in args[0]:
            bench.price(price)
    elif name == "place":
        side, price, amount = args
        desk.place(symbol, side, price, max(1, round(amount)) if "USD." in symbol else amount)
    elif name == "cancel":
        desk.cancel(args[0])
    elif name == "modify":
        desk.modify(*args)
    elif name == "condition":
        side, kind, take, stop, amount = args
        terms = {"ConditionType": kind, "TpTriggerPrice": take, "TpOrderPrice": -1, "SlTriggerPrice": stop}
        refused = pytest.raises(InputError) if side == "closesell" and "." not in symbol else nullcontext()
        with refused:
            desk.place_condition(symbol, side, amount, terms | {"SlOrderPrice": stop})
    elif name == "level":
        desk.set_level(symbol, args[0])
    else:
        desk.account(symbol)


def orders_of(bench: Bench) -> list[DeskOrder]:
    return list(bench.desk._orders)


def check_fills(bench: Bench) -> None:
    """Each order is filled when, and at the price at which, a plain walk over the ticks fills it, and once."""
    market = bench.main
    for order in orders_of(bench):
        if order.state == 2:
            assert order.deal == 0
            continue
        birth = order.birth
        later = market.prices[birth.number + 1 :]
        limit = order.price - market.spread if order.is_buy else order.price + market.spread
        reached = any(last <= limit if order.is_buy else last >= limit for last in later)
        if order.market or (order.price >= birth.sell if order.is_buy else order.price <= birth.buy):
            assert order.state == 1
            assert order.average == (birth.sell if order.is_buy else birth.buy)
        elif reached:
            assert (order.state, order.average) == (1, order.price)
        else:
            assert (order.state, order.deal) == (0, 0)
        if order.state == 1 and not order.in_quote:
            assert order.deal == order.amount


def check_spot(bench: Bench) -> None:
    account = bench.desk.ledger
    assert isinstance(account, SpotAccount)
    quote, base = account.wallet("USDT"), account.wallet("BTC")
    orders = orders_of(bench)
    bought = sum(order.deal for order in orders if order.is_buy)
    sold = sum(order.deal for order in orders if not order.is_buy)
    assert base.total == base.initial + bought - sold
    money = sum((-1 if order.is_buy else 1) * order.turnover for order in orders)
    assert quote.total + quote.commission == quote.initial + money
    assert quote.commission == sum(order.fee for order in orders)
    waiting = [order for order in orders if order.state == 0]
    assert base.frozen == sum(order.remaining for order in waiting if not order.is_buy)
    assert quote.frozen == sum(order.frozen for order in waiting if order.is_buy)
    assert quote.free >= 0
    assert base.free >= 0
    status = bench.desk.snapshot([bench.main])["Symbols"]["BTC_USDT"]["TradeStatus"]
    assert (nano(status["BuyDealAmount"]), nano(status["SellDealAmount"])) == (bought, sold)


def check_margin(bench: Bench) -> None:
    account = bench.desk.ledger
    assert isinstance(account, MarginAccount)
    positions = account.symbol(bench.main)
    sides = (positions.long, positions.short)
    wallet = account.wallet("BTC" if bench.main.detail.is_coin_margined else "USDT")
    orders = orders_of(bench)
    # What there is = what there was + realised profits - fees + funding, to the last nano.
    there = wallet.total + sum(side.margin for side in sides)
    assert there == wallet.initial + sum(side.close_profit for side in sides) - wallet.commission + wallet.funding
    assert wallet.commission == sum(order.fee for order in orders)
    bought = sum(order.deal for order in orders if order.is_buy)
    sold = sum(order.deal for order in orders if not order.is_buy)
    assert positions.long.amount - positions.short.amount == bought - sold
    waiting = [order for order in orders if order.state == 0]
    closing = [order for order in waiting if account.dual and order.is_close]
    assert wallet.frozen == sum(order.frozen for order in waiting if order not in closing)
    assert positions.long.frozen == sum(order.remaining for order in closing if not order.is_buy)
    assert positions.short.frozen == sum(order.remaining for order in closing if order.is_buy)
    for side in sides:
        assert 0 <= side.frozen <= side.amount
        if not side.amount:
            assert (side.margin, side.entry, side.price) == (0, 0, 0)
    if not bench.main.detail.is_coin_margined:
        last = bench.main.last_price()
        money = sum((-1 if order.is_buy else 1) * order.turnover for order in orders)
        worth = money + (bought - sold) * last / ONE
        profits = sum(side.close_profit + side.profit(last) for side in sides)
        # In one net position an order's value is split by shares of nine decimals.
        assert abs(worth - profits) <= len(orders) * (20 if account.dual else 1000)


@pytest.mark.parametrize("kind", KINDS)
@given(steps=STEPS)
def test_the_books_agree(kind: Kind, steps: list[tuple[Any, ...]]) -> None:
    bench = bench_of(kind)
    check = check_spot if kind == "spot" else check_margin
    for step in steps:
        run(bench, step)
        bench.desk.settle()
        bench.desk.settle()  # a condition order's child may have come last
        check_fills(bench)
        check(bench)
    for order in bench.desk.orders():
        bench.desk.cancel(order.Id)
    for order in bench.desk.condition_orders():
        bench.desk.cancel_condition(order.Id)
    check(bench)
    assert not bench.desk.has_open(bench.main.detail.symbol)
    assert all(asset.FrozenAmount == 0 for asset in bench.desk.assets(bench.main.detail.symbol))
    assert all(position.FrozenAmount == 0 for position in bench.desk.positions() or [])


@given(steps=STEPS)
def test_a_late_settlement_gives_the_same_as_one_at_each_tick(steps: list[tuple[Any, ...]]) -> None:
    """Settled at once or late, orders end alike, as long as only prices come in between."""
    often, late = bench_of("spot"), bench_of("spot")
    for step in steps:
        if step[0] not in ("price", "prices", "place"):
            continue
        for price in step[1] if step[0] == "prices" else ():
            often.price(price)
            often.desk.settle()
            late.price(price)
        if step[0] != "prices":
            run(often, step)
            run(late, step)
    assert often.desk.history() == late.desk.history()
    assert often.desk.account("BTC_USDT") == late.desk.account("BTC_USDT")
