"""Stops a side of a symbol whose orders the venue keeps refusing for the same reason."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from ...clock import Clock
from ...errors import FmzError, GuardRefused
from ...fork import after_fork_in_child
from .settings import RefusalBreaker

__all__ = ["StoppedSides"]


class StoppedSides:
    """Counts refusals by symbol, side and kind; thread-safe.

    Args:
        plan: When a side is stopped, and for how long.
        clock: Measures.
        tell: Called with one line when a side is stopped.
    """

    def __init__(self, plan: RefusalBreaker, clock: Clock, tell: Callable[[str], object]) -> None:
        self._plan = plan
        self._clock = clock
        self._tell = tell
        self._start_anew()
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()  # guards both maps
        self._refusals: dict[tuple[str, str, str], deque[float]] = {}
        self._until: dict[tuple[str, str], tuple[float, str]] = {}

    def check(self, symbol: str, side: str) -> None:
        """Raises for an order of a stopped side.

        Raises:
            GuardRefused: It is stopped.
        """
        if not self._until:
            return
        with self._lock:
            stopped = self._until.get((symbol, side))
            if stopped is None:
                return
            left_s = stopped[0] - self._clock.monotonic()
            if left_s <= 0:
                del self._until[symbol, side]
                return
        raise GuardRefused(
            f"the guard breaker holds: {side} orders of {symbol} are stopped for another {left_s:.1f} s ({stopped[1]}); nothing was sent",
            guard="breaker",
        )

    def refused(self, symbol: str, side: str, error: FmzError) -> None:
        """Counts a refusal of the venue, and stops the side if there were too many."""
        plan = self._plan
        kind = type(error).__name__ + (f" {error.code}" if error.code else "")
        now = self._clock.monotonic()
        with self._lock:
            times = self._refusals.setdefault((symbol, side, kind), deque(maxlen=plan.refusals))
            times.append(now)
            if len(times) < plan.refusals or now - times[0] > plan.seconds:
                return
            words = f"{plan.refusals} refusals {kind} within {plan.seconds:g} s"
            self._until[symbol, side] = (now + plan.pause_s, words)
            for key in [key for key in self._refusals if key[:2] == (symbol, side)]:
                del self._refusals[key]
        self._tell(f"the guard breaker stops {side} orders of {symbol} for {plan.pause_s:g} s: {words}; last: {error}")

    def release(self) -> None:
        """Lets all sides pass again, and forgets the refusals."""
        with self._lock:
            self._refusals.clear()
            self._until.clear()

    @property
    def stopped(self) -> list[str]:
        """The sides that are stopped now, such as ``buy BTC_USDT``."""
        now = self._clock.monotonic()
        with self._lock:
            return sorted(f"{side} {symbol}" for (symbol, side), (until, _) in self._until.items() if until > now)
