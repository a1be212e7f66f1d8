"""The market calls that strategies make at every bar, as functions of one exchange object.

They do what the methods of the same name do in the usual case: no argument, one thread, no rate, no failures on purpose. All other cases they leave to the methods. What
they use they keep in variables of their own, since each attribute of an object costs a look-up, and most in a class with ``__getattr__``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from threading import get_ident
from typing import Any, Protocol

from ...structures import Ticker
from ...structures.growing import GrowingRecords
from ..engine.engine import BacktestEngine
from ..engine.feed import TickFeed
from ..engine.market_table import MarketTable
from ..engine.tick_cursor import TickCursor
from ..nano import ONE

__all__ = ["QuickState", "quick_records", "quick_ticker"]


class _Bars(Protocol):
    def get_at(self, number: int, cap: int) -> GrowingRecords:
        """The bars up to the current tick, which has that number."""


class QuickState:
    """What the quick calls of one exchange object may use.

    Attributes:
        records: The current symbol's ticks, and its bars of the default period; None until a method was called that found them, after bars of another
            period were asked for, and where prices are multiplied by a rate.
        ticks: The current symbol's ticks; None as ``records``, and where they are not made from bars without open interest.
        ticker: A ticker of the symbol, of which only what does not change counts.
    """

    __slots__ = ("records", "ticker", "ticks")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Leaves the next call to the method."""
        self.records: tuple[TickCursor, _Bars] | None = None
        self.ticks: TickFeed | None = None
        self.ticker: Ticker | None = None


def quick_records(
    engine: BacktestEngine,
    table: MarketTable,
    state: QuickState,
    method: Callable[..., Any],
    bit: int,
) -> Callable[..., Any]:
    """``GetRecords`` of an exchange object.

    Args:
        engine: The engine.
        table: The exchange's symbols.
        state: What may be used.
        method: The method.
        bit: The flag of the call.
    """
    lock, time, delay_ms = engine.lock, engine.time, engine.net_delay_ms

    @wraps(method)
    def _records(*args: Any) -> Any:
        usual = state.records
        if args or usual is None or get_ident() != lock.owner:
            return method(*args)
        was = lock.busy
        try:
            lock.busy = True
            if not lock.shared and not engine.lists_stored:
                time.now_ms += delay_ms
                feed, bars = usual
                records = bars.get_at(feed.deliver(bit), table.cap)
                if time.now_ms >= engine.due_ms:
                    engine.after_call()
                return records
        finally:
            lock.busy = was
        return method()

    return _records


def quick_ticker(
    engine: BacktestEngine,
    state: QuickState,
    method: Callable[..., Any],
    bit: int,
) -> Callable[..., Any]:
    """``GetTicker`` of an exchange object; the arguments as for ``quick_records``."""
    lock, time, delay_ms = engine.lock, engine.time, engine.net_delay_ms

    @wraps(method)
    def _ticker(symbol: str = "") -> Any:
        feed, known = state.ticks, state.ticker
        if symbol or feed is None or known is None or get_ident() != lock.owner:
            return method(symbol)
        was = lock.busy
        try:
            lock.busy = True
            if not lock.shared:
                time.now_ms += delay_ms
                price, volume, time_ms = feed.quote(feed.deliver(bit))
                spread = feed.spread
                ticker = Ticker(known)  # to copy all fields and write eight of them costs less than to make ten
                ticker["High"] = ticker["Sell"] = (price + spread) / ONE
                ticker["Low"] = ticker["Buy"] = (price - spread) / ONE
                ticker["Last"] = ticker["Open"] = price / ONE
                ticker["Volume"] = volume / ONE
                ticker["Time"] = time_ms
                if time.now_ms >= engine.due_ms:
                    engine.after_call()
                return ticker
        finally:
            lock.busy = was
        return method()

    return _ticker
