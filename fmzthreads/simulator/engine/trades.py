"""The newest public trades of one instrument, numbered without gaps."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from .events import TradeView
from .instruments import Instrument

__all__ = ["OUTSIDE_FROM", "TradeLog", "TradeRow"]

OUTSIDE_FROM = 10**12
"""The number that trades outside the book are counted from."""


class TradeRow:
    """One trade, in integers."""

    __slots__ = ("buy_order_id", "buyer_is_maker", "lots", "sell_order_id", "ticks", "time_ms", "trade_id")

    def __init__(
        self,
        trade_id: int,
        ticks: int,
        lots: int,
        buyer_is_maker: bool,
        time_ms: int,
        buy_order_id: int,
        sell_order_id: int,
    ) -> None:
        self.trade_id = trade_id
        self.ticks = ticks
        self.lots = lots
        self.buyer_is_maker = buyer_is_maker
        self.time_ms = time_ms
        self.buy_order_id = buy_order_id
        self.sell_order_id = sell_order_id

    def view(self, instrument: Instrument) -> TradeView:
        """It, in decimals."""
        return TradeView(
            trade_id=self.trade_id,
            price=instrument.price(self.ticks),
            quantity=instrument.quantity(self.lots),
            quote_quantity=instrument.quote_of(self.ticks * self.lots, self.lots),
            base_quantity=instrument.base_of(self.ticks, self.lots),
            buyer_is_maker=self.buyer_is_maker,
            time_ms=self.time_ms,
            buy_order_id=self.buy_order_id,
            sell_order_id=self.sell_order_id,
        )


class TradeLog:
    """The trades of one instrument. The exchange's lock guards it.

    Args:
        keep: The minimum number to keep; up to twice as many are stored, so that deletion is cheap on average.
    """

    def __init__(self, keep: int) -> None:
        self._keep = max(1, keep)
        self._rows: list[TradeRow] = []
        self._next_id = 1
        self._outside = 0
        self.last_ticks = 0
        """The last price in ticks; 0 before the first trade."""

    @property
    def last_id(self) -> int:
        """The id of the newest trade, including those before the exchange opened.

        0 before the first.
        """
        return self._next_id - 1

    def go_on_from(self, trade_id: int) -> None:
        """Sets the id that the first trade follows.

        Without effect once there are trades.
        """
        if not self._rows:
            self._next_id = trade_id + 1

    @property
    def last(self) -> TradeRow | None:
        """The newest trade; None before the first."""
        return self._rows[-1] if self._rows else None

    def add(
        self, ticks: int, lots: int, buyer_is_maker: bool, time_ms: int, buy_order_id: int, sell_order_id: int
    ) -> TradeRow:
        """Adds a trade with the next number."""
        row = TradeRow(self._next_id, ticks, lots, buyer_is_maker, time_ms, buy_order_id, sell_order_id)
        self._next_id += 1
        self._rows.append(row)
        self.last_ticks = ticks
        if len(self._rows) > 2 * self._keep:
            del self._rows[: self._keep]
        return row

    def outside(self, ticks: int, lots: int, time_ms: int, buy_order_id: int, sell_order_id: int) -> TradeRow:
        """A trade that the exchange made outside the book: it gets a number of its own, and is neither kept nor published."""
        self._outside += 1
        return TradeRow(OUTSIDE_FROM + self._outside, ticks, lots, False, time_ms, buy_order_id, sell_order_id)

    def find(self, limit: int, from_id: int | None, start_ms: int | None, end_ms: int | None) -> list[TradeRow]:
        """Trades by number and time, oldest first (see ``SimulatedExchange.trades``)."""
        rows = self._rows
        if not rows or limit <= 0:
            return []
        low, high = 0, len(rows)
        if from_id is not None:
            low = max(low, from_id - rows[0].trade_id)
        if start_ms is not None:
            low = max(low, bisect_left(rows, start_ms, key=lambda row: row.time_ms))
        if end_ms is not None:
            high = bisect_right(rows, end_ms, key=lambda row: row.time_ms)
        if from_id is None and start_ms is None:
            low = max(low, high - limit)
        return rows[low : min(high, low + limit)]
