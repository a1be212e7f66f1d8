"""What the strategy's own modules ask of a backtest's clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

__all__ = ["SimulatedClock"]


class SimulatedClock(Protocol):
    """The clock of one backtest."""

    @property
    def now_ms(self) -> int:
        """The time in milliseconds since the epoch."""

    def sleep(self, milliseconds: float) -> None:
        """Moves the clock on; 0 and less do nothing.

        Raises:
            EOFError: The end of the backtest is reached.
        """

    def call_later(self, ms: float, work: Callable[[], None]) -> None:
        """Has a function called when so much time has passed, in the thread that lets it pass."""

    def wait(self, done: Callable[[], bool], ms: float | None = None) -> bool:
        """Moves the clock on until something is true, which is looked at whenever ``call_later`` has called something.

        Args:
            done: Says whether it is.
            ms: The longest; None for as long as there is something to call.

        Returns:
            Whether it is true.

        Raises:
            EOFError: The end of the backtest is reached.
        """
