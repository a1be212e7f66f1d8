"""Settles orders and liquidations in the order of their times."""

from __future__ import annotations

from collections.abc import Callable

from ..margin import MarginAccount, margin_currency_of
from ..market import MarketView
from ..open_orders import Fill, OpenOrders
from .close_out import Liquidated, liquidate
from .margin_watch import MarginWatch

__all__ = ["LiquidationSettlement"]


class LiquidationSettlement:
    """Goes from fill to fill, and looks between them for a mark price at which positions have to be liquidated.

    In one millisecond, funding comes first, then fills, then a liquidation. All positions that share a balance are closed together (cross margin), their open orders are canceled.

    Args:
        account: The account.
        mark_of: Returns the ticks of a symbol's mark price.
        cancel: Cancels the open orders of a margin currency.
        note: Called with each position that was closed, and the time.
    """

    def __init__(
        self,
        account: MarginAccount,
        mark_of: Callable[[MarketView], MarketView],
        cancel: Callable[[str], None],
        note: Callable[[Liquidated, int], None],
    ) -> None:
        self._account = account
        self._mark_of = mark_of
        self._cancel = cancel
        self._note = note
        self._watches: dict[str, MarginWatch] = {}
        self._checked_ms = 0

    def settle_until(self, now_ms: int, busy: list[OpenOrders], fill: Fill) -> None:
        """Settles what comes up to a time.

        Args:
            now_ms: The last millisecond that counts.
            busy: The open orders by symbol.
            fill: Fills an order.
        """
        while True:
            times = [time_ms for orders in busy if (time_ms := orders.next_ms()) is not None and time_ms <= now_ms]
            fill_ms = min(times, default=None)
            due = self._first(now_ms if fill_ms is None else fill_ms - 1)
            if due is not None:
                self._liquidate(*due)
            elif fill_ms is None:
                break
            else:
                for orders in list(busy):
                    orders.settle_before(fill_ms + 1, fill)
                self._checked_ms = fill_ms
        self._checked_ms = max(self._checked_ms, now_ms)

    def changed(self, time_ms: int) -> None:
        """Notes that a balance changed at a time: what follows from it comes no earlier."""
        self._checked_ms = max(self._checked_ms, time_ms)

    def _first(self, until_ms: int) -> tuple[int, str] | None:
        for positions in self._account.symbols.values():
            currency = margin_currency_of(positions.view.detail)
            if currency not in self._watches:
                self._watches[currency] = MarginWatch(self._account, currency, self._mark_of)
        if until_ms < self._checked_ms:  # more comes in the millisecond that was looked at last
            return None
        found = [
            (time_ms, currency)
            for currency, watch in self._watches.items()
            if (time_ms := watch.first(self._checked_ms, until_ms)) is not None
        ]
        return min(found, default=None)

    def _liquidate(self, time_ms: int, currency: str) -> None:
        self._checked_ms = time_ms
        self._cancel(currency)
        for closed in liquidate(self._account, self._watches[currency], time_ms):
            self._note(closed, time_ms)
