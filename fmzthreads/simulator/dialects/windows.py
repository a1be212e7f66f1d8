"""Counting requests the way exchanges do: in windows that start on the full second, minute or day, not when one begins to count.

The time is handed in by the caller (the simulated server's own time), so that a clock that is off, or a manual clock, moves the windows too.
"""

from __future__ import annotations

from collections.abc import Hashable

__all__ = ["AlignedWindows"]

# Beyond so many keys the counts of windows that have passed are thrown away; below it they cost nothing worth the walk.
_SWEEP_AT = 4096


class AlignedWindows:
    """Counts per key in windows aligned to multiples of their length.

    Not thread-safe by itself.

    Args:
        limit: What a key may count up to within one window; None counts without a limit.
        period_s: The length of a window, in seconds; 86400 starts at 00:00 UTC.
    """

    __slots__ = ("_counts", "limit", "period_s")

    def __init__(self, limit: int | None, period_s: int) -> None:
        self.limit = limit
        self.period_s = period_s
        self._counts: dict[Hashable, tuple[int, int]] = {}

    def count(self, key: Hashable, now_ms: int) -> int:
        """What the key has counted in the window that ``now_ms`` lies in."""
        window, count = self._counts.get(key, (-1, 0))
        return count if window == now_ms // (self.period_s * 1000) else 0

    def add(self, key: Hashable, now_ms: int, amount: int = 1) -> int:
        """Counts, and returns the new count; a negative amount gives back, never below 0."""
        window = now_ms // (self.period_s * 1000)
        count = max(0, self.count(key, now_ms) + amount)
        if len(self._counts) >= _SWEEP_AT and key not in self._counts:
            self._counts = {k: v for k, v in self._counts.items() if v[0] == window}
        self._counts[key] = (window, count)
        return count

    def would_exceed(self, key: Hashable, now_ms: int, amount: int = 1) -> bool:
        """Whether counting so much more would go over the limit."""
        return self.limit is not None and self.count(key, now_ms) + amount > self.limit

    def retry_after_s(self, now_ms: int) -> int:
        """Whole seconds until the next window begins, at least 1."""
        period_ms = self.period_s * 1000
        return max(1, -(-(period_ms - now_ms % period_ms) // 1000))
