"""Sums of an account's fills over the whole run of the simulator.

The exchange itself keeps only the newest fills.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from .dialects.fields import plain_decimal
from .engine.accounts import TradingAccount
from .engine.events import Event, OrderEvent
from .engine.exchange import SimulatedExchange
from .engine.orders import FillView

__all__ = ["FillAudit"]


class FillAudit:
    """Adds up one account's fills from the moment it is made.

    What it started with plus the sums is what it holds.

    Args:
        exchange: The exchange.
        account: Whose fills.
    """

    def __init__(self, exchange: SimulatedExchange, account: TradingAccount) -> None:
        self._exchange = exchange
        self._account = account
        self._lock = threading.Lock()  # guards the sums
        self._fees: dict[str, Decimal] = {}
        self._changes: dict[str, Decimal] = {}
        self._bought: dict[str, Decimal] = {}
        self._sold: dict[str, Decimal] = {}
        self._fills = 0
        with exchange.lock:  # no fill may come between the look at the balances and the first event
            self.initial = {asset: balance.total for asset, balance in exchange.balances(account).items()}
            self.close: Callable[[], None] = exchange.subscribe(self._take, (OrderEvent,))
            """Ends the listening; again has no effect."""

    def _take(self, event: Event) -> None:
        if isinstance(event, OrderEvent) and event.fill is not None and event.account == self._account.name:
            with self._lock:
                self._add(event.fill)

    def _add(self, fill: FillView) -> None:
        instrument = self._exchange.instrument(fill.instrument)
        sign = 1 if fill.side == "buy" else -1
        for sums, key, amount in (
            (self._changes, instrument.base, fill.quantity * sign),
            (self._changes, instrument.quote, fill.quote_quantity * -sign),
            (self._changes, fill.fee_asset, -fill.fee),
            (self._fees, fill.fee_asset, fill.fee),
            (self._bought if sign > 0 else self._sold, fill.instrument, fill.quantity),
        ):
            sums[key] = sums.get(key, Decimal(0)) + amount
        self._fills += 1

    def state(self) -> dict[str, Any]:
        """Everything needed to reconcile, ready for JSON; amounts are decimal text.

        ``reconciled`` says whether for every asset what it started with plus what its fills changed is what it holds.
        """
        with self._exchange.lock, self._lock:
            balances = self._exchange.balances(self._account)
            orders = self._exchange.open_orders(self._account)
            changes = dict(self._changes)
            sums = {"fees": self._fees, "changes": changes, "bought": self._bought, "sold": self._sold}
            answer: dict[str, Any] = {
                name: {key: plain_decimal(amount) for key, amount in values.items()} for name, values in sums.items()
            }
            fills = self._fills
        answer.update(
            fills=fills,
            initial={asset: plain_decimal(amount) for asset, amount in self.initial.items()},
            balances={
                asset: {"free": plain_decimal(balance.free), "frozen": plain_decimal(balance.frozen)}
                for asset, balance in balances.items()
            },
            open_orders=[
                {
                    "order_id": order.order_id,
                    "client_id": order.client_id,
                    "instrument": order.instrument,
                    "side": order.side,
                    "price": plain_decimal(order.price) if order.price is not None else None,
                    "quantity": plain_decimal(order.quantity) if order.quantity is not None else None,
                    "filled": plain_decimal(order.filled),
                }
                for order in orders
            ],
            reconciled=all(
                self.initial.get(asset, Decimal(0)) + changes.get(asset, Decimal(0)) == balance.total
                for asset, balance in balances.items()
            ),
        )
        return answer
