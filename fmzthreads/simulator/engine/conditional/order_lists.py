"""Lists of linked orders, for callers."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import attrs

from ..accounts import TradingAccount
from ..orders import Finish, NewOrder, OrderView, State
from ..reasons import Reason, Rejected
from .triggers import OrderPair, TriggerEngine

__all__ = ["OrderListView", "OrderLists"]


@attrs.frozen(kw_only=True)
class OrderListView:
    """The state of two linked orders (one cancels the other) at one time.

    Attributes:
        list_id: Its number.
        client_id: The client's own id of the list.
        instrument: The instrument's id.
        created_ms: When it was placed.
        updated_ms: When one of its orders last changed.
        done: Whether all its orders have ended.
        orders: Its orders.
    """

    list_id: int
    client_id: str
    instrument: str
    created_ms: int
    updated_ms: int
    done: bool
    orders: tuple[OrderView, ...]


class OrderLists:
    """The order lists of all accounts; thread-safe.

    Args:
        engine: Links the orders.
        lock: The exchange's lock.
    """

    def __init__(self, engine: TriggerEngine, lock: threading.RLock) -> None:
        self._engine = engine
        self._lock = lock

    def place(self, account: TradingAccount, orders: Iterable[NewOrder], client_id: str) -> OrderListView:
        """Places two orders where one cancels the other.

        Raises:
            Rejected: One of them is refused, or the account cannot pay; nothing has changed.
        """
        with self._lock:
            return _view(self._engine.place_pair(account, orders, client_id))

    def find(self, account: TradingAccount, list_id: int | None, client_id: str | None = None) -> OrderListView:
        """A list, by its number or else by its client id (the newest with it).

        Raises:
            Rejected: UNKNOWN_ORDER.
        """
        with self._lock:
            return _view(self._pair(account, list_id, client_id))

    def _pair(self, account: TradingAccount, list_id: int | None, client_id: str | None) -> OrderPair:
        for pair in reversed(self._engine.pairs.values()):
            if pair.account is account and (
                pair.list_id == list_id if list_id is not None else pair.client_id == client_id
            ):
                return pair
        raise Rejected(Reason.UNKNOWN_ORDER, f"unknown order list {list_id if list_id is not None else client_id!r}")

    def all(self, account: TradingAccount, *, only_open: bool = False) -> list[OrderListView]:
        """The lists of an account by ascending number."""
        with self._lock:
            pairs = [pair for pair in self._engine.pairs.values() if pair.account is account]
            return [_view(pair) for pair in pairs if not (only_open and pair.done)]

    def cancel(self, account: TradingAccount, list_id: int | None, client_id: str | None = None) -> OrderListView:
        """Cancels all orders of a list.

        Raises:
            Rejected: UNKNOWN_ORDER, or ORDER_CLOSED if all of them have ended.
        """
        engine = self._engine
        with self._lock:
            pair = self._pair(account, list_id, client_id)
            working = [order for order in pair.orders if not order.state.final]
            if not working:
                raise Rejected(Reason.ORDER_CLOSED, f"order list {pair.list_id} has already ended")
            market = engine.markets[pair.instrument]
            engine.finish(working[0], State.CANCELED, Finish.USER)  # this also ends the other one
            engine.tell_account(account, market.settlement.held_assets(working[0]))
            engine.tell_book(market)
            return _view(pair)


def _view(pair: OrderPair) -> OrderListView:
    return OrderListView(
        list_id=pair.list_id,
        client_id=pair.client_id,
        instrument=pair.instrument,
        created_ms=pair.created_ms,
        updated_ms=max(order.updated_ms for order in pair.orders),
        done=pair.done,
        orders=tuple(order.view() for order in pair.orders),
    )
