"""What all calls of a simulated exchange have in common: the time that they take, faults on purpose, symbols."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from threading import get_ident
from typing import Any, Concatenate, ParamSpec, TypeVar

from ...errors import InputError, short_repr
from ..engine.engine import BacktestEngine, ExchangeParts
from ..engine.tick_cursor import TickCursor
from ..failures import NoData
from ..nano import ONE
from .faults import FaultDice
from .quick_calls import QuickState, quick_call

__all__ = ["ExchangeBase", "timed"]

P = ParamSpec("P")
T = TypeVar("T")
B = TypeVar("B", bound="ExchangeBase")


class ExchangeBase:
    """Settings and helpers of a simulated exchange.

    Args:
        engine: The engine.
        parts: The exchange's part of it.
    """

    def __init__(self, engine: BacktestEngine, parts: ExchangeParts) -> None:
        settings = parts.settings
        self._engine = engine
        self._time = engine.time
        self._lock = engine.lock
        self._latency = parts.latency
        self._delay_ms = engine.net_delay_ms if parts.latency is None else parts.latency.draw()  # of the next call
        self._table = parts.table
        self._desk = parts.desk
        self._settings = settings
        self._index = settings.index
        self._number = settings.index + 1
        self._futures = settings.is_futures
        self._currency = settings.currency
        self._contract = "swap" if settings.is_futures else ""
        self._contract_set = False
        self._period_ms = engine.settings.period_ms
        self._rate = ONE  # in nano
        self._faults = FaultDice(settings.fault_tolerant, engine.settings.seed, settings.index)
        self._uncertain = self._faults.active or self._latency is not None
        self._symbol = self._current_symbol()
        self._feed: TickCursor | None = None  # of the current symbol, once it was used
        self._quick = QuickState()

    def _quicken(self, *names: str) -> None:
        """Gives the object quick ways of ``timed`` calls, unless they take different times or may fail on purpose."""
        if not self._uncertain:
            for name in names:
                method = getattr(type(self), name)
                work = partial(method.__wrapped__, self)
                setattr(self, name, quick_call(self._engine, work, getattr(self, name), self._error, method.failed))

    def _current_symbol(self) -> str:
        return f"{self._currency}.{self._contract}" if self._contract else self._currency

    def _select(self) -> None:
        """Takes over another pair or contract."""
        self._symbol = self._current_symbol()
        self._feed = None
        self._quick.clear()

    def _symbol_of(self, symbol: Any) -> str:
        """The full symbol that a strategy means.

        Raises:
            InputError: It is not text.
            NoData: It is a pair without a contract, on a futures exchange.
        """
        if not symbol:
            return self._symbol
        if not isinstance(symbol, str):
            raise InputError(f"a symbol must be text such as 'BTC_USDT', got {short_repr(symbol)}")
        if self._futures and "." not in symbol and self._settings.eid != "Futures_CTP":
            raise NoData(f"symbol {symbol} not set contract on {self._settings.eid}")
        return symbol

    def _feed_of(self, symbol: Any) -> TickCursor:
        if not symbol or symbol == self._symbol:
            feed = self._feed
            if feed is None:
                feed = self._feed = self._table.feed(self._symbol)
            return feed
        return self._table.feed(self._symbol_of(symbol))

    def _error(self, text: str) -> None:
        self._engine.rows.error(self._number, text)

    def _fails_or_delays(self, name: str) -> bool:
        """Draws what the next call takes, and whether this one fails on purpose; writes its error row."""
        if self._latency is not None:
            self._delay_ms = self._latency.draw()
        if not self._faults.active or not self._faults.fails(name):
            return False
        self._error("FaultTolerant Test")
        return True


def timed(failed: Any = None) -> Callable[[Callable[Concatenate[B, P], T]], Callable[Concatenate[B, P], T]]:
    """Makes a method a call that takes the network's time, after which snapshots that are over are taken.

    Args:
        failed: What the call returns when it fails. (A call that fails takes no snapshots, as in FMZ's engine.)
    """

    def _decorate(work: Callable[Concatenate[B, P], T]) -> Callable[Concatenate[B, P], T]:
        name = work.__name__

        def _within(self: B, args: Any, kwargs: Any) -> T:
            time = self._time
            time.now_ms += self._delay_ms
            if self._uncertain and self._fails_or_delays(name):
                return failed  # type: ignore[no-any-return]
            try:
                result = work(self, *args, **kwargs)
            except NoData:
                raise
            except InputError as error:
                self._error(f"{name}: {error}")
                return failed  # type: ignore[no-any-return]
            if time.now_ms >= self._engine.due_ms and result is not None and result is not False:
                self._engine.after_call()
            return result

        @wraps(work)
        def _call(self: B, /, *args: P.args, **kwargs: P.kwargs) -> T:
            lock = self._lock
            if get_ident() == lock.owner:
                was = lock.busy
                try:
                    lock.busy = True
                    if not lock.shared:
                        return _within(self, args, kwargs)
                finally:
                    lock.busy = was
            with lock:
                return _within(self, args, kwargs)

        _call.failed = failed  # type: ignore[attr-defined]
        return _call

    return _decorate
