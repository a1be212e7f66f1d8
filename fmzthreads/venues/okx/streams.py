"""OKX's order book channel, after its v5 API reference ("Order book channel", "Tickers channel")."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...errors import BadReply, excerpt, short_repr
from ...streams.book.rules import BookRule, BookUpdate, PreviousIdRule
from ...streams.book.source import OtherUnread, SourceReady, SourceRefused
from ...streams.buffer.buffer import Message
from ...streams.sharing.connect_turns import OKX_LIMITS
from ...streams.sharing.wire import StreamWire, WireAnswer
from ..rest.parsing import Malformed, integer, mapping, rows, to_integer
from ..rest.streams.stream_home import StreamHome
from .protocol import OKXProtocol
from .replies import read_ticker

__all__ = ["DEMO_STREAM_BASES", "OKX_WIRE", "STREAM_BASES", "OKXBook", "OKXStreams", "OKXWire", "read_book_push"]

STREAM_BASES: Mapping[str, str] = {
    "openapi.okx.com": "wss://ws.okx.com",
    "www.okx.com": "wss://ws.okx.com",
    "us.okx.com": "wss://wsus.okx.com",
    "app.okx.com": "wss://wsus.okx.com",
    "eea.okx.com": "wss://wseea.okx.com",
    "my.okx.com": "wss://wseea.okx.com",
}
"""The venue's own REST hosts, and the bases of their streams (port 443: 8443 was closed on 2026-10-31)."""

DEMO_STREAM_BASES: Mapping[str, str] = {
    host: base.replace(".okx.com", "pap.okx.com") for host, base in STREAM_BASES.items()
}
"""The same for demo trading."""

_CHANNEL = "books"

# A book without changes is confirmed about once a minute, so that longer silence of it (even with tickers arriving) is a fault; the text
# ping prevents the venue from closing the connection.
_WATCH: Mapping[str, object] = {"on_ping": "okx", "silence_ms": 75_000, "silence_data": f'"channel" ?: ?"{_CHANNEL}"'}

_INSTRUMENT = re.compile(r'"instId"\s*:\s*"([^"\\]+)"')
_REFUSED_INSTRUMENT = re.compile(r"instId:([A-Za-z0-9_-]+)")


class OKXWire:
    """Subscriptions on a connection that several books share."""

    limits = OKX_LIMITS
    most_books = 100
    most_at_once = 50  # about 10 KB of the 64 KB that a request may have
    restarts = True

    def key_of(self, message: Message) -> str | None:
        """The instrument of a push or of an answer; an event ``error`` names it in its text only."""
        if isinstance(message, bytes):
            return None
        found = _INSTRUMENT.search(message)
        return found[1] if found is not None else None

    def answer(self, message: Message) -> WireAnswer | None:
        """The event ``error``; OKX confirms each book of a request by an event of its own."""
        try:
            row = json.loads(message)
        except (ValueError, RecursionError):
            return None
        if not isinstance(row, dict) or row.get("event") != "error":
            return None
        number, said = row.get("id"), _REFUSED_INSTRUMENT.search(str(row.get("msg")))
        ours = isinstance(number, str) and re.fullmatch(r"[0-9]{1,9}", number)
        return WireAnswer(number=int(ours[0]) if ours else None, refused=True, key=said[1] if said else None)

    def subscribe(self, number: int, keys: Sequence[str]) -> str:
        """The request to subscribe to books."""
        return _request("subscribe", number, keys)

    def unsubscribe(self, number: int, keys: Sequence[str]) -> str:
        """The request to end the subscriptions of books."""
        return _request("unsubscribe", number, keys)


OKX_WIRE = OKXWire()


def _request(op: str, number: int, instruments: Sequence[str]) -> str:
    args = [{"channel": channel, "instId": name} for name in instruments for channel in (_CHANNEL, "tickers")]
    return json.dumps({"id": str(number), "op": op, "args": args})


def read_book_push(action: object, payload: Any) -> BookUpdate:
    """One item of the ``data`` of a ``books`` push.

    Args:
        action: The push's ``action``: ``snapshot`` or ``update``.
        payload: The item. Recordings from before sequence ids were introduced have only a checksum.

    Raises:
        Malformed: A field is missing or of the wrong type.
    """
    if not isinstance(action, str) or action not in {"snapshot", "update"}:
        raise Malformed(f"the field 'action' is neither snapshot nor update but {short_repr(action)}")
    row = mapping(payload, "the field 'data'")
    sequenced = "seqId" in row
    return BookUpdate(
        snapshot=action == "snapshot",
        bids=rows(row.get("bids"), "the field 'bids'"),
        asks=rows(row.get("asks"), "the field 'asks'"),
        last=integer(row, "seqId") if sequenced else None,
        previous=integer(row, "prevSeqId") if sequenced else None,
        checksum=to_integer(row["checksum"], "the field 'checksum'") if row.get("checksum") is not None else None,
        time_ms=integer(row, "ts"),
    )


class OKXStreams:
    """The books of OKX: the channel ``books``, 400 levels a side.

    Args:
        home: Where the streams are.
        protocol: Tells whether calls go to demo trading, which has its own streams.
    """

    def __init__(self, home: StreamHome, protocol: OKXProtocol) -> None:
        self.home = home
        self._protocol = protocol

    def base(self) -> str:
        """The base of the streams, of demo trading if calls go there.

        Raises:
            NotSupported: The REST base has no known streams.
        """
        return self.home.base(DEMO_STREAM_BASES if self._protocol.simulated else STREAM_BASES)

    def source(self, symbol: str, name: str) -> OKXBook:
        """The source of one book."""
        return OKXBook(symbol=symbol, venue_symbol=name, base=self.base(), options=self.home.options())

    def forget(self) -> None:
        """Does nothing: snapshots come with the stream and are not counted."""


class OKXBook:
    """The ``BookSource`` of one OKX book.

    Args:
        symbol: FMZ's symbol.
        venue_symbol: OKX's name for it.
        base: The base of the streams.
        options: Further options of ``Dial``.
    """

    def __init__(self, *, symbol: str, venue_symbol: str, base: str, options: Mapping[str, object]) -> None:
        self.name = f"OKX {symbol}"
        self.rule: BookRule = PreviousIdRule()
        self.address = f"{base}/ws/v5/public"
        self.key = venue_symbol
        self.wire: StreamWire = OKX_WIRE
        self._book = {"channel": _CHANNEL, "instId": venue_symbol}
        ticker = {"channel": "tickers", "instId": venue_symbol}
        subscribe = {"op": "subscribe", "args": [self._book, ticker]}
        self.options: Mapping[str, object] = {**_WATCH, **options, "payload": json.dumps(subscribe)}
        self._symbol = symbol
        self._venue_symbol = venue_symbol

    def read(self, message: Message) -> Iterable[object]:
        """Converts a message to book events.

        Raises:
            BadReply: It cannot be read.
        """
        try:
            row = mapping(json.loads(message), "the message")
            if "event" in row:
                return self._answer(row)
            arg = mapping(row.get("arg"), "the field 'arg'")
            if arg.get("instId") != self._venue_symbol:
                return ()
            data = rows(row.get("data"), "the field 'data'")
            if arg.get("channel") == _CHANNEL:
                return [read_book_push(row.get("action"), item) for item in data]
            return [self._ticker(item) for item in data] if arg.get("channel") == "tickers" else ()
        except (ValueError, RecursionError, Malformed) as error:
            raise BadReply(f"{error}: {excerpt(message)}") from None

    def _ticker(self, item: Any) -> object:
        try:
            return read_ticker(item, self._symbol)
        except Malformed as error:
            return OtherUnread(str(error))

    def _answer(self, row: Mapping[str, Any]) -> tuple[object, ...]:
        if row["event"] == "error":
            return (SourceRefused(excerpt(f"{row.get('code')} {row.get('msg')}")),)
        arg = row.get("arg")
        if row["event"] == "subscribe" and isinstance(arg, dict) and arg.get("channel") == _CHANNEL:
            return (SourceReady(),)
        return ()

    def snapshot(self) -> None:
        """Fetches nothing: the stream begins with a snapshot."""

    def renew(self) -> tuple[str, ...]:
        """Unsubscribes and subscribes again, so that the stream restarts with a snapshot."""
        return tuple(json.dumps({"op": op, "args": [self._book]}) for op in ("unsubscribe", "subscribe"))
