"""OKX v5's public channels ("Order Book Trading", "Market Data" in OKX's API guide)."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from ....engine.events import DepthView, TradeEvent, TradeView
from ....engine.exchange import SimulatedExchange
from ....engine.instruments import Instrument
from ....transport.push import Push
from ....transport.requests import encode_json
from ....transport.topics import EventTopic, Feed, Listener, SampledTopic, Topic
from ...fields import plain_decimal
from ..public.instruments import Instruments
from ..public.market import BARS, OkxMarket

__all__ = ["BooksTopic", "Channels", "TradesTopic", "checksum", "data_push"]

_LEVELS = 400
_PACE_S = 0.1
_BBO_PACE_S = 0.01
_KEEP_ALIVE_S = 60.0
_SILENT = ("instruments", "status")
Level = tuple[str, str, str]
"""Price, quantity and number of orders, as text."""


def checksum(bids: list[Level], asks: list[Level]) -> int:
    """The signed CRC32 over the best 25 levels of both sides, as sent until June 2026."""
    parts: list[str] = []
    for place in range(25):
        for side in (bids, asks):
            if place < len(side):
                parts += side[place][:2]
    value = zlib.crc32(":".join(parts).encode())
    return value - (1 << 32) if value >= 1 << 31 else value


class Channels:
    """Makes the topics of public channels.

    Args:
        exchange: The source of the data.
        feed: Passes events into the event loop.
        instruments: The exchange's instruments under OKX's names.
        market: Renders tickers and books.
        now_ms: The venue's time.
        checksums: Whether books carry real checksums instead of 0.
    """

    def __init__(
        self,
        exchange: SimulatedExchange,
        feed: Feed,
        instruments: Instruments,
        market: OkxMarket,
        now_ms: Callable[[], int],
        *,
        checksums: bool,
    ) -> None:
        self._exchange = exchange
        self._feed = feed
        self._instruments = instruments
        self._market = market
        self._now_ms = now_ms
        self._checksums = checksums

    def topic(self, place: str, channel: str, inst_id: str | None) -> Callable[[], Topic] | None:
        """The factory of a channel's topic; None if channel or instrument is unknown here.

        Args:
            place: ``public`` or ``business``.
            channel: The channel's name.
            inst_id: The instrument's name; None if absent.
        """
        if place == "public" and channel in _SILENT:
            return lambda: Topic(self._feed)
        instrument = self._instruments.find(inst_id) if inst_id is not None else None
        if instrument is None or inst_id is None:
            return None
        arg = {"channel": channel, "instId": inst_id}
        if place == "business":
            if channel == "trades-all":
                return lambda: EventTopic(
                    self._feed, TradeEvent, instrument.id, lambda event: self._trade(arg, instrument, event)
                )
            bar = channel.removeprefix("candle")
            return self._candles(arg, instrument, bar) if channel.startswith("candle") and bar in BARS else None
        makers: dict[str, Callable[[dict[str, str], Instrument], Callable[[], Topic]]] = {
            "tickers": self._tickers,
            "trades": self._trades,
            "bbo-tbt": lambda arg, instrument: self._top(arg, instrument, 1, _BBO_PACE_S),
            "books5": lambda arg, instrument: self._top(arg, instrument, 5, _PACE_S),
            "books": self._books,
        }
        return makers[channel](arg, instrument) if channel in makers else None

    # --- tickers, bars and trades ---

    def _tickers(self, arg: dict[str, str], instrument: Instrument) -> Callable[[], Topic]:
        sent: list[dict[str, Any]] = []

        def _look() -> dict[str, Any]:
            return self._market.describe_ticker(instrument, self._now_ms())

        def _make() -> Iterator[Push]:
            row = _look()
            if sent != [{**row, "ts": ""}]:
                sent[:] = [{**row, "ts": ""}]
                yield data_push(arg, [row])

        return lambda: SampledTopic(self._feed, _PACE_S, _make, lambda: [data_push(arg, [_look()])])

    def _candles(self, arg: dict[str, str], instrument: Instrument, bar: str) -> Callable[[], Topic]:
        period_s, offset_s = BARS[bar]
        sent: list[list[str]] = []

        def _rows() -> list[list[str]]:
            bars = self._exchange.bars(instrument.id, period_s, 2, offset_s=offset_s)
            return [self._market.describe_candle(instrument, candle) for candle in bars]

        def _make() -> Iterator[Push]:
            found = _rows()
            since = int(sent[0][0]) if sent else int(found[-1][0]) if found else 0
            for row in found:
                # A finished bar is sent once more.
                if int(row[0]) >= since and sent != [row]:
                    sent[:] = [row]
                    yield data_push(arg, [row])

        return lambda: SampledTopic(self._feed, 1.0, _make, lambda: [data_push(arg, [row]) for row in _rows()[-1:]])

    def _trade(self, arg: dict[str, str], instrument: Instrument, event: TradeEvent) -> Push:
        return data_push(arg, [self._market.trade(instrument, event.trade)])

    def _trades(self, arg: dict[str, str], instrument: Instrument) -> Callable[[], Topic]:
        def _make(trades: list[TradeView]) -> Push:
            row: dict[str, Any] = dict(self._market.trade(instrument, trades[-1]))
            row["sz"] = plain_decimal(sum(trade.quantity for trade in trades))
            row.update(count=str(len(trades)), seqId=trades[-1].trade_id)
            return data_push(arg, [row])

        return lambda: TradesTopic(self._feed, instrument.id, _make)

    # --- books ---

    def _top(self, arg: dict[str, str], instrument: Instrument, levels: int, pace_s: float) -> Callable[[], Topic]:
        """A small book, sent completely after every change."""
        sent: list[object] = []

        def _look() -> dict[str, Any]:
            row = self._market.book(instrument, levels)
            return row if levels == 1 else {**row, "instId": arg["instId"]}

        def _make() -> Iterator[Push]:
            row = _look()
            mark = (row["asks"], row["bids"])
            if sent != [mark]:
                sent[:] = [mark]
                yield data_push(arg, [row])

        return lambda: SampledTopic(self._feed, pace_s, _make, lambda: [data_push(arg, [_look()])])

    def _books(self, arg: dict[str, str], instrument: Instrument) -> Callable[[], Topic]:
        return lambda: BooksTopic(
            self._feed,
            arg,
            lambda: self._exchange.depth(instrument.id, _LEVELS),
            self._now_ms,
            checksums=self._checksums,
        )


class TradesTopic(Topic):
    """The channel ``trades``: one message per taker order and price.

    Args:
        feed: The source of trades.
        instrument: The instrument.
        make: Makes a message from trades of one taker order and price, oldest first.
    """

    def __init__(self, feed: Feed, instrument: str, make: Callable[[list[TradeView]], Push]) -> None:
        super().__init__(feed)
        self._instrument = instrument
        self._make = make
        self._together: list[TradeView] = []
        self._due: asyncio.Handle | None = None

    def start(self) -> None:
        """Begins to listen."""
        self.feed.watch(TradeEvent, self._instrument, self._gather)

    def stop(self) -> None:
        """Ends it."""
        self.feed.unwatch(TradeEvent, self._instrument, self._gather)
        if self._due is not None:
            self._due.cancel()

    def _gather(self, event: TradeEvent) -> None:
        if self._together and _taking(self._together[-1]) != _taking(event.trade):
            self._flush()
        self._together.append(event.trade)
        if self._due is None:
            self._due = asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
        trades, self._together = self._together, []
        if trades:
            self.publish(self._make(trades))


def _taking(trade: TradeView) -> tuple[Any, ...]:
    """The taker's order and the price."""
    return (trade.sell_order_id if trade.buyer_is_maker else trade.buy_order_id, trade.price)


class BooksTopic(Topic):
    """The channel ``books``: a snapshot of 400 levels, then updates with sequence numbers.

    All connections share one chain: a new listener's snapshot ends where the others' last update does.

    Args:
        feed: Runs the timer.
        arg: The ``arg`` of the messages.
        look: Takes a snapshot of the book.
        now_ms: The venue's time.
        checksums: Whether to send real checksums instead of 0.
    """

    def __init__(
        self,
        feed: Feed,
        arg: dict[str, str],
        look: Callable[[], DepthView],
        now_ms: Callable[[], int],
        *,
        checksums: bool,
    ) -> None:
        super().__init__(feed)
        self._arg = arg
        self._look = look
        self._now_ms = now_ms
        self._checksums = checksums
        self._bids: dict[str, Level] = {}
        self._asks: dict[str, Level] = {}
        self._sequence = -1
        self._quiet_s = 0.0

    def start(self) -> None:
        """Begins to look."""
        self._take(self._look())
        self.feed.every(_PACE_S, self._beat)

    def stop(self) -> None:
        """Ends it."""
        self.feed.never(_PACE_S, self._beat)

    def join(self, listener: Listener) -> None:
        """Updates the other listeners, then sends the new one its snapshot."""
        self._update(but=listener)
        listener.push(self._message("snapshot", list(self._bids.values()), list(self._asks.values()), -1))

    def _take(self, view: DepthView) -> None:
        self._bids, self._asks = _written(view.bids), _written(view.asks)
        self._sequence = view.version

    def _beat(self) -> None:
        self._quiet_s += _PACE_S
        if self._update():
            self._quiet_s = 0.0
        elif self._quiet_s >= _KEEP_ALIVE_S:
            self._quiet_s = 0.0
            self.publish(self._message("update", [], [], self._sequence))

    def _update(self, but: Listener | None = None) -> bool:
        """Sends the changes since the last call; returns whether there were any."""
        view = self._look()
        if view.version == self._sequence:
            return False
        bids, asks, before = self._bids, self._asks, self._sequence
        self._take(view)
        changed = _changes(bids, self._bids, falling=True), _changes(asks, self._asks, falling=False)
        if not any(changed):
            self._sequence = (
                before  # no change within this channel's levels: the sequence continues from the last message
            )
            return False
        push = self._message("update", *changed, before)
        for listener in tuple(self.listeners):
            if listener is not but:
                listener.push(push)
        return True

    def _message(self, action: str, bids: list[Level], asks: list[Level], before: int) -> Push:
        row = {
            "asks": [[price, size, "0", count] for price, size, count in asks],
            "bids": [[price, size, "0", count] for price, size, count in bids],
            "ts": str(self._now_ms()),
            "checksum": checksum(list(self._bids.values()), list(self._asks.values())) if self._checksums else 0,
            "prevSeqId": before,
            "seqId": self._sequence,
        }
        message = {"arg": self._arg, "action": action, "data": [row]}
        return Push(encode_json(message), sequenced=action == "update" and before != self._sequence)


def _written(levels: tuple[tuple[Any, Any, int], ...]) -> dict[str, Level]:
    """Levels by price, best first, as text."""
    found: dict[str, Level] = {}
    for price, quantity, count in levels:
        text = plain_decimal(price)
        found[text] = (text, plain_decimal(quantity), str(count))
    return found


def _changes(before: dict[str, Level], now: dict[str, Level], *, falling: bool) -> list[Level]:
    """New and changed levels, and removed ones with size 0, best first."""
    changed = [level for price, level in now.items() if before.get(price) != level]
    changed += [(price, "0", "0") for price in before if price not in now]
    return sorted(changed, key=lambda level: Decimal(level[0]), reverse=falling)


def data_push(arg: dict[str, Any], rows: list[Any]) -> Push:
    """A message of a channel."""
    return Push(encode_json({"arg": arg, "data": rows}))
