"""A host that remembers, a clock that jumps instead of sleeping, and exchanges over a venue in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import attrs

from fmzthreads.clock import Clock, ManualClock, Signal
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.exchange.guards.kill_switch import KillSwitch
from fmzthreads.exchange.holdings import SeenHoldings
from fmzthreads.exchange.host import Host
from fmzthreads.exchange.order_log import OrderFile
from fmzthreads.tasks.events import Selectable
from fmzthreads.tasks.handle import Handle
from fmzthreads.testing import FakeContractVenue, FakeVenue


@attrs.frozen
class Line:
    kind: int
    source: str
    symbol: str
    price: float
    amount: float
    order_id: str
    tail: tuple[object, ...]


class MemoryHost:
    """Keeps every line; thread-safe."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock: Clock = clock if clock is not None else ManualClock(1_600_000_000)
        self.lock = threading.Lock()
        self.errors: list[str] = []
        self.warnings: list[str] = []
        self.lines: list[Line] = []
        self.secrets: list[str] = []
        self.exchanges: list[Any] = []
        self.announced: list[tuple[str, int]] = []
        self.watched: list[tuple[Selectable, str, int]] = []
        self.order_log: OrderFile | None = None
        self.holdings: SeenHoldings | None = None
        self.kill_switch = KillSwitch(self.clock, warn=lambda text: self.warning(text, source=""))

    def error(self, text: str, *, source: str) -> None:
        with self.lock:
            self.errors.append(text)

    def warning(self, text: str, *, source: str) -> None:
        with self.lock:
            self.warnings.append(text)

    def order_line(self, kind: int, **fields: Any) -> None:
        fields.setdefault("tail", ())
        with self.lock:
            self.lines.append(Line(kind=kind, **fields))

    def register_secret(self, secret: str) -> None:
        self.secrets.append(secret)

    def add_exchange(self, exchange: Any) -> int:
        with self.lock:
            self.exchanges.append(exchange)
            return len(self.exchanges) - 1

    def announce(self, handle: Handle[Any], event: str, index: int = 0) -> None:
        with self.lock:
            self.announced.append((event, index))

    def watch(self, source: Selectable, event: str, index: int = 0) -> None:
        with self.lock:
            self.watched.append((source, event, index))


_: type[Host] = MemoryHost


class JumpClock(ManualClock):
    """A manual clock on which whoever would sleep moves the time on instead."""

    def __init__(self, start: float = 1_600_000_000) -> None:
        super().__init__(start)
        self.slept: list[float] = []

    def wait(self, signals: Iterable[Signal], timeout_s: float | None = None) -> bool:
        signals = tuple(signals)
        self.stop.check()
        if any(signal.is_set() for signal in signals) or timeout_s is None:
            return super().wait(signals, timeout_s)
        self.slept.append(timeout_s)
        self.advance(max(0.0, timeout_s))
        self.stop.check()
        return False


def make(
    *, errors: Any = "log", clock: Clock | None = None, currency: str = "BTC_USDT", **options: Any
) -> tuple[Exchange, FakeVenue, MemoryHost]:
    host = MemoryHost(clock)
    venue = FakeVenue(clock=host.clock)
    return Exchange("Fake", currency, venue=venue, host=host, errors=errors, **options), venue, host


def run_threads(count: int, work: Callable[[int], None], timeout_s: float = 60.0) -> None:
    """Runs ``work(i)`` in so many threads that start together; raises the first error."""
    barrier = threading.Barrier(count)
    failures: list[BaseException] = []

    def run(index: int) -> None:
        try:
            barrier.wait(timeout_s)
            work(index)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout_s)
    assert not any(thread.is_alive() for thread in threads), "a thread hangs"
    if failures:
        raise failures[0]


def make_contracts(
    *, errors: Any = "log", currency: str = "BTC_USDT", contracts: tuple[str, ...] = ("BTC_USDT.swap",), **options: Any
) -> tuple[Exchange, FakeContractVenue, MemoryHost]:
    """An exchange object for contracts over a venue in memory, and its journal."""
    host = options.pop("host", None) or MemoryHost(JumpClock())
    default = options.pop("default_contract", "swap")
    venue = FakeContractVenue(clock=host.clock, contracts=contracts, default_contract=default)
    return Exchange("Futures_Fake", currency, venue=venue, host=host, errors=errors, **options), venue, host
