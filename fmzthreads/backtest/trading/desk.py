"""Takes the orders of a strategy on one simulated exchange, settles them, and shows account, positions and history.

Orders are settled lazily: each call about orders or the account begins with the settlement of all ticks since the last one. A refusal is an error row and
None or False, in the texts of FMZ's engine (github.com/fmzquant/backtest_javascript).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...constants import ORDER_STATE_CANCELED
from ...errors import InputError, NotSupported
from ...structures import Account, Asset, Condition, Funding, Order, Position
from ..nano import nano, to_float
from .conditions import ConditionOrder, finite, read_condition, side_text
from .history import in_scope
from .margin import SWITCH_REFUSED, MarginAccount
from .market import MarketView
from .order_desk import SettlingDesk
from .orders import NOT_FOUND, NOT_OPEN, DeskOrder

__all__ = ["Desk"]


class Desk(SettlingDesk):
    """Orders, condition orders and account of one exchange."""

    # condition orders

    def place_condition(
        self, symbol: str, side: str, amount: float, condition: Mapping[str, Any], message: str = ""
    ) -> int | None:
        """Places a condition order: nothing is checked or frozen before it triggers.

        Args:
            symbol: FMZ's full symbol.
            side: As for ``place``.
            amount: The amount of the order that it places.
            condition: ``ConditionType`` and the trigger and order prices that it needs; an order price of -1 is at market.
            message: What the log row says.

        Returns:
            Its id; None without a ``ConditionType``.

        Raises:
            EOFError: The data have ended.
            InputError: The condition, the side or the amount is not valid.
            NoData: There is no such symbol.
        """
        self.settle()
        terms = read_condition(condition)
        if terms is None:
            return None
        finite("amount", amount)
        view = self._market(symbol)
        self._check_side(view, side)
        view.current()  # the end of the data is raised before an id is taken
        view.consume()
        order = ConditionOrder(self.take_id(), view)
        self._conditions.add(order)
        self._live.orders[order.id] = order
        self._set_condition(order, side, amount, terms, condition, message)
        return order.id

    def _set_condition(
        self,
        order: ConditionOrder,
        side: str,
        amount: float,
        terms: Condition,
        given: Mapping[str, Any],
        message: str,
    ) -> None:
        order.set(side, self.ledger.direction(side), amount, terms, self._now_ms())
        self._rows.order(
            0 if order.is_buy else 1,
            self._number,
            order.id,
            nano(order.price),
            nano(amount),
            message,
            order.detail.symbol,
            side_text(side, given),
        )
        self._place_triggered(self._live.triggered())  # the tick of its placement counts

    def modify_condition(
        self, order_id: object, side: str, amount: float, condition: Mapping[str, Any], message: str = ""
    ) -> int | None:
        """Changes a live condition order, which keeps its id; an amount of -1 stays. None and an error row when there is no such live one."""
        self.settle()
        order = self._conditions.get(order_id)
        if order is None or not order.is_open:
            self._rows.error(self._number, NOT_FOUND)
            return None
        terms = read_condition(condition)
        if terms is None:
            return None
        finite("amount", amount)
        self._check_side(order.view, side)
        self._set_condition(order, side, order.amount if amount == -1 else amount, terms, condition, message)
        return order.id

    def _check_side(self, view: MarketView, side: str) -> None:
        wrong = self._wrong_side(view, side)
        if wrong is not None:
            raise InputError(wrong)

    def cancel_condition(self, order_id: object, message: str = "") -> bool:
        """Cancels a live condition order; False and an error row when there is no such live one."""
        self.settle()
        order = self._conditions.get(order_id)
        if order is None or not order.is_open:
            self._rows.error(self._number, NOT_OPEN)
            return False
        order.state = ORDER_STATE_CANCELED
        del self._live.orders[order.id]
        self._rows.order(2, self._number, order.id, 0, 0, message, order.detail.symbol, "")
        return True

    def condition_order(self, order_id: object) -> Order | None:
        """One condition order; None and an error row for an id that there is not."""
        self.settle()
        order = self._conditions.get(order_id)
        if order is None:
            self._rows.error(self._number, NOT_FOUND)
            return None
        return order.structure()

    def condition_orders(self, symbol: str = "") -> list[Order]:
        """The live condition orders by id; ``symbol`` as for ``orders``."""
        self.settle()
        return [order.structure() for order in self._live.orders.values() if in_scope(order.detail, symbol)]

    def condition_history(self, symbol: str = "", since_ms: int = 0, limit: int = 0) -> list[Order]:
        """Triggered and canceled condition orders; arguments as for ``history``."""
        self.settle()
        return [order.structure() for order in self._conditions.ended(symbol, since_ms, limit)]

    # account

    def account(self, symbol: str) -> Account:
        """The account as a symbol sees it.

        Raises:
            NoData: There is no such symbol.
        """
        self.settle()
        return self.ledger.account(self._market(symbol).detail)

    def assets(self, symbol: str) -> list[Asset]:
        """The holdings, one row a currency."""
        self.settle()
        return self.ledger.assets(self._market(symbol).detail)

    def positions(self, symbol: str = "") -> list[Position] | None:
        """The positions, long before short; None on spot. ``symbol`` as for ``orders``."""
        self.settle()
        return self.ledger.positions(symbol)

    def fundings(self, symbol: str) -> list[Funding]:
        """The next funding payment of a contract; empty if none exists.

        Raises:
            NoData: There is no such symbol, or not the funding series that its market names.
        """
        self.settle()
        return self._funding.upcoming(self._market(symbol), self._now_ms())

    def set_level(self, symbol: str, level: float) -> bool:
        """Sets the leverage of a symbol; ignored while it has a position. Always True."""
        self.ledger.set_level(self._market(symbol), level)
        return True

    def set_dual(self, dual: bool) -> bool:
        """Chooses between two positions a symbol (hedge, the default) and one net position.

        Raises:
            InputError: There is a position or an open order.
            NotSupported: The exchange is a spot exchange.
        """
        if not isinstance(self.ledger, MarginAccount):
            raise NotSupported("IO('dual') needs a futures exchange; this is a spot exchange")
        self.settle()
        if self._busy or self._live.orders:
            raise InputError(SWITCH_REFUSED)
        self.ledger.set_dual(dual)
        return True

    # settlement and snapshots

    def all_ended(self) -> tuple[list[Order], list[Order]]:
        """All orders and condition orders that are no longer open, by id, without a limit."""
        self.settle()
        rate = self.ledger.rate
        return (
            [order.structure(rate) for order in self._orders if not order.is_open],
            [order.structure() for order in self._conditions if not order.is_open],
        )

    def dealt_orders(self) -> list[DeskOrder]:
        """All orders that were filled at all, by id."""
        return [order for order in self._orders if order.deal and order is not self._unseen]

    def snapshot(self, views: list[MarketView]) -> dict[str, Any]:
        """One exchange's part of an equity snapshot, in the shape of FMZ's engine.

        Args:
            views: The symbols that have been used, in the order of their first use.
        """
        self.settle()
        settings = self.settings
        worth = self.ledger.worth(views)
        for view in views:
            symbol = view.detail.symbol
            traded = self._traded.get(symbol)
            placed, dealt = (traded.placed, traded.dealt) if traded is not None else ((0, 0), (0, 0))
            shown = worth["Symbols"].setdefault(symbol, {})
            shown["Last"] = to_float(view.last_price())
            shown["TradeStatus"] = {
                "BuyDealAmount": to_float(dealt[0]),
                "BuyOrderCount": placed[0],
                "SellDealAmount": to_float(dealt[1]),
                "SellOrderCount": placed[1],
            }
        return {
            "Id": settings.eid,
            "BaseCurrency": settings.base_currency,
            "QuoteCurrency": settings.quote_currency,
            "MarginCurrency": settings.margin_currency or settings.quote_currency,
            **worth,
        }
