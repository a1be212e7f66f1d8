"""A simulated market without its participants: only what a test trades moves its last price."""

from __future__ import annotations

from decimal import Decimal

from fmzthreads.simulator import SimulatorServer
from fmzthreads.simulator.engine.orders import NewOrder

__all__ = ["EmptyMarket"]

_PLENTY = Decimal(10) ** 9


class EmptyMarket:
    """One instrument of a server whose market stands still, with its quotes taken out."""

    def __init__(self, server: SimulatorServer, instrument: str = "BTC_USDT") -> None:
        self.exchange = server.exchange
        self.instrument = server.exchange.instrument(instrument)
        for maker in ("maker-1", "maker-2"):
            self.exchange.cancel_all(f"{maker}:{instrument}")
        funds = dict.fromkeys((self.instrument.base, self.instrument.quote), _PLENTY)
        self._other = self.exchange.create_account(f"other:{instrument}", balances=funds)

    def trade(self, price: str, quantity: str = "1") -> None:
        """A trade of another account with itself, which moves the last price."""
        for side in ("sell", "buy"):
            self.rest(side, price, quantity)

    def rest(self, side: str, price: str, quantity: str = "1") -> int:
        """An order of another account; returns its id."""
        order = NewOrder(
            instrument=self.instrument.id, side="buy" if side == "buy" else "sell", price=Decimal(price), quantity=Decimal(quantity)
        )  # fmt: skip
        return self.exchange.place(self._other, order).order_id

    def clear(self) -> None:
        """Takes out all orders of the other account."""
        self.exchange.cancel_all(self._other)
