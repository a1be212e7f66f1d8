"""Market calls of a simulated exchange whose order books and trades are recorded."""

from __future__ import annotations

from typing import Any, cast

from ...arguments import whole_number
from ...structures import Depth, MarketOrder, Ticker, Trade
from ..face.base import timed
from ..face.market_calls import DEPTH, TRADES, MarketCalls
from ..nano import ONE, mul, nano, to_float
from .recorded_feed import RecordedFeed

__all__ = ["RecordedCalls"]


class RecordedCalls(MarketCalls):
    """``GetDepth`` and the like, from what was recorded."""

    def _ticker(self, feed: Any, *, flat: bool = False) -> Any:
        number = feed.number
        tick = feed.tick_at(number)
        buy, sell, last = (to_float(self._rated(price)) for price in (tick.buy, tick.sell, tick.last))
        volume = feed.volume_of(number) / ONE
        if flat:
            return feed.detail.symbol, sell, buy, sell, buy, last, last, volume, float(tick.time_ms), 0.0
        return Ticker({
            "Symbol": feed.detail.symbol,
            "High": sell,
            "Low": buy,
            "Sell": sell,
            "Buy": buy,
            "Last": last,
            "Open": last,
            "Volume": volume,
            "Time": tick.time_ms,
            "OpenInterest": 0.0,
        })  # fmt: skip

    def _rated(self, price: int) -> int:
        return price if self._rate == ONE else mul(price, self._rate)

    @timed()
    def GetDepth(self, symbol: str = "", limit: int | None = None) -> Depth | None:
        """Returns the recorded order book of a symbol.

        Args:
            symbol: Empty for the current one.
            limit: The most levels a side; None for all that were recorded.
        """
        feed = cast("RecordedFeed", self._feed_of(symbol))
        feed.deliver(DEPTH)
        most = None if limit is None else whole_number("limit", limit, least=1)
        asks, bids = (
            [
                MarketOrder({"Price": to_float(self._rated(nano(price))), "Amount": amount})
                for price, amount in feed.levels(feed.number, side)[:most]
            ]
            for side in (0, 1)
        )
        return Depth({"Asks": asks, "Bids": bids, "Time": feed.time_of(feed.number)})

    @timed()
    def GetTrades(self, symbol: str = "") -> list[Trade] | None:
        """Returns the trades of the ticks since the last call, oldest first; at most the newest thousand."""
        feed = cast("RecordedFeed", self._feed_of(symbol))
        feed.deliver(TRADES)
        trades = feed.new_trades()
        if self._rate != ONE:
            for trade in trades:
                trade["Price"] = to_float(self._rated(nano(trade.Price)))
        return trades
