"""Counts requests as exchanges do: in windows aligned to full seconds, minutes or days.

The caller passes the time (the simulated server's own), so that a clock offset or a manual clock moves the windows too.
"""

from __future__ import annotations

from collections.abc import Hashable

__all__ = ["AlignedWindows"]

# Above this many keys the counts of past windows are deleted; below it a clean-up is not worth its cost.
_SWEEP_AT = 4096


class AlignedWindows:
    """Counts per key in windows aligned to multiples of their length.

    Not thread-safe by itself.

    Args:
        limit: The maximum count of a key within one window; None for no limit.
        period_s: The length of a window, in seconds; 86400 starts at 00:00 UTC.
    """

    __slots__ = ("_counts", "limit", "period_s")

    def __init__(self, limit: int | None, period_s: int) -> None:
        self.limit = limit
        self.period_s = period_s
        self._counts: dict[Hashable, tuple[int, int]] = {}

    def count(self, key: Hashable, now_ms: int) -> int:
        """The key's count in the window that contains ``now_ms``."""
        window, count = self._counts.get(key, (-1, 0))
        return count if window == now_ms // (self.period_s * 1000) else 0

    def add(self, key: Hashable, now_ms: int, amount: int = 1) -> int:
        """Adds to the count and returns it; a negative amount lowers it, not below 0."""
        window = now_ms // (self.period_s * 1000)
        count = max(0, self.count(key, now_ms) + amount)
        if len(self._counts) >= _SWEEP_AT and key not in self._counts:
            self._counts = {k: v for k, v in self._counts.items() if v[0] == window}
        self._counts[key] = (window, count)
        return count

    def would_exceed(self, key: Hashable, now_ms: int, amount: int = 1) -> bool:
        """Whether adding this amount would exceed the limit."""
        return self.limit is not None and self.count(key, now_ms) + amount > self.limit

    def retry_after_s(self, now_ms: int) -> int:
        """Whole seconds until the next window begins, at least 1."""
        period_ms = self.period_s * 1000
        return max(1, -(-(period_ms - now_ms % period_ms) // 1000))
