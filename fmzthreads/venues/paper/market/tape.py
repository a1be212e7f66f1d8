"""The public trades of a symbol, each looked at once."""

from __future__ import annotations

from collections.abc import Iterable

from ....structures import Trade

__all__ = ["Tape"]


class Tape:
    """Tells new trades from those seen before; not thread-safe.

    Attributes:
        eligible: The numbers of the orders that rested when the trades were last looked at: only these can be filled by newer ones.
    """

    def __init__(self) -> None:
        self.eligible: set[int] = set()
        self._last_ms: int | None = None
        self._at_last: set[str] = set()  # the ids of the trades of that millisecond

    def new(self, trades: Iterable[Trade]) -> list[Trade]:
        """The trades that were not in an earlier look, oldest first; none at the first look."""
        rows = list(trades)
        last = self._last_ms
        fresh = [
            row
            for row in rows
            if last is None or row["Time"] > last or (row["Time"] == last and row["Id"] not in self._at_last)
        ]
        if rows:
            newest = max(row["Time"] for row in rows)
            ids = {row["Id"] for row in rows if row["Time"] == newest}
            self._at_last = ids | (self._at_last if newest == last else set())
            self._last_ms = newest
        elif last is None:
            self._last_ms = 0  # a market without trades: the next ones are new
        return [] if last is None else fresh
