"""The clock of a backtest: a number that only moves forward."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["VirtualTime"]

_PATIENCE = 100


class VirtualTime:
    """The time of a backtest.

    Attributes:
        now_ms: The time, in milliseconds since the epoch.
        start_ms: Where it starts.
        end_ms: Where it ends; ticks at the end or later do not exist.
        ends: How often the end was raised in the strategy.
        on_stubborn: Called when the strategy goes on after the end was raised a hundred times; None to ignore it.
    """

    __slots__ = ("end_ms", "ends", "now_ms", "on_stubborn", "start_ms")

    def __init__(self, start_ms: int, end_ms: int) -> None:
        self.now_ms = start_ms
        self.start_ms = start_ms
        self.end_ms = end_ms
        self.ends = 0
        self.on_stubborn: Callable[[], None] | None = None

    def __repr__(self) -> str:
        """The time and the range."""
        return f"<VirtualTime {self.now_ms} of {self.start_ms} to {self.end_ms}>"

    def end(self) -> EOFError:
        """Stops the clock at the end if it passed it; returns the error to raise."""
        self.now_ms = min(self.now_ms, self.end_ms)
        self.ends += 1
        if self.ends >= _PATIENCE and self.on_stubborn is not None:
            self.on_stubborn()
        return EOFError("EOF")
