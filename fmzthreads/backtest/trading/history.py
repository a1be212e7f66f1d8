"""All orders of an exchange by id, and the views of them that strategies ask for."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from operator import attrgetter
from typing import Generic, Protocol, TypeVar

from ..config.settings import MarketDetail

__all__ = ["MOST_ROWS", "Archive", "in_scope"]

MOST_ROWS = 100
"""The most orders that one call for the history returns, as in FMZ's engine."""


class _Entry(Protocol):
    id: int
    time_ms: int

    @property
    def detail(self) -> MarketDetail:
        """The market."""

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""


E = TypeVar("E", bound=_Entry)

_time = attrgetter("time_ms")


def in_scope(detail: MarketDetail, scope: str) -> bool:
    """Whether a symbol belongs to what a strategy asked for.

    Args:
        detail: The symbol's market.
        scope: A symbol; or a kind of contracts of one quote currency, such as ``USDT.swap`` or ``USD.futures``; or empty for all.
    """
    if not scope or scope == detail.symbol:
        return True
    currency, dot, kind = scope.partition(".")
    if not dot or "_" in currency:
        return False
    pair, _, code = detail.symbol.partition(".")
    if pair.partition("_")[2] != currency:
        return False
    return code == kind or (kind == "futures" and code not in ("", "swap"))


class Archive(Generic[E]):
    """Orders by ascending id."""

    def __init__(self, *, timed: bool = True) -> None:
        """Makes an empty archive.

        Args:
            timed: Whether times ascend with ids, which they do unless orders are modified in place.
        """
        self._by_id: dict[int, E] = {}
        self._all: list[E] = []
        self._timed = timed

    def __iter__(self) -> Iterator[E]:
        """All orders by id."""
        return iter(self._all)

    def add(self, order: E) -> None:
        """Takes in an order with a higher id than any before."""
        self._by_id[order.id] = order
        self._all.append(order)

    def get(self, order_id: object) -> E | None:
        """The order of an id; None for anything that is not the id of one."""
        try:
            return self._by_id.get(order_id)  # type: ignore[call-overload, no-any-return]
        except TypeError:  # not hashable, so no id
            return None

    def ended(self, scope: str, since_ms: int, limit: int) -> list[E]:
        """Orders that are no longer open, by ascending id.

        Args:
            scope: As for ``in_scope``.
            since_ms: The earliest time of an order; 0 for all.
            limit: How many, the first ones; 0 for the most, which is 100.
        """
        most = min(limit, MOST_ROWS) if limit > 0 else MOST_ROWS
        found: list[E] = []
        first = bisect_left(self._all, since_ms, key=_time) if self._timed and since_ms > 0 else 0
        for index in range(first, len(self._all)):
            order = self._all[index]
            if not order.is_open and order.time_ms >= since_ms and in_scope(order.detail, scope):
                found.append(order)
                if len(found) == most:
                    break
        return found
