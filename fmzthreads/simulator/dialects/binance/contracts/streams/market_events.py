"""The market streams of contracts ("Websocket Market Streams" in Binance's documentation of derivatives)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any

import attrs

from .....engine.candles import Candle
from .....engine.events import LiquidationEvent, TickerEvent, TradeEvent
from .....engine.exchange import SimulatedExchange
from .....engine.instruments import Instrument
from .....transport.push import Push
from .....transport.requests import encode_json
from .....transport.topics import DeltaTopic, EventTopic, Feed, SampledTopic, Topic
from ...symbols import fixed
from ..families import ContractSymbols
from ..market import CONTRACT_INTERVALS, day_row, plain
from ..order_rows import contract_force, contract_status, contract_type

__all__ = ["ContractStreams", "RoutedStreams"]

_NAME = re.compile(r"[^@\s]{1,40}@[A-Za-z0-9_+:@-]{1,40}")
_ARRAY = re.compile(r"!(ticker|miniTicker|markPrice|bookTicker|forceOrder)(?:@arr)?(?:@1s)?")
_PARTIAL = re.compile(r"depth(5|10|20)")
_PACES = {"": 0.25, "250ms": 0.25, "500ms": 0.5, "100ms": 0.1}
_PUBLIC = re.compile(r"(?:.+@)?!?(?:bookTicker|depth|trade$|rpiDepth)")
Levels = list[tuple[Decimal, Decimal]]
Maker = Callable[[], Topic]


@attrs.frozen(kw_only=True)
class _Stream:
    """One stream: its name, symbol, pair and instrument."""

    name: str
    symbol: str
    pair: str
    instrument: Instrument


class ContractStreams:
    """The market streams of one family.

    Args:
        exchange: The source of the data.
        feed: Passes events into the event loop.
        symbols: The exchange's instruments under Binance's names.
        now_ms: The venue's time.
    """

    def __init__(
        self, exchange: SimulatedExchange, feed: Feed, symbols: ContractSymbols, now_ms: Callable[[], int]
    ) -> None:
        self._exchange = exchange
        self._feed = feed
        self._symbols = symbols
        self._now_ms = now_ms
        self._type = symbols.family.stream_type
        self._coin = symbols.family.coin
        self._by_stream = {symbols.name(instrument.id).lower(): instrument for instrument in symbols.all()}

    @staticmethod
    def well_formed(name: object) -> bool:
        """Whether a stream name is well formed; an unknown stream stays silent."""
        return isinstance(name, str) and bool(_NAME.fullmatch(name) or _ARRAY.fullmatch(name))

    def topic(self, name: str, *, microseconds: bool = False) -> Maker | None:
        """The factory of a stream's topic; None if not found. Times are always in milliseconds."""
        array = _ARRAY.fullmatch(name)
        if array is not None:
            return self._array(name, array[1])
        head, _, kind = name.partition("@")
        instrument = self._by_stream.get(head)
        if instrument is None:
            return None
        stream = _Stream(
            name=name, symbol=self._symbols.name(instrument.id), pair=self._symbols.pair(instrument), instrument=instrument
        )  # fmt: skip
        simple: dict[str, Callable[[_Stream], Maker]] = {
            "trade": self._trade, "aggTrade": self._agg_trade, "bookTicker": self._book_ticker, "ticker": self._ticker,
            "miniTicker": self._mini_ticker, "markPrice": self._mark_price, "markPrice@1s": self._mark_price,
            "forceOrder": self._force_order,
        }  # fmt: skip
        if kind in simple:
            return simple[kind](stream)
        if kind.startswith("kline_"):
            return self._kline(stream, kind.removeprefix("kline_"))
        return self._depth(stream, kind)

    # --- trades and the best prices ---

    def _head(self, kind: str, stream: _Stream) -> dict[str, Any]:
        return {"e": kind, "E": self._now_ms(), "s": stream.symbol, "st": self._type}

    def _trade(self, stream: _Stream) -> Maker:
        def _make(event: TradeEvent) -> Push:
            trade = event.trade
            row = {
                "T": trade.time_ms, "t": trade.trade_id, "p": plain(trade.price), "q": plain(trade.quantity), "X": "MARKET",
                "m": trade.buyer_is_maker,
            }  # fmt: skip
            return _push(stream.name, self._head("trade", stream) | row)

        return lambda: EventTopic(self._feed, TradeEvent, stream.instrument.id, _make)

    def _agg_trade(self, stream: _Stream) -> Maker:
        """Every simulated trade is its own aggregate, as on REST."""

        def _make(event: TradeEvent) -> Push:
            trade = event.trade
            row: dict[str, Any] = {
                "a": trade.trade_id, "p": plain(trade.price), "q": plain(trade.quantity), "f": trade.trade_id, "l": trade.trade_id,
                "T": trade.time_ms, "m": trade.buyer_is_maker,
            }  # fmt: skip
            if not self._coin:
                row["nq"] = plain(trade.quantity)
            return _push(stream.name, self._head("aggTrade", stream) | row)

        return lambda: EventTopic(self._feed, TradeEvent, stream.instrument.id, _make)

    def _book_ticker(self, stream: _Stream) -> Maker:
        last: list[tuple[Decimal, ...]] = []

        def _make(event: TickerEvent) -> Push | None:
            top = (event.bid, event.bid_quantity, event.ask, event.ask_quantity)
            if last == [top]:
                return None  # only the last price moved
            last[:] = [top]
            bid, bid_quantity, ask, ask_quantity = (plain(value) for value in top)
            row = {
                "u": event.version, "ps": stream.pair, "b": bid, "B": bid_quantity, "a": ask, "A": ask_quantity, "T": event.time_ms,
            }  # fmt: skip
            return _push(stream.name, self._head("bookTicker", stream) | row)

        return lambda: EventTopic(self._feed, TickerEvent, stream.instrument.id, _make)

    # --- books ---

    def _depth(self, stream: _Stream, kind: str) -> Maker | None:
        kind, _, pace = kind.partition("@")
        period_s, partial = _PACES.get(pace), _PARTIAL.fullmatch(kind)
        if period_s is None:
            return None
        if kind == "depth":
            return self._deltas(stream, period_s)
        return self._partial(stream, int(partial[1]), period_s) if partial is not None else None

    def _book_row(self, stream: _Stream, first: int, last: int, bids: Levels, asks: Levels) -> dict[str, Any]:
        """Book events: ``pu`` is the version of the event before, which the engine leaves no gap to."""
        now = self._now_ms()
        return self._head("depthUpdate", stream) | {
            "T": now, "ps": stream.pair, "U": first, "u": last, "pu": first - 1, "b": _levels(bids), "a": _levels(asks),
        }  # fmt: skip

    def _deltas(self, stream: _Stream, period_s: float) -> Maker:
        def _make(first: int, last: int, bids: Levels, asks: Levels) -> Push:
            return _push(stream.name, self._book_row(stream, first, last, bids, asks), sequenced=True)

        return lambda: DeltaTopic(self._feed, stream.instrument.id, period_s, _make)

    def _partial(self, stream: _Stream, levels: int, period_s: float) -> Maker:
        sent = [-1]

        def _make() -> Iterator[Push]:
            book = self._exchange.depth(stream.instrument.id, levels)
            if book.version == sent[0]:
                return
            first, sent[0] = sent[0] + 1, book.version
            bids = [(price, quantity) for price, quantity, _ in book.bids]
            asks = [(price, quantity) for price, quantity, _ in book.asks]
            yield _push(stream.name, self._book_row(stream, first or book.version, book.version, bids, asks))

        return lambda: SampledTopic(self._feed, period_s, _make)

    # --- bars ---

    def _kline(self, stream: _Stream, interval: str) -> Maker | None:
        if interval not in CONTRACT_INTERVALS:
            return None
        period_s = CONTRACT_INTERVALS[interval]
        sent: list[Candle] = []

        def _make() -> Iterator[Push]:
            bars = self._exchange.bars(stream.instrument.id, period_s, 2)
            open_before = sent[0].open_ms if sent else bars[-1].open_ms if bars else 0
            for bar in bars:
                if bar.open_ms >= open_before and sent != [bar]:  # a finished bar is sent once more
                    yield _push(stream.name, self._bar(stream, interval, bar))
                    sent[:] = [bar]

        return lambda: SampledTopic(self._feed, 0.25, _make)

    def _bar(self, stream: _Stream, interval: str, bar: Candle) -> dict[str, Any]:
        first = self._exchange.trades(stream.instrument.id, 1, start_ms=bar.open_ms, end_ms=bar.close_ms)
        last = self._exchange.trades(stream.instrument.id, 1, end_ms=bar.close_ms)
        bar_row = {
            "t": bar.open_ms, "T": bar.close_ms, "s": stream.symbol, "i": interval, "f": first[0].trade_id if first else -1,
            "L": last[0].trade_id if first else -1, "o": plain(bar.open), "c": plain(bar.close), "h": plain(bar.high), "l": plain(bar.low),
            "v": plain(bar.volume), "n": bar.trades, "x": bar.closed, "q": fixed(bar.quote_volume), "V": plain(bar.taker_buy_volume),
            "Q": fixed(bar.taker_buy_quote_volume), "B": "0",
        }  # fmt: skip
        return {"e": "kline", "E": self._now_ms(), "s": stream.symbol, "k": bar_row}

    # --- days, marks and liquidations ---

    def _day(self, kind: str, stream: _Stream) -> dict[str, Any]:
        day = day_row(self._exchange, stream.instrument, coin=self._coin)
        row = self._head(kind, stream) | {
            "ps": stream.pair, "c": day["lastPrice"], "o": day["openPrice"], "h": day["highPrice"], "l": day["lowPrice"], "v": day["volume"],
            "q": day["baseVolume" if self._coin else "quoteVolume"],
        }  # fmt: skip
        if kind == "24hrTicker":
            row.update(
                p=day["priceChange"], P=day["priceChangePercent"], w=day["weightedAvgPrice"], Q=day["lastQty"], O=day["openTime"],
                C=day["closeTime"], F=day["firstId"], L=day["lastId"], n=day["count"],
            )  # fmt: skip
        return row

    def _ticker(self, stream: _Stream) -> Maker:
        return lambda: SampledTopic(self._feed, 2.0, lambda: [_push(stream.name, self._day("24hrTicker", stream))])

    def _mini_ticker(self, stream: _Stream) -> Maker:
        return lambda: SampledTopic(self._feed, 2.0, lambda: [_push(stream.name, self._day("24hrMiniTicker", stream))])

    def _mark(self, stream: _Stream) -> dict[str, Any]:
        prices = self._exchange.contracts.prices(stream.instrument.id)
        perpetual = bool(prices.next_funding_ms)
        row = self._head("markPriceUpdate", stream) | {
            "p": fixed(prices.mark), "P": fixed(prices.index), "i": fixed(prices.index), "T": prices.next_funding_ms,
            "r": fixed(prices.funding_rate) if perpetual else "",
        }  # fmt: skip
        return row if self._coin else row | {"ap": fixed(prices.mark)}

    def _mark_price(self, stream: _Stream) -> Maker:
        period_s = 1.0 if stream.name.endswith("@1s") else 3.0
        return lambda: SampledTopic(self._feed, period_s, lambda: [_push(stream.name, self._mark(stream))])

    def _force_order(self, stream: _Stream) -> Maker:
        def _make(event: LiquidationEvent) -> Push:
            order = event.order
            row: dict[str, Any] = {
                "s": stream.symbol, "S": order.side.upper(), "o": contract_type(order), "f": contract_force(order),
                "q": plain(order.quantity or Decimal(0)), "p": plain(order.price or Decimal(0)),
                "ap": plain(order.average_price or Decimal(0)), "X": contract_status(order), "l": plain(order.filled),
                "z": plain(order.filled), "T": order.updated_ms,
            }  # fmt: skip
            if self._coin:
                row["ps"] = stream.pair
            return _push(stream.name, {"e": "forceOrder", "E": self._now_ms(), "o": row})

        return lambda: EventTopic(self._feed, LiquidationEvent, stream.instrument.id, _make)

    def _array(self, name: str, kind: str) -> Maker | None:
        """All symbols in one message."""
        rows: dict[str, Callable[[_Stream], dict[str, Any]]] = {
            "ticker": lambda stream: self._day("24hrTicker", stream), "miniTicker": lambda stream: self._day("24hrMiniTicker", stream),
            "markPrice": self._mark,
        }  # fmt: skip
        make = rows.get(kind)
        if make is None:
            return None
        streams = [
            _Stream(name=name, symbol=self._symbols.name(one.id), pair=self._symbols.pair(one), instrument=one)
            for one in self._symbols.all()
        ]
        return lambda: SampledTopic(self._feed, 1.0, lambda: [_push(name, [make(stream) for stream in streams])])


class RoutedStreams:
    """The streams that one address serves; others are acknowledged and stay silent, as on the exchange.

    Args:
        streams: All streams of the family.
        route: ``public`` (books and best prices), ``market`` (the others) or ``private`` (none).
    """

    def __init__(self, streams: ContractStreams, route: str) -> None:
        self._streams = streams
        self._route = route

    def well_formed(self, name: object) -> bool:
        """Whether a stream name is well formed."""
        return self._streams.well_formed(name)

    def topic(self, name: str, *, microseconds: bool = False) -> Maker | None:
        """The factory of a stream's topic; None if the address does not serve it."""
        route = "public" if _PUBLIC.match(name) else "market"
        return self._streams.topic(name) if route == self._route else None


def _push(name: str, row: Any, *, sequenced: bool = False) -> Push:
    return Push(encode_json(row), before=f'{{"stream":"{name}","data":'.encode(), after=b"}", sequenced=sequenced)


def _levels(levels: Iterable[tuple[Decimal, Decimal]]) -> list[list[str]]:
    return [[plain(price), plain(quantity)] for price, quantity in levels]
