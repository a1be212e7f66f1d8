"""``Go`` in a backtest: the call is made at once, and the handle is done."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...clock import Signal, Stop
from ...errors import no_such_name
from ...tasks.handle import Handle
from ..engine.engine import BacktestEngine
from .base import ExchangeBase

__all__ = ["EngineClock", "GoCalls"]

_NOT_BY_GO = frozenset({"Go"})


class EngineClock:
    """The engine's clock for those that know a strategy's clock by its port; see ``Clock``.

    Args:
        engine: The engine.
    """

    def __init__(self, engine: BacktestEngine) -> None:
        self._engine = engine
        self.stop = Stop()
        """A backtest is not stopped by it."""

    def now(self) -> float:
        """The virtual time, in seconds since the epoch."""
        return self._engine.time.now_ms / 1000

    def now_ns(self) -> int:
        """The virtual time, in nanoseconds since the epoch."""
        return self._engine.time.now_ms * 1_000_000

    def monotonic(self) -> float:
        """Seconds of virtual time since the start of the backtest."""
        time = self._engine.time
        return (time.now_ms - time.start_ms) / 1000

    def sleep(self, seconds: float) -> None:
        """Lets virtual time pass.

        Raises:
            EOFError: The end of the backtest would be passed.
        """
        self._engine.sleep(seconds * 1000)

    def wait(self, signals: Iterable[Signal], timeout_s: float | None = None) -> bool:
        """Lets virtual time pass until a signal is set; False after the time-out.

        Raises:
            EOFError: The end of the backtest would be passed, or nothing is left that could set a signal.
        """
        given = tuple(signals)
        found = self._engine.wait(
            lambda: any(signal.is_set() for signal in given), None if timeout_s is None else timeout_s * 1000
        )
        if timeout_s is None and not found:
            raise self._engine.time.end()
        return found


class GoCalls(ExchangeBase):
    """``Go`` of a simulated exchange."""

    @property
    def clock(self) -> EngineClock:
        """The backtest's clock, for ``select``, ``gather`` and the task queue."""
        found = self.__dict__.get("_go_clock")
        if found is None:
            found = self.__dict__["_go_clock"] = EngineClock(self._engine)
        return found

    def Go(self, method: str, *args: Any) -> Handle[Any]:
        """Makes a call at once and returns a handle that is done, with all that a live one has.

        With ``go: concurrent`` in the header, calls that are started one after the other without anything else in between share their latency:
        only the first one of them takes the network's time.

        Args:
            method: The method's name, such as ``"GetDepth"``.
            args: Its arguments.

        Raises:
            UnknownName: There is no such method.
            EOFError: The data ended.
        """
        engine = self._engine
        with self._lock:
            work = getattr(type(self), method, None) if isinstance(method, str) and method[:1].isupper() else None
            if work is None or method in _NOT_BY_GO:
                names = [name for name in dir(type(self)) if name[:1].isupper() and name not in _NOT_BY_GO]
                raise no_such_name("an exchange has no method for background calls named", method, names)
            together = engine.settings.concurrent_go and engine.together_ms == self._time.now_ms
            clock, delay_ms = self.clock, self._delay_ms
            began = clock.monotonic()
            if together:
                self._delay_ms = 0
            try:
                value = work(self, *args)
            finally:
                if together:
                    self._delay_ms = delay_ms
            engine.together_ms = self._time.now_ms
            handle: Handle[Any] = Handle(
                lambda: value, clock=clock, name=method, on_take=self._waited, on_misuse=self._error
            )
            handle.run()
            handle.started_at = began
            return handle

    def _waited(self, handle: Handle[Any]) -> None:
        """Notes that what is started from now on is started after a call has ended."""
        self._engine.together_ms = -1
