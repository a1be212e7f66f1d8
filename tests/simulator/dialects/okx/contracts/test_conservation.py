"""Whatever is sent through OKX's door, no money and no contract appears or vanishes, and the bills add up to the balances."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fmzthreads.clock import ManualClock
from fmzthreads.simulator.dialects.okx.accounts.bills import Bills
from fmzthreads.simulator.dialects.okx.parameters import Item, ItemRefusal, OkxParams, OkxRefusal
from fmzthreads.simulator.engine.accounts import TradingAccount
from fmzthreads.simulator.engine.exchange import SimulatedExchange
from tests.helpers.okx_contracts import INVERSE, LINEAR, OkxContracts

D = Decimal
NAMES = {"BTC-USDT-SWAP": LINEAR, "BTC-USD-SWAP": INVERSE, "BTC-USDT": "BTC_USDT"}
SWAPS = (LINEAR, INVERSE)
who, swaps = st.sampled_from(["user", "second"]), st.sampled_from(list(NAMES)[:2])
margins, sides = st.sampled_from(["isolated", "cross"]), st.sampled_from(["buy", "sell"])

orders = st.tuples(
    st.just("order"), who,
    st.fixed_dictionaries({
        "instId": st.sampled_from([*NAMES, *list(NAMES)[:2]]), "tdMode": margins, "side": sides, "posSide": st.sampled_from(["long", "short"]),
        "ordType": st.sampled_from(["limit", "market", "market", "ioc", "post_only"]), "px": st.integers(48, 52).map(lambda k: str(k * 1000)),
        "sz": st.sampled_from(["1", "7", "25", "50"]), "reduceOnly": st.sampled_from(["false", "false", "true"]),
    }),
)  # fmt: skip
actions = st.one_of(
    orders, orders, orders,
    st.tuples(st.just("algo"), who, st.fixed_dictionaries({
        "instId": swaps, "tdMode": margins, "side": sides, "ordType": st.just("conditional"), "sz": st.sampled_from(["1", "50"]),
        "slTriggerPx": st.integers(48, 52).map(lambda k: str(k * 1000)), "slOrdPx": st.just("-1"), "slTriggerPxType": st.just("mark"),
    })),
    st.tuples(st.just("close"), who, st.fixed_dictionaries({
        "instId": swaps, "mgnMode": margins, "posSide": st.sampled_from(["long", "short"]), "autoCxl": st.just(True),
    })),
    st.tuples(st.just("mark"), st.sampled_from(SWAPS), st.integers(30, 75)),
    st.tuples(st.just("funding"), st.sampled_from(SWAPS), st.integers(-100, 100)),
    st.tuples(st.just("leverage"), who, st.fixed_dictionaries({
        "instId": swaps, "mgnMode": margins, "lever": st.sampled_from(["5", "20", "100"]),
    })),
    st.tuples(st.just("margin"), who, st.fixed_dictionaries({
        "instId": swaps, "posSide": st.sampled_from(["long", "short"]), "type": st.sampled_from(["add", "reduce"]),
        "amt": st.sampled_from(["0.01", "20", "500"]),
    })),
)  # fmt: skip


def do(venue: OkxContracts, handlers: Any, action: tuple[Any, ...]) -> None:
    kind, name, fields = action
    contracts, now_ms = venue.exchange.contracts, venue.exchange.server_time_ms()
    if kind == "mark":
        contracts.set_prices(name, mark=D(fields * 1000))
        return
    if kind == "funding":
        contracts.set_funding(name, D(fields) / 10_000)
        contracts.pay_funding(name)
        return
    account = venue.exchange.account(name)
    item = {key: value for key, value in fields.items() if not (key == "px" and fields["ordType"] == "market")}
    if not contracts.hedge(account):
        item["posSide"] = "net"
    if fields["instId"] == "BTC-USDT":
        item.update(tdMode="cash", sz="0.01", posSide="")
    if kind == "order":
        venue.dialect.orders.place(account, Item(item), now_ms)
    elif kind == "algo":
        venue.dialect.algos.place(account, Item(item), now_ms)
    elif kind == "close":
        handlers.closer.close(account, Item(item), now_ms)
    elif kind == "leverage":
        handlers.settings.set_leverage(account, OkxParams(item, now_ms, [item]))
    else:
        handlers.settings.move_margin(account, OkxParams(item, now_ms, [item]))


def billed(bills: Bills, account: TradingAccount, now_ms: int) -> dict[str, Decimal]:
    """The sums of the changes in all bills, for each currency."""
    sums: dict[str, Decimal] = {}
    page: dict[str, str] = {}
    while rows := bills.archive(account, OkxParams(page, now_ms)):
        for row in rows:
            sums[row["ccy"]] = sums.get(row["ccy"], D(0)) + D(row["balChg"])
        page = {"after": rows[-1]["billId"]}
    return sums


def open_contracts(exchange: SimulatedExchange, instrument: str) -> Decimal:
    """The signed contracts of all accounts."""
    return sum(
        (
            view.quantity
            for account in exchange.accounts()
            for view in exchange.contracts.positions(account)
            if view.instrument == instrument
        ),
        D(0),
    )


@settings(max_examples=40, deadline=None)
@given(st.booleans(), st.lists(actions, min_size=20, max_size=40))
def test_money_contracts_and_bills_are_conserved(hedge: bool, run: list[tuple[Any, ...]]) -> None:
    with OkxContracts(clock=ManualClock(), serving=False, hedge=hedge) as venue:
        exchange = venue.exchange
        exchange.create_account("second", balances={"USDT": D(1_000), "BTC": D("0.04")})
        bills = Bills(exchange, venue.dialect.instruments)
        exchange.contracts.fund_insurance("USDT", D(500))
        for instrument in NAMES.values():
            for level in (1, 2, 3):
                venue.rest(instrument, "buy", str(50_000 - 300 * level), "20")
                venue.rest(instrument, "sell", str(50_000 + 300 * level), "20")
        accounts = [venue.account, exchange.account("second")]
        started = [{asset: balance.total for asset, balance in exchange.balances(one).items()} for one in accounts]
        supply = exchange.supply()
        for action in run:
            try:
                do(venue, venue.dialect.handlers, action)
            except (ItemRefusal, OkxRefusal):
                pass
            now = exchange.supply()
            assert {asset: now[asset] for asset in supply} == supply
            for instrument in SWAPS:
                assert open_contracts(exchange, instrument) == 0
            for account, start in zip(accounts, started, strict=True):
                sums = billed(bills, account, exchange.server_time_ms())
                for asset, balance in exchange.balances(account).items():
                    assert start.get(asset, D(0)) + sums.get(asset, D(0)) == balance.total
                    assert balance.frozen >= 0
