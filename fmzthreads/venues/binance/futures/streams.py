"""The order books of Binance's futures: routed streams, and snapshots of the family's own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from ....errors import BadReply
from ....streams.book.rules import BookUpdate, RangeWithPreviousRule
from ...rest.ask import Ask
from ...rest.channel import Channel
from ...rest.streams.stream_home import SnapshotTurns, StreamHome
from ..streams import BinanceBook, BinanceWire, read_book_snapshot
from .products import FuturesProduct

__all__ = ["STREAM_HOSTS", "FuturesStreams", "private_address"]

STREAM_HOSTS: Mapping[str, str] = {
    "fapi.binance.com": "wss://fstream.binance.com",
    "dapi.binance.com": "wss://dstream.binance.com",
    "demo-fapi.binance.com": "wss://demo-fstream.binance.com",
    "demo-dapi.binance.com": "wss://demo-dstream.binance.com",
}
"""The venue's own REST hosts, and the bases of their streams."""


def _routed(home: StreamHome, product: FuturesProduct, route: str) -> str:
    """The address of a kind of streams: since 2026-04-23 the USD-margined ones lie apart, and are silent elsewhere.

    On one address for all products, such as the simulator's, they lie below ``/fstream`` and ``/dstream``.
    """
    base = home.base(STREAM_HOSTS, "/dstream" if product.coin else "/fstream")
    return f"{base}/ws" if product.coin else f"{base}/{route}/ws"


def private_address(home: StreamHome, product: FuturesProduct, listen_key: str) -> str:
    """The address of the user stream.

    Raises:
        NotSupported: The base URL has no known streams.
    """
    return f"{_routed(home, product, 'private')}/{listen_key}"


class FuturesWire(BinanceWire):
    """Subscriptions to books alone: the tickers of futures have no best bid and ask, and lie at another address."""

    def subscribe(self, number: int, keys: Sequence[str]) -> str:
        """The request to subscribe to books."""
        return _request("SUBSCRIBE", number, keys)

    def unsubscribe(self, number: int, keys: Sequence[str]) -> str:
        """The request to end the subscriptions of books."""
        return _request("UNSUBSCRIBE", number, keys)


def _request(method: str, number: int, names: Sequence[str]) -> str:
    return json.dumps({"method": method, "params": [f"{name.lower()}@depth@100ms" for name in names], "id": number})


FUTURES_WIRE = FuturesWire()


class FuturesBook(BinanceBook):
    """The ``BookSource`` of a contract's book; see ``BinanceBook``."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.name = f"Futures_Binance {given['symbol']}"
        self.rule = RangeWithPreviousRule()
        self.wire = FUTURES_WIRE
        self.options = {**self.options, "payload": FUTURES_WIRE.subscribe(1, (given["venue_symbol"],))}


class FuturesStreams:
    """The books of one family: the stream ``@depth@100ms`` applied to a REST snapshot.

    Args:
        home: Where the streams are.
        channel: Fetches snapshots.
        product: The family.
        weight_limit: The request weight allowed in a minute.
    """

    def __init__(
        self, home: StreamHome, channel: Channel, product: FuturesProduct, weight_limit: Callable[[], int]
    ) -> None:
        self.home = home
        self.turns = SnapshotTurns(channel.name, channel.clock)
        self._channel = channel
        self._product = product
        self._weight_limit = weight_limit

    def source(self, symbol: str, name: str) -> BinanceBook:
        """The source of one book."""
        base = self._channel.market_base
        product = self._product

        def _fetch(levels_a_side: int) -> BookUpdate:
            self.turns.take(product.snapshot_weight, self._weight_limit())
            asked = (("symbol", name), ("limit", levels_a_side))
            ask = Ask(path=product.depth.path, params=asked, weight=product.snapshot_weight, market=True)
            snapshot = self._channel.call(ask, partial(read_book_snapshot, asked=levels_a_side))
            if self._channel.market_base != base:
                raise BadReply(
                    "the base URL changed during the snapshot's fetch; the snapshot does not match the stream"
                )
            return snapshot

        return FuturesBook(
            symbol=symbol,
            venue_symbol=name,
            base=_routed(self.home, product, "public").removesuffix("/ws"),
            options=self.home.options(),
            fetch=_fetch,
        )

    def forget(self) -> None:
        """Resets the count of snapshots."""
        self.turns.forget()
