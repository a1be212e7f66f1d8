"""A backtest's engine: one clock, the exchanges' symbols and desks, and the snapshots of their accounts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import get_ident
from typing import Any, NamedTuple

from ...errors import FmzError
from ..config.settings import BacktestSettings, ExchangeSettings
from ..data.bars import BarSource
from ..recorded.recorded_orders import RecordedOrders
from ..result.spilled_rows import SpilledRows
from ..trading.desk import Desk
from ..trading.market import MarketView, RowWriter
from .latency import LatencyDice
from .market_table import MarketTable
from .owner_lock import OwnerLock
from .snapshots import SnapshotStamps
from .virtual_time import NEVER, Timers, VirtualTime

__all__ = ["BacktestEngine", "ExchangeParts"]


_SNAPSHOTS_IN_MEMORY = 5_000


class ExchangeParts(NamedTuple):
    """One exchange of an engine.

    Attributes:
        settings: Its settings.
        table: Its symbols.
        desk: Its orders and account.
        latency: Draws what each call takes; None when it is the engine's ``net_delay_ms``.
    """

    settings: ExchangeSettings
    table: MarketTable
    desk: Desk
    latency: LatencyDice | None = None


class BacktestEngine:
    """Runs the exchanges of a backtest. It works in the thread that calls it.

    Args:
        settings: The backtest.
        source: Where bars come from.
        rows: Takes the rows of orders and errors.

    Attributes:
        settings: The backtest.
        time: The clock.
        net_delay_ms: What each exchange call takes.
        due_ms: From when on ``after_call`` has something to do.
        parts: The exchanges.
        rows: Takes the rows of orders and errors.
        source: Where bars come from.
        together_ms: When the last call of ``Go`` ended without a wait after it; -1 if none exists.
        lock: Guards the engine; every call takes it, since a strategy may have threads.
        timers: What is to be called at some times.
        lists_stored: Whether the lists of ``GetRecords`` are filled at once, for modules that read a list's memory without asking.
        snapshots: The snapshots so far: ``[time, [one dict for each exchange]]``; of more than 6,000, the older ones are on disk.
    """

    def __init__(self, settings: BacktestSettings, source: BarSource, rows: RowWriter) -> None:
        self.settings = settings
        self.source = source
        self.rows = rows
        self.lock = OwnerLock()
        self.time = VirtualTime(settings.start_ms, settings.end_ms)
        self.net_delay_ms = settings.net_delay_ms
        self.parts = [self._parts(exchange) for exchange in settings.exchanges]
        self.snapshots = SpilledRows(_SNAPSHOTS_IN_MEMORY, _SNAPSHOTS_IN_MEMORY // 5)
        self._stamps = SnapshotStamps(self.time, settings.snapshot_ms, self._take)
        self.due_ms = settings.start_ms
        self.together_ms = -1
        self.lists_stored = False
        self.timers = Timers()

    def _parts(self, exchange: ExchangeSettings) -> ExchangeParts:
        settings = self.settings
        dice = None
        if exchange.latency is not None:
            dice = LatencyDice(exchange.latency, settings.seed, exchange.index)
        table = MarketTable(settings, exchange, self.source, self.time)
        desk = Desk(
            exchange,
            table.feed,
            self.rows,
            self._now,
            delay=partial(self._delay, dice) if dice is not None else self._delay,
            series_of=table.series,
            side_market=table.side_feed,
            compat_fmz=settings.compat_fmz,
            recorded_orders=RecordedOrders if settings.real_ticks else None,
        )
        return ExchangeParts(exchange, table, desk, dice)

    @property
    def now_ms(self) -> int:
        """The virtual time, in milliseconds since the epoch."""
        return self.time.now_ms

    def _now(self) -> int:
        return self.time.now_ms

    def _delay(self, dice: LatencyDice | None = None) -> None:
        self.time.now_ms += self.net_delay_ms if dice is None else dice.draw()

    def after_call(self) -> None:
        """Ends a call at or after ``due_ms``: takes the snapshots that are over, and calls what is due.

        Raises:
            EOFError: The call ended after the end of the backtest.
        """
        if self.time.now_ms > self.time.end_ms:
            raise self.time.end()
        self._stamps.pass_until(self.time.now_ms)
        while (work := self.timers.take(self.time.now_ms)) is not None:
            work()
        self._plan()

    def _plan(self) -> None:
        self.due_ms = min(self._stamps.next_ms, self.timers.next_ms, self.time.end_ms + 1)

    def call_later(self, ms: float, work: Callable[[], None]) -> None:
        """Has a function called when so much virtual time has passed, in the thread that lets it pass.

        Args:
            ms: Milliseconds; 0 or less for the next moment at which time passes.
            work: What it raises comes out of the call or the sleep that lets the time pass.
        """
        with self.lock:
            self.timers.add(self.time.now_ms + max(0, int(ms)), work)
            self._plan()

    def wait(self, done: Callable[[], bool], ms: float | None = None) -> bool:
        """Lets virtual time pass until something is true, which is looked at whenever a timer was called.

        Args:
            done: Says whether it is.
            ms: The longest; None for as long as there are timers.

        Returns:
            Whether it is true.

        Raises:
            EOFError: The end of the backtest would be passed.
        """
        until = NEVER if ms is None else self.time.now_ms + max(0, int(ms))
        while not done() and self.timers.next_ms <= until:
            self.sleep(max(1, self.timers.next_ms - self.time.now_ms))
        if ms is not None and not done():
            self.sleep(until - self.time.now_ms)
        return done()

    def sleep(self, ms: float) -> None:
        """Lets virtual time pass; 0 or less does nothing.

        Args:
            ms: Milliseconds; a fraction is cut off.

        Raises:
            EOFError: The end of the backtest would be passed; the clock is then at the end.
        """
        length = ms if type(ms) is int else int(ms)  # the call alone takes a tenth of a sleep
        if length <= 0:
            return
        lock = self.lock
        if get_ident() == lock.owner:
            was = lock.busy
            try:
                lock.busy = True
                if not lock.shared:
                    time = self.time
                    target = time.now_ms + length
                    if target < self.due_ms:
                        time.now_ms = target
                    else:
                        self._sleep_until(target)
                    return
            finally:
                lock.busy = was
        with lock:
            self._sleep_until(self.time.now_ms + length)

    def _sleep_until(self, target: int) -> None:
        time, timers = self.time, self.timers
        while timers.next_ms <= min(target, time.end_ms):
            self._pass(max(timers.next_ms, time.now_ms))
            work = timers.take(time.now_ms)
            if work is not None:
                work()
            self._plan()
        if target > time.end_ms:
            time.now_ms = time.end_ms
            raise time.end()
        if time.now_ms <= target:  # else a timer's function took longer
            self._pass(target)

    def _pass(self, target: int) -> None:
        time = self.time
        if target >= self.due_ms:
            self._stamps.pass_until(target)
            self._plan()
            if time.now_ms > target:
                # An order that a condition order placed at a stamp took time, which a sleep swallows.
                self._rewind()
        time.now_ms = target

    def _rewind(self) -> None:
        for part in self.parts:
            part.table.rewind()

    def finish(self) -> None:
        """Ends the backtest: settles up to the end, with the last snapshots. The clock is at the end afterwards."""
        with self.lock:
            self._stamps.finish()
            self._plan()

    def _take(self, stamp_ms: int) -> None:
        shown = []
        for part in self.parts:
            views: list[MarketView] = list(part.table.started())
            shown.append(part.desk.snapshot(views))
        self.snapshots.append([stamp_ms, shown])

    def final_state(self, *, interrupted: bool = False) -> list[dict[str, Any]]:
        """Account, assets, positions and orders of each exchange as they stand; no time passes.

        Args:
            interrupted: Whether the run was interrupted or failed: an exchange without bars then has the account None, and nothing else.

        Raises:
            NoData: An exchange has no bars, and the run was neither interrupted nor failed.
        """
        with self.lock:
            return [_partial_state_of(part) if interrupted else _state_of(part) for part in self.parts]


def _partial_state_of(part: ExchangeParts) -> dict[str, Any]:
    try:
        return _state_of(part)
    except FmzError:  # there are none, or the answer of a server cannot be used
        lists = ("assets", "positions", "openOrders", "historyOrders", "conditionOrders", "historyConditionOrders")
        known = {"name": part.settings.eid, "currency": part.settings.currency, "account": None}
        return {**known, **{name: [] for name in lists}}


def _state_of(part: ExchangeParts) -> dict[str, Any]:
    desk, settings = part.desk, part.settings
    symbol = f"{settings.currency}.swap" if settings.is_futures else settings.currency
    if part.table.feeds and symbol not in part.table.feeds:
        symbol = next(iter(part.table.feeds))
    orders, conditions = desk.all_ended()
    return {
        "name": settings.eid,
        "currency": settings.currency,
        "account": desk.account(symbol),
        "assets": desk.assets(symbol),
        "positions": desk.positions(),
        "openOrders": desk.orders(),
        "historyOrders": orders,
        "conditionOrders": desk.condition_orders(),
        "historyConditionOrders": conditions,
    }
