"""Positions that are behind: an order was filled, or must have been, and the stream has not told of its position yet."""

from __future__ import annotations

from ..contracts.scopes import scope_includes

__all__ = ["PositionsBehind"]

_PATIENCE_S = 2.0
"""How long a position may be behind, in seconds. Venues tell of it within some 10 ms; one whose times do not fit must not be asked about for ever."""


class PositionsBehind:
    """Contracts with a fill that their position does not show yet; not thread-safe.

    A user stream tells of orders and of positions in messages of their own, in either order.
    """

    def __init__(self) -> None:
        self._told_ms: dict[str, int] = {}  # by symbol: the time of the newest message about a position
        self._filled: dict[str, tuple[int, float]] = {}  # by symbol: the newest fill's time, and when it was heard of
        self._ending: dict[str, tuple[str, float]] = {}  # by order id: the symbol, and when it was placed

    def placed(self, order_id: str, symbol: str, now_s: float) -> None:
        """Takes an own order that ends at once: news of its fills is still to come, and so is that of their position."""
        if "." in symbol:
            self._ending[order_id] = (symbol, now_s)

    def ended(self, order_id: str) -> None:
        """Takes the news that an order has ended, after that of its last fill."""
        self._ending.pop(order_id, None)

    def fill(self, symbol: str, time_ms: int, now_s: float) -> None:
        """Takes the news of a fill.

        Args:
            symbol: FMZ's symbol.
            time_ms: Its time at the venue.
            now_s: The monotonic clock.
        """
        if "." in symbol and self._told_ms.get(symbol, 0) < time_ms:
            self._filled[symbol] = (time_ms, now_s)

    def position(self, symbol: str, time_ms: int) -> None:
        """Takes the news of a position, with the time of the message."""
        self._told_ms[symbol] = max(time_ms, self._told_ms.get(symbol, 0))
        filled = self._filled.get(symbol)
        if filled is not None and filled[0] <= time_ms:
            del self._filled[symbol]

    def includes(self, scope: str | None, now_s: float) -> bool:
        """Whether a position of a scope is behind."""
        if not self._filled and not self._ending:
            return False
        self._ending = {key: one for key, one in self._ending.items() if now_s - one[1] < _PATIENCE_S}
        heard = [*((symbol, at) for symbol, (_, at) in self._filled.items()), *self._ending.values()]
        return any(now_s - at < _PATIENCE_S and scope_includes(scope, symbol) for symbol, at in heard)

    def clear(self) -> None:
        """Forgets the fills: the positions were read."""
        self._filled.clear()
