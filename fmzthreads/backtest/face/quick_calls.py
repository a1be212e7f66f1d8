"""The market calls that strategies make at every bar, as functions of one exchange object.

They do what the methods of the same name do in the usual case: no argument, one thread, no rate, no failures on purpose. All other cases they leave to the methods. What
they use they keep in variables of their own, since each attribute of an object costs a look-up, and most in a class with ``__getattr__``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from threading import get_ident
from typing import Any, Protocol

from ...arguments import real_number
from ...errors import InputError
from ...structures import Ticker
from ...structures.growing import GrowingRecords
from ..engine.engine import BacktestEngine
from ..engine.feed import TickFeed
from ..engine.market_table import MarketTable
from ..engine.tick_cursor import TickCursor
from ..failures import NoData
from ..nano import ONE
from ..trading.desk import Desk

__all__ = ["QuickState", "as_float", "joined_text", "quick_call", "quick_order", "quick_records", "quick_ticker"]

_EXACT = 2**53  # whole numbers up to here are floats without rounding


def as_float(name: str, value: Any) -> float:
    """A price or an amount of an order as a float.

    Args:
        name: The argument's name, for the message.
        value: Any number; a float stays what it is, be it NaN.

    Raises:
        InputError: It is not a number.
    """
    if type(value) is float:
        return value
    return float(value) if type(value) is int and -_EXACT < value < _EXACT else real_number(name, value)


def joined_text(args: tuple[Any, ...]) -> str:
    """The extra arguments of a call as the text of its log row."""
    return " ".join(map(str, args)) if args else ""


class _Bars(Protocol):
    def get_at(self, number: int, cap: int) -> GrowingRecords:
        """The bars up to the current tick, which has that number."""


class QuickState:
    """What the quick calls of one exchange object may use.

    Attributes:
        direction: What ``SetDirection`` said last.
        symbol: The symbol of ``cursor``.
        cursor: The current symbol's ticks; None until an order of it was placed by the method.
        records: The current symbol's ticks, and its bars of the default period; None until a method was called that found them, after bars of another
            period were asked for, and where prices are multiplied by a rate.
        ticks: The current symbol's ticks; None as ``records``, and where they are not made from bars without open interest.
        ticker: A ticker of the symbol, of which only what does not change counts.
    """

    __slots__ = ("cursor", "direction", "records", "symbol", "ticker", "ticks")

    def __init__(self) -> None:
        self.direction = "buy"
        self.clear()

    def clear(self) -> None:
        """Leaves the next call to the method."""
        self.symbol = ""
        self.cursor: TickCursor | None = None
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


def quick_order(
    engine: BacktestEngine,
    desk: Desk,
    state: QuickState,
    method: Callable[..., Any],
    write_error: Callable[[str], None],
    side: str,
) -> Callable[..., Any]:
    """``Buy`` or ``Sell`` of an exchange object.

    Args:
        engine: The engine.
        desk: The exchange's orders.
        state: What may be used.
        method: The method.
        write_error: Writes an error row.
        side: What it does; empty where the direction says it.
    """
    lock, time, delay_ms, place, name = engine.lock, engine.time, engine.net_delay_ms, desk.place, method.__name__

    @wraps(method)
    def _order(*args: Any, **named: Any) -> Any:
        cursor = state.cursor
        if named or len(args) < 2 or cursor is None or get_ident() != lock.owner:
            return method(*args, **named)
        was = lock.busy
        try:
            lock.busy = True
            if not lock.shared:
                time.now_ms += delay_ms
                try:
                    price, amount = args[0], args[1]
                    if type(price) is not float and (type(price) is not int or not -_EXACT < price < _EXACT):
                        price = as_float("price", price)
                    if type(amount) is not float and (type(amount) is not int or not -_EXACT < amount < _EXACT):
                        amount = as_float("amount", amount)
                    cursor.check_open()
                    text = joined_text(args[2:]) if len(args) > 2 else ""
                    order_id = place(state.symbol, side or state.direction, price, amount, text)
                except NoData:
                    raise
                except InputError as error:
                    write_error(f"{name}: {error}")
                    return None
                if time.now_ms >= engine.due_ms and order_id is not None:
                    engine.after_call()
                return order_id
        finally:
            lock.busy = was
        return method(*args)

    return _order


def quick_call(
    engine: BacktestEngine,
    work: Callable[..., Any],
    method: Callable[..., Any],
    write_error: Callable[[str], None],
    failed: Any,
) -> Callable[..., Any]:
    """Any call of an exchange object that ``timed`` has made.

    Args:
        engine: The engine.
        work: What the call does, without the time that it takes.
        method: The method.
        write_error: Writes an error row.
        failed: What the call returns when it fails.
    """
    lock, time, delay_ms, name = engine.lock, engine.time, engine.net_delay_ms, method.__name__

    @wraps(method)
    def _call(*args: Any, **named: Any) -> Any:
        if get_ident() != lock.owner:
            return method(*args, **named)
        was = lock.busy
        try:
            lock.busy = True
            if not lock.shared:
                time.now_ms += delay_ms
                try:
                    result = work(*args, **named)
                except NoData:
                    raise
                except InputError as error:
                    write_error(f"{name}: {error}")
                    return failed
                if time.now_ms >= engine.due_ms and result is not None and result is not False:
                    engine.after_call()
                return result
        finally:
            lock.busy = was
        return method(*args, **named)

    return _call
