"""Cancels the open orders of one exchange object: those that the strategy placed, and no others."""

from __future__ import annotations

from collections.abc import Callable

from ...constants import ORDER_TYPE_SELL
from ...errors import FmzError, NotSupported, OrderNotFound, StopRequested
from ...structures import Order
from ..state import Core
from .kill_switch import KillReport
from .reduce_only import is_reduce_only

__all__ = ["OwnOrders"]

_UNDER_WAY_S = 10.0
"""How long orders that other threads are sending are waited for, in seconds of real time."""


class OwnOrders:
    """Cancels what the strategy has open at one exchange object.

    Args:
        core: The exchange object's state.
    """

    def __init__(self, core: Core) -> None:
        self._core = core

    def cancel_own(self, protective: bool) -> KillReport:
        """Cancels them; orders of other programs, and those placed by hand, stay.

        Args:
            protective: Whether reduce-only condition orders are cancelled too.
        """
        core = self._core
        failed: list[str] = []
        # An order that passed the switch before it was set is not in the venue's list yet.
        if not core.under_way.wait(_UNDER_WAY_S):
            failed.append(f"{core.label}: orders are still under way")
        cancelled = kept = 0
        for order, conditional in [*self._open(failed), *self._conditions(failed)]:
            if conditional and not protective and _is_protective(order):
                kept += 1
                continue
            try:
                core.orders.cancel(order["Id"], conditional=conditional)
                cancelled += 1
            except StopRequested:
                raise
            except OrderNotFound:
                pass  # it has ended meanwhile
            except FmzError as error:
                failed.append(f"{core.label} {order['Id']}: {error}")
        return KillReport(cancelled=cancelled, kept=kept, failed=tuple(failed))

    def _open(self, failed: list[str]) -> list[tuple[Order, bool]]:
        return [(order, False) for order in self._own(self._core.venue.orders, failed, conditional=False)]

    def _conditions(self, failed: list[str]) -> list[tuple[Order, bool]]:
        try:
            return [(order, True) for order in self._own(self._core.venue.condition_orders, failed, conditional=True)]
        except NotSupported:
            return []  # the venue has none, or they cannot be placed with fmzthreads

    def _own(self, listed: Callable[[str | None], list[Order]], failed: list[str], *, conditional: bool) -> list[Order]:
        """The orders of a list that the strategy has placed."""
        core = self._core
        scopes = [None] if core.venue.lists_all_orders else sorted({core.settings.symbol, *core.intents.symbols()})
        found: dict[str, Order] = {}
        for scope in scopes:
            try:
                found.update((order["Id"], order) for order in listed(scope))
            except (NotSupported, StopRequested):
                raise
            except FmzError as error:
                failed.append(f"{core.label}: the open orders cannot be listed: {error}")
        orders = list(found.values())
        core.orders.mark_foreign(orders)
        placed = core.intents.has_placed
        return [
            one for one in orders if not one.get("Foreign") or (conditional and placed(one["Id"], conditional=True))
        ]


def _is_protective(order: Order) -> bool:
    """Whether a condition order can only reduce: it closes a position, or sells on a spot market."""
    if "." in order["Symbol"]:
        return is_reduce_only(order)
    return bool(order["Type"] == ORDER_TYPE_SELL)
