"""What the strategy's own modules ask of a backtest's clock."""

from __future__ import annotations

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
