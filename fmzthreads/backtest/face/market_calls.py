"""Market data of a simulated exchange. A call may move the clock to the next tick; see ``engine/feed.py``."""

from __future__ import annotations

from threading import get_ident
from typing import Any

from ...arguments import whole_number
from ...errors import InputError, short_repr
from ...exchange.calls.arguments import symbol_first
from ...structures import Depth, Market, MarketOrder, Record, Records, Ticker, Trade
from ..engine.engine import BacktestEngine, ExchangeParts
from ..engine.feed import TickFeed
from ..engine.period_bars import GrowingBars
from ..engine.tick_cursor import TickCursor
from ..nano import ONE, mul, nano, to_float
from .base import ExchangeBase, timed
from .quick_calls import quick_records, quick_ticker

__all__ = ["DEPTH", "RECORDS", "TICKER", "TRADES", "MarketCalls"]

TICKER, DEPTH, TRADES, RECORDS = 1, 2, 4, 8
"""The flags of the calls that are given ticks."""


class MarketCalls(ExchangeBase):
    """``GetTicker`` and the like."""

    def __init__(self, engine: BacktestEngine, parts: ExchangeParts) -> None:
        super().__init__(engine, parts)
        self._bars: dict[tuple[TickCursor, int], GrowingBars] = {}
        self._last_bars: tuple[TickCursor | None, int, GrowingBars | None] = (None, 0, None)
        self._quicken("GetDepth", "GetTrades")
        if not self._uncertain:
            self.GetRecords = quick_records(engine, parts.table, self._quick, self.GetRecords, RECORDS)  # type: ignore[method-assign]
            self.GetTicker = quick_ticker(engine, self._quick, self.GetTicker, TICKER)  # type: ignore[method-assign]

    def GetTicker(self, symbol: str = "") -> Ticker | None:
        """Returns the ticker of a symbol; empty for the current one."""
        lock = self._lock
        if get_ident() == lock.owner:
            was = lock.busy
            try:
                lock.busy = True
                if not lock.shared:
                    return self._ticker_call(symbol)  # type: ignore[no-any-return]
            finally:
                lock.busy = was
        with lock:
            return self._ticker_call(symbol)  # type: ignore[no-any-return]

    def ticker_values(self, symbol: str = "") -> tuple[Any, ...] | None:
        """Returns what ``GetTicker`` does as a tuple, in the order of a ticker's fields; numbers are floats."""
        lock = self._lock
        if get_ident() == lock.owner:
            was = lock.busy
            try:
                lock.busy = True
                if not lock.shared:
                    return self._ticker_call(symbol, flat=True)  # type: ignore[no-any-return]
            finally:
                lock.busy = was
        with lock:
            return self._ticker_call(symbol, flat=True)  # type: ignore[no-any-return]

    def _ticker_call(self, symbol: str, *, flat: bool = False) -> Any:
        time = self._time
        time.now_ms += self._delay_ms
        if self._uncertain and self._fails_or_delays("GetTicker"):
            return None
        feed = self._feed if not symbol and self._feed is not None else self._feed_of(symbol)
        feed.deliver(TICKER)
        ticker = self._ticker(feed, flat=flat)
        if not symbol and not flat and self._rate == ONE and type(feed) is TickFeed and not feed.series.position:
            self._quick.ticks, self._quick.ticker = feed, Ticker(ticker)
        if time.now_ms >= self._engine.due_ms:
            self._engine.after_call()
        return ticker

    def _ticker(self, feed: Any, *, flat: bool = False) -> Any:
        number, spread = feed.number, feed.spread
        price, traded, time_ms = feed.quote(number)
        if self._rate == ONE:
            buy, sell, last = (price - spread) / ONE, (price + spread) / ONE, price / ONE
        else:
            buy, sell, last = (to_float(mul(side, self._rate)) for side in (price - spread, price + spread, price))
        volume = traded / ONE
        interest = feed.interest_of(number) / ONE if feed.series.position else 0.0
        if flat:
            return feed.detail.symbol, sell, buy, sell, buy, last, last, volume, float(time_ms), interest
        return Ticker({
            "Symbol": feed.detail.symbol,
            "High": sell,
            "Low": buy,
            "Sell": sell,
            "Buy": buy,
            "Last": last,
            "Open": last,
            "Volume": volume,
            "Time": time_ms,
            "OpenInterest": interest,
        })  # fmt: skip

    @timed()
    def GetTickers(self) -> list[Ticker] | None:
        """Returns the tickers of the current symbol and of all symbols that were used so far."""
        first = self._feed_of("")
        first.deliver(TICKER)
        tickers = []
        for feed in list(self._table.feeds.values()):
            if feed is not first:
                feed.deliver_current(TICKER)
            tickers.append(self._ticker(feed))
        return tickers

    @timed()
    def GetDepth(self, symbol: str = "", limit: int | None = None) -> Depth | None:
        """Returns the order book of a symbol: levels at equal distances, each with the same amount.

        Args:
            symbol: Empty for the current one.
            limit: Levels a side; None for the settings' number.
        """
        feed = self._feed_of(symbol)
        feed.deliver(DEPTH)
        settings = self._settings
        levels = (
            settings.depth_levels
            if limit is None
            else min(whole_number("limit", limit, least=1), settings.depth_levels)
        )
        price, spread, amount = feed.price_of(feed.number), feed.spread, settings.depth_amount / ONE
        steps = range(spread, spread * 2 * levels, spread * 2)
        asks, bids = [price + step for step in steps], [price - step for step in steps]
        if self._rate != ONE:
            asks, bids = [mul(ask, self._rate) for ask in asks], [mul(bid, self._rate) for bid in bids]
        return Depth({
            "Asks": [MarketOrder({"Price": ask / ONE, "Amount": amount}) for ask in asks],
            "Bids": [MarketOrder({"Price": bid / ONE, "Amount": amount}) for bid in bids],
            "Time": feed.time_of(feed.number),
        })  # fmt: skip

    @timed()
    def GetTrades(self, symbol: str = "") -> list[Trade] | None:
        """Returns an empty list: bars hold no public trades."""
        self._feed_of(symbol).deliver(TRADES)
        return []

    def GetRecords(self, *args: Any) -> Records | None:
        """Returns bars, oldest first; the last one is still forming.

        Args:
            args: ``()``, ``(symbol)``, ``(symbol, period)``, ``(symbol, period, limit)``, ``(period)`` or ``(period, limit)``; the period
                in seconds, the limit in bars. Without a limit: all bars kept so far, at most ``SetMaxBarLen``.
        """
        lock = self._lock
        if get_ident() == lock.owner:
            was = lock.busy
            try:
                lock.busy = True
                if not lock.shared:
                    return self._records_call(args)
            finally:
                lock.busy = was
        with lock:
            return self._records_call(args)

    def _records_call(self, args: tuple[Any, ...]) -> Records | None:
        time = self._time
        time.now_ms += self._delay_ms
        if self._uncertain and self._fails_or_delays("GetRecords"):
            return None
        feed, period_ms, limit = self._feed, self._period_ms, 0
        if args:
            try:
                symbol, period_ms, limit = self._record_arguments(args)
            except InputError as error:
                self._error(f"GetRecords: {error}")
                return None
            feed = self._feed_of(symbol)
        elif feed is None:
            feed = self._feed_of("")
        if feed.period_ms == period_ms:
            feed.deliver(RECORDS)
        else:
            feed.deliver_current(RECORDS)
            feed.period_ms = period_ms
            self._quick.records = None
        last_feed, last_period_ms, bars = self._last_bars
        if feed is not last_feed or period_ms != last_period_ms or bars is None:
            bars = self._bars_of(feed, period_ms)
        records: Records = bars.get(self._table.cap)
        engine = self._engine
        if engine.lists_stored:
            records.store()
        if limit and limit < len(records):
            records = records[-limit:]
        if self._rate != ONE:
            records = _converted(records, self._rate)
        elif not args:
            self._quick.records = (feed, bars)
        if time.now_ms >= engine.due_ms:
            engine.after_call()
        return records

    def _bars_of(self, feed: TickCursor, period_ms: int) -> GrowingBars:
        bars = self._bars.get((feed, period_ms))
        if bars is None:
            bars = self._bars[feed, period_ms] = self._table.bars(feed.detail.symbol, period_ms)
        self._last_bars = (feed, period_ms, bars)
        return bars

    def _record_arguments(self, args: tuple[Any, ...]) -> tuple[str, int, int]:
        if len(args) == 1 and type(args[0]) is int and args[0] > 0:
            return "", args[0] * 1000, 0
        symbol, period, limit = symbol_first("GetRecords", ("symbol", "period", "limit"), args)
        period_ms = self._period_ms if period in (None, 0, -1) else whole_number("period", period, least=1) * 1000
        return symbol, period_ms, 0 if limit is None else whole_number("limit", limit)

    def GetMarkets(self) -> dict[str, Market]:
        """Returns the trading rules of the current symbol and of all symbols that were used so far; takes no time."""
        with self._lock:
            self._feed_of("")
            return {symbol: _market(feed) for symbol, feed in self._table.feeds.items()}

    def SetMaxBarLen(self, n: int) -> None:
        """Sets how many bars are kept when a new one comes.

        Raises:
            InputError: It is not a whole number of at least 1.
        """
        with self._lock:
            self._table.cap = whole_number("n", n, least=1)

    def SetRate(self, rate: float = 1) -> float:
        """Sets the factor of prices and of amounts of quote currency; 1 turns it off.

        Returns:
            The factor before.

        Raises:
            InputError: It is not a number above 0.
        """
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 < rate < 1e9:
            raise InputError(f"SetRate needs a number above 0, got {short_repr(rate)}")
        with self._lock:
            self._rate = nano(rate)
            self._quick.clear()
            return self._desk.set_rate(rate)

    def GetRate(self) -> float:
        """The factor of prices; 1 if it is off."""
        return to_float(self._rate)


def _converted(records: Records, rate: int) -> Records:
    """Bars whose prices are multiplied by a rate."""
    prices = ("Open", "High", "Low", "Close")
    return Records(
        Record({name: to_float(mul(nano(value), rate)) if name in prices else value for name, value in record.items()})
        for record in records
    )


def _market(feed: TickCursor) -> Market:
    detail = feed.detail
    market = Market({
        "Symbol": detail.alias or detail.symbol,
        "BaseAsset": detail.base_currency,
        "QuoteAsset": detail.quote_currency,
        "TickSize": feed.price_tick / ONE,
        "AmountSize": detail.volume_tick / ONE or 10.0**-detail.base_precision,
        "PricePrecision": detail.quote_precision,
        "AmountPrecision": detail.base_precision,
    })  # fmt: skip
    # FMZ's data server names these always; for bars of one's own there is no least order but a step.
    market["MinQty"] = float(detail.raw.get("minQty") or market["AmountSize"])
    market["MinNotional"] = float(detail.raw.get("minNotional") or 0.0)
    for name, key in (("MaxQty", "maxQty"), ("MaxNotional", "maxNotional")):
        if key in detail.raw:
            market[name] = float(detail.raw[key])
    if detail.is_contract:
        market["CtVal"] = detail.volume_multiple / ONE
        market["CtValCcy"] = detail.quote_currency if detail.is_coin_margined else detail.base_currency
    return market
