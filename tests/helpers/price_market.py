"""A market for tests of a desk: prices put in one after the other, one tick each."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

from fmzthreads.backtest.config.settings import ExchangeSettings, MaintenanceTier, MarketDetail, PartialFills
from fmzthreads.backtest.nano import ONE, nano
from fmzthreads.backtest.trading.desk import Desk
from fmzthreads.backtest.trading.market import MarketView, Tick


class PriceMarket:
    """A symbol whose ticks a test puts in.

    Attributes:
        consumed: The number of the last tick that was marked as seen; -1 for none.
        ticks_a_bar: How many ticks are a bar.
        volume: Each bar's volume, spread evenly over its ticks.
    """

    def __init__(self, detail: MarketDetail, spread: int) -> None:
        self.detail = detail
        self.spread = spread
        self.prices: list[int] = []
        self.times: list[int] = []
        self.consumed = -1
        self.ticks_a_bar = 4
        self.volume = 8.0

    def put(self, price: float, time_ms: int) -> None:
        self.prices.append(nano(price))
        self.times.append(time_ms)

    def tick(self) -> Tick:
        if not self.prices:
            raise EOFError("EOF")
        return self.tick_at(len(self.prices) - 1)

    def current(self) -> int:
        return self.tick().number

    def order_tick(self) -> Tick:
        tick = self.tick()
        self.consume()
        return tick

    def consume_current(self) -> int:
        return self.order_tick().number

    def last_price(self) -> int:
        return self.prices[-1] if self.prices else 0

    def consume(self) -> None:
        self.consumed = len(self.prices) - 1

    def tick_at(self, number: int) -> Tick:
        last = self.prices[number]
        return Tick(number, self.times[number], last, last - self.spread, last + self.spread)

    def next_number(self, number: int) -> int:
        return number + 1 if number + 1 < len(self.prices) else -1

    def bar_of(self, number: int) -> int:
        return number // self.ticks_a_bar

    def bar_volume(self, bar: int) -> int:
        return nano(self.volume)

    def volume_of(self, number: int) -> int:
        return nano(self.volume) * (number % self.ticks_a_bar + 1) // self.ticks_a_bar

    def number_before(self, time_ms: int) -> int:
        return bisect_left(self.times, time_ms) - 1

    def first_at_or_below(self, last: int, after: int, until: int) -> int:
        return next((n for n in range(after + 1, until + 1) if self.prices[n] <= last), -1)

    def first_at_or_above(self, last: int, after: int, until: int) -> int:
        return next((n for n in range(after + 1, until + 1) if self.prices[n] >= last), -1)


class Rows:
    """Keeps the rows of a desk."""

    def __init__(self) -> None:
        self.orders: list[tuple[Any, ...]] = []
        self.errors: list[str] = []

    def order(
        self,
        kind: int,
        exchange: int,
        order_id: int,
        price: int,
        amount: int,
        message: str,
        symbol: str,
        direction: str,
    ) -> None:
        self.orders.append((kind, exchange, order_id, price / ONE, amount / ONE, message, symbol, direction))

    def error(self, exchange: int, text: str) -> None:
        self.errors.append(text)

    def take_last_error(self, exchange: int | None = None) -> str | None:
        return self.errors[-1] if self.errors else None


class Bench:
    """A desk with its markets, rows and a clock turned by hand.

    Attributes:
        now_ms: The time; ``delay_ms`` is what a condition order's child costs.
    """

    def __init__(
        self, settings: ExchangeSettings, *details: MarketDetail, spread: float = 0.01, compat_fmz: bool = False
    ) -> None:
        self.markets = {detail.symbol: PriceMarket(detail, nano(spread)) for detail in details}
        self.main = next(iter(self.markets.values()))
        self.rows = Rows()
        self.now_ms = 0
        self.delay_ms = 200
        self.desk = Desk(
            settings, self._market, self.rows, lambda: self.now_ms, delay=self._wait, compat_fmz=compat_fmz
        )

    def _market(self, symbol: str) -> MarketView:
        return self.markets[symbol]

    def _wait(self) -> None:
        self.now_ms += self.delay_ms

    def price(self, price: float, symbol: str = "") -> None:
        """The next tick of a symbol, a second later."""
        self.now_ms += 1000
        (self.markets[symbol] if symbol else self.main).put(price, self.now_ms)


def percent(share: float) -> int:
    """A fee in percent as a share in nano."""
    return nano(share / 100)


def spot_bench(
    *,
    balance: float = 10_000,
    stocks: float = 0,
    maker: float = 0.1,
    taker: float = 0.2,
    digits: tuple[int, int] = (2, 5),
    partial: PartialFills | None = None,
    max_price_age_ms: int | None = None,
    compat_fmz: bool = False,
) -> Bench:
    """A spot exchange with BTC_USDT; ``digits`` are those of prices and amounts."""
    settings = ExchangeSettings(
        eid="Binance",
        max_price_age_ms=max_price_age_ms,
        balance=nano(balance),
        stocks=nano(stocks),
        fee_maker=percent(maker),
        fee_taker=percent(taker),
        partial_fills=partial,
    )
    detail = MarketDetail(
        symbol="BTC_USDT",
        base_currency="BTC",
        quote_currency="USDT",
        quote_precision=digits[0],
        base_precision=digits[1],
        price_tick=nano(0.01),
    )
    return Bench(settings, detail, compat_fmz=compat_fmz)


def futures_bench(
    *,
    balance: float = 10_000,
    stocks: float = 0,
    maker: float = 0.02,
    taker: float = 0.05,
    fee_min: float = 0,
    level: float = 10,
    coin: bool = False,
    margin_currency: str | None = None,
    multiple: float | None = None,
    spread: float = 0.1,
    partial: PartialFills | None = None,
    tiers: tuple[MaintenanceTier, ...] = (),
    liquidation_fee: float = 0,
    max_price_age_ms: int | None = None,
    symbols: tuple[str, ...] = ("BTC",),
    compat_fmz: bool = False,
) -> Bench:
    """A futures exchange with ``BTC_USDT.swap``, or with ``BTC_USD.swap`` margined in coins (contracts of 100 USD)."""
    quote = "USD" if coin else "USDT"
    settings = ExchangeSettings(
        eid="Futures_Binance",
        currency=f"BTC_{quote}",
        balance=nano(balance),
        stocks=nano(stocks),
        fee_maker=percent(maker),
        fee_taker=percent(taker),
        fee_min=nano(fee_min),
        margin_currency=margin_currency,
        partial_fills=partial,
        max_price_age_ms=max_price_age_ms,
    )
    details = [
        MarketDetail(
            symbol=f"{base}_{quote}.swap",
            base_currency=base,
            quote_currency=quote,
            margin_currency=base if coin else "USDT",
            quote_precision=1,
            base_precision=0 if coin else 3,
            price_tick=nano(0.1),
            volume_multiple=nano(multiple if multiple is not None else 100 if coin else 1),
            margin_level=nano(level),
            contract_type="swap",
            symbol_funding="",
            symbol_index="",
            tiers=tiers,
            liquidation_fee=nano(liquidation_fee),
        )
        for base in symbols
    ]
    return Bench(settings, *details, spread=spread, compat_fmz=compat_fmz)
