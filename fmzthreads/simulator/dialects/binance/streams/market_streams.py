"""Binance spot's market streams and their messages ("WebSocket Streams" in Binance's spot documentation)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any

import attrs

from ....engine.candles import Candle, DayStats
from ....engine.events import TickerEvent, TradeEvent
from ....engine.exchange import SimulatedExchange
from ....engine.instruments import Instrument
from ....transport.push import Push
from ....transport.requests import encode_json
from ....transport.topics import DeltaTopic, EventTopic, Feed, SampledTopic, Topic
from ..market import INTERVALS, day_changes
from ..symbols import AVERAGE_MINUTES, Symbols, fixed

__all__ = ["Streams"]

_NAME = re.compile(r"[^@\s]{1,40}@[A-Za-z0-9_+:@-]{1,40}")
_ARRAY = re.compile(r"(![A-Za-z0-9_]+@arr)(?:@(1000|3000)ms)?")
_ZONE_S = 28_800
_PARTIAL = re.compile(r"depth(5|10|20)")
Levels = list[tuple[Decimal, Decimal]]


@attrs.frozen(kw_only=True)
class _StreamTarget:
    """The description of one stream, to create its topic.

    Attributes:
        name: The stream's name.
        symbol: The symbol as in payloads.
        instrument: The instrument.
        scale: 1 for times in milliseconds, 1000 for microseconds.
    """

    name: str
    symbol: str
    instrument: Instrument
    scale: int


class Streams:
    """The market streams.

    Args:
        exchange: The source of the data.
        feed: Passes events into the event loop.
        symbols: The exchange's instruments under Binance's names.
        now_ms: The venue's time.
        average: The average price of an instrument; None before the first trade.
    """

    def __init__(
        self,
        exchange: SimulatedExchange,
        feed: Feed,
        symbols: Symbols,
        now_ms: Callable[[], int],
        average: Callable[[Instrument], Decimal | None],
    ) -> None:
        self._exchange = exchange
        self._feed = feed
        self._symbols = symbols
        self._now_ms = now_ms
        self._average = average
        self._by_stream = {symbols.name(instrument.id).lower(): instrument for instrument in symbols.all()}

    @staticmethod
    def well_formed(name: object) -> bool:
        """Whether a stream name is well formed; an unknown stream stays silent."""
        return isinstance(name, str) and bool(_NAME.fullmatch(name) or _ARRAY.fullmatch(name))

    def topic(self, name: str, *, microseconds: bool = False) -> Callable[[], Topic] | None:
        """The factory of a stream's topic; None if not found."""
        scale = 1000 if microseconds else 1
        array = _ARRAY.fullmatch(name)
        if array is not None:
            full = {"!ticker@arr": True, "!miniTicker@arr": False}.get(array[1])
            return self._array(name, scale, int(array[2] or 1000) / 1000, full=full) if full is not None else None
        head, _, kind = name.partition("@")
        instrument = self._by_stream.get(head)
        if instrument is None:
            return None
        maker = _StreamTarget(name=name, symbol=self._symbols.name(instrument.id), instrument=instrument, scale=scale)
        simple: dict[str, Callable[[_StreamTarget], Callable[[], Topic]]] = {
            "trade": self._trade,
            "aggTrade": self._agg_trade,
            "bookTicker": self._book_ticker,
            "ticker": self._ticker,
            "miniTicker": self._mini_ticker,
            "avgPrice": self._avg_price,
        }
        if kind in simple:
            return simple[kind](maker)
        if kind.startswith("kline_"):
            return self._kline(maker, kind.removeprefix("kline_"))
        return self._depth(maker, kind)

    # --- trades and the best prices ---

    def _trade(self, maker: _StreamTarget) -> Callable[[], Topic]:
        def _make(event: TradeEvent) -> Push:
            trade = event.trade
            return _push(
                maker.name,
                {
                    "e": "trade", "E": self._time(maker), "s": maker.symbol, "t": trade.trade_id, "p": fixed(trade.price),
                    "q": fixed(trade.quantity), "T": trade.time_ms * maker.scale, "m": trade.buyer_is_maker, "M": True,
                },
            )  # fmt: skip

        return lambda: EventTopic(self._feed, TradeEvent, maker.instrument.id, _make)

    def _agg_trade(self, maker: _StreamTarget) -> Callable[[], Topic]:
        """Every simulated trade is its own aggregate, as on REST."""

        def _make(event: TradeEvent) -> Push:
            trade = event.trade
            return _push(
                maker.name,
                {
                    "e": "aggTrade", "E": self._time(maker), "s": maker.symbol, "a": trade.trade_id, "p": fixed(trade.price),
                    "q": fixed(trade.quantity), "f": trade.trade_id, "l": trade.trade_id, "T": trade.time_ms * maker.scale,
                    "m": trade.buyer_is_maker, "M": True,
                },
            )  # fmt: skip

        return lambda: EventTopic(self._feed, TradeEvent, maker.instrument.id, _make)

    def _book_ticker(self, maker: _StreamTarget) -> Callable[[], Topic]:
        last: list[tuple[Decimal, ...]] = []

        def _make(event: TickerEvent) -> Push | None:
            top = (event.bid, event.bid_quantity, event.ask, event.ask_quantity)
            if last == [top]:
                return None  # only the last price moved
            last[:] = [top]
            bid, bid_quantity, ask, ask_quantity = (fixed(value) for value in top)
            row = {"u": event.version, "s": maker.symbol, "b": bid, "B": bid_quantity, "a": ask, "A": ask_quantity}
            return _push(maker.name, row)

        return lambda: EventTopic(self._feed, TickerEvent, maker.instrument.id, _make)

    # --- books ---

    def _depth(self, maker: _StreamTarget, kind: str) -> Callable[[], Topic] | None:
        kind, _, pace = kind.partition("@")
        period_s = {"": 1.0, "1000ms": 1.0, "100ms": 0.1}.get(pace)
        partial = _PARTIAL.fullmatch(kind)
        if period_s is None:
            return None
        if kind == "depth":
            return self._deltas(maker, period_s)
        return self._partial(maker, int(partial[1]), period_s) if partial is not None else None

    def _deltas(self, maker: _StreamTarget, period_s: float) -> Callable[[], Topic]:
        def _make(first: int, last: int, bids: Levels, asks: Levels) -> Push:
            row = {
                "e": "depthUpdate", "E": self._time(maker), "s": maker.symbol, "U": first, "u": last,
                "b": _levels(bids), "a": _levels(asks),
            }  # fmt: skip
            return _push(maker.name, row, sequenced=True)

        return lambda: DeltaTopic(self._feed, maker.instrument.id, period_s, _make)

    def _partial(self, maker: _StreamTarget, levels: int, period_s: float) -> Callable[[], Topic]:
        sent = [-1]

        def _make() -> Iterator[Push]:
            book = self._exchange.depth(maker.instrument.id, levels)
            if book.version == sent[0]:
                return
            sent[0] = book.version
            yield _push(
                maker.name,
                {
                    "lastUpdateId": book.version,
                    "bids": _levels((price, quantity) for price, quantity, _ in book.bids),
                    "asks": _levels((price, quantity) for price, quantity, _ in book.asks),
                },
            )

        return lambda: SampledTopic(self._feed, period_s, _make)

    # --- bars ---

    def _kline(self, maker: _StreamTarget, interval: str) -> Callable[[], Topic] | None:
        interval, _, zone = interval.partition("@")
        if interval not in INTERVALS or zone not in {"", "+08:00"}:
            return None
        offset_s = _ZONE_S if zone else 0
        period_s = INTERVALS[interval]
        sent: list[Candle] = []

        def _make() -> Iterator[Push]:
            bars = self._exchange.bars(maker.instrument.id, period_s, 2, offset_s=offset_s)
            open_before = sent[0].open_ms if sent else bars[-1].open_ms if bars else 0
            for bar in bars:
                # A finished bar is sent once more.
                if bar.open_ms >= open_before and sent != [bar]:
                    yield _push(maker.name, self._bar(maker, interval, bar))
                    sent[:] = [bar]

        return lambda: SampledTopic(self._feed, 1.0 if interval == "1s" else 2.0, _make)

    def _bar(self, maker: _StreamTarget, interval: str, bar: Candle) -> dict[str, Any]:
        first = self._exchange.trades(maker.instrument.id, 1, start_ms=bar.open_ms, end_ms=bar.close_ms)
        last = self._exchange.trades(maker.instrument.id, 1, end_ms=bar.close_ms)
        return {
            "e": "kline",
            "E": self._time(maker),
            "s": maker.symbol,
            "k": {
                "t": bar.open_ms * maker.scale,
                "T": (bar.close_ms + 1) * maker.scale - 1,
                "s": maker.symbol,
                "i": interval,
                "f": first[0].trade_id if first else -1,
                "L": last[0].trade_id if first else -1,
                "o": fixed(bar.open),
                "c": fixed(bar.close),
                "h": fixed(bar.high),
                "l": fixed(bar.low),
                "v": fixed(bar.volume),
                "n": bar.trades,
                "x": bar.closed,
                "q": fixed(bar.quote_volume),
                "V": fixed(bar.taker_buy_volume),
                "Q": fixed(bar.taker_buy_quote_volume),
                "B": "0",
            },
        }

    # --- days ---

    def _ticker(self, maker: _StreamTarget) -> Callable[[], Topic]:
        return self._daily(maker, self._full_day)

    def _mini_ticker(self, maker: _StreamTarget) -> Callable[[], Topic]:
        return self._daily(maker, self._mini_day)

    def _daily(self, maker: _StreamTarget, row: Callable[[str, DayStats, int], dict[str, Any]]) -> Callable[[], Topic]:
        sent: list[Any] = []

        def _make() -> Iterator[Push]:
            day = self._exchange.stats_24h(maker.instrument.id)
            mark = _mark(day)
            if sent != [mark]:
                sent[:] = [mark]
                yield _push(maker.name, row(maker.symbol, day, maker.scale))

        return lambda: SampledTopic(self._feed, 1.0, _make)

    def _array(self, name: str, scale: int, period_s: float, *, full: bool) -> Callable[[], Topic]:
        """All symbols that have changed, in one message."""
        row = self._full_day if full else self._mini_day
        sent: dict[str, Any] = {}

        def _make() -> Iterator[Push]:
            rows = []
            for instrument in self._symbols.all():
                day = self._exchange.stats_24h(instrument.id)
                mark = _mark(day)
                if sent.get(instrument.id) != mark:
                    sent[instrument.id] = mark
                    rows.append(row(self._symbols.name(instrument.id), day, scale))
            if rows:
                yield _push(name, rows)

        return lambda: SampledTopic(self._feed, period_s, _make)

    def _full_day(self, symbol: str, day: DayStats, scale: int) -> dict[str, Any]:
        more = day_changes(day)
        return {
            "e": "24hrTicker", "E": self._now_ms() * scale, "s": symbol, "p": more["priceChange"], "P": more["priceChangePercent"],
            "w": more["weightedAvgPrice"], "x": more["prevClosePrice"], "c": fixed(day.last), "Q": more["lastQty"],
            "b": more["bidPrice"], "B": more["bidQty"], "a": more["askPrice"], "A": more["askQty"], "o": fixed(day.open),
            "h": fixed(day.high), "l": fixed(day.low), "v": fixed(day.volume), "q": fixed(day.quote_volume),
            "O": day.open_ms * scale, "C": day.close_ms * scale, "F": day.first_id, "L": day.last_id, "n": day.trades,
        }  # fmt: skip

    def _mini_day(self, symbol: str, day: DayStats, scale: int) -> dict[str, Any]:
        return {
            "e": "24hrMiniTicker", "E": self._now_ms() * scale, "s": symbol, "c": fixed(day.last), "o": fixed(day.open),
            "h": fixed(day.high), "l": fixed(day.low), "v": fixed(day.volume), "q": fixed(day.quote_volume),
        }  # fmt: skip

    def _avg_price(self, maker: _StreamTarget) -> Callable[[], Topic]:
        sent: list[str] = []

        def _make() -> Iterator[Push]:
            price = self._average(maker.instrument)
            last = self._exchange.trades(maker.instrument.id, 1)
            if price is None or not last or sent == [fixed(price)]:
                return
            sent[:] = [fixed(price)]
            yield _push(
                maker.name,
                {
                    "e": "avgPrice", "E": self._time(maker), "s": maker.symbol, "i": f"{AVERAGE_MINUTES}m", "w": fixed(price),
                    "T": last[-1].time_ms * maker.scale,
                },
            )  # fmt: skip

        return lambda: SampledTopic(self._feed, 1.0, _make)

    def _time(self, maker: _StreamTarget) -> int:
        return self._now_ms() * maker.scale


def _push(stream: str, payload: Any, *, sequenced: bool = False) -> Push:
    """A message, with its envelope for combined streams."""
    return Push(
        encode_json(payload),
        sequenced=sequenced,
        before=f'{{"stream":"{stream}","data":'.encode(),
        after=b"}",
    )


def _levels(levels: Iterable[tuple[Decimal, Decimal]]) -> list[list[str]]:
    return [[fixed(price), fixed(quantity)] for price, quantity in levels]


def _mark(day: DayStats) -> tuple[Any, ...]:
    """The compared part of a ticker: without its window, which moves all the time."""
    return (day.last, day.open, day.high, day.low, day.volume, day.bid, day.bid_quantity, day.ask, day.ask_quantity)
