"""A market that walks every tick: what the engine's fast paths must agree with, byte for byte."""

from bisect import bisect_left
from itertools import groupby

from fmzthreads.backtest.config.settings import BacktestSettings, ExchangeSettings
from fmzthreads.backtest.data.bars import BarSeries, BarSource
from fmzthreads.backtest.engine.period_bars import bucket
from fmzthreads.backtest.engine.virtual_time import VirtualTime
from fmzthreads.backtest.failures import NoData
from fmzthreads.backtest.nano import ONE, cut
from fmzthreads.backtest.trading.market import Tick
from fmzthreads.structures import Record, Records
from tests.helpers.backtests import PlainTick, plain_ticks

__all__ = ["PlainTable"]

_BITS = {1: "T", 2: "D", 4: "P", 8: "R"}


class PlainFeed:
    """The ticks of a symbol as one list."""

    def __init__(self, series: BarSeries, time: VirtualTime, slip_point: int) -> None:
        self.series, self.detail, self.time = series, series.detail, time
        self.price_tick = self.detail.price_tick
        self.spread = (1 + slip_point) * self.price_tick
        self.ticks = plain_ticks(series, time.start_ms, time.end_ms)
        self.consumed, self.period_ms, self.place = -1, 0, -1
        self.flags: set[int] = set()

    def _now(self) -> int:
        """The place of the current tick, found by going through all."""
        place = -1
        for tick in self.ticks:
            if tick.time_ms > self.time.now_ms:
                break
            place += 1
        return place

    @property
    def number(self) -> int:
        """The number of the tick that a market call got last."""
        return self.ticks[self.place].number

    def _is_over(self) -> bool:
        now = self.time.now_ms
        return now >= self.time.end_ms or now >= self.ticks[-1].time_ms + self.series.period_ms

    def check_open(self) -> None:
        """Raises at the end."""
        if self._is_over():
            raise self.time.end()

    def _next(self, place: int) -> int:
        if place + 1 == len(self.ticks):
            raise self.time.end()
        self.time.now_ms = max(self.time.now_ms, self.ticks[place + 1].time_ms)
        return place + 1

    def deliver(self, bit: int) -> int:
        """What a market call does."""
        return self._deliver(bit, current=False)

    def deliver_current(self, bit: int) -> int:
        """What a market call does that takes the current tick in any case."""
        return self._deliver(bit, current=True)

    def _deliver(self, bit: int, *, current: bool) -> int:
        self.check_open()
        place = self._now()
        fresh = (not self.flags or bit in self.flags) and not current
        if place < 0 or (fresh and place == self.consumed):
            place = self._next(place)
        self.flags = {bit} if fresh else self.flags | {bit}
        self.consumed = self.place = place
        return self.ticks[place].number

    def consume(self) -> None:
        """What orders do."""
        self.consumed = self._now()

    def started(self) -> bool:
        """Whether there is a current tick."""
        return self._now() >= 0

    def current(self) -> int:
        """The number of the current tick."""
        place = self._now()
        return self.ticks[place if place >= 0 else self._next(place)].number

    def tick(self) -> Tick:
        """The current tick."""
        return self.tick_at(self.current())

    def order_tick(self) -> Tick:
        """The current tick, for an order."""
        tick = self.tick()
        self.consume()
        return tick

    def consume_current(self) -> int:
        """The number of the current tick, which is seen then."""
        return self.order_tick().number

    def last_price(self) -> int:
        """The current price."""
        place = self._now()
        return self.ticks[place].last if place >= 0 else 0

    def _of(self, number: int) -> PlainTick:
        return next(tick for tick in self.ticks if tick.number == number)

    def tick_at(self, number: int) -> Tick:
        """A tick."""
        tick = self._of(number)
        return Tick(number, tick.time_ms, tick.last, tick.last - self.spread, tick.last + self.spread)

    def price_of(self, number: int) -> int:
        """A tick's price."""
        return self._of(number).last

    def time_of(self, number: int) -> int:
        """A tick's time."""
        return self._of(number).time_ms

    def volume_of(self, number: int) -> int:
        """A tick's volume."""
        return self._of(number).volume

    def quote(self, number: int) -> tuple[int, int, int]:
        """Price, volume and time of a tick."""
        return self.price_of(number), self.volume_of(number), self.time_of(number)

    def interest_of(self, number: int) -> int:
        """No open interest."""
        return 0

    def number_before(self, time_ms: int) -> int:
        """The last tick before a time."""
        before = [tick.number for tick in self.ticks if tick.time_ms < time_ms]
        return before[-1] if before else -1

    def first_at_or_below(self, last: int, after: int, until: int) -> int:
        """The first tick at a price or below."""
        return next((t.number for t in self.ticks if after < t.number <= until and t.last <= last), -1)

    def first_at_or_above(self, last: int, after: int, until: int) -> int:
        """The first tick at a price or above."""
        return next((t.number for t in self.ticks if after < t.number <= until and t.last >= last), -1)


class PlainBars:
    """Bars made anew from all ticks at each call."""

    def __init__(self, feed: PlainFeed, period_ms: int, offset_ms: int) -> None:
        self.feed, self.period_ms, self.offset_ms = feed, period_ms, offset_ms
        self.older: list[Record] = []
        self.without_first = False
        self.first = self.seen = 0

    def bars(self) -> list[Record]:
        """All bars up to the tick that was delivered last."""
        ticks = self.feed.ticks[: self.feed.place + 1]
        step = max(10, self.feed.detail.volume_tick) if self.feed.detail.volume_tick > 10_000 else 10
        increases = []
        for place, tick in enumerate(ticks):
            before = ticks[place - 1].volume if place and ticks[place - 1].bar == tick.bar else 0
            increases.append(cut(tick.volume - before, step))
        bars = []
        starts = [bucket(tick.time_ms, self.period_ms, self.offset_ms) for tick in ticks]
        for start, group in groupby(range(len(ticks)), key=starts.__getitem__):
            places = list(group)
            prices = [ticks[place].last / ONE for place in places]
            bars.append(
                Record(
                    Time=start, Open=prices[0], High=max(prices), Low=min(prices), Close=prices[-1],
                    Volume=sum(increases[place] for place in places) / ONE, OpenInterest=0.0,
                )
            )  # fmt: skip
        return self.older + bars[1 if self.without_first else 0 :]

    def get_at(self, number: int, cap: int) -> Records:
        """The bars that are kept."""
        return self.get(cap)

    def get(self, cap: int) -> Records:
        """The bars that are kept."""
        bars = self.bars()
        if len(bars) > self.seen:
            self.seen = len(bars)
            self.first = max(self.first, len(bars) - cap)
        return Records(bars[self.first :])


class PlainTable:
    """Stands in for ``MarketTable``."""

    def __init__(
        self, settings: BacktestSettings, exchange: ExchangeSettings, source: BarSource, time: VirtualTime
    ) -> None:
        self.feeds: dict[str, PlainFeed] = {}
        self.cap = exchange.max_bar_len
        self.settings, self.exchange, self.source, self.time = settings, exchange, source, time
        self.pre = 200 if exchange.pre_bar_len is None else exchange.pre_bar_len
        self.from_ms = settings.start_ms - min(
            min(self.pre, 3000) * settings.period_ms, 10_000 * settings.base_period_ms
        )

    def feed(self, symbol: str) -> PlainFeed:
        """The ticks of a symbol."""
        if symbol not in self.feeds:
            self.feeds[symbol] = PlainFeed(self.series(symbol), self.time, self.exchange.slip_point)
        return self.feeds[symbol]

    def series(self, symbol: str) -> BarSeries:
        """The bars of a symbol."""
        base = self.settings.base_period_ms
        return self.source.bars(self.exchange.eid, symbol, base, self.from_ms, self.settings.end_ms)

    def side_feed(self, symbol: str) -> PlainFeed:
        """The ticks of a series that is no symbol of the strategy's."""
        return PlainFeed(self.series(symbol), self.time, 0)

    def rewind(self) -> None:
        """Nothing is remembered."""

    def started(self) -> list[PlainFeed]:
        """The symbols that had a tick."""
        return [feed for feed in self.feeds.values() if feed.started()]

    def bars(self, symbol: str, period_ms: int) -> PlainBars:
        """The bars of a period, filled up with older ones at the first call."""
        offset = self.exchange.timezone_offset_ms if period_ms >= 86_400_000 else 0
        feed = self.feed(symbol)
        bars = PlainBars(feed, period_ms, offset)
        known = bars.bars()
        if period_ms < 900_000 or len(known) >= self.pre or feed.series.time[0] > self.from_ms:
            return bars
        begin = known[-1].Time - (self.pre - 1) * period_ms
        # Older bars replace the first one, if it is not the current one and holds more than the current base bar.
        first_bar = bisect_left([t.time_ms for t in feed.ticks], known[min(1, len(known) - 1)].Time)
        replaces = len(known) > 1 and feed.ticks[max(0, first_bar - 1)].bar < feed.ticks[feed.place].bar
        until = known[1].Time if replaces else known[0].Time
        unit = 86_400_000 if period_ms >= 86_400_000 else 900_000
        try:
            series = self.source.bars(self.exchange.eid, symbol, unit, begin, until, fill=True)
        except NoData:
            return bars
        price, amount = 10 ** (9 - series.detail.quote_precision), 10 ** (9 - series.detail.base_precision)
        for start, group in groupby(range(len(series)), key=lambda row: bucket(series.time[row], period_ms, offset)):
            rows = list(group)
            if begin <= start < until:
                bars.older.append(
                    Record(
                        Time=start, Open=series.open[rows[0]] * price / ONE, High=max(series.high[row] for row in rows) * price / ONE,
                        Low=min(series.low[row] for row in rows) * price / ONE, Close=series.close[rows[-1]] * price / ONE,
                        Volume=sum(series.volume[row] for row in rows) * amount / ONE, OpenInterest=0.0,
                    )
                )  # fmt: skip
        bars.without_first = bool(bars.older) and replaces
        return bars
