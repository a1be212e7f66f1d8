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
from .engine.events import AccountEvent, Event, OrderEvent
from .engine.exchange import SimulatedExchange
from .engine.margin.positions import PositionView
from .engine.orders import FillView

__all__ = ["FillAudit"]


class FillAudit:
    """Adds up one account's fills from the moment it is made.

    What it started with plus the sums is what it holds: of spot's assets what is bought and sold, of contracts the profit, fees, funding
    and what the insurance account paid or took.

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
        self._filled: dict[tuple[str, str], Decimal] = {}  # in contracts, signed
        self._fills = 0
        self._line = 0  # the number of the last line of the statement that was added
        with exchange.lock:  # no fill may come between the look at the balances and the first event
            self.initial = {asset: balance.total for asset, balance in exchange.balances(account).items()}
            self.close: Callable[[], None] = exchange.subscribe(self._take, (OrderEvent, AccountEvent))
            """Ends the listening; again has no effect."""

    def _take(self, event: Event) -> None:
        if isinstance(event, OrderEvent) and event.fill is not None and event.account == self._account.name:
            with self._lock:
                self._add(event.fill)
        elif isinstance(event, AccountEvent) and event.account == self._account.name:
            with self._lock:
                self._add_statement()

    def _add_statement(self) -> None:
        """Adds what is not a fill: funding, insurance and transfers."""
        margin = self._account.margin
        for line in reversed(margin.incomes if margin is not None else ()):
            if line.number <= self._line:
                break
            self._changes[line.asset] = self._changes.get(line.asset, Decimal(0)) + line.amount
        if margin is not None and margin.incomes:
            self._line = margin.incomes[-1].number

    def _add(self, fill: FillView) -> None:
        instrument = self._exchange.instrument(fill.instrument)
        sign = 1 if fill.side == "buy" else -1
        moved = (
            ((self._changes, instrument.settle, fill.profit),)
            if instrument.terms is not None
            else (
                (self._changes, instrument.base, fill.quantity * sign),
                (self._changes, instrument.quote, fill.quote_quantity * -sign),
            )
        )
        for sums, key, amount in (
            *moved,
            (self._changes, fill.fee_asset, -fill.fee),
            (self._fees, fill.fee_asset, fill.fee),
            (self._bought if sign > 0 else self._sold, fill.instrument, fill.quantity),
        ):
            sums[key] = sums.get(key, Decimal(0)) + amount
        if instrument.terms is not None:
            side = (fill.instrument, fill.position_side)
            self._filled[side] = self._filled.get(side, Decimal(0)) + fill.quantity * sign
        self._fills += 1

    def state(self) -> dict[str, Any]:
        """Everything needed to reconcile, ready for JSON; amounts are decimal text.

        ``reconciled`` says whether for every asset what it started with plus what its fills changed is what it holds, and whether
        the fills in contracts make its positions.
        """
        with self._exchange.lock, self._lock:
            self._add_statement()
            balances = self._exchange.balances(self._account)
            held = {asset: self._held(asset, balance.total) for asset, balance in balances.items()}
            positions = self._positions()
            orders = self._exchange.open_orders(self._account)
            changes, filled = dict(self._changes), dict(self._filled)
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
                self.initial.get(asset, Decimal(0)) + changes.get(asset, Decimal(0)) == total
                for asset, total in held.items()
            )
            and {key: lots for key, lots in filled.items() if lots} == _sides(positions),
        )
        if positions:
            answer["positions"] = [
                {
                    "instrument": view.instrument,
                    "side": view.side,
                    "isolated": view.isolated,
                    "quantity": plain_decimal(view.quantity),
                    "entry_price": plain_decimal(view.entry_price),
                    "margin": plain_decimal(view.isolated_wallet),
                }
                for view in positions
            ]
        return answer

    def _held(self, asset: str, total: Decimal) -> Decimal:
        """A balance with the margins of isolated positions."""
        return (
            self._exchange.contracts.wallet(self._account, asset).wallet if self._account.margin is not None else total
        )

    def _positions(self) -> list[PositionView]:
        """The open positions in contracts."""
        if self._account.margin is None:
            return []
        return [view for view in self._exchange.contracts.positions(self._account) if view.quantity]


def _sides(positions: list[PositionView]) -> dict[tuple[str, str], Decimal]:
    """Quantities by instrument and side."""
    found: dict[tuple[str, str], Decimal] = {}
    for view in positions:
        key = (view.instrument, view.side)
        found[key] = found.get(key, Decimal(0)) + view.quantity
    return found
