"""What all calls of an exchange object have in common: limits, symbols, rates, journal lines."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, TypeVar

import attrs

from ...errors import InputError, InvalidOrder, NotSupported, OperationFailed, OutcomeUnknown, StopRequested, short_repr
from ...structures import Order, Position, Structure
from ..contracts.intents import ConditionIntent
from ..contracts.scopes import is_scope, scope_of
from ..market_rules import MarketRules
from ..order_request import OrderRequest
from ..settings import Settings
from ..state import Core
from ..venue import OrderIntent

__all__ = ["CallBase", "check_id"]

S = TypeVar("S", bound=Structure)

_ORDER_PRICES = ("Price", "AvgPrice")
_CONDITION_PRICES = ("TpTriggerPrice", "TpOrderPrice", "SlTriggerPrice", "SlOrderPrice")


@attrs.frozen
class CallBase:
    """One snapshot of the settings of an exchange object, and what its calls share.

    Attributes:
        core: The state of the exchange object.
        settings: The settings of this call.
    """

    core: Core
    settings: Settings

    def _begin(self, method: str, symbol: str) -> None:
        """Counts a call about a symbol, whose rules are fetched while its first call runs, so that no order has to wait for them."""
        self._count(method)
        self.core.markets.prefetch(symbol)

    def _count(self, method: str) -> None:
        self.core.clock.stop.check()
        if self.core.limits.active:
            self.core.limits.acquire(method)

    def _current(self) -> str:
        """The current symbol.

        Raises:
            InputError: It is a contract, and none was chosen.
        """
        return self.settings.symbol_of("")

    def _scope(self, symbol: Any) -> str | None:
        """The scope of a list call: None for all of a spot account, or a kind of contracts such as ``USDT.swap``."""
        settings = self.settings
        if symbol is None or (isinstance(symbol, str) and not symbol):
            if settings.contracts_of:
                self._current()
                return scope_of(settings.pair, settings.contract)
            return settings.symbol if settings.contract else None
        if isinstance(symbol, str) and is_scope(symbol):
            return symbol
        return settings.symbol_of(symbol)

    def _scaled(self, structure: S, fields: Iterable[str]) -> S:
        rate = self.settings.rate
        if rate == 1:
            return structure
        for field in fields:
            value = structure.get(field)
            if value and value > 0:  # neither 0 (unknown) nor -1 (at market) is a price
                structure[field] = float(Decimal(repr(float(value))) * rate)
        return structure

    def _shown(self, orders: list[Order], *, conditional: bool = False) -> list[Order]:
        self.core.orders.mark_foreign(orders, conditional=conditional)
        self.core.contracts.alarm(orders)
        for order in orders if self.settings.rate != 1 else ():
            self._scaled(order, _ORDER_PRICES)
            if order["Condition"] is not None:
                self._scaled(order["Condition"], _CONDITION_PRICES)
        return orders

    def _rules(self, symbol: str) -> MarketRules | None:
        try:
            return self.core.markets.rules(symbol)
        except NotSupported:
            return None

    def _positions(self, scope: str | None, *, amounts_only: bool = False) -> list[Position]:
        """The positions of a scope, from the user stream if that is live.

        Args:
            scope: The scope.
            amounts_only: Whether leverage and margin may be missing.
        """
        accounts = self.core.accounts
        live = accounts.positions(scope, amounts_only=amounts_only)
        if live is not None:
            return live
        found = self.core.venue.positions(scope)
        accounts.learn(scope, found)
        return found

    def _last_price(self, symbol: str) -> Decimal:
        """The last price of a symbol in the venue's currency, from its live book if that is valid.

        Raises:
            OperationFailed: It has never traded.
        """
        last = (self.core.live.ticker(symbol) or self.core.venue.ticker(symbol))["Last"]
        if last is None:
            raise OperationFailed(f"{symbol} has no last price; nothing was sent")
        return Decimal(repr(float(last)))

    def _request(self, symbol: str, side: Any, price: Any, amount: Any) -> OrderRequest:
        """An order as it was given, with the settings of this call; a contract must be the one that was chosen."""
        settings = self.settings
        return OrderRequest(
            symbol=symbol,
            side=side,
            price=price,
            amount=amount,
            price_digits=settings.price_digits,
            amount_digits=settings.amount_digits,
            rate=settings.rate,
            contract=self.core.contracts.checked(symbol) if settings.contracts_of else "",
        )

    def _write_line(self, method: str, kind: int, **fields: Any) -> None:
        """Writes the line of something that the venue has done; whatever is wrong with the line must not hide that."""
        core = self.core
        try:
            core.host.order_line(kind, source=core.label, **fields)
        except Exception as error:  # mostly a __str__ of the strategy's own objects
            text = f"the line of order {short_repr(fields['order_id'])} could not be written: {type(error).__name__}"
            core.report(method, InputError(text))

    def _placed(self, method: str, intent: OrderIntent | ConditionIntent, own_id: bool) -> str:
        """Sends an order or a condition order through the order log; returns its id.

        Args:
            method: The call, for the error line of an interrupted order.
            intent: The order.
            own_id: Whether its client order id was made here.
        """
        core = self.core
        try:
            order_id = core.orders.place(intent, own_client_id=own_id)
            core.accounts.expect(intent.symbol, order_id, ends_at_once=_ends_at_once(intent))
            return order_id
        except (StopRequested, KeyboardInterrupt, SystemExit) as error:
            self._tell_interrupted(method, intent, error)
            raise
        except InvalidOrder:
            core.markets.refused(intent.symbol)  # perhaps by a rule that has changed since the rules were fetched
            raise

    def _tell_interrupted(self, method: str, intent: OrderIntent | ConditionIntent, error: BaseException) -> None:
        """Writes the error line of an interrupted order; a stop and Ctrl-C write none of their own."""
        key = intent.client_order_id
        record = self.core.intents.get(key)
        if record is not None and record.fate == "unknown":
            words = f"interrupted ({type(error).__name__}); the order may have been sent and its outcome is unknown: Reconcile() asks about its client order id {key}"
            self.core.report(method, OutcomeUnknown(words, client_order_id=key))


def _ends_at_once(intent: OrderIntent | ConditionIntent) -> bool:
    """Whether an order never rests."""
    return isinstance(intent, OrderIntent) and (intent.price is None or intent.time_in_force in {"IOC", "FOK"})


def check_id(order_id: Any) -> None:
    """Raises InputError for an order id that is not text.

    Raises:
        InputError: It is not text, or empty.
    """
    if not isinstance(order_id, str) or not order_id:
        raise InputError(f"an order id must be text such as 'BTCUSDT,12345', got {short_repr(order_id)}")
