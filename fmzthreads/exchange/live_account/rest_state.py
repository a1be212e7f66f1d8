"""What REST says of an account at one moment: what is open, and what has become of what no longer is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import attrs

from ...clock import Clock, Signal
from ...constants import ORDER_STATE_CANCELED
from ...errors import InputError, OperationFailed, OrderNotFound, UnknownSymbol
from ...structures import Order
from .events import AccountSnapshot, StreamFill
from .source import AccountSource

__all__ = ["RestReader", "RestState"]

T = TypeVar("T")

_PAUSES_S = (0.1, 0.3, 1.0, 3.0)
_MANY = 5  # orders of a symbol: their list takes fewer requests than they do


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


class RestReader:
    """The REST calls of a source, each repeated a few times when it fails in a way that may pass.

    After an outage there may be many of them, one for each order; the more there are, the less likely is it that all succeed at once.

    Args:
        source: The venue's stream.
        clock: Measures the pauses.
        ended: Ends a pause: the call fails then.
    """

    def __init__(self, source: AccountSource, clock: Clock, ended: Signal) -> None:
        self._source, self._clock, self._ended = source, clock, ended

    def _ask(self, call: Callable[[], T]) -> T:
        for pause_s in _PAUSES_S:
            try:
                return call()
            except OperationFailed:
                if self._clock.wait((self._ended,), pause_s):
                    raise
        return call()

    def now_ms(self) -> int:
        """See ``AccountSource.now_ms``."""
        return self._ask(self._source.now_ms)

    def state(self, before: Iterable[Order], since_ms: int) -> RestState:
        """Asks what is open; raises from the error tree.

        Args:
            before: The orders that were open as far as was known before REST is asked.
            since_ms: Orders that were made since then may be read from lists, in ms since the epoch by the venue's clock; a list would be long for
                older ones.
        """
        snapshot = self._ask(self._source.snapshot)
        still = {(order["Id"], order["Condition"] is None) for order in (*snapshot.orders, *snapshot.conditions)}
        gone = [order for order in before if (order["Id"], order["Condition"] is None) not in still]
        young = {
            order["Id"]: order["Symbol"] for order in gone if order["Condition"] is None and order["Time"] >= since_ms
        }
        listed = self.listed(young, since_ms)
        return RestState(snapshot, [listed.get(order["Id"]) or self._ended_order(order) for order in gone])

    def _ended_order(self, order: Order) -> Order:
        try:
            return self._ask(lambda: self._source.look_up(order))
        except OrderNotFound:  # the venue has forgotten it: orders without fills that were cancelled days ago
            order["Status"] = ORDER_STATE_CANCELED
            return order

    def order(self, order_id: str) -> Order:
        """See ``AccountSource.order``."""
        return self._ask(lambda: self._source.order(order_id))

    def listed(self, wanted: Mapping[str, str], since_ms: int) -> dict[str, Order]:
        """Ordinary orders by their ids, as far as lists have them; only of symbols of which many are wanted, since one request each takes its time.

        Args:
            wanted: The symbols of the orders, by their ids.
            since_ms: When the oldest of them may have been made.
        """
        found: dict[str, Order] = {}
        for symbol, count in Counter(wanted.values()).items():
            if count < _MANY:
                continue
            try:
                orders = self._past_orders(symbol, since_ms)
            except (
                UnknownSymbol,
                InputError,
            ):  # a contract under the venue's own name, which has no list of markets any more
                continue
            found.update((order["Id"], order) for order in orders if order["Id"] in wanted)
        return found

    def _past_orders(self, symbol: str, since_ms: int) -> list[Order]:
        return self._ask(lambda: self._source.past_orders(symbol, since_ms))

    def fills_since(self, since_ms: int, symbols: Sequence[str]) -> list[StreamFill]:
        """See ``AccountSource.fills_since``."""
        return self._ask(lambda: self._source.fills_since(since_ms, symbols))
