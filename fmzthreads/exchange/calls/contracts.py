"""The calls for contracts, for condition orders and for changes of orders."""

from __future__ import annotations

from typing import Any

from ...constants import LOG_TYPE_BUY, LOG_TYPE_CANCEL, LOG_TYPE_SELL, ORDER_STATE_PENDING
from ...errors import (
    FmzError,
    InvalidOrder,
    NotSupported,
    OperationFailed,
    OrderNotFound,
    OutcomeUnknown,
    StopRequested,
)
from ...structures import Funding, Order, Position
from ..contracts.conditions import check_triggers, condition_of
from ..contracts.directions import is_buy
from ..contracts.intents import ConditionIntent, ModifyIntent
from ..contracts.port import FundingPayment
from ..contracts.requests import prepare_condition, prepare_modify
from ..order_request import OrderRequest
from .arguments import history_arguments, level_arguments
from .base import CallBase, check_id

__all__ = ["ContractCalls"]

# Options that make a trigger look at another price than the last one, which is then left to the venue.
_TRIGGER_PRICES = frozenset(
    {"workingType", "tpTriggerPxType", "slTriggerPxType", "newTpTriggerPxType", "newSlTriggerPxType", "type"}
)


class ContractCalls(CallBase):
    """The calls of one exchange object for contracts, under one snapshot of its settings."""

    def contract_type(self) -> str:
        """The current contract code; empty if not set."""
        return self.settings.contract

    def positions(self, symbol: Any = "") -> list[Position]:
        """Open positions; contracts only."""
        scope = self._scope(symbol)
        self._count("GetPositions")
        positions = self._positions(scope)
        if self.core.host.holdings is not None:
            self.core.host.holdings.see_positions(self.core, scope, positions)
        return [self._scaled(position, ("Price",)) for position in positions]

    def fundings(self, symbol: Any = "") -> list[Funding]:
        """Funding rates; perpetual contracts only."""
        scope = self._scope(symbol)
        self._count("GetFundings")
        return self.core.venue.fundings(scope)

    def funding_payments(self, *args: Any) -> list[FundingPayment]:
        """Funding payments of the account; the forms of ``GetHistoryOrders``."""
        name, since_ms, limit = history_arguments(self.settings, args, "GetFundingPayments")
        self._count("GetFundingPayments")
        return self.core.venue.funding_payments(name, since_ms, limit)

    def set_margin_level(self, *args: Any) -> bool:
        """Sets the leverage, and compares what the venue then has."""
        symbol, level = level_arguments(args)
        name = self.settings.symbol_of(symbol)
        self._count("SetMarginLevel")
        found = self.core.venue.set_margin_level(name, level)
        if found != level:
            raise InvalidOrder(f"the leverage of {name} was to be {level}, and the venue has {found:g}")
        return True

    # Changes of orders

    def modify_order(self, order_id: Any, side: Any, price: Any, amount: Any, *tail: Any) -> str:
        """Changes price or amount of an open order."""
        check_id(order_id)
        core = self.core
        symbol = core.intents.symbol_of(order_id) or core.venue.order(order_id)["Symbol"]
        request = self._request(symbol, side, price, amount)
        intent = prepare_modify(order_id, request, None, self._rules, core.orders.new_id)
        self._count("ModifyOrder")
        found = core.orders.modify(intent)
        core.accounts.distrust(order_id)
        self._modified("ModifyOrder", intent, found, tail)
        return found

    def _modified(self, method: str, intent: ModifyIntent, order_id: str, tail: tuple[Any, ...]) -> None:
        self._write_line(
            method,
            LOG_TYPE_BUY if is_buy(intent.side) else LOG_TYPE_SELL,
            symbol=intent.symbol,
            price=-1.0 if intent.price is None else float(intent.price * self.settings.rate),
            amount=-1.0 if intent.amount is None else float(intent.amount),
            order_id=order_id,
            tail=(f"change of {intent.order_id}", *tail),
        )

    # Condition orders

    def create_condition_order(self, symbol: Any, side: Any, amount: Any, condition: Any, *tail: Any) -> str:
        """Places a condition order."""
        request = self._request(self.settings.symbol_of(symbol), side, -1, amount)
        return self._place_condition("CreateConditionOrder", request, condition, tail)

    def _place_condition(self, method: str, request: OrderRequest, condition: Any, tail: tuple[Any, ...]) -> str:
        core = self.core
        intent, own_id = prepare_condition(request, condition, self._rules, core.orders.new_id)
        self._check_triggers(intent)
        self._count(method)
        order_id = self._placed(method, intent, own_id)
        trigger = intent.terms.tp_trigger or intent.terms.sl_trigger
        self._write_line(
            method,
            LOG_TYPE_BUY if is_buy(intent.side) else LOG_TYPE_SELL,
            symbol=intent.symbol,
            price=-1.0 if trigger is None else float(trigger * self.settings.rate),
            amount=float(intent.amount),
            order_id=order_id,
            tail=(f"condition {intent.terms.name}", *tail),
        )
        return order_id

    def _check_triggers(self, intent: ConditionIntent | ModifyIntent) -> None:
        """Refuses a trigger on the wrong side of the last price; one of another price is left to the venue."""
        if intent.terms is not None and not _TRIGGER_PRICES.intersection(intent.options):
            check_triggers(intent.terms, intent.side, self._last_price(intent.symbol))

    def modify_condition_order(self, order_id: Any, side: Any, amount: Any, condition: Any, *tail: Any) -> str:
        """Changes a condition order that has not triggered: in place, or by a new one where the venue cannot."""
        check_id(order_id)
        condition_of(condition)
        core = self.core
        if core.venue.replaces_conditions:
            return self._replace_condition(order_id, side, amount, condition, tail)
        symbol = core.intents.symbol_of(order_id, conditional=True) or core.venue.condition_order(order_id)["Symbol"]
        request = self._request(symbol, side, -1, amount)
        intent = prepare_modify(order_id, request, condition, self._rules, core.orders.new_id)
        self._check_triggers(intent)
        self._count("ModifyConditionOrder")
        found = core.orders.modify(intent)
        core.accounts.distrust(order_id)
        self._modified("ModifyConditionOrder", intent, found, tail)
        return found

    def _replace_condition(self, order_id: str, side: Any, amount: Any, condition: Any, tail: tuple[Any, ...]) -> str:
        """Places the new one before it cancels the old, so that a position is never without its stop."""
        core = self.core
        old = core.venue.condition_order(order_id)
        if old["Status"] != ORDER_STATE_PENDING:
            raise OrderNotFound(f"{order_id} has triggered or ended; nothing was sent")
        if amount == -1:
            amount = old["Amount"]
        new_id = self._place_condition(
            "ModifyConditionOrder",
            self._request(old["Symbol"], side, -1, amount),
            condition,
            (f"for {order_id}", *tail),
        )
        try:
            core.orders.cancel(order_id, conditional=True)
            core.accounts.distrust(order_id)
        except OutcomeUnknown as error:
            error.args = (f"{error.args[0]}; its replacement {new_id} is open", *error.args[1:])
            raise
        except StopRequested:
            raise
        except (
            FmzError
        ) as error:  # the old one has triggered, or it could not be cancelled: as before, but for what it did
            core.orders.cancel(new_id, conditional=True)
            error.args = (f"{error.args[0]}; its replacement {new_id} was cancelled again", *error.args[1:])
            raise
        return new_id

    def cancel_condition_order(self, order_id: Any, *tail: Any) -> bool:
        """Cancels a condition order."""
        check_id(order_id)
        self._count("CancelConditionOrder")
        self.core.orders.cancel(order_id, conditional=True)
        self.core.accounts.distrust(order_id)
        self._write_line(
            "CancelConditionOrder", LOG_TYPE_CANCEL, symbol="", price=0.0, amount=0.0, order_id=order_id, tail=tail
        )
        return True

    def condition_order(self, order_id: Any) -> Order:
        """One condition order."""
        check_id(order_id)
        self._count("GetConditionOrder")
        return self._shown([self.core.venue.condition_order(order_id)], conditional=True)[0]

    def condition_orders(self, symbol: Any = "") -> list[Order]:
        """Condition orders that have not triggered."""
        scope = self._scope(symbol)
        self._count("GetConditionOrders")
        live = self.core.accounts.orders(scope, conditional=True)
        return self._shown(self.core.venue.condition_orders(scope) if live is None else live, conditional=True)

    def history_condition_orders(self, *args: Any) -> list[Order]:
        """Condition orders of the past; the forms of ``GetHistoryOrders``."""
        name, since_ms, limit = history_arguments(self.settings, args, "GetHistoryConditionOrders")
        self._count("GetHistoryConditionOrders")
        return self._shown(self.core.venue.history_condition_orders(name, since_ms, limit), conditional=True)

    # All orders

    def cancel_all(self, symbol: Any = "") -> bool:
        """Cancels the open orders and the condition orders of a symbol, the strategy's own and others; not those of the venue."""
        name = self.settings.symbol_of(symbol)
        core = self.core
        self._count("CancelAll")
        failed: list[str] = []
        for conditional in (False, True):
            for order in self._open(name, conditional=conditional):
                try:
                    core.orders.cancel(order["Id"], conditional=conditional)
                    core.accounts.distrust(order["Id"])
                except StopRequested:
                    raise
                except OrderNotFound:
                    continue  # it has ended meanwhile
                except FmzError as error:
                    failed.append(f"{order['Id']}: {error}")
                    continue
                self._write_line("CancelAll", LOG_TYPE_CANCEL, symbol=name, price=0.0, amount=0.0, order_id=order["Id"])
        if failed:
            raise OperationFailed(f"{len(failed)} orders of {name} could not be cancelled: {'; '.join(failed)}")
        return True

    def _open(self, symbol: str, *, conditional: bool) -> list[Order]:
        venue = self.core.venue
        try:
            found = venue.condition_orders(symbol) if conditional else venue.orders(symbol)
        except NotSupported:
            if not conditional:
                raise
            return []  # a venue without condition orders has none
        return [order for order in found if not order.get("MadeBy")]
