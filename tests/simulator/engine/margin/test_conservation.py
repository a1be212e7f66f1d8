"""Whatever happens to contracts, no money appears or vanishes, and orders that reduce never open."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fmzthreads.clock import ManualClock
from fmzthreads.simulator.engine.accounts import OrderRecord
from fmzthreads.simulator.engine.exchange import SimulatedExchange
from fmzthreads.simulator.engine.margin.listings import binance_coin_margined, binance_usd_margined
from fmzthreads.simulator.engine.margin.positions import Leg
from fmzthreads.simulator.engine.orders import NewOrder, TimeInForce
from fmzthreads.simulator.engine.reasons import Rejected

SWAPS = ("BTC_USDT.swap", "BTC_USD.swap")
NAMES = ("ann", "bob", "cat", "maker")

orders = st.tuples(
    st.just("order"), st.sampled_from(NAMES), st.sampled_from(SWAPS), st.booleans(), st.integers(58, 62), st.sampled_from([10, 20, 40]),
    st.booleans(), st.sampled_from(["GTC", "IOC", "market"]),
)  # fmt: skip
actions = st.one_of(
    orders, orders, orders,
    st.tuples(st.just("cancel"), st.sampled_from(NAMES)),
    st.tuples(st.just("amend"), st.sampled_from(NAMES), st.integers(50, 70), st.integers(1, 400)),
    st.tuples(st.just("mark"), st.sampled_from(SWAPS), st.integers(30, 100)),
    st.tuples(st.just("funding"), st.sampled_from(SWAPS), st.integers(-100, 100)),
    st.tuples(st.just("leverage"), st.sampled_from(NAMES), st.sampled_from(SWAPS), st.sampled_from([1, 3, 20, 125])),
    st.tuples(st.just("isolated"), st.sampled_from(NAMES), st.sampled_from(SWAPS), st.booleans()),
    st.tuples(st.just("margin"), st.sampled_from(NAMES), st.sampled_from(SWAPS), st.integers(-500, 500)),
)  # fmt: skip


def do(exchange: SimulatedExchange, action: tuple[Any, ...]) -> None:
    kind, name, *rest = action
    contracts = exchange.contracts
    if kind == "order":
        instrument, is_buy, price, quantity, reduce_only, force = rest
        inverse = instrument == SWAPS[1]
        exchange.place(
            name,
            NewOrder(
                instrument=instrument, side="buy" if is_buy else "sell", type="market" if force == "market" else "limit",
                price=None if force == "market" else D(price * 1000), quantity=D(quantity) * (10 if inverse else D("0.01")),
                time_in_force=TimeInForce.IOC if force == "IOC" else TimeInForce.GTC, reduce_only=reduce_only,
            ),
        )  # fmt: skip
    elif kind == "cancel":
        exchange.cancel_all(name)
    elif kind == "amend":
        for view in exchange.open_orders(name)[:1]:
            exchange.amend(name, view.instrument, view.order_id, price=D(rest[0] * 1000), quantity=D(rest[1]))
    elif kind == "mark":
        contracts.set_prices(name, mark=D(rest[0] * 1000))
    elif kind == "funding":
        contracts.set_funding(name, D(rest[0]) / 10_000)
        contracts.pay_funding(name)
    elif kind == "leverage":
        contracts.set_leverage(exchange.account(name), rest[0], rest[1])
    elif kind == "isolated":
        contracts.set_isolated(exchange.account(name), rest[0], rest[1])
    else:
        contracts.move_margin(exchange.account(name), rest[0], "net", D(rest[1]))


def legs(exchange: SimulatedExchange) -> list[tuple[str, Leg]]:
    accounts = [exchange.account(name) for name in (*NAMES, "house", "insurance")]
    return [(a.name, leg) for a in accounts if a.margin is not None for leg in a.margin.legs.values()]


def check_counts(exchange: SimulatedExchange, name: str, leg: Leg) -> None:
    """What a leg counts of its open orders is what these orders hold."""
    of: list[OrderRecord] = [r for r in exchange.account(name).open.values() if r.leg is leg and not r.account.house]
    plain = [r for r in of if not r.reduce_only]
    assert leg.bid_lots == sum(r.left for r in plain if r.is_buy)
    assert leg.ask_lots == sum(r.left for r in plain if not r.is_buy)
    assert (leg.bid_worth, leg.ask_worth) == (
        sum(r.frozen for r in plain if r.is_buy), sum(r.frozen for r in plain if not r.is_buy),
    )  # fmt: skip
    reducing = [r for r in of if r.reduce_only]
    assert leg.reducing == sum(r.left for r in reducing) <= abs(leg.lots)
    assert all(r.is_buy is (leg.lots < 0) for r in reducing)


@settings(max_examples=60, deadline=None)
@given(st.lists(actions, min_size=5, max_size=60))
def test_money_is_conserved_to_the_last_unit(run: list[tuple[Any, ...]]) -> None:
    exchange = SimulatedExchange([binance_usd_margined(), binance_coin_margined()], clock=ManualClock())
    for name in NAMES:
        exchange.create_account(name, balances={"USDT": D(5000), "BTC": D("0.5")}, house=name == "maker")
    exchange.contracts.fund_insurance("USDT", D(1000))
    start = exchange.supply()
    for action in run:
        before = {(name, id(leg)): leg.lots for name, leg in legs(exchange)}
        try:
            do(exchange, action)
        except Rejected:
            pass
        assert {asset: exchange.supply()[asset] for asset in start} == start
        found = legs(exchange)
        for swap in SWAPS:
            of = [leg for _, leg in found if leg.prices.instrument.id == swap]
            assert sum(leg.lots for leg in of) == 0
            assert sum(leg.cost for leg in of) == 0
        for name, leg in found:
            check_counts(exchange, name, leg)
            assert leg.lots or not leg.cost
            held = before.get((name, id(leg)), 0)
            if action[0] == "order" and action[6] and action[1] == name and action[2] == leg.prices.instrument.id:
                assert abs(leg.lots) <= abs(held)
                assert leg.lots * held >= 0
