"""The engine's desk and a plain one by the documented rules, driven with the same steps and compared to the last nano."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from fmzthreads.backtest.config.settings import ExchangeSettings, MaintenanceTier, MarketDetail, PartialFills
from fmzthreads.backtest.data.bars import BarSeries
from fmzthreads.backtest.failures import NoData
from fmzthreads.backtest.trading.desk import Desk
from fmzthreads.backtest.trading.margin import MarginAccount
from fmzthreads.backtest.trading.market import MarketView
from fmzthreads.backtest.trading.orders import DeskOrder
from fmzthreads.backtest.trading.spot import SpotAccount
from fmzthreads.structures.value_objects import evolve
from tests.backtest.trading.reference.plain_account import PlainFutures, PlainSymbol
from tests.backtest.trading.reference.plain_desk import (
    DELAY_MS,
    UNIT,
    ZERO,
    PlainCondition,
    PlainDesk,
    PlainRules,
    PlainTick,
)
from tests.backtest.trading.reference.plain_spot import PlainSpot
from tests.helpers.price_market import PriceMarket, Rows, futures_bench, spot_bench

SECOND = 1000
STEP = Fraction(1, 10)
TIERS = {
    False: ((200, "0.02", "0"), (900, "0.05", "6"), (None, "0.1", "51")),
    True: ((2, "0.02", "0"), (9, "0.05", "0.06"), (None, "0.1", "0.51")),
}
JUMPING = {coin: tuple((end, ratio, "0") for end, ratio, _ in rows) for coin, rows in TIERS.items()}
BASES = ("BTC", "ETH")


def nano(number: Fraction) -> int:
    whole = number * UNIT
    assert whole.denominator == 1
    return whole.numerator


@dataclass(frozen=True, kw_only=True)
class Kind:
    """An account: ``tiers`` is None (no liquidation), even or jumping; ``volume`` the participation, and a queue."""

    spot: bool = False
    coin: bool = False
    net: bool = False
    tiers: str | None = None
    marked: bool = False
    volume: tuple[str, str | None] | None = None
    multiple: str | None = None
    maker: str = "0.0002"
    taker: str = "0.0005"
    fee_min: str = "0"


class Pair:
    """A kind of account, and its funding rates by time; prices are put in one after the other."""

    def __init__(self, kind: Kind, rates: dict[int, str] | None = None) -> None:
        self.kind = kind
        share, queue = kind.volume or (None, None)
        partial = None
        if share is not None:
            partial = PartialFills(
                participation=nano(Fraction(share)), queue=None if queue is None else nano(Fraction(queue))
            )
        self.rules = PlainRules(
            spread=STEP,
            maker=Fraction(kind.maker),
            taker=Fraction(kind.taker),
            fee_min=Fraction(kind.fee_min),
            liquidation_fee=Fraction("0.01"),
            participation=None if share is None else Fraction(share),
            queue=None if queue is None else Fraction(queue),
            step=Fraction(1, 1 if kind.coin else 1000),
        )
        self.settings, details, self.plain = (self._spot if kind.spot else self._futures)(partial)
        if kind.marked:
            details[0] = evolve(details[0], symbol_mark="MARK")
        self.plain.events = {time: Fraction(rate) for time, rate in (rates or {}).items()}
        self.names = [detail.symbol for detail in details]
        self.rows = Rows()
        self._open(details)
        self.desk = Desk(
            self.settings,
            self._market,
            self.rows,
            self._now,
            delay=self._wait,
            series_of=self._rates(details[0]) if self.plain.events else None,
            side_market=lambda _: self._mark_market(),
        )
        if kind.net:
            self.desk.set_dual(False)

    def _spot(self, partial: PartialFills | None) -> tuple[ExchangeSettings, list[MarketDetail], PlainDesk]:
        bench = spot_bench(
            balance=500,
            stocks=5,
            maker=float(self.rules.maker * 100),
            taker=float(self.rules.taker * 100),
            digits=(1, 3),
            partial=partial,
        )
        details = [
            evolve(bench.main.detail, symbol=f"{base}_USDT", base_currency=base, price_tick=nano(STEP))
            for base in BASES
        ]
        names = [detail.symbol for detail in details]
        return bench.desk.settings, details, PlainSpot(names, {"USDT": Fraction(500), "BTC": Fraction(5)}, self.rules)

    def _futures(self, partial: PartialFills | None) -> tuple[ExchangeSettings, list[MarketDetail], PlainDesk]:
        kind = self.kind
        rows = [
            (None if end is None else Fraction(end), Fraction(ratio), Fraction(less))
            for end, ratio, less in (JUMPING if kind.tiers == "jumping" else TIERS)[kind.coin]
        ]
        rows = rows if kind.tiers else []
        multiple = Fraction(kind.multiple or (100 if kind.coin else 1))
        bench = futures_bench(
            coin=kind.coin,
            balance=0 if kind.coin else 60,
            stocks=1 if kind.coin else 0,
            maker=float(self.rules.maker * 100),
            taker=float(self.rules.taker * 100),
            fee_min=float(self.rules.fee_min),
            margin_currency="BTC" if kind.coin else "USDT",
            multiple=float(multiple),
            tiers=tuple(
                MaintenanceTier(up_to=None if end is None else nano(end), rate=nano(ratio), deduction=nano(less))
                for end, ratio, less in rows
            ),
            liquidation_fee=0.01,
            symbols=BASES,
            partial=partial,
        )
        details = [evolve(market.detail, symbol_funding=None, symbol_index="") for market in bench.markets.values()]
        symbols = [
            PlainSymbol(detail.symbol, base if kind.coin else "USDT", multiple, list(rows))
            for detail, base in zip(details, BASES, strict=True)
        ]
        plain = PlainFutures(symbols, Fraction(1 if kind.coin else 60), self.rules, coin=kind.coin, net=kind.net)
        return bench.desk.settings, details, plain

    def _rates(self, first: MarketDetail) -> Callable[[str], BarSeries]:
        rates = self.plain.events
        times, column = array("q", rates), array("q", map(nano, rates.values()))

        def series_of(name: str) -> BarSeries:
            if not name.endswith(".funding"):
                raise NoData(name)
            detail = evolve(first, symbol=name, quote_precision=9)
            return BarSeries(
                detail=detail, period_ms=SECOND, time=times, open=column, high=column, low=column, close=column
            )

        return series_of

    # markets and clock

    def _open(self, details: list[MarketDetail]) -> None:
        self.now_ms = 0
        self.markets = {detail.symbol: PriceMarket(detail, nano(STEP)) for detail in details}
        self.mark_market = PriceMarket(details[0], 0)
        for name in self.names:
            self.tick(name, Fraction(100))

    def _market(self, name: str) -> MarketView:
        return self.markets[name]

    def _mark_market(self) -> MarketView:
        return self.mark_market

    def _now(self) -> int:
        return self.now_ms

    def _wait(self) -> None:
        self.now_ms += DELAY_MS

    # steps

    def _pass(self) -> int:
        """Time passes up to the next tick, which comes on a whole second."""
        self.now_ms = (self.now_ms // SECOND + 1) * SECOND
        self.plain.advance(self.now_ms, tick=True)
        return self.now_ms

    def tick(self, name: str, price: Fraction) -> None:
        market = self.markets[name]
        market.times.append(self._pass())
        market.prices.append(nano(price))
        bar = (len(market.prices) - 1) // market.ticks_a_bar
        volume = Fraction(market.volume)
        self.plain.ticks([PlainTick(name, price, bar, volume, volume / market.ticks_a_bar)])

    def mark(self, price: Fraction) -> None:
        assert isinstance(self.plain, PlainFutures)
        self.mark_market.prices.append(nano(price))
        self.mark_market.times.append(self._pass())
        self.plain.mark(self.names[0], price)

    def edge(self, place: int, far: Fraction, off: Fraction) -> None:
        """Goes to the price at which the margin is just used up, or so far from it."""
        plain, name = self.plain, self.names[place]
        assert isinstance(plain, PlainFutures)
        symbol, tape = plain.symbols[name], plain.tapes[name]
        by_mark = self.kind.marked and place == 0

        def left(price: int) -> Fraction:
            before = tape.last, symbol.mark
            tape.last, symbol.mark = Fraction(price, UNIT), Fraction(price, UNIT) if by_mark else symbol.mark
            found = plain.margin_left(symbol.currency)
            tape.last, symbol.mark = before
            return found

        good, bad = nano(symbol.mark or tape.last if by_mark else tape.last), nano(far)
        if left(good) > 0 >= left(bad):
            while abs(bad - good) > 1:
                middle = (good + bad) // 2
                good, bad = (middle, bad) if left(middle) > 0 else (good, middle)
        price = Fraction(bad, UNIT) + off
        (self.mark(price) if by_mark else self.tick(name, price))

    def run(self, step: tuple[Any, ...]) -> None:
        kind, *args = step
        getattr(self, f"do_{kind}")(*args)
        assert self._now() == self.plain.now_ms

    def do_tick(self, place: int, *prices: Fraction) -> None:
        for price in prices:
            self.tick(self.names[place], price)

    def do_mark(self, price: Fraction) -> None:
        (self.mark(price) if self.kind.marked else self.tick(self.names[0], price))

    def do_edge(self, place: int, far: Fraction, off: Fraction) -> None:
        (self.edge(place, far, off) if self.kind.tiers else self.tick(self.names[place], far + off))

    def _amount(self, amount: Fraction) -> Fraction:
        return max(Fraction(1), Fraction(round(amount))) if self.kind.coin else amount

    def do_place(self, place: int, side: str, price: Fraction | None, amount: Fraction) -> None:
        amount, name = self._amount(amount), self.names[place]
        expected = self.plain.place(name, side, price, amount)
        assert self.desk.place(name, side, _price(price), float(amount)) == expected

    def do_modify(self, order_id: int, side: str, price: Fraction | None, amount: Fraction) -> None:
        amount = self._amount(amount)
        expected = self.plain.modify(order_id, side, price, amount)
        assert self.desk.modify(order_id, side, _price(price), float(amount)) == expected

    def do_cancel(self, order_id: int) -> None:
        assert self.desk.cancel(order_id) is self.plain.cancel(order_id)

    def _condition(self, name: str, *terms: Any) -> tuple[PlainCondition, dict[str, Any]]:
        kind, side, take, take_price, stop, stop_price, amount = terms
        plain = PlainCondition(
            0,
            name,
            side,
            amount,
            (take, take_price) if kind < 2 else None,
            (stop, stop_price) if kind != 1 else None,
            0,
        )
        given = {
            "ConditionType": kind,
            "TpTriggerPrice": float(take),
            "TpOrderPrice": _price(take_price),
            "SlTriggerPrice": float(stop),
            "SlOrderPrice": _price(stop_price),
        }
        return plain, given

    def do_condition(self, place: int, *terms: Any) -> None:
        *rest, amount = terms
        plain, given = self._condition(self.names[place], *rest, self._amount(amount))
        expected = self.plain.place_condition(plain)
        assert self.desk.place_condition(plain.symbol, plain.side, float(plain.amount), given) == expected

    def do_modify_condition(self, condition_id: int, *terms: Any) -> None:
        *rest, amount = terms
        plain, given = self._condition("", *rest, self._amount(amount))
        expected = self.plain.modify_condition(condition_id, plain)
        assert self.desk.modify_condition(condition_id, plain.side, float(plain.amount), given) == expected

    def do_cancel_condition(self, condition_id: int) -> None:
        assert self.desk.cancel_condition(condition_id) is self.plain.cancel_condition(condition_id)

    def do_level(self, place: int, level: int) -> None:
        """Takes no time and settles nothing: an order that is to be settled has no position yet."""
        if isinstance(self.plain, PlainFutures):
            if self.plain.at_each_tick:
                self.do_settle()
            self.plain.set_level(self.names[place], level)
            self.desk.set_level(self.names[place], level)

    def do_settle(self) -> None:
        self.plain.settle()
        self.desk.settle()

    def flatten(self) -> None:
        """Cancels all orders, closes all positions at the market, and checks that nothing is frozen and no money is missing."""
        for order in self.desk.orders():
            self.do_cancel(order.Id)
        for order in self.desk.condition_orders():
            self.do_cancel_condition(order.Id)
        for place, name in enumerate(self.names):
            for held in self.desk.positions(name) or []:
                side = ("sell", "buy") if self.kind.net else ("closebuy", "closesell")
                self.do_place(place, side[held.Type], None, Fraction(str(held.Amount)))
            self.do_settle()
            while self.desk.has_open(name):
                self.do_tick(place, Fraction(100))
                self.do_settle()
        self.do_compare()
        assert not self.desk.positions()
        assert not self.desk.orders()
        for currency, wallet in self.desk.ledger.wallets.items():
            assert wallet.frozen == 0
            start = self.settings.balance if currency == self.settings.quote_currency else self.settings.stocks
            if isinstance(self.desk.ledger, MarginAccount):
                sides = [side for held in self.desk.ledger.symbols.values() for side in (held.long, held.short)]
                won = sum(
                    side.close_profit for side in sides if not self.kind.coin or side.detail.base_currency == currency
                )
                change = won + wallet.funding + wallet.insured
            else:
                change = sum(_change(order, currency) for order in self.desk._orders)
            start = 0 if currency == "ETH" else start
            assert wallet.free == start + change - wallet.commission

    # comparison

    def do_compare(self) -> None:
        self.do_settle()
        self._compare_money()
        desk, plain = self.desk, self.plain
        assert [
            (o.id, o.detail.symbol, o.is_buy, o.state, o.time_ms, *_fractions(o.average, o.deal, o.fee, o.frozen))
            for o in desk._orders
        ] == [(o.id, o.symbol, o.is_buy, o.status, o.time_ms, o.average, o.deal, o.fee, o.frozen) for o in plain.orders]
        assert [(o.id, o.detail.symbol, o.is_buy, o.state, o.time_ms) for o in desk._conditions] == [
            (c.id, c.symbol, c.side in {"buy", "closesell"}, c.status, c.time_ms) for c in plain.conditions
        ]

    def _compare_money(self) -> None:
        account, plain = self.desk.ledger, self.plain
        if isinstance(plain, PlainSpot):
            assert isinstance(account, SpotAccount)
            for currency, free in plain.free.items():
                wallet = account.wallet(currency)
                fees = plain.fees if currency == "USDT" else ZERO
                assert _fractions(wallet.free, wallet.frozen, wallet.commission) == [free, plain.frozen(currency), fees]
            return
        assert isinstance(account, MarginAccount)
        assert isinstance(plain, PlainFutures)
        for currency, free in plain.free.items():
            wallet = account.wallet(currency)
            assert _fractions(wallet.free, wallet.frozen, wallet.commission, wallet.funding, wallet.insured) == [
                free,
                plain.frozen(currency),
                plain.fees[currency],
                plain.funding[currency],
                plain.insured[currency],
            ]
        for name, symbol in plain.symbols.items():
            held = account.symbol(self._market(name))
            for theirs, side in ((held.long, symbol.long), (held.short, symbol.short)):
                assert _fractions(
                    theirs.amount, theirs.frozen, theirs.price, theirs.entry, theirs.margin, theirs.close_profit
                ) == [side.amount, side.closing, side.price, side.entry, side.margin, side.realised]


def _price(price: Fraction | None) -> float:
    return -1.0 if price is None else float(price)


def _fractions(*numbers: int) -> list[Fraction]:
    return [Fraction(number, UNIT) for number in numbers]


def _change(order: DeskOrder, currency: str) -> int:
    """What a spot order has moved of a currency, fees not counted."""
    base, quote = order.detail.base_currency, order.detail.quote_currency
    moved = {base: order.deal, quote: -order.turnover}.get(currency, 0)
    return moved if order.is_buy else -moved
