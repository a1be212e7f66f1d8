"""The public side of the simulated exchange.

Instruments, books, trades, bars and events.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from decimal import Decimal

from ...clock import Clock
from ...errors import InputError
from .candles import Candle, DayStats, History
from .engine import Engine
from .events import (
    AccountEvent,
    BookEvent,
    ConditionEvent,
    DepthView,
    Event,
    LeverageEvent,
    LiquidationEvent,
    MarginCallEvent,
    OrderEvent,
    PriceEvent,
    TickerEvent,
    TradeEvent,
    TradeView,
)
from .instruments import Instrument

__all__ = ["MarketData"]

_ALL_EVENTS = (
    TradeEvent, BookEvent, TickerEvent, OrderEvent, AccountEvent, PriceEvent, LiquidationEvent, MarginCallEvent, LeverageEvent,
    ConditionEvent,
)  # fmt: skip


class MarketData:
    """The public data of an exchange in memory; thread-safe.

    Args:
        engine: The matching engine.
        clock: Tells the time.

    Attributes:
        clock: As given.
        lock: Guards everything of the exchange: books, accounts, trades, bars, ids and listeners. A request holds it from its checks to its
            last event, so requests are served one after another, as a real matching engine does. Re-entrant, so that a listener may read.
    """

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self._engine = engine

    def server_time_ms(self) -> int:
        """The exchange's time of day, in milliseconds since the epoch."""
        return self.clock.now_ns() // 1_000_000

    def instruments(self) -> tuple[Instrument, ...]:
        """All instruments."""
        return tuple(market.instrument for market in self._engine.markets.values())

    def instrument(self, instrument: str) -> Instrument:
        """One instrument.

        Raises:
            Rejected: UNKNOWN_INSTRUMENT.
        """
        return self._engine.market(instrument).instrument

    def depth(self, instrument: str, limit: int = 100) -> DepthView:
        """A snapshot of the best ``limit`` levels of each side."""
        market = self._engine.market(instrument)
        with self.lock:
            bids, asks = market.book.levels(True, limit), market.book.levels(False, limit)
            version, now = market.book.version, self.server_time_ms()
        price, quantity = market.instrument.price, market.instrument.quantity
        return DepthView(
            version=version,
            time_ms=now,
            bids=tuple((price(ticks), quantity(lots), count) for ticks, lots, count in bids),
            asks=tuple((price(ticks), quantity(lots), count) for ticks, lots, count in asks),
        )

    def trades(
        self,
        instrument: str,
        limit: int = 500,
        from_id: int | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
    ) -> list[TradeView]:
        """Trades, oldest first.

        Args:
            instrument: The instrument's id.
            limit: The maximum number; of the newest ones, or the oldest ones from ``from_id`` or ``start_ms`` if given.
            from_id: The first trade id; None for any.
            start_ms: The earliest time; None for any.
            end_ms: The latest time, inclusive; None for any.
        """
        market = self._engine.market(instrument)
        with self.lock:
            rows = market.trades.find(limit, from_id, start_ms, end_ms)
        return [row.view(market.instrument) for row in rows]

    def bars(
        self,
        instrument: str,
        period_s: int,
        limit: int = 500,
        start_ms: int | None = None,
        end_ms: int | None = None,
        *,
        offset_s: int = 0,
    ) -> list[Candle]:
        """Bars, oldest first; the last may be unfinished.

        Args:
            instrument: The instrument's id.
            period_s: The length of a bar in seconds: 1, or a multiple of 60; 2592000 (30 days) stands for calendar months.
            limit: The maximum number; of the newest ones, or the oldest ones from ``start_ms`` if given.
            start_ms: The earliest opening time; None for any.
            end_ms: The latest opening time, inclusive; None for now.
            offset_s: The offset of bars from UTC: 28800 gives days that begin at midnight in UTC+8.

        Raises:
            InputError: The period is neither 1 nor a multiple of 60.
        """
        market = self._engine.market(instrument)
        now = self.server_time_ms()
        with self.lock:
            found = market.candles.bars(period_s, limit, start_ms, end_ms, offset_s, now)
        return market.candles.views(found, now)

    def average_price(self, instrument: str, minutes: int) -> Decimal | None:
        """The money traded in the last minutes by the amount; None when nothing was traded in them."""
        market = self._engine.market(instrument)
        with self.lock:
            rows = market.candles.bars(60, minutes, None, None, 0, self.server_time_ms())
        lots, value = sum(row.lots for _, _, row in rows), sum(row.value for _, _, row in rows)
        return market.instrument.value(value) / market.instrument.quantity(lots) if lots else None

    def stats_24h(self, instrument: str) -> DayStats:
        """Last price, best prices and statistics of the last 24 hours."""
        market = self._engine.market(instrument)
        with self.lock:
            return market.candles.day(market.book, market.trades, self.server_time_ms())

    def set_history(self, instrument: str, history: History) -> None:
        """Sets the history of an instrument.

        Bars and trade numbers from before the exchange opened.
        """
        market = self._engine.market(instrument)
        with self.lock:
            market.candles.history = history
            market.trades.go_on_from(history.trades)

    # --- events ---

    def subscribe(self, callback: Callable[[Event], None], kinds: Iterable[type] = _ALL_EVENTS) -> Callable[[], None]:
        """Subscribes a callback to events.

        It is called until the returned function is called.

        Args:
            callback: Called with the exchange's lock held, in the order of events; it must hand the event over and return.
            kinds: Event classes; events without a listener are never created.

        Returns:
            A function that ends the subscription; calling it again has no effect.
        """
        kinds = tuple(kinds)
        unknown = [kind for kind in kinds if kind not in _ALL_EVENTS]
        if unknown:
            raise InputError(
                f"unknown event {unknown[0]!r}; expected one of {', '.join(kind.__name__ for kind in _ALL_EVENTS)}"
            )
        with self.lock:
            self._engine.events.add(callback, kinds)
            self._engine.watch_books()

        def _unsubscribe() -> None:
            with self.lock:
                self._engine.events.remove(callback)
                self._engine.watch_books()

        return _unsubscribe
