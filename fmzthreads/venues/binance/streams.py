"""Binance's order book streams, spot and USDⓈ-M futures, after its public documents ("Diff. Depth Stream", "Individual Symbol Ticker")."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from ...errors import BadReply, excerpt
from ...streams.book.rules import BookRule, BookUpdate, RangeRule
from ...streams.book.source import OtherUnread, SourceReady, SourceRefused
from ...streams.buffer.buffer import Message
from ...streams.sharing.connect_turns import BINANCE_LIMITS
from ...streams.sharing.wire import StreamWire, WireAnswer
from ...structures import Ticker
from ..rest.ask import Ask
from ..rest.channel import Channel
from ..rest.convert import ticker_of
from ..rest.parsing import Malformed, integer, mapping, number, rows
from ..rest.streams.stream_home import SnapshotTurns, StreamHome

__all__ = [
    "BINANCE_WIRE",
    "SNAPSHOT_LEVELS",
    "SNAPSHOT_WEIGHT",
    "STREAM_BASES",
    "BinanceBook",
    "BinanceStreams",
    "BinanceWire",
    "read_book_event",
    "read_book_snapshot",
    "read_ticker_event",
]

STREAM_BASES: Mapping[str, str] = {
    **{
        f"{name}.binance.com": "wss://stream.binance.com:9443"
        for name in ("api", "api-gcp", "api1", "api2", "api3", "api4")
    },
    "data-api.binance.vision": "wss://data-stream.binance.vision",
    "demo-api.binance.com": "wss://demo-stream.binance.com",
    "testnet.binance.vision": "wss://stream.testnet.binance.vision",
}
"""The venue's own REST hosts, and the bases of their streams."""

SNAPSHOT_LEVELS = 1000  # 5000 levels would weigh 250
SNAPSHOT_WEIGHT = 50  # of 6000 a minute
_SNAPSHOT_PATH = "/api/v3/depth"

# Control pings detect a half-open connection within half a minute; silence detects one on which only heartbeats arrive. A book that
# really does not change for a minute is reconnected, which costs one snapshot.
_WATCH: Mapping[str, object] = {"pingInterval": 10_000, "silence_ms": 60_000}

_SUBSCRIPTION = 1

# The symbol of an event comes before its levels, so that this looks at the first characters only.
_SYMBOL = re.compile(r'"s"\s*:\s*"([^"]*)"')


class BinanceWire:
    """Subscriptions on a connection that several books share."""

    limits = BINANCE_LIMITS
    most_books = 100  # of 512: each is two streams, and 1024 are allowed
    most_at_once = 50
    restarts = False

    def key_of(self, message: Message) -> str | None:
        """The symbol of an event."""
        if isinstance(message, bytes):
            return None
        found = _SYMBOL.search(message)
        if found is None:
            return None
        symbol = found[1]
        return symbol if "\\" not in symbol else str(json.loads(f'"{symbol}"'))

    def answer(self, message: Message) -> WireAnswer | None:
        """The answer to a request; see the venue's "Live Subscribing/Unsubscribing to streams"."""
        try:
            row = json.loads(message)
        except (ValueError, RecursionError):
            return None
        if not isinstance(row, dict):
            return None
        number = row.get("id")
        if type(number) is not int and number is not None:
            return None
        if _error_of(row) is not None:
            return WireAnswer(number=number, refused=True)
        return WireAnswer(number=number, refused=False) if number is not None and "result" in row else None

    def subscribe(self, number: int, keys: Sequence[str]) -> str:
        """The request to subscribe to books."""
        return _request("SUBSCRIBE", number, keys)

    def unsubscribe(self, number: int, keys: Sequence[str]) -> str:
        """The request to end the subscriptions of books."""
        return _request("UNSUBSCRIBE", number, keys)


BINANCE_WIRE = BinanceWire()


def _request(method: str, number: int, symbols: Sequence[str]) -> str:
    streams = [f"{symbol.lower()}{stream}" for symbol in symbols for stream in ("@depth@100ms", "@ticker")]
    return json.dumps({"method": method, "params": streams, "id": number})


def _error_of(row: Mapping[str, Any]) -> dict[str, Any] | None:
    error = row.get("error", row if "code" in row else None)
    return error if isinstance(error, dict) else None


def read_book_event(event: Mapping[str, Any]) -> BookUpdate:
    """A ``depthUpdate`` event; futures add ``pu``.

    Raises:
        Malformed: A field is missing or of the wrong type.
    """
    row = mapping(event, "the event")
    return BookUpdate(
        snapshot=False,
        bids=rows(row.get("b"), "the field 'b'"),
        asks=rows(row.get("a"), "the field 'a'"),
        first=integer(row, "U"),
        last=integer(row, "u"),
        previous=integer(row, "pu") if "pu" in row else None,
        time_ms=integer(row, "E"),
    )


def read_book_snapshot(payload: Any, asked: int) -> BookUpdate:
    """``GET /api/v3/depth`` or ``/fapi/v1/depth`` (only the latter has a time).

    Args:
        payload: The reply.
        asked: The requested limit.

    Raises:
        Malformed: A field is missing or of the wrong type.
    """
    row = mapping(payload, "the reply")
    return BookUpdate(
        snapshot=True,
        bids=rows(row.get("bids"), "the field 'bids'"),
        asks=rows(row.get("asks"), "the field 'asks'"),
        last=integer(row, "lastUpdateId"),
        time_ms=integer(row, "E") if "E" in row else 0,
        asked=asked,
    )


class BinanceStreams:
    """The books of Binance: the stream ``@depth@100ms`` applied to a REST snapshot.

    Args:
        home: Where the streams are.
        channel: Fetches snapshots.
        weight_limit: The request weight allowed in a minute.
    """

    def __init__(self, home: StreamHome, channel: Channel, weight_limit: Callable[[], int]) -> None:
        self.home = home
        self.turns = SnapshotTurns(channel.name, channel.clock)
        self._channel = channel
        self._weight_limit = weight_limit

    def source(self, symbol: str, name: str) -> BinanceBook:
        """The source of one book."""
        base = self._channel.market_base

        def _fetch(levels_a_side: int) -> BookUpdate:
            self.turns.take(SNAPSHOT_WEIGHT, self._weight_limit())
            ask = Ask(
                path=_SNAPSHOT_PATH,
                params=(("symbol", name), ("limit", levels_a_side)),
                weight=SNAPSHOT_WEIGHT,
                market=True,
            )
            snapshot = self._channel.call(ask, partial(read_book_snapshot, asked=levels_a_side))
            if self._channel.market_base != base:
                raise BadReply(
                    "the base URL changed during the snapshot's fetch; the snapshot does not match the stream"
                )
            # It has no time: our estimate of the venue's time is used until the first update.
            return snapshot._replace(time_ms=self._channel.time.now_ms())

        return BinanceBook(
            symbol=symbol,
            venue_symbol=name,
            base=self.home.base(STREAM_BASES),
            options=self.home.options(),
            fetch=_fetch,
        )

    def forget(self) -> None:
        """Resets the count of snapshots."""
        self.turns.forget()


def read_ticker_event(event: Mapping[str, Any], symbol: str) -> Ticker:
    """A ``24hrTicker`` event.

    Raises:
        Malformed: A field is missing or of the wrong type.
    """
    row = mapping(event, "the event")
    names = {"last": "c", "buy": "b", "sell": "a", "open": "o", "high": "h", "low": "l"}
    return ticker_of(dict(row), symbol, integer(row, "E"), number(row, "v"), **names)


class BinanceBook:
    """The ``BookSource`` of one Binance spot book.

    Args:
        symbol: FMZ's symbol.
        venue_symbol: Binance's name for it.
        base: The base of the streams.
        options: Further options of ``Dial``.
        fetch: Fetches a REST snapshot with the given number of levels per side; raises from the error tree.
    """

    def __init__(
        self,
        *,
        symbol: str,
        venue_symbol: str,
        base: str,
        options: Mapping[str, object],
        fetch: Callable[[int], BookUpdate],
    ) -> None:
        self.name = f"Binance {symbol}"
        self.rule: BookRule = RangeRule()
        self.address = f"{base}/ws"
        self.key = venue_symbol
        self.wire: StreamWire = BINANCE_WIRE
        payload = BINANCE_WIRE.subscribe(_SUBSCRIPTION, (venue_symbol,))
        self.options: Mapping[str, object] = {**_WATCH, **options, "payload": payload}
        self._symbol = symbol
        self._venue_symbol = venue_symbol
        self._fetch = fetch

    def read(self, message: Message) -> Iterable[object]:
        """Converts a message to book events.

        Raises:
            BadReply: It cannot be read.
        """
        try:
            row = mapping(json.loads(message), "the message")
            event = mapping(row.get("data"), "the field 'data'") if "stream" in row else row
            kind = event.get("e")
            if kind == "depthUpdate":
                return (read_book_event(event),) if event.get("s") == self._venue_symbol else ()
            if kind == "24hrTicker":
                return (self._ticker(event),) if event.get("s") == self._venue_symbol else ()
        except (ValueError, RecursionError, Malformed) as error:
            raise BadReply(f"{error}: {excerpt(message)}") from None
        return _answer(row)

    def _ticker(self, event: Mapping[str, Any]) -> object:
        try:
            return read_ticker_event(event, self._symbol)
        except Malformed as error:
            return OtherUnread(str(error))

    def snapshot(self) -> BookUpdate:
        """Fetches the book by REST.

        Raises:
            OperationFailed: It could not be fetched or read.
            VenueRejected: The request was refused.
        """
        return self._fetch(SNAPSHOT_LEVELS)

    def renew(self) -> tuple[str, ...]:
        """Does nothing: snapshots come by REST."""
        return ()


def _answer(row: Mapping[str, Any]) -> tuple[object, ...]:
    error = _error_of(row)
    if error is not None:
        return (SourceRefused(excerpt(f"{error.get('code')} {error.get('msg')}")),)
    if row.get("id") is not None and "result" in row and row["result"] is None:
        return (SourceReady(),)
    return ()
