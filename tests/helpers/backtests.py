"""Bars for tests of the backtester, and its ticks walked one by one."""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from fmzthreads.backtest.config.settings import BacktestSettings, ExchangeSettings, MarketDetail
from fmzthreads.backtest.data.bars import BarSeries
from fmzthreads.backtest.engine.engine import BacktestEngine
from fmzthreads.backtest.face.exchange import BacktestExchange, exchanges_of
from fmzthreads.backtest.failures import NoData
from fmzthreads.backtest.nano import cut, mul, nano

START = 1_700_000_100_000 // 86_400_000 * 86_400_000
MINUTE = 60_000

Row = Sequence[float]


def detail(symbol: str = "BTC_USDT", **changes: object) -> MarketDetail:
    """A market with two decimals of prices and five of amounts."""
    base, _, rest = symbol.partition("_")
    facts: dict[str, object] = {
        "symbol": symbol,
        "alias": symbol.replace("_", "").partition(".")[0],
        "base_currency": base,
        "quote_currency": rest.partition(".")[0],
        "margin_currency": "USDT",
        "base_precision": 5,
        "quote_precision": 2,
        "price_tick": nano(0.01),
        "volume_tick": nano(0.00001),
        "contract_type": symbol.partition(".")[2],
        "symbol_funding": "",
        "symbol_index": "",
    }
    return MarketDetail(**(facts | changes))  # type: ignore[arg-type]


def series_of(
    rows: Iterable[Row], *, start_ms: int = START, period_ms: int = MINUTE, market: MarketDetail | None = None
) -> BarSeries:
    """Bars of ``(open, high, low, close[, volume[, place]])``; ``place`` counts periods from the start (in place of one after the other)."""
    market = market or detail()
    series = BarSeries(detail=market, period_ms=period_ms)
    place = -1
    for row in rows:
        place = int(row[5]) if len(row) > 5 else place + 1
        series.time.append(start_ms + place * period_ms)
        columns: tuple[array[int], ...] = (series.open, series.high, series.low, series.close)
        for column, price in zip(columns, row[:4], strict=True):
            column.append(round(price * 10**market.quote_precision))
        series.volume.append(round((row[4] if len(row) > 4 else 0) * 10**market.base_precision))
    return series


class PlainTick(NamedTuple):
    """A tick, with everything that is known of it."""

    number: int
    time_ms: int
    last: int
    volume: int
    bar: int


def plain_ticks(series: BarSeries, start_ms: int, end_ms: int) -> list[PlainTick]:
    """All ticks of a series before the end, by the table of the published engine, one after the other."""
    ticks: list[PlainTick] = []
    price_unit = 10 ** (9 - series.detail.quote_precision)
    volume_unit = 10 ** (9 - series.detail.base_precision)
    step = series.detail.price_tick
    for bar, begin in enumerate(series.time):
        o, h, l, c = (column[bar] * price_unit for column in (series.open, series.high, series.low, series.close))  # noqa: E741
        volume = series.volume[bar] * volume_unit
        few = series.period_ms <= 180_000 or begin < start_ms
        risen = bar > 0 and series.close[bar - 1] > series.open[bar - 1]
        walk = _walk(o, h, l, c, few=few, up=c < o or (c == o and risen), step=step)
        span = series.period_ms * 29 / 30
        parts = (volume // 14 * k for k in range(13)) if len(walk) == 14 else {
            2: (0,), 3: (0, volume // 2), 4: (0, volume // 3, volume // 2)
        }[len(walk)]  # fmt: skip
        for place, ((price, share), so_far) in enumerate(zip(walk, (*parts, volume), strict=True)):
            moment = begin + int(span * share + 1e-6)
            if moment < end_ms:
                ticks.append(PlainTick(bar * 16 + place, moment, cut(price, step), so_far, bar))
    return ticks


def _walk(o: int, h: int, l: int, c: int, *, few: bool, up: bool, step: int) -> list[tuple[int, float]]:  # noqa: E741
    """Prices and shares of the time."""
    if (o, c) in ((h, l), (l, h)):
        return [(o, 0), (c, 1)]
    if o == c and o in (h, l):
        return [(o, 0), (l if o == h else h, 0.4), (c, 1)]
    if c in (h, l):
        return [(o, 0), (h if c == l else l, 1 / 3), (c, 1)]
    if o in (h, l):
        return [(o, 0), (h if o == l else l, 0.9), (c, 1)]
    if few:
        return [(o, 0), *(((h, 0.4), (l, 0.9)) if up else ((l, 0.4), (h, 0.9))), (c, 1)]
    r = h - l

    def x(size: int, share: float) -> int:
        return mul(size, nano(share))

    prices = [o, min(o + step, h), max(o - step, l)]
    if up:
        prices += [
            o + x(h - o, 0.75),
            o + x(h - o, 0.5),
            h,
            h - r // 3,
            h - x(r, 4 / 15),
            h - x(r, 2 / 3),
            h - x(r, 0.6),
        ]
        prices += [l, l + x(c - l, 0.75), l + x(c - l, 0.5), c]
    else:
        prices += [o - x(o - l, 0.75), o - x(o - l, 0.5), l, l + r // 3, l + x(r, 4 / 15), h - r // 3, h - x(r, 0.4)]
        prices += [h, h - x(h - c, 0.75), h - x(h - c, 0.5), c]
    shares = (0, 1, 2, 3, 4, 6, 10, 12, 16, 18, 23, 25, 27, 29)
    return [(price, share / 30) for price, share in zip(prices, shares, strict=True)]


class PlainCursor:
    """The rule of the published engine for which tick a call gets, over a list of all ticks."""

    def __init__(self, ticks: list[PlainTick], end_ms: int, period_ms: int) -> None:
        self.ticks = ticks
        self.times = [tick.time_ms for tick in ticks]
        self.end_ms = end_ms
        self.over_ms = (self.times[-1] if ticks else -1) + period_ms
        self.consumed = -1
        self.flags: set[str] = set()

    def place(self, now: int) -> int:
        """The place of the current tick; -1 before the first one."""
        return bisect_right(self.times, now) - 1

    def call(self, name: str, now: int, *, current: bool = False) -> tuple[PlainTick, int]:
        """The tick that a call gets, and the time after it; EOFError at the end."""
        if now >= self.end_ms or now >= self.over_ms:
            raise EOFError
        place = self.place(now)
        fresh = (not self.flags or name in self.flags) and not current
        if place < 0 or (fresh and place == self.consumed):
            place += 1
            if place == len(self.ticks):
                raise EOFError
            now = max(now, self.times[place])
        self.flags = {name} if fresh else self.flags | {name}
        self.consumed = place
        return self.ticks[place], now


def flat(price: float = 100.0, volume: float = 1.0) -> tuple[float, ...]:
    """A bar that does not move."""
    return (price, price, price, price, volume)


class FixedSource:
    """A source of given series by name (``EID/SYMBOL``); notes what was asked for."""

    def __init__(
        self, series: Mapping[str, BarSeries], custom: Mapping[str, list[tuple[int, object]]] | None = None
    ) -> None:
        self.series = dict(series)
        self.customs = dict(custom or {})
        self.asked: list[tuple[object, ...]] = []

    def bars(self, eid: str, symbol: str, period_ms: int, from_ms: int, to_ms: int, *, fill: bool = False) -> BarSeries:
        """The bars of a symbol; fill bars are those of the name ``EID/SYMBOL/PERIOD_MS``."""
        self.asked.append((eid, symbol, period_ms, from_ms, to_ms, fill))
        name = f"{eid}/{symbol}/{period_ms}" if fill else f"{eid}/{symbol}"
        if name not in self.series:
            raise NoData(f"symbol {symbol} not found on {eid}")
        whole = self.series[name]
        kept = [place for place, time in enumerate(whole.time) if from_ms <= time < to_ms]
        part = BarSeries(detail=whole.detail, period_ms=whole.period_ms)
        for field in ("time", "open", "high", "low", "close", "volume"):
            column = getattr(whole, field)
            getattr(part, field).extend(column[place] for place in kept)
        return part

    def custom(self, eid: str, name: str, from_ms: int, to_ms: int) -> list[tuple[int, object]] | None:
        """A series that ``GetData`` names."""
        return self.customs.get(name)


class Rows:
    """Collects the rows of orders and errors."""

    def __init__(self) -> None:
        self.orders: list[tuple[object, ...]] = []
        self.errors: list[str] = []
        self._last: dict[int | None, str] = {}

    def order(self, *row: object) -> None:
        """Takes an order row."""
        self.orders.append(row)

    def error(self, exchange: int, text: str) -> None:
        """Takes an error row."""
        self.errors.append(text)
        self._last[exchange] = text

    def take_last_error(self, exchange: int | None = None) -> str | None:
        """The last error row of an exchange, once."""
        return self._last.pop(exchange, None)


class Simulation(NamedTuple):
    """An engine with its exchanges and what it wrote."""

    engine: BacktestEngine
    exchanges: list[BacktestExchange]
    rows: Rows
    source: FixedSource

    @property
    def exchange(self) -> BacktestExchange:
        """The first exchange."""
        return self.exchanges[0]

    def seconds(self) -> float:
        """The clock, since the start."""
        return (self.engine.now_ms - START) / 1000


def simulation(
    rows: Iterable[Row] | Mapping[str, BarSeries],
    *,
    minutes: int,
    exchanges: Sequence[Mapping[str, object]] = ({},),
    base_ms: int = MINUTE,
    market: MarketDetail | None = None,
    custom: Mapping[str, list[tuple[int, object]]] | None = None,
    **options: object,
) -> Simulation:
    """An engine over bars of one symbol (or series by name), which begins at ``START``."""
    if isinstance(rows, Mapping):
        series = dict(rows)
    else:
        series = {"Binance/BTC_USDT": series_of(rows, period_ms=base_ms, market=market)}
    settings = BacktestSettings(
        **{
            "start_ms": START,
            "end_ms": START + minutes * MINUTE,
            "period_ms": base_ms,
            "base_period_ms": base_ms,
            "snapshot_ms": 5 * MINUTE,
            "exchanges": tuple(
                ExchangeSettings(**({"eid": "Binance", "index": index} | dict(given)))  # type: ignore[arg-type]
                for index, given in enumerate(exchanges)
            ),
            **options,
        }  # type: ignore[arg-type]
    )
    source, written = FixedSource(series, custom), Rows()
    engine = BacktestEngine(settings, source, written)
    return Simulation(engine, exchanges_of(engine), written, source)
