"""Liquidation by mark price and maintenance tiers: when, at which price, and what is left."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmzthreads.backtest.config.details import detail_of
from fmzthreads.backtest.config.settings import MaintenanceTier
from fmzthreads.backtest.nano import nano
from fmzthreads.backtest.trading.desk import Desk
from fmzthreads.backtest.trading.liquidation.margin_watch import maintenance_of
from fmzthreads.backtest.trading.margin import MarginAccount
from fmzthreads.errors import InputError
from fmzthreads.structures.value_objects import evolve
from tests.backtest.trading.test_conservation import AMOUNTS, PRICES, STEPS, run
from tests.backtest.trading.test_funding import funded
from tests.helpers.price_market import Bench, PriceMarket, futures_bench

SWAP = "BTC_USDT.swap"
COIN = "BTC_USD.swap"
ONE_PERCENT = (MaintenanceTier(up_to=None, rate=nano(0.01)),)


def bench_of(balance: float = 100, *, fee: float = 0.0, coin: bool = False, **options: Any) -> Bench:
    """At 1000, without trading fees and nearly without spread; the maintenance margin is 1 % of the value."""
    bench = futures_bench(
        balance=0 if coin else balance,
        stocks=balance if coin else 0,
        margin_currency="BTC" if coin else "USDT",
        coin=coin,
        maker=0,
        taker=0,
        spread=0,
        tiers=options.pop("tiers", ONE_PERCENT),
        liquidation_fee=fee,
        **options,
    )
    for symbol in bench.markets:
        bench.price(1000, symbol)
    return bench


def last_order(bench: Bench) -> Any:
    return bench.desk.history()[-1]


def test_a_long_is_closed_where_the_equity_meets_the_maintenance_margin() -> None:
    bench = bench_of(fee=0.005)
    bench.desk.place(SWAP, "buy", -1, 1)  # equity p - 900, maintenance p / 100: at 909.0909...
    bench.price(909.1)
    assert [p.Amount for p in bench.desk.positions() or []] == [1]
    bench.price(909)
    assert bench.desk.positions() == []
    order = last_order(bench)
    assert (order.Id, order.Time, order.AvgPrice, order.Type, order.Offset, order.Status) == (2, 3000, 909, 1, 1, 1)
    assert bench.rows.orders[-1] == (1, 1, 2, 909, 1, "liquidation", SWAP, "closebuy")
    assert bench.desk.account(SWAP).Balance == pytest.approx(9 - 4.545)
    status = bench.desk.snapshot([bench.main])["Symbols"][SWAP]["TradeStatus"]
    assert status == {"BuyDealAmount": 1, "BuyOrderCount": 1, "SellDealAmount": 1, "SellOrderCount": 1}


def test_a_short_is_closed_above() -> None:
    bench = bench_of()
    bench.desk.place(SWAP, "sell", -1, 1)  # equity 1100 - p: at 1089.1089...
    bench.price(1089)
    bench.price(1089.2)
    bench.price(1000)
    assert bench.desk.positions() == []
    assert last_order(bench).AvgPrice == 1089.2
    assert bench.rows.orders[-1][-1] == "closesell"


def test_a_late_settlement_finds_the_first_moment() -> None:
    bench = bench_of()
    bench.desk.place(SWAP, "buy", -1, 1)
    for price in (950, 905, 1200, 800):
        bench.price(price)
    assert bench.desk.positions() == []
    assert (last_order(bench).Time, last_order(bench).AvgPrice) == (3000, 905)
    assert bench.desk.account(SWAP).Balance == pytest.approx(5)


def test_below_the_bankruptcy_price_the_insurance_fund_takes_the_rest() -> None:
    bench = bench_of(fee=0.005)
    bench.desk.place(SWAP, "buy", -1, 1)
    bench.price(700)
    account = bench.desk.account(SWAP)
    assert (account.Balance, account.Equity) == (0, 0)
    assert last_order(bench).AvgPrice == 900
    assert bench.desk.snapshot([bench.main])["Assets"][0]["Commission"] == 0


def test_a_bankrupt_short_and_coins() -> None:
    short = bench_of()
    short.desk.place(SWAP, "sell", -1, 1)
    short.price(2000)
    assert short.desk.positions() == []
    assert last_order(short).AvgPrice == 1100
    coin = bench_of(1, coin=True)
    coin.desk.place(COIN, "buy", -1, 90)  # 9 coins at 1000; 1 coin is lost at 9000 / 10
    coin.price(850)
    assert coin.desk.positions() == []
    assert last_order(coin).AvgPrice == 900
    assert coin.desk.account(COIN).Stocks == pytest.approx(0, abs=1e-8)


def test_in_coins_the_margin_left_falls_with_the_price() -> None:
    bench = bench_of(1, coin=True)
    bench.desk.place(COIN, "buy", -1, 90)
    for price in (950, 910, 908.9):  # 10 - 9000/p against 90/p: at 909
        assert len(bench.desk.positions() or []) == 1
        bench.price(price)
    assert bench.desk.positions() == []


def test_without_tiers_nothing_is_liquidated() -> None:
    bench = bench_of(tiers=())
    bench.desk.place(SWAP, "buy", -1, 1)
    bench.price(100)
    assert len(bench.desk.positions() or []) == 1
    assert bench.desk.account(SWAP).Equity == -800


def test_open_orders_are_canceled() -> None:
    bench = bench_of(300)
    bench.desk.place(SWAP, "buy", -1, 1)
    bench.desk.place(SWAP, "buy", 400, 1)
    bench.desk.place(SWAP, "closebuy", 2000, 1)
    bench.price(750)
    assert len(bench.desk.orders()) == 2
    assert len(bench.desk.positions() or []) == 1
    bench.price(500)
    assert bench.desk.positions() == []
    assert bench.desk.orders() == []
    assert [o.Status for o in bench.desk.history()] == [1, 2, 2, 1]
    assert [row[5] for row in bench.rows.orders[-3:]] == ["liquidation"] * 3
    account = bench.desk.account(SWAP)
    assert account.FrozenBalance == 0


def test_a_position_that_grows_on_the_way_down_goes_earlier() -> None:
    bench = bench_of(200)
    bench.desk.place(SWAP, "buy", -1, 1)
    bench.desk.place(SWAP, "buy", 950, 1)
    bench.price(945)  # two contracts from here on
    bench.price(890)  # equity 200 - 110 - 60 = 30 > 17.8
    bench.price(880)  # 10 < 17.6
    assert bench.desk.positions() == []
    assert last_order(bench).Time == 4000


def marked_bench(balance: float, symbols: tuple[str, ...] = ("BTC",)) -> tuple[Bench, PriceMarket]:
    """With a series of mark prices for the first symbol."""
    bench = bench_of(balance, symbols=symbols)
    mark = PriceMarket(bench.main.detail, 0)
    bench.main.detail = evolve(bench.main.detail, symbol_mark="BTC_USDT.mark")
    bench.desk = Desk(
        bench.desk.settings,
        lambda symbol: bench.markets[symbol],
        bench.rows,
        lambda: bench.now_ms,
        side_market=lambda symbol: {"BTC_USDT.mark": mark}[symbol],
    )
    return bench, mark


def test_the_mark_price_decides_not_the_last_one() -> None:
    bench, mark = marked_bench(100)
    mark.put(1000, 500)
    bench.desk.place(SWAP, "buy", -1, 1)
    bench.price(800)
    assert len(bench.desk.positions() or []) == 1
    mark.put(905, bench.now_ms + 100)
    bench.price(1000)
    assert bench.desk.positions() == []
    assert (last_order(bench).Time, last_order(bench).AvgPrice) == (2100, 905)


@pytest.mark.parametrize("symbols", [("BTC",), ("BTC", "ETH")])
@pytest.mark.parametrize("first_ms", [None, 2500, 3000, 3001])
def test_until_the_mark_has_a_tick_each_of_the_contract_counts(first_ms: int | None, symbols: tuple[str, ...]) -> None:
    """Also one that a late settlement passes over; from the first mark price on, only that counts."""
    bench, mark = marked_bench(200, symbols)
    for symbol in bench.markets:
        bench.desk.place(symbol, "buy", -1, 0.01 if symbol != SWAP else 2)
    start = bench.now_ms
    bench.price(950)
    bench.price(905)  # two seconds after the start
    if first_ms is not None:
        mark.put(1000, start - 1000 + first_ms)
    bench.price(1000)
    bench.price(990)
    closed = first_ms is None or first_ms > 3000
    assert (bench.desk.positions("USDT.swap") == []) is closed
    if closed:
        assert last_order(bench).Time == start + 2000


def test_positions_that_share_a_balance_go_together() -> None:
    bench = bench_of(200, symbols=("BTC", "ETH"))
    other = "ETH_USDT.swap"
    bench.desk.place(SWAP, "buy", -1, 1)
    bench.desk.place(other, "sell", -1, 1)
    bench.price(900)
    bench.price(1080, other)  # equity 20, maintenance 19.8
    assert len(bench.desk.positions() or []) == 2
    bench.price(1081, other)
    bench.price(1200, SWAP)
    assert bench.desk.positions() == []
    assert [(o.Symbol, o.AvgPrice) for o in bench.desk.history()[-2:]] == [(other, 1081), (SWAP, 900)]
    assert bench.desk.account(SWAP).Balance == pytest.approx(19)


def test_funding_can_be_the_last_straw() -> None:
    bench = funded({5000: 0.1}, {0: 1600})
    bench.main.detail = evolve(bench.main.detail, tiers=ONE_PERCENT)
    assert isinstance(bench.desk.ledger, MarginAccount)
    bench.desk.ledger.wallet("USDT").free = nano(170)
    bench.desk.place(SWAP, "buy", -1, 1)
    bench.now_ms = 4999
    assert len(bench.desk.positions() or []) == 1
    bench.now_ms = 9000
    assert bench.desk.positions() == []
    assert last_order(bench).Time == 5000


def test_tiers_from_brackets() -> None:
    rows = [
        {"notionalCap": 1000, "maintMarginRatio": 0.01},
        {"notionalCap": 5000, "maintMarginRatio": 0.02},
        {"notionalCap": 20000, "maintMarginRatio": 0.05},
    ]
    detail = detail_of({"brackets": rows[::-1], "liquidationFee": 0.0125, "symbolMark": "M"}, SWAP, "here")
    assert (detail.liquidation_fee, detail.symbol_mark) == (12_500_000, "M")
    assert [(t.up_to, t.deduction) for t in detail.tiers] == [
        (nano(1000), 0),
        (nano(5000), nano(10)),
        (None, nano(160)),
    ]
    for value, margin in ((500, 5), (1000, 10), (2000, 30), (5000, 90), (50_000, 2340)):
        assert maintenance_of(detail, nano(value)) == nano(margin)
    given = detail_of({"brackets": [{"maintMarginRatio": 0.01, "cum": 2}]}, SWAP, "here")
    assert given.tiers == (MaintenanceTier(up_to=None, rate=nano(0.01), deduction=nano(2)),)
    assert detail_of({}, SWAP, "here").tiers == ()
    for wrong in (
        "x",
        [1],
        [{"notionalCap": 5}],
        [{"notionalCap": 1, "maintMarginRatio": 0.1}, {"maintMarginRatio": 0.05}],
    ):
        with pytest.raises(InputError):
            detail_of({"brackets": wrong}, SWAP, "here")


TIERS = (
    MaintenanceTier(up_to=nano(200), rate=nano(0.02)),
    MaintenanceTier(up_to=None, rate=nano(0.05), deduction=nano(6)),
)


def liquidated_bench(kind: str) -> Bench:
    coin = kind == "coin"
    bench = futures_bench(
        coin=coin,
        balance=0 if coin else 60,
        stocks=1 if coin else 0,
        margin_currency="BTC" if coin else "USDT",
        tiers=(MaintenanceTier(up_to=None, rate=nano(0.03)),) if coin else TIERS,
        liquidation_fee=0.01,
    )
    bench.desk.set_dual(kind != "net")
    bench.price(100)
    return bench


def books(bench: Bench) -> None:
    account = bench.desk.ledger
    assert isinstance(account, MarginAccount)
    positions = account.symbol(bench.main)
    wallet = account.wallet("BTC" if bench.main.detail.is_coin_margined else "USDT")
    sides = (positions.long, positions.short)
    there = wallet.total + sum(side.margin for side in sides)
    assert there == wallet.initial + sum(s.close_profit for s in sides) - wallet.commission + wallet.insured
    orders = list(bench.desk._orders)
    net = sum((1 if order.is_buy else -1) * order.deal for order in orders)
    assert positions.long.amount - positions.short.amount == net
    # Nothing that should have been liquidated is still there.
    mark = bench.main.last_price()
    held = [side for side in sides if side.amount]
    if held:
        equity = there + sum(side.profit(mark) for side in held)
        detail = bench.main.detail
        value = [
            side.amount * detail.volume_multiple // mark
            if detail.is_coin_margined
            else side.amount * mark // 10**9 * detail.volume_multiple // 10**9
            for side in held
        ]
        assert equity > sum(maintenance_of(detail, v) for v in value) - 10
    assert wallet.insured >= 0


@pytest.mark.parametrize("kind", ["hedge", "net", "coin"])
@given(steps=STEPS)
def test_the_books_agree_through_liquidations(kind: str, steps: list[tuple[Any, ...]]) -> None:
    bench = liquidated_bench(kind)
    for step in steps:
        run(bench, step)
        bench.desk.settle()
        bench.desk.settle()
        books(bench)


WILD = st.lists(
    st.one_of(
        st.tuples(st.just("price"), st.integers(600, 1500).map(lambda tenth: tenth / 10)),
        st.tuples(st.just("place"), st.sampled_from(["buy", "sell"]), st.one_of(st.just(-1.0), PRICES), AMOUNTS),
    ),
    max_size=30,
)


@pytest.mark.parametrize("kind", ["hedge", "net", "coin"])
@given(steps=WILD)
def test_a_late_settlement_liquidates_as_one_at_each_tick_does(kind: str, steps: list[tuple[Any, ...]]) -> None:
    often, late = liquidated_bench(kind), liquidated_bench(kind)
    for step in steps:
        for bench in (often, late):
            run(bench, step)
        often.desk.settle()
        books(often)
    symbol = often.main.detail.symbol
    assert often.desk.account(symbol) == late.desk.account(symbol)
    assert often.desk.history() == late.desk.history()
    assert often.desk.positions() == late.desk.positions()


def test_a_position_that_was_liquidated_before_an_event_does_not_pay_it() -> None:
    bench = funded({5000: 0.001}, {0: 1600})
    bench.main.detail = evolve(bench.main.detail, tiers=ONE_PERCENT)
    assert isinstance(bench.desk.ledger, MarginAccount)
    bench.desk.ledger.wallet("USDT").free = nano(200)
    bench.desk.place(SWAP, "buy", -1, 1)
    bench.price(1400)  # 2000
    bench.price(1600)
    bench.now_ms = 9000
    assert bench.desk.positions() == []
    assert last_order(bench).Time == 2000
    assert bench.desk.snapshot([bench.main])["Assets"][0]["Funding"] == 0


def test_orders_in_another_margin_currency_stay() -> None:
    coin = bench_of(1, coin=True).main.detail
    usdt = bench_of().main.detail
    settings = evolve(bench_of().desk.settings, stocks=nano(1), margin_currency=None)
    bench = Bench(settings, usdt, coin, spread=0)
    bench.price(1000)
    bench.price(1000, COIN)
    bench.desk.place(SWAP, "buy", -1, 1)
    bench.desk.place(COIN, "buy", 500, 1)
    bench.price(905)
    assert bench.desk.positions() == []
    assert [order.Symbol for order in bench.desk.orders()] == [COIN]


@pytest.mark.parametrize(("mark_ms", "state"), [(2999, 2), (3000, 1), (3001, 1)])
def test_a_liquidation_comes_before_what_is_filled_a_millisecond_later(mark_ms: int, state: int) -> None:
    """In the same millisecond the fill comes first."""
    bench, mark = marked_bench(120)
    mark.put(1000, 500)
    bench.desk.place(SWAP, "buy", -1, 1)  # liquidated at 888.89
    bench.desk.place(SWAP, "sell", 1010, 0.01)
    bench.price(1000)
    bench.price(1010.5)  # 3000: fills
    mark.put(885, mark_ms)
    bench.now_ms = 4000
    assert bench.desk.positions() == []
    assert [(o.Id, o.Status) for o in bench.desk.history()[:2]] == [(1, 1), (2, state)]
    assert last_order(bench).Time == mark_ms


@pytest.mark.parametrize("first", ["usdt", "coin"])
def test_accounts_of_two_currencies_are_each_liquidated_at_their_own_time(first: str) -> None:
    """Also where one late settlement finds both."""
    coin, usdt = bench_of(1, coin=True).main.detail, bench_of().main.detail
    settings = evolve(bench_of().desk.settings, stocks=nano(1), margin_currency=None)
    bench = Bench(settings, usdt, coin, spread=0)
    bench.price(1000)
    bench.price(1000, COIN)
    bench.desk.place(SWAP, "buy", -1, 1)  # liquidated at 909.09
    bench.desk.place(COIN, "buy", -1, 90)  # liquidated at 909
    start = bench.now_ms
    names = (SWAP, COIN) if first == "usdt" else (COIN, SWAP)
    for symbol, price in zip(names, (905, 904), strict=True):
        bench.price(price, symbol)
    for symbol in names:
        bench.price(950, symbol)
    assert bench.desk.positions("") == []
    found = {o.Symbol: (o.Time - start, o.AvgPrice) for o in bench.desk.history()[-2:]}
    assert found == {names[0]: (1000, 905), names[1]: (2000, 904)}


@pytest.mark.parametrize("by", ["funding", "another symbol"])
def test_the_price_of_a_liquidation_moves_with_the_balance_alone(by: str) -> None:
    """The position stays as it is; what is known of it is not: 90 more are lost."""
    bench = funded({3500: 0.09}, {0: 999}) if by == "funding" else bench_of(symbols=("BTC", "ETH"))
    if by == "funding":
        bench.price(1000)
        bench.main.detail = evolve(bench.main.detail, tiers=ONE_PERCENT)
    assert isinstance(bench.desk.ledger, MarginAccount)
    bench.desk.ledger.wallet("USDT").free = nano(250)
    bench.desk.place(SWAP, "buy", -1, 1)  # liquidated at 758 with 250, and at 849 with 160
    for price in (990, 900):
        bench.price(price)
        assert len(bench.desk.positions(SWAP) or []) == 1
    if by == "funding":
        bench.price(900)
    else:
        bench.desk.place("ETH_USDT.swap", "buy", -1, 1)
        bench.price(910, "ETH_USDT.swap")
        bench.desk.place("ETH_USDT.swap", "closebuy", -1, 1)
    bench.price(900, SWAP)
    assert len(bench.desk.positions(SWAP) or []) == 1
    bench.price(800, SWAP)
    assert bench.desk.positions(SWAP) == []
