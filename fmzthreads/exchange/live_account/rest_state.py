"""What REST says of an account at one moment: what is open, and what has become of what no longer is."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from ...constants import ORDER_STATE_CANCELED
from ...errors import OrderNotFound
from ...structures import Order
from .events import AccountSnapshot
from .source import AccountSource

__all__ = ["RestState", "read_state"]


@attrs.frozen
class RestState:
    """An answer of REST.

    Attributes:
        snapshot: What is open, and the positions.
        ended: The orders that were open before and are not any more, as they are now.
    """

    snapshot: AccountSnapshot
    ended: list[Order]

    @property
    def orders(self) -> list[Order]:
        """All of them."""
        return [*self.snapshot.orders, *self.snapshot.conditions, *self.ended]


def read_state(source: AccountSource, before: Iterable[Order]) -> RestState:
    """Asks REST; raises from the error tree.

    Args:
        source: The venue's stream.
        before: The orders that were open as far as was known before REST is asked.
    """
    snapshot = source.snapshot()
    still = {(order["Id"], order["Condition"] is None) for order in (*snapshot.orders, *snapshot.conditions)}
    gone = [order for order in before if (order["Id"], order["Condition"] is None) not in still]
    return RestState(snapshot, [_ended(source, order) for order in gone])


def _ended(source: AccountSource, order: Order) -> Order:
    try:
        return source.look_up(order)
    except OrderNotFound:  # the venue has forgotten it: orders without fills that were cancelled days ago
        order["Status"] = ORDER_STATE_CANCELED
        return order
