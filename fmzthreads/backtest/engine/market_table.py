"""The symbols of one exchange: their ticks and their bars, loaded at the first use."""

from __future__ import annotations

from ...errors import InputError
from ...structures.growing import GrowingRecords
from ..config.settings import BacktestSettings, ExchangeSettings
from ..data.aggregate import aggregated, cut_out
from ..data.bars import BarSeries, BarSource, TickSource
from ..failures import NoData
from ..recorded.recorded_bars import RecordedBars
from ..recorded.recorded_feed import RecordedFeed
from .even_bars import bars_of_period
from .feed import TickFeed
from .older_bars import DAY_MS, FILL_FROM_MS, joined
from .period_bars import GrowingBars, PeriodBars, Values
from .virtual_time import VirtualTime

__all__ = ["MarketTable", "SymbolFeed"]

SymbolFeed = TickFeed | RecordedFeed
"""The ticks of a symbol: made from bars, or recorded."""

_MOST_PRE_BARS = 3000
_MOST_BASE_BARS = 10_000
_PRE_BARS = 200


class MarketTable:
    """Ticks and bars of the symbols of one exchange.

    Args:
        settings: The backtest.
        exchange: The exchange.
        source: Where the bars come from.
        time: The clock.

    Attributes:
        feeds: The symbols that were used so far, in the order of their first use.
        cap: How many bars are kept of each period.
    """

    def __init__(
        self, settings: BacktestSettings, exchange: ExchangeSettings, source: BarSource, time: VirtualTime
    ) -> None:
        self.feeds: dict[str, SymbolFeed] = {}
        self._side_feeds: dict[str, TickFeed] = {}
        self.cap = exchange.max_bar_len
        self._settings = settings
        self._exchange = exchange
        self._source = source
        self._time = time
        self._bars: dict[tuple[str, int], GrowingBars] = {}
        self._given: dict[str, BarSeries] = {}
        self._unnamed = ""  # the symbol that bars without a name turned out to be of
        self._pre_bars = _PRE_BARS if exchange.pre_bar_len is None else exchange.pre_bar_len
        base = settings.base_period_ms
        history_ms = min(min(self._pre_bars, _MOST_PRE_BARS) * settings.period_ms, _MOST_BASE_BARS * base)
        self.from_ms = settings.start_ms - history_ms

    def feed(self, symbol: str) -> SymbolFeed:
        """The ticks of a symbol.

        Raises:
            NoData: There are no bars, or no recorded books, of it.
        """
        found = self.feeds.get(symbol)
        if found is None and self._settings.real_ticks:
            found = self.feeds[symbol] = self._recorded(symbol)
        elif found is None:
            series = self.series(symbol)
            if not len(series):
                raise NoData(f"symbol {symbol} not found on {self._exchange.eid}")
            found = self.feeds[symbol] = TickFeed(series, self._time, self._exchange.slip_point)
        return found

    def _recorded(self, symbol: str) -> RecordedFeed:
        settings, exchange = self._settings, self._exchange
        if not isinstance(self._source, TickSource):
            raise NoData(f"symbol {symbol} not found on {exchange.eid}: mode: 1 needs recorded order books")
        recording, detail = self._source.ticks(exchange.eid, symbol, self.from_ms, settings.end_ms)
        return RecordedFeed(recording, detail, self._time, self.from_ms, exchange.slip_point)

    def side_feed(self, symbol: str) -> TickFeed:
        """The ticks of a series that is no symbol of the strategy's, such as mark prices.

        Raises:
            NoData: There are no bars of it.
        """
        found = self._side_feeds.get(symbol)
        if found is None:
            found = self._side_feeds[symbol] = TickFeed(self.series(symbol), self._time)
        return found

    def give(self, symbol: str, series: BarSeries) -> None:
        """Has a symbol made of bars of the strategy's own, in place of those of the source.

        Args:
            symbol: The symbol, which was not used yet.
            series: The bars; shorter ones than the base period are aggregated, longer ones are taken as they are.

        Raises:
            InputError: The symbol was used, or order books are recorded.
        """
        if self._settings.real_ticks:
            raise InputError("SetData(bars) is for bars; mode: 1 has recorded order books")
        if symbol in self.feeds:
            raise InputError(
                f"SetData(bars) comes too late: {symbol} was used before; call it before the first call for {symbol}"
            )
        base = self._settings.base_period_ms
        shorter = series.period_ms < base and base % series.period_ms == 0
        self._given[symbol] = aggregated(series, base) if shorter else series

    def series(self, symbol: str) -> BarSeries:
        """The base bars of a symbol over the whole backtest, history included; of a funding or index symbol, too.

        Raises:
            NoData: There are none.
        """
        settings = self._settings
        given = self._given.get(symbol)
        if given is not None:
            return cut_out(given, self.from_ms, settings.end_ms)
        found = self._source.bars(self._exchange.eid, symbol, settings.base_period_ms, self.from_ms, settings.end_ms)
        if found.unnamed and symbol != (self._unnamed or symbol):
            eid = self._exchange.eid
            raise NoData(
                f"symbol {symbol} not found on {eid}: the bars without a name are those of {self._unnamed}, which was used first;"
                f" name others, as in --bars {eid}/{symbol}=FILE"
            )
        self._unnamed = symbol if found.unnamed else self._unnamed
        return found

    def bars(self, symbol: str, period_ms: int) -> GrowingBars:
        """The bars of a symbol and period; its tick must have been delivered.

        Raises:
            NoData: There are no bars of the symbol.
        """
        found = self._bars.get((symbol, period_ms))
        if found is None:
            offset = self._exchange.timezone_offset_ms if period_ms >= DAY_MS else 0
            feed = self.feed(symbol)
            if isinstance(feed, TickFeed):
                found = self._bars_from(feed, period_ms, offset)
            else:
                found = RecordedBars(feed, period_ms, offset)
            self._bars[symbol, period_ms] = found
        return found

    def _bars_from(self, feed: TickFeed, period_ms: int, offset: int) -> GrowingBars:
        found = bars_of_period(feed, period_ms, offset)
        if period_ms >= FILL_FROM_MS and found.count() < self._pre_bars:
            older = self._older(feed, period_ms, found)
            if older:
                found = PeriodBars(feed, period_ms, offset)
                found.fill(older)
        return found

    def records(self, symbol: str, period_ms: int) -> GrowingRecords:
        """What ``GetRecords`` returns, without a limit."""
        return self.bars(symbol, period_ms).get(self.cap)

    def rewind(self) -> None:
        """Finds the current ticks again after the clock went back."""
        for feed in (*self.feeds.values(), *self._side_feeds.values()):
            feed.rewind()

    def started(self) -> list[SymbolFeed]:
        """The symbols that had a tick already, in the order of their first use."""
        return [feed for feed in self.feeds.values() if feed.started()]

    def _older(self, feed: TickFeed, period_ms: int, bars: PeriodBars) -> list[Values]:
        """Older bars than those that the base bars give, if these are fewer than ``PreBarLen``."""
        if feed.series.time[0] > self.from_ms or feed.detail.symbol in self._given:
            return []
        until, current = bars.starts()
        begin = current - (self._pre_bars - 1) * period_ms
        unit = DAY_MS if period_ms >= DAY_MS else FILL_FROM_MS
        try:
            older = self._source.bars(self._exchange.eid, feed.detail.symbol, unit, begin, until, fill=True)
        except NoData:
            return []
        offset = self._exchange.timezone_offset_ms if period_ms >= DAY_MS else 0
        if self._settings.compat_fmz and period_ms > DAY_MS:
            offset = 0
        return [values for values in joined(older, period_ms, offset) if begin <= values[0] < until]
