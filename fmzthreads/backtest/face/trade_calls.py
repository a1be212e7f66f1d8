"""Orders, account and positions of a simulated exchange: FMZ's calls over the exchange's desk."""

from __future__ import annotations

from typing import Any

from ...arguments import real_number
from ...exchange.calls.arguments import bare_side, history_numbers
from ...exchange.contracts.conditions import condition_of
from ...structures import Account, Asset, Funding, Order, Position
from ..engine.engine import BacktestEngine, ExchangeParts
from .base import ExchangeBase, timed
from .quick_calls import as_float, joined_text, quick_order

__all__ = ["TradeCalls"]

_OFTEN = ("CancelOrder", "CreateOrder", "GetAccount", "GetAssets", "GetOrder", "GetOrders", "GetPosition", "GetPositions", "ModifyOrder")  # fmt: skip
"""The calls that strategies make at every bar, or near it, beside ``Buy`` and ``Sell``."""


class TradeCalls(ExchangeBase):
    """``Buy``, ``GetAccount`` and the like. Ids are whole numbers, as in FMZ's engine."""

    def __init__(self, engine: BacktestEngine, parts: ExchangeParts) -> None:
        super().__init__(engine, parts)
        self._quicken(*_OFTEN)
        if not self._uncertain:
            for name, method in (("Buy", self.Buy), ("Sell", self.Sell)):
                side = "" if self._futures else name.lower()
                setattr(self, name, quick_order(engine, parts.desk, self._quick, method, self._error, side))

    @timed()
    def Buy(self, price: float, amount: float, *args: Any) -> int | None:
        """Buys the current symbol; on a futures exchange ``SetDirection`` decides.

        Args:
            price: The limit price; -1 buys at market.
            amount: In base currency; at market on a spot exchange in quote currency; contracts of a futures exchange.
            args: Further text for the order's row.

        Returns:
            The order's id; None when it is refused.
        """
        return self._place(self._symbol, self._quick.direction if self._futures else "buy", price, amount, args)

    @timed()
    def Sell(self, price: float, amount: float, *args: Any) -> int | None:
        """Sells the current symbol; see ``Buy``. The amount is always in base currency, or contracts."""
        return self._place(self._symbol, self._quick.direction if self._futures else "sell", price, amount, args)

    @timed()
    def CreateOrder(self, symbol: str, side: str, price: float, amount: float, *args: Any) -> int | None:
        """Places an order of any symbol.

        Args:
            symbol: Empty for the current one.
            side: ``buy`` or ``sell``, of contracts also ``closebuy`` and ``closesell``; a venue's options after ``;`` are ignored.
            price: See ``Buy``.
            amount: See ``Buy``.
            args: Further text for the order's row.
        """
        return self._place(self._symbol_of(symbol), bare_side(side), price, amount, args)

    def _place(self, symbol: str, side: str, price: float, amount: float, args: tuple[Any, ...]) -> int | None:
        price, amount = as_float("price", price), as_float("amount", amount)
        feed = self._feed_of(symbol)
        if symbol == self._symbol:
            self._quick.symbol, self._quick.cursor = symbol, feed
        feed.check_open()
        return self._desk.place(symbol, side, price, amount, joined_text(args) if args else "")

    @timed()
    def ModifyOrder(self, orderId: Any, side: str, price: float, amount: float, *args: Any) -> int | None:
        """Replaces an open order by a new one; returns its id, or None when it is refused (the old one stays)."""
        return self._desk.modify(
            orderId, bare_side(side), real_number("price", price), real_number("amount", amount), joined_text(args)
        )

    @timed(failed=False)
    def CancelOrder(self, orderId: Any, *args: Any) -> bool:
        """Cancels an order; False if there is no such open order."""
        return self._desk.cancel(orderId, joined_text(args))

    @timed()
    def GetOrder(self, orderId: Any) -> Order | None:
        """Returns one order; None if there is no such order."""
        return self._desk.order(orderId)

    @timed()
    def GetOrders(self, symbol: str = "") -> list[Order] | None:
        """Returns the open orders by id.

        Args:
            symbol: A symbol, or a kind of contracts such as ``USDT.swap``; empty for all.
        """
        return self._desk.orders(symbol or "")

    @timed()
    def GetHistoryOrders(self, *args: Any) -> list[Order] | None:
        """Returns filled and canceled orders by id, at most 100.

        Args:
            args: ``()``, ``(symbol)``, ``(symbol, since)``, ``(symbol, since, limit)``, ``(since)`` or ``(since, limit)``; since in ms.
        """
        return self._desk.history(*_history("GetHistoryOrders", args))

    @timed()
    def CreateConditionOrder(
        self, symbol: str, side: str, amount: float, condition: dict[str, Any], *args: Any
    ) -> int | None:
        """Places a condition order; nothing is frozen before it triggers.

        Args:
            symbol: Empty for the current one.
            side: As for ``CreateOrder``.
            amount: The amount of the order that it places.
            condition: ``ConditionType`` with the trigger and order prices that it needs; an order price of -1 is at market.
            args: Further text for the order's row.
        """
        name = self._symbol_of(symbol)
        self._feed_of(name).check_open()
        return self._desk.place_condition(
            name, bare_side(side), real_number("amount", amount), condition_of(condition), joined_text(args)
        )

    @timed()
    def ModifyConditionOrder(
        self, orderId: Any, side: str, amount: float, condition: dict[str, Any], *args: Any
    ) -> int | None:
        """Changes a live condition order, which keeps its id; an amount of -1 stays."""
        return self._desk.modify_condition(
            orderId, bare_side(side), real_number("amount", amount), condition_of(condition), joined_text(args)
        )

    @timed(failed=False)
    def CancelConditionOrder(self, orderId: Any, *args: Any) -> bool:
        """Cancels a condition order; False if there is no such live one."""
        return self._desk.cancel_condition(orderId, joined_text(args))

    @timed()
    def GetConditionOrder(self, orderId: Any) -> Order | None:
        """Returns one condition order; None if there is no such one."""
        return self._desk.condition_order(orderId)

    @timed()
    def GetConditionOrders(self, symbol: str = "") -> list[Order] | None:
        """Returns the live condition orders by id; see ``GetOrders``."""
        return self._desk.condition_orders(symbol or "")

    @timed()
    def GetHistoryConditionOrders(self, *args: Any) -> list[Order] | None:
        """Returns triggered and canceled condition orders; see ``GetHistoryOrders``."""
        return self._desk.condition_history(*_history("GetHistoryConditionOrders", args))

    @timed()
    def GetAccount(self) -> Account | None:
        """Returns the account as the current symbol sees it."""
        return self._desk.account(self._symbol)

    @timed()
    def GetAssets(self) -> list[Asset] | None:
        """Returns the holdings, one row a currency."""
        return self._desk.assets(self._symbol)

    @timed()
    def GetPositions(self, symbol: str = "") -> list[Position] | None:
        """Returns the open positions, long before short; None on a spot exchange. See ``GetOrders``."""
        return self._desk.positions(symbol or "")

    @timed()
    def GetPosition(self, symbol: str = "") -> list[Position] | None:
        """The older spelling of ``GetPositions``."""
        return self._desk.positions(symbol or "")

    @timed()
    def GetFundings(self, symbol: str = "") -> list[Funding] | None:
        """Returns the next funding payment of a perpetual contract; empty when the data have none."""
        return self._desk.fundings(self._symbol_of(symbol))


def _history(method: str, args: tuple[Any, ...]) -> tuple[str, int, int]:
    symbol, since_ms, limit = history_numbers(method, args)
    return symbol or "", since_ms, limit
