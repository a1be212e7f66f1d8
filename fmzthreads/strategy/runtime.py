"""The runtime: everything that belongs to one running strategy, and the one place that says which one is current.

FMZ's globals (``Log``, ``Sleep``, ``_G``, ...) speak to the current runtime. A plain script gets one by itself at their first use: real
time, lines on stdout, its values in a file of its own. ``use`` puts another in its place for the whole process (what the loader does);
``bound`` does so for one thread or context only (what a backtester does that runs several at once).
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..clock import Clock, Stop, WallClock
from ..deadline import Deadline
from ..errors import InputError, OperationFailed, short_repr
from ..fork import after_fork_in_child
from ..home import data_folder
from ..tasks.events import EventQueue, Selectable
from ..tasks.handle import Handle
from .commands import CommandQueue
from .paths import database_path, script_name

# What a run over real time is made of is imported where it is made: a backtest and a script's start take FMZ's globals from here, and need
# nothing of it. ``Exchange`` imports what an exchange object uses, so no order waits for an import.
if TYPE_CHECKING:
    from ..exchange.guards.kill_switch import KillSwitch
    from ..exchange.holdings import SeenHoldings
    from ..exchange.order_log import OrderFile
    from ..http.query import HttpQuerier
    from ..streams.sqlite import SqliteConnection
    from ..tasks.pool import CallPool
    from .channels import BotChannels
    from .charts import StrategyCharts
    from .log.journal import Journal
    from .store import Store

__all__ = ["Runtime", "bound", "current", "use"]


class Runtime:
    """What belongs to one running strategy.

    Args:
        clock: Tells the time and waits; its stop is the strategy's. Real time when None.
        journal: Where lines go; when None, one that prints them on stdout (see ``console``) and stores them (see ``database``).
        store: What ``_G`` keeps; when None, one in ``database``, or in the strategy's own file (see ``place.database_path``), which is
            made when ``_G`` first writes.
        name: The strategy's name; the script's when None.
        database: A SQLite file for the lines, the profit curve and the values of ``_G``; None stores no lines.
        virtual: Whether this is a simulation; what ``IsVirtual`` says.
        run_id: What ``_G()`` answers.
        console: Whether the journal that is made here prints on stdout.
        language: ``zh`` or ``en``, for ``[trans]zh|en[/trans]`` on stdout.
        meta: What ``GetMeta`` answers; empty for None.

    Raises:
        InputError: ``language`` is neither.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        journal: Journal | None = None,
        store: Store | None = None,
        *,
        name: str | None = None,
        database: str | os.PathLike[str] | None = None,
        virtual: bool = False,
        run_id: int = 1,
        console: bool = True,
        language: str = "en",
        meta: str = "",
    ) -> None:
        if language not in {"en", "zh"}:
            raise InputError(f"language is {short_repr(language)}, expected 'en' or 'zh'")
        self.clock: Clock = clock if clock is not None else WallClock()
        self.name = name if name is not None else script_name()
        self.virtual = virtual
        self.run_id = run_id
        self.meta = meta
        self.hub = EventQueue(self.clock)
        """What ``EventLoop`` waits on."""
        self.retry_pause_ms = 3000.0
        """How long ``_C`` waits between two attempts, in milliseconds."""
        self.journal = journal if journal is not None else self._own_journal(database, console, language)
        self.order_line = self.journal.order
        """Writes an order line, unless ``EnableLog(False)`` hides them; see ``Journal.order``."""
        self.holdings: SeenHoldings | None = None
        """Keeps what account calls return; a run that has a folder of its own puts one here, before its exchange objects are made."""
        self._database = database
        # Guards the fields below. Re-entrant, because a report that is garbage-collected under it writes its error lines.
        self._lock = threading.RLock()
        self._store = store
        self._order_log: OrderFile | None = None
        self._kill_switch: KillSwitch | None = None
        self._pool: CallPool | None = None
        self._querier: HttpQuerier | None = None
        self._charts: StrategyCharts | None = None
        self._channels: BotChannels | None = None
        self._sql: dict[bool, SqliteConnection] = {}
        self._exchanges: list[weakref.ref[Any]] = []
        self._last_error: str | None = None
        self._commands = CommandQueue()
        self.hub.add_source(self._commands, "Command")
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: a new lock; what it guards resets itself."""
        self._lock = threading.RLock()

    def _own_journal(self, database: str | os.PathLike[str] | None, console: bool, language: str) -> Journal:
        from .log.journal import Journal

        journal = Journal(self.clock)
        if console:
            from .log.console import ConsoleSink

            journal.add_sink(ConsoleSink(self.clock, language=language))
        if database is not None:
            from .log.log_database import DatabaseSink
            from .log.spill import Spill

            journal.add_sink(DatabaseSink(database), Spill(database))
        return journal

    def __repr__(self) -> str:
        """The name and the state."""
        return f"<Runtime {self.name}{': stopping' if self.stop.is_set() else ''}>"

    @property
    def stop(self) -> Stop:
        """The strategy's stop: ``runtime.stop.request()`` from any thread ends every wait of the strategy with StopRequested."""
        return self.clock.stop

    @property
    def store(self) -> Store:
        """What ``_G`` keeps.

        Raises:
            OperationFailed: There is no folder to keep it in (no home, and ``FMZTHREADS_HOME`` is not set).
        """
        if self._store is not None:  # read without the lock: a reference is replaced as a whole
            return self._store
        from .store import Store

        with self._lock:
            if self._store is None:
                self._store = Store(self._database if self._database is not None else database_path(self.name))
            return self._store

    @property
    def order_log(self) -> OrderFile | None:
        """The file of the strategy's orders, beside its database; None in a simulation. Made when the first order is stored.

        Raises:
            OperationFailed: There is no folder to keep it in (no home, and ``FMZTHREADS_HOME`` is not set).
        """
        if self.virtual:
            return None
        if self._order_log is not None:
            return self._order_log
        from ..exchange.order_log import OrderFile

        with self._lock:
            if self._order_log is None:
                beside = Path(self._database) if self._database is not None else database_path(self.name)
                path = beside.with_name("orders.sqlite3")
                self._order_log = OrderFile(path, self.name, self.clock, warn=self.warning)
            return self._order_log

    @property
    def kill_switch(self) -> KillSwitch:
        """What holds back the strategy's new orders: a file beside its database, in memory for a simulation. Made at the first use."""
        if self._kill_switch is not None:  # read without the lock: a reference is replaced as a whole
            return self._kill_switch
        from ..exchange.guards.kill_switch import FILE_NAME, KillSwitch

        with self._lock:
            if self._kill_switch is None:
                own = everywhere = None
                if not self.virtual:
                    try:
                        beside = Path(self._database) if self._database is not None else database_path(self.name)
                        own, everywhere = beside.with_name(FILE_NAME), data_folder() / FILE_NAME
                    except OperationFailed:
                        pass  # no home: nothing outlives the process, and there is no order log either
                self._kill_switch = KillSwitch(self.clock, own, everywhere, warn=self.warning)
            return self._kill_switch

    @property
    def pool(self) -> CallPool:
        """The workers of background calls that belong to no exchange (``Mail_Go``, ``HttpQuery_Go``); made at the first use."""
        if self._pool is not None:  # read without the lock: a reference is replaced as a whole
            return self._pool
        from ..tasks.pool import CallPool

        with self._lock:
            if self._pool is None:
                self._pool = CallPool(f"{self.name}-background", clock=self.clock)
            return self._pool

    @property
    def querier(self) -> HttpQuerier:
        """What ``HttpQuery`` asks through; made at the first use."""
        if self._querier is not None:  # read without the lock: a reference is replaced as a whole
            return self._querier
        from ..http.query import HttpQuerier

        with self._lock:
            if self._querier is None:
                self._querier = HttpQuerier(self)
            return self._querier

    @property
    def channels(self) -> BotChannels:
        """What the strategies of this machine show each other; made at the first use.

        Raises:
            OperationFailed: There is no folder to keep it in.
        """
        if self._channels is not None:  # read without the lock: a reference is replaced as a whole
            return self._channels
        from .channels import BotChannels

        with self._lock:
            if self._channels is None:
                self._channels = BotChannels(data_folder() / "channels.sqlite3")
            return self._channels

    @property
    def charts(self) -> StrategyCharts:
        """The strategy's charts; made at the first use, with the points of an earlier run in the same file.

        Raises:
            OperationFailed: The file cannot be read.
        """
        if self._charts is not None:  # read without the lock: a reference is replaced as a whole
            return self._charts
        from .charts import StrategyCharts

        with self._lock:
            if self._charts is None:
                self._charts = StrategyCharts(
                    self.journal.put_chart,
                    lambda: self.journal.flush(2.0),
                    lambda: self.clock.now_ns() // 1_000_000,
                    self._database,
                )
            return self._charts

    def sql(self, *, in_memory: bool) -> SqliteConnection:
        """The connection of ``DBExec``; made at the first use.

        Args:
            in_memory: The one to a database in memory, whose rows end with the run; otherwise to the strategy's own file.

        Raises:
            OperationFailed: The file cannot be opened.
        """
        from ..streams.sqlite import SqliteConnection

        if not in_memory:
            self.journal.flush(1.0)  # the lines written before are in the tables
        with self._lock:
            if in_memory not in self._sql:
                path = Path(self._database if self._database is not None else database_path(self.name))
                if not in_memory:
                    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._sql[in_memory] = SqliteConnection(":memory:" if in_memory else str(path), self)
            return self._sql[in_memory]

    @property
    def exchanges(self) -> list[Any]:
        """The exchange objects that were made for this strategy and are still in use, in that order."""
        with self._lock:
            known = list(self._exchanges)
        return [exchange for ref in known if (exchange := ref()) is not None]

    def add_exchange(self, exchange: Any) -> int:
        """Makes an exchange object known; it is held weakly.

        Returns:
            Its index: how many were made known before it.
        """
        with self._lock:
            self._exchanges.append(weakref.ref(exchange))
            return len(self._exchanges) - 1

    def announce(self, handle: Handle[Any], event: str, index: int = 0) -> None:
        """Has the end of a background call wake ``EventLoop``, if the strategy listens by then."""

        def _post() -> None:
            self.hub.post(event, index=index, handle=handle)

        handle.add_ready_callback(_post)

    def watch(self, source: Selectable, event: str, index: int = 0) -> None:
        """Makes each change of a source (a live book's feed) an event of ``EventLoop``; the source is held weakly."""
        self.hub.add_source(source, event, index=index)

    # What lower rooms ask of their host

    def error(self, text: str, *, source: str = "") -> None:
        """Takes an error of any thread: it becomes the last error, and a line unless a filter hides it.

        Args:
            text: What went wrong.
            source: Where it came from: an exchange's label, or a function's name.
        """
        text, source = self.journal.secrets.cut(text), self.journal.secrets.cut(source)
        with self._lock:
            self._last_error = f"{source}: {text}" if source else text
        self.journal.error(text, source=source)

    def warning(self, text: str, *, source: str = "") -> None:
        """Takes a warning: a line, and no error.

        Args:
            text: What to look out for.
            source: Where it came from.
        """
        self.journal.log(f"warning: {source}: {text}" if source else f"warning: {text}")

    def register_secret(self, secret: str) -> bool:
        """Has a key or password cut out of every line and error from now on; False when it is too short for that (under 4)."""
        return self.journal.secrets.add(secret)

    # What the globals ask

    def take_last_error(self) -> str | None:
        """The text of the last error, once: reading it clears it. None when there was none since.

        It belongs to the strategy, not to a thread: the error of a background call is seen by the script that waits for it.
        Of several threads that ask at once exactly one gets it.
        """
        with self._lock:
            text, self._last_error = self._last_error, None
        return text

    def send_command(self, text: str) -> bool:
        """Queues a command for the strategy, such as ``"name"`` or ``"name:value"``, from any thread; it wakes ``EventLoop`` (event ``Command``).

        Returns:
            False when it was refused, because a thousand are waiting.
        """
        return self._commands.send(text)

    def take_command(self) -> str | None:
        """Returns the oldest queued command; None if no command waits."""
        return self._commands.take()

    def drain(self, timeout_s: float) -> bool:
        """Cancels the background calls that have not started, and waits for the others and for orders that are being sent.

        Args:
            timeout_s: The longest to wait for all together, in seconds of real time.

        Returns:
            Whether all have ended.
        """
        with self._lock:
            pools = [pool for pool in (self._pool,) if pool is not None]
        exchanges = self.exchanges
        for exchange in exchanges:
            exchange.drain(0.0)  # cancels what waits, in all of them, before waiting for one
        for pool in pools:
            pool.cancel_waiting()
        deadline = Deadline(WallClock(), timeout_s)
        ended = [exchange.drain(deadline.remaining() or 0.0) for exchange in exchanges]
        ended += [pool.wait_idle(deadline.remaining()) for pool in pools]
        return all(ended)

    def name_orders_under_way(self, when: str) -> None:
        """Writes one error line for each exchange that has orders under way, which names them; see ``Exchange.name_orders_under_way``.

        Args:
            when: The moment, for the line, such as ``"at the exit"``.
        """
        for exchange in self.exchanges:
            exchange.name_orders_under_way(when)

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Waits until the lines written before are on the terminal and in the database; see ``Journal.flush``."""
        return self.journal.flush(timeout_s)

    def close(self) -> None:
        """Ends the background calls, and closes the files; what is used later opens them again."""
        with self._lock:
            pool, self._pool = self._pool, None
            querier, self._querier = self._querier, None
            store = self._store
            order_log = self._order_log
            channels = self._channels
            sql, self._sql = self._sql, {}
        if querier is not None:
            querier.close()
        if pool is not None:
            pool.shutdown(10.0)
        if order_log is not None:
            order_log.close()
        self.journal.close()
        if store is not None:
            store.close()
        if channels is not None:
            channels.close()
        for connection in sql.values():
            connection.close()


class _Holder:
    """The one place that knows the current runtime."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # guards _runtime, and that a plain script gets only one
        self._runtime: Runtime | None = None
        self._bound: ContextVar[Runtime | None] = ContextVar("fmzthreads_runtime", default=None)
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: a new lock; the runtime stays the current one."""
        self._lock = threading.RLock()

    def get(self) -> Runtime:
        """The one bound to this thread, else the process's, made if need be."""
        here = self._bound.get()
        if here is not None:
            return here
        runtime = self._runtime  # read without the lock: a reference is replaced as a whole
        if runtime is not None:
            return runtime
        with self._lock:
            if self._runtime is None:
                self._runtime = Runtime()
                atexit.register(self._runtime.close)
            return self._runtime

    @contextmanager
    def use(self, runtime: Runtime) -> Iterator[Runtime]:
        """Puts a runtime in the process's place, for a while."""
        with self._lock:
            before, self._runtime = self._runtime, runtime
        try:
            yield runtime
        finally:
            with self._lock:
                self._runtime = before

    @contextmanager
    def bound(self, runtime: Runtime) -> Iterator[Runtime]:
        """Binds a runtime to this thread, for a while."""
        token = self._bound.set(runtime)
        try:
            yield runtime
        finally:
            self._bound.reset(token)


_holder = _Holder()


def current() -> Runtime:
    """Returns the runtime of this thread, else of the process; creates one if needed."""
    return _holder.get()


@contextmanager
def use(runtime: Runtime) -> Iterator[Runtime]:
    """Makes a runtime the process's current one within the ``with`` block, for all threads. It is not closed at the end."""
    with _holder.use(runtime):
        yield runtime


@contextmanager
def bound(runtime: Runtime) -> Iterator[Runtime]:
    """Makes a runtime the current one for this thread (or context) only, within the ``with`` block.

    Threads that are started inside do not see it, unless they are run in a copy of the context (``contextvars.copy_context``).
    """
    with _holder.bound(runtime):
        yield runtime
