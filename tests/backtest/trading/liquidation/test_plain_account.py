"""The engine and an account by the documented rules, written apart from it, agree on every fill, fee, payment and liquidation."""

from __future__ import annotations

from array import array
from fractions import Fraction
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmzthreads.backtest.config.settings import MaintenanceTier
from fmzthreads.backtest.data.bars import BarSeries
from fmzthreads.backtest.failures import NoData
from fmzthreads.backtest.trading.desk import Desk
from fmzthreads.backtest.trading.margin import MarginAccount
from tests.backtest.trading.liquidation.plain_account import UNIT, ZERO, PlainAccount, PlainSymbol
from tests.helpers.price_market import PriceMarket, futures_bench

SECOND = 1000
STEP = Fraction(1, 10)
TIERS = {
    False: ((200, "0.02", "0"), (900, "0.05", "6"), (None, "0.1", "51")),
    True: ((2, "0.02", "0"), (9, "0.05", "0.06"), (None, "0.1", "0.51")),
}
JUMPING = {coin: tuple((end, ratio, "0") for end, ratio, _ in rows) for coin, rows in TIERS.items()}


def nano(number: Fraction) -> int:
    whole = number * UNIT
    assert whole.denominator == 1
    return whole.numerator


class Pair:
    """The engine's desk and the plain account, driven with the same steps; ``now`` turns both clocks."""

    def __init__(self, *, coin: bool, jumping: bool, marked: bool, rates: dict[int, str]) -> None:
        rows = [
            (None if end is None else Fraction(end), Fraction(ratio), Fraction(less))
            for end, ratio, less in (JUMPING if jumping else TIERS)[coin]
        ]
        tiers = tuple(
            MaintenanceTier(up_to=None if end is None else nano(end), rate=nano(ratio), deduction=nano(less))
            for end, ratio, less in rows
        )
        names = ("BTC", "ETH")
        self.bench = futures_bench(
            coin=coin,
            balance=0 if coin else 60,
            stocks=1 if coin else 0,
            margin_currency="BTC" if coin else "USDT",
            tiers=tiers,
            liquidation_fee=0.01,
            symbols=names,
        )
        quote = "USD" if coin else "USDT"
        symbols = [
            PlainSymbol(f"{name}_{quote}.swap", name if coin else "USDT", Fraction(100 if coin else 1), rows)
            for name in names
        ]
        self.names = [symbol.name for symbol in symbols]
        self.plain = PlainAccount(
            symbols,
            Fraction(1 if coin else 60),
            coin=coin,
            spread=STEP,
            maker=Fraction("0.0002"),
            taker=Fraction("0.0005"),
            liquidation_fee=Fraction("0.01"),
        )
        self.coin = coin
        self.marked = marked
        self.rates = {time: Fraction(rate) for time, rate in rates.items()}
        self._make_desk()
        for name in self.names:
            self.tick(name, Fraction(100))

    def _make_desk(self) -> None:
        bench = self.bench
        first = bench.main.detail
        self.mark_market = PriceMarket(first, 0)
        for market in bench.markets.values():
            market.detail = attrs.evolve(market.detail, symbol_funding=None, symbol_index="")
        if self.marked:
            bench.main.detail = attrs.evolve(bench.main.detail, symbol_mark="MARK")
        times = array("q", self.rates)
        column = array("q", (nano(rate) for rate in self.rates.values()))

        def series_of(name: str) -> BarSeries:
            if not name.endswith(".funding"):
                raise NoData(name)
            detail = attrs.evolve(first, symbol=name, quote_precision=9)
            return BarSeries(
                detail=detail, period_ms=SECOND, time=times, open=column, high=column, low=column, close=column
            )

        bench.desk = Desk(
            bench.desk.settings,
            lambda symbol: bench.markets[symbol],
            bench.rows,
            lambda: bench.now_ms,
            series_of=series_of if self.rates else None,
            side_market=lambda _: self.mark_market,
        )

    def _pass(self) -> int:
        """A second passes; what is due up to then is due before the tick of that moment."""
        now = self.bench.now_ms + SECOND
        for time, rate in self.rates.items():
            if self.bench.now_ms < time <= now:
                ordered = {order.symbol for order in self.plain.orders}
                self.plain.fund(dict.fromkeys(ordered, rate), time)
                if time < now:
                    self.plain._liquidate_all()
        self.bench.now_ms = now
        return now

    def tick(self, name: str, price: Fraction) -> None:
        now = self._pass()
        market = self.bench.markets[name]
        market.prices.append(nano(price))
        market.times.append(now)
        self.plain.tick(name, price, now)

    def mark(self, price: Fraction) -> None:
        now = self._pass()
        self.mark_market.prices.append(nano(price))
        self.mark_market.times.append(now)
        self.plain.mark(self.names[0], price, now)

    def edge(self, place: int, far: Fraction, off: Fraction) -> None:
        """Goes to the price at which the margin is just used up, or so far from it."""
        name = self.names[place]
        symbol = self.plain.symbols[name]
        by_mark = self.marked and place == 0

        def left(price: int) -> Fraction:
            before = symbol.last, symbol.mark
            symbol.last, symbol.mark = Fraction(price, UNIT), Fraction(price, UNIT) if by_mark else symbol.mark
            found = self.plain.margin_left(symbol.currency)
            symbol.last, symbol.mark = before
            return found

        good, bad = nano(symbol.mark or symbol.last if by_mark else symbol.last), nano(far)
        if left(good) > 0 >= left(bad):
            while abs(bad - good) > 1:
                middle = (good + bad) // 2
                good, bad = (middle, bad) if left(middle) > 0 else (good, middle)
        price = Fraction(bad, UNIT) + off
        (self.mark(price) if by_mark else self.tick(name, price))

    def run(self, step: tuple[Any, ...]) -> None:
        kind, *args = step
        if kind == "tick":
            self.tick(self.names[args[0]], args[1])
        elif kind == "mark":
            (self.mark(args[0]) if self.marked else self.tick(self.names[0], args[0]))
        elif kind == "edge":
            self.edge(*args)
        elif kind == "place":
            place, side, price, amount = args
            amount = max(Fraction(1), Fraction(round(amount))) if self.coin else amount
            name = self.names[place]
            given_price = -1.0 if price is None else float(price)
            expected = self.plain.place(name, side, price, amount)
            assert (self.bench.desk.place(name, side, given_price, float(amount)) is None) is (expected is None)
        elif kind == "cancel":
            assert self.bench.desk.cancel(args[0]) is self.plain.cancel(args[0])
        elif kind == "level":
            self.plain.set_level(self.names[args[0]], args[1])
            self.bench.desk.settle()
            self.bench.desk.set_level(self.names[args[0]], args[1])
        else:
            self.compare()

    def compare(self) -> None:
        desk, plain = self.bench.desk, self.plain
        desk.settle()
        account = desk.ledger
        assert isinstance(account, MarginAccount)
        for currency in plain.free:
            wallet = account.wallet(currency)
            theirs = (wallet.free, wallet.frozen, wallet.commission, wallet.funding, wallet.insured)
            ours = (
                plain.free[currency],
                plain.frozen(currency),
                plain.fees[currency],
                plain.funding[currency],
                plain.insured[currency],
            )
            assert [Fraction(x, UNIT) for x in theirs] == list(ours)
        for name, symbol in plain.symbols.items():
            held = account.symbol(self.bench.markets[name])
            for engine_side, side in ((held.long, symbol.long), (held.short, symbol.short)):
                assert [
                    Fraction(x, UNIT)
                    for x in (engine_side.amount, engine_side.frozen, engine_side.entry, engine_side.margin)
                ] == [side.amount, side.closing, side.entry, side.margin]
                assert Fraction(engine_side.price, UNIT) == side.price
        assert [
            (o.id, o.detail.symbol, o.is_buy, o.state, Fraction(o.average, UNIT), o.time_ms) for o in desk._orders
        ] == [(o.id, o.symbol, o.is_buy, o.status, o.average, o.time_ms) for o in plain.orders]


PRICES = st.integers(600, 1500).map(lambda tenth: Fraction(tenth, 10))
PLACE = st.integers(0, 1)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("tick"), PLACE, PRICES),
        st.tuples(st.just("mark"), PRICES),
        st.tuples(
            st.just("edge"),
            PLACE,
            st.sampled_from([Fraction(30), Fraction(300)]),
            st.sampled_from([ZERO, Fraction(1, UNIT), Fraction(-1, UNIT), STEP, -STEP]),
        ),
        st.tuples(
            st.just("place"),
            PLACE,
            st.sampled_from(["buy", "sell", "buy", "sell", "closebuy", "closesell"]),
            st.one_of(st.none(), st.integers(900, 1100).map(lambda tenth: Fraction(tenth, 10))),
            st.integers(1, 40).map(lambda n: Fraction(n, 8)),
        ),
        st.tuples(st.just("cancel"), st.integers(1, 12)),
        st.tuples(st.just("level"), PLACE, st.sampled_from([1, 3, 7, 20])),
        st.tuples(st.just("compare")),
    ),
    max_size=30,
)
RATES = st.one_of(
    st.just({}),
    st.dictionaries(
        st.one_of(st.integers(3, 30).map(lambda n: n * SECOND), st.integers(3, 60).map(lambda n: n * SECOND // 2 + 1)),
        st.sampled_from(["0.0003", "-0.0007", "0.05", "-0.05"]),
        max_size=8,
    ).map(lambda rows: dict(sorted(rows.items()))),
)


@pytest.mark.parametrize("marked", [False, True], ids=["last", "mark"])
@pytest.mark.parametrize("jumping", [False, True], ids=["even", "jumping"])
@pytest.mark.parametrize("coin", [False, True], ids=["usdt", "coin"])
@given(rates=RATES, steps=STEPS)
def test_the_engine_does_what_a_plain_account_does(
    coin: bool, jumping: bool, marked: bool, rates: dict[int, str], steps: list[tuple[Any, ...]]
) -> None:
    pair = Pair(coin=coin, jumping=jumping, marked=marked, rates=rates)
    for step in [*steps, ("compare",)]:
        pair.run(step)


def amounts(pair: Pair) -> list[tuple[str, str, float]]:
    """Symbol, side and price of what was liquidated."""
    ids = [row[2] for row in pair.bench.rows.orders if row[5] == "liquidation" and row[0] != 2]
    return [(o.detail.symbol, o.side, o.average / UNIT) for o in pair.bench.desk._orders if o.id in ids]


def test_the_best_profit_is_closed_first() -> None:
    """Not the first position, the highest or lowest price, the largest or smallest amount, value or margin."""
    pair = Pair(coin=False, jumping=False, marked=False, rates={})
    btc, eth = pair.names
    for step in (
        ("place", 0, "buy", None, Fraction(3)),  # 23.1 each down: -69.3
        ("place", 0, "sell", None, Fraction(1)),  # +22.9
        ("place", 1, "buy", None, Fraction(1, 2)),  # 10 up: +4.95
        ("place", 1, "sell", None, Fraction(1)),  # -10.1
        ("tick", 1, Fraction(110)),
        ("tick", 0, Fraction(77)),
        ("compare",),
    ):
        pair.run(step)
    assert amounts(pair) == [
        (btc, "closesell", 77),
        (eth, "closebuy", 110),
        (eth, "closesell", 110),
        (btc, "closebuy", 77),
    ]


def test_all_that_is_paid_in_one_millisecond_comes_before_a_liquidation() -> None:
    """A tick at the event's time ruins the account; both contracts have paid before, not only the first."""
    pair = Pair(coin=False, jumping=False, marked=False, rates={4000: "0.0003"})
    pair.run(("place", 0, "buy", None, Fraction(1, 8)))
    pair.run(("place", 1, "buy", None, Fraction(3, 2)))
    pair.tick(pair.names[0], Fraction(100))
    pair.tick(pair.names[1], Fraction(60))
    pair.compare()
    assert pair.plain.funding["USDT"] == -Fraction(100) * Fraction("1.0003") * Fraction("0.0003") * Fraction(13, 8)
    assert len(amounts(pair)) == 2
