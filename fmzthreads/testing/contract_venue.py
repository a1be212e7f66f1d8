"""A venue for contracts in memory, scripted by the test: positions, leverage, changes of orders, condition orders."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ..clock import Clock
from ..constants import (
    ORDER_OFFSET_CLOSE,
    ORDER_OFFSET_OPEN,
    ORDER_STATE_CANCELED,
    ORDER_STATE_CLOSED,
    ORDER_STATE_PENDING,
    ORDER_TYPE_BUY,
    ORDER_TYPE_SELL,
)
from ..errors import DuplicateOrder, InputError, OrderNotFound, short_repr
from ..exchange.contracts.conditions import condition_structure
from ..exchange.contracts.converter import Contract, ContractValue
from ..exchange.contracts.directions import is_buy
from ..exchange.contracts.intents import ConditionIntent, ModifyIntent
from ..exchange.contracts.port import FundingPayment, PositionMode
from ..exchange.contracts.scopes import scope_includes
from ..exchange.venue import OrderIntent
from ..structures import Asset, Funding, Info, Order, Position
from .fake_venue import FakeVenue

__all__ = ["FakeContractVenue"]


class FakeContractVenue(FakeVenue):
    """A scriptable venue for contracts; see ``FakeVenue``. It lists ``BTC_USDT.swap``, one contract being 0.01 BTC, and what the test adds.

    Args:
        name: Its name.
        clock: See ``FakeVenue``.
        contracts: FMZ's symbols of its contracts.
        default_contract: See ``Venue``.
        most_leverage: The highest leverage of each contract.
    """

    contracts_only = True

    def __init__(
        self,
        name: str = "Futures_Fake",
        *,
        clock: Clock | None = None,
        contracts: tuple[str, ...] = ("BTC_USDT.swap",),
        default_contract: str = "swap",
        most_leverage: int = 100,
    ) -> None:
        super().__init__(name, clock=clock, pairs=())
        self.default_contract = default_contract
        self.most_leverage = most_leverage
        self.mode: PositionMode = "one_way"
        self.replaces_conditions = False
        self.open_positions: list[Position] = []
        self.rates: list[Funding] = []
        self.payments: list[FundingPayment] = []
        self.levels: dict[str, float] = {}
        self.crossed: dict[str, bool] = {}
        self.modified: list[ModifyIntent] = []
        """Every change that the venue accepted, in order."""
        self.conditions: list[ConditionIntent] = []
        """Every condition order that the venue accepted, in order."""
        self.venue_names: dict[str, str] = {}
        """The venue's own name of each contract; a code rolls when the test changes it."""
        self._conditional: dict[str, Order] = {}
        for symbol in contracts:
            self.list_contract(symbol)

    def list_contract(self, symbol: str, *, price: float = 100.0, **rules: Any) -> None:
        """Lists a contract; see ``list_pair``. One is 0.01 of its base currency, orders have a step of 1."""
        base = symbol.partition("_")[0]
        fields = {
            "AmountSize": 1.0,
            "AmountPrecision": 0,
            "MinQty": 1.0,
            "MinNotional": 0.0,
            "CtVal": 0.01,
            "CtValCcy": base,
        }
        self.list_pair(symbol, price=price, **{**fields, **rules})
        self.venue_names[symbol] = symbol.replace("_", "").replace(".", "_").upper()

    def hold_position(self, symbol: str, amount: float, kind: int, *, price: float = 100.0) -> None:
        """Gives the account a position; ``kind`` is ``PD_LONG`` or ``PD_SHORT``."""
        with self._lock:
            self.open_positions.append(
                Position(
                    Info=Info(),
                    Symbol=symbol,
                    MarginLevel=self.levels.get(symbol, 1.0),
                    Amount=amount,
                    FrozenAmount=0.0,
                    Price=price,
                    Profit=0.0,
                    Type=kind,
                    ContractType=symbol.partition(".")[2],
                    Margin=0.0,
                )
            )

    def trigger(self, order_id: str, *, dealt: float | None = None) -> None:
        """Triggers a condition order, whose child is filled (``dealt``; None for all of it)."""
        with self._lock:
            order = self._conditional[order_id]
            order["Status"] = ORDER_STATE_CLOSED
            order["DealAmount"] = order["Amount"] if dealt is None else dealt

    # The port

    def contract(self, symbol: str) -> Contract:
        """What the test listed."""
        market = self.market_rules[self._check(symbol)]
        return Contract(
            symbol=symbol,
            venue_symbol=self.venue_names[symbol],
            value=ContractValue.of(market),
            value_currency=market["CtValCcy"],
            margin_currency=market["QuoteAsset"] if market["CtValCcy"] == market["BaseAsset"] else market["BaseAsset"],
            step=Decimal(repr(market["AmountSize"])),
        )

    def position_mode(self) -> PositionMode:
        """What ``mode`` holds."""
        return self._serve("position_mode", lambda: self.mode)

    def margin_assets(self, symbol: str) -> list[Asset]:
        """All holdings that are not zero."""
        self._check(symbol)
        return self.assets()

    def set_cross(self, symbol: str, cross: bool) -> None:
        """Takes the setting."""

        def _answer() -> None:
            self.crossed[self._check(symbol)] = cross

        self._serve("set_cross", _answer)

    def set_margin_level(self, symbol: str, level: int) -> float:
        """Takes a level of at most ``most_leverage``."""
        if level > self.most_leverage:
            raise InputError(f"the leverage of {symbol} is at most {self.most_leverage}, got {level}; nothing was sent")

        def _answer() -> float:
            self.levels[self._check(symbol)] = float(level)
            return self.levels[symbol]

        return self._serve("set_margin_level", _answer)

    def positions(self, symbol: str | None = None) -> list[Position]:
        """Copies of ``open_positions``."""
        return self._serve(
            "positions", lambda: [one.copy() for one in self.open_positions if scope_includes(symbol, one["Symbol"])]
        )

    def fundings(self, symbol: str | None = None) -> list[Funding]:
        """Copies of ``rates``."""
        return self._serve(
            "fundings", lambda: [one.copy() for one in self.rates if scope_includes(symbol, one["Symbol"])]
        )

    def funding_payments(self, symbol: str | None = None, since_ms: int = 0, limit: int = 0) -> list[FundingPayment]:
        """Copies of ``payments``."""

        def _answer() -> list[FundingPayment]:
            found = [one.copy() for one in self.payments if scope_includes(symbol, one["Symbol"])]
            return [one for one in found if one["Time"] >= since_ms][: limit or None]

        return self._serve("funding_payments", _answer)

    def orders(self, symbol: str | None = None) -> list[Order]:
        """Copies of the open orders of a symbol or of a kind of contracts."""
        return self._serve(
            "orders",
            lambda: [
                order.copy()
                for order in self._orders.values()
                if order["Status"] == ORDER_STATE_PENDING and scope_includes(symbol, order["Symbol"])
            ],
        )

    def _accept(self, intent: OrderIntent) -> str:
        order_id = super()._accept(intent)
        order = self._orders[order_id]
        order["Offset"] = ORDER_OFFSET_CLOSE if intent.side.startswith("close") else ORDER_OFFSET_OPEN
        order["ContractType"] = intent.symbol.partition(".")[2]
        return order_id

    def modify(self, intent: ModifyIntent) -> str:
        """Changes an open order, which keeps its id."""
        return self._serve("modify", lambda: self._change(self._orders, intent))

    def _change(self, orders: dict[str, Order], intent: ModifyIntent) -> str:
        order = orders.get(intent.order_id)
        if order is None or order["Status"] != ORDER_STATE_PENDING:
            raise OrderNotFound(f"no open order {short_repr(intent.order_id)}", request="FAKE modify")
        if intent.price is not None:
            order["Price"] = float(intent.price)
        if intent.amount is not None:
            order["Amount"] = float(intent.amount)
        if intent.terms is not None:
            order["Condition"] = condition_structure(intent.terms)
        self.modified.append(intent)
        return intent.order_id

    def place_condition(self, intent: ConditionIntent) -> str:
        """Accepts a condition order, which waits until the test triggers it."""
        return self._serve("place_condition", lambda: self._accept_condition(intent))

    def _accept_condition(self, intent: ConditionIntent) -> str:
        key = (f"condition {self._check(intent.symbol)}", intent.client_order_id)
        if key in self._by_client_id:
            raise DuplicateOrder("the client order id is in use", request="FAKE place_condition")
        self._next_id += 1
        order_id = f"{self.venue_names[intent.symbol]},{self._next_id}"
        self._by_client_id[key] = order_id
        self.conditions.append(intent)
        self._conditional[order_id] = Order(
            Info=Info(clientOrderId=intent.client_order_id),
            Symbol=intent.symbol,
            Id=order_id,
            Time=self._now_ms(),
            Price=-1.0,
            Amount=float(intent.amount),
            DealAmount=0.0,
            AvgPrice=0.0,
            Status=ORDER_STATE_PENDING,
            Type=ORDER_TYPE_BUY if is_buy(intent.side) else ORDER_TYPE_SELL,
            Offset=ORDER_OFFSET_CLOSE if intent.side.startswith("close") else ORDER_OFFSET_OPEN,
            ContractType=intent.symbol.partition(".")[2],
            Condition=condition_structure(intent.terms),
        )
        return order_id

    def modify_condition(self, intent: ModifyIntent) -> str:
        """Changes a condition order, which keeps its id."""
        return self._serve("modify_condition", lambda: self._change(self._conditional, intent))

    def cancel_condition(self, order_id: str) -> None:
        """Cancels a condition order that has not triggered."""

        def _answer() -> None:
            order = self._conditional.get(order_id)
            if order is None or order["Status"] != ORDER_STATE_PENDING:
                raise OrderNotFound(f"no open condition order {short_repr(order_id)}", request="FAKE cancel_condition")
            order["Status"] = ORDER_STATE_CANCELED

        self._serve("cancel_condition", _answer)

    def _condition(self, order_id: str | None) -> Order:
        if order_id is None or order_id not in self._conditional:
            raise OrderNotFound(f"no condition order {short_repr(order_id)}", request="FAKE condition_order")
        return self._conditional[order_id].copy()

    def condition_order(self, order_id: str) -> Order:
        """A copy of one condition order."""
        return self._serve("condition_order", lambda: self._condition(order_id))

    def condition_by_client_id(self, symbol: str, client_order_id: str) -> Order:
        """A copy of one condition order."""
        key = (f"condition {symbol}", client_order_id)
        return self._serve("condition_by_client_id", lambda: self._condition(self._by_client_id.get(key)))

    def condition_orders(self, symbol: str | None = None) -> list[Order]:
        """Copies of the condition orders that have not triggered."""
        return self._serve("condition_orders", lambda: self._conditions(symbol, ended=False))

    def history_condition_orders(self, symbol: str, since_ms: int = 0, limit: int = 0) -> list[Order]:
        """Copies of the condition orders that triggered or were cancelled."""

        def _answer() -> list[Order]:
            found = [one for one in self._conditions(symbol, ended=True) if one["Time"] >= since_ms]
            return found[: limit or None]

        return self._serve("history_condition_orders", _answer)

    def _conditions(self, symbol: str | None, *, ended: bool) -> list[Order]:
        return [
            order.copy()
            for order in self._conditional.values()
            if (order["Status"] != ORDER_STATE_PENDING) is ended and scope_includes(symbol, order["Symbol"])
        ]
