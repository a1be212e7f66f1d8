"""One family of Binance's futures: its orders and condition orders, over its account."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import attrs

from ....constants import ORDER_STATE_PENDING
from ....errors import OrderNotFound, UnknownSymbol
from ....exchange.contracts.intents import ConditionIntent, ModifyIntent
from ....exchange.live_account.events import StreamFill
from ....exchange.venue import OrderFill, OrderIntent
from ....structures import Order
from ...rest.ask import walk
from ...rest.contract_venue import sorted_orders
from ...rest.parsing import mapping, text
from ...rest.symbols import split_order_id
from .account import FuturesAccount
from .account_stream import FuturesAccountSource
from .dialect import MOST_ROWS, windows

__all__ = ["FuturesFamily"]

T = TypeVar("T")


class FuturesFamily(FuturesAccount):
    """USD-margined or coin-margined contracts of Binance; see ``FuturesAccount``."""

    def place(self, intent: OrderIntent) -> str:
        """Sends an order once; see ``Venue.place``."""
        return self._checking_mode(lambda: super(FuturesFamily, self).place(intent))

    def cancel_all_after(self, symbol: str, timeout_s: float) -> None:
        """``countdownCancelAll``, which leaves condition orders; see ``Venue.cancel_all_after``."""
        ask = self.product.countdown.of(("symbol", self._name(symbol)), ("countdownTime", int(timeout_s * 1000)))
        self.channel.call(ask, _taken)

    def order_by_client_id(self, symbol: str, client_order_id: str) -> Order:
        """One request; a second one where an order of a conditional type may have been meant. See ``Venue.order_by_client_id``."""
        try:
            return super().order_by_client_id(symbol, client_order_id)
        except OrderNotFound:
            return self.condition_by_client_id(symbol, client_order_id)

    def fills(self, order: Order) -> list[OrderFill]:
        """One request a week since the order was made; see ``Venue.fills``."""
        name, number_ = split_order_id(order["Id"])
        now_ms = self.channel.time.now_ms()
        pages = self.dialect.fills(name, number_, order["Time"], now_ms)
        found = {fill["Id"]: fill for fill in walk(self.channel.call, pages)}
        for ask in self.dialect.later_fills(name, number_, order["Time"], now_ms):
            found.update({fill["Id"]: fill for fill in self.channel.call(ask, pages.read).items})
        return sorted(found.values(), key=lambda fill: (fill["Time"], fill["Id"]))

    def modify(self, intent: ModifyIntent) -> str:
        """One request, after a query if price or amount is to stay; see ``Venue.modify``."""
        name, number_ = split_order_id(intent.order_id)
        if intent.price is None or intent.amount is None:
            intent = self._completed(intent)
        query = self.dialect.modify(intent, name, number_)
        return f"{name},{self.channel.send_once(query.ask, query.read)}"

    def _completed(self, intent: ModifyIntent) -> ModifyIntent:
        """A change with the price and the amount that the order has where none is given: Binance wants both."""
        order = self.order(intent.order_id)
        if order["Status"] != ORDER_STATE_PENDING:
            raise OrderNotFound(f"{intent.order_id} has ended; nothing was sent")
        return attrs.evolve(
            intent,
            price=Decimal(str(order["Info"]["price"])) if intent.price is None else intent.price,
            amount=Decimal(str(order["Info"]["origQty"])) if intent.amount is None else intent.amount,
        )

    # Condition orders

    def place_condition(self, intent: ConditionIntent) -> str:
        """Sends a condition order once; see ``Venue.place_condition``."""
        name = self._listing(intent.symbol).venue_symbol
        order = self.dialect.place_condition(intent, name)
        send = lambda: self.channel.send_once(order.ask, order.read, order.client_order_id)  # noqa: E731 (shown where it is sent)
        return f"{name},{self._checking_mode(send)}"

    def cancel_condition(self, order_id: str) -> None:
        """One request; see ``Venue.cancel_condition``."""
        query = self.dialect.cancel_condition(split_order_id(order_id)[1])
        self.channel.send_once(query.ask, query.read)

    def condition_order(self, order_id: str) -> Order:
        """One request, and one more for the order that it has placed; see ``Venue.condition_order``."""
        query = self.dialect.condition(split_order_id(order_id)[1])
        return self._with_child(self.channel.call(query.ask, query.read))

    def condition_by_client_id(self, symbol: str, client_order_id: str) -> Order:
        """One request, and one more for the order that it has placed; see ``Venue.condition_by_client_id``."""
        query = self.dialect.condition_by_client_id(client_order_id)
        return self._with_child(self._get(symbol, query))

    def condition_orders(self, symbol: str | None = None) -> list[Order]:
        """Those that have not triggered; see ``Venue.condition_orders``."""
        pages = self.dialect.open_conditions(self._one(symbol))
        found = self._put_symbols(walk(self.channel.call, pages))
        return sorted_orders(order for order in self._scoped(found, symbol) if not order.get("ChildId"))

    def history_condition_orders(self, symbol: str, since_ms: int = 0, limit: int = 0) -> list[Order]:
        """Those that have ended or triggered; see ``Venue.history_condition_orders``."""
        self._check_history(since_ms, limit)
        plan = self.dialect.past_conditions(self._name_of_past(symbol), since_ms, limit, self.channel.time.now_ms())
        return self._past_conditions(
            plan, since_ms, lambda order: order["Status"] != ORDER_STATE_PENDING or bool(order.get("ChildId"))
        )

    # The user stream

    def account_source(self, symbol: str) -> FuturesAccountSource:
        """The stream of this family; see ``Venue.account_source``."""
        self.dialect.name_of(symbol)
        calls = self._account_calls(self.dialect.mode)
        return FuturesAccountSource(
            self.product, self.streams.home, calls, lambda ask: self.channel.call(ask, read_listen_key)
        )

    def _fills_since(self, since_ms: int, symbols: Sequence[str]) -> list[StreamFill]:
        """``userTrades`` of each contract that is given: Binance lists them one by one."""
        found: list[StreamFill] = []
        for symbol in symbols:
            try:
                name = self._name_of_past(symbol)
            except UnknownSymbol:  # listed no more, and not known under this symbol
                continue
            found.extend(
                StreamFill(order_id=f"{name},{fill['Info']['orderId']}", symbol=symbol, fill=fill)
                for fill in self._fills_of(name, since_ms)
            )
        return sorted(found, key=lambda one: (one.fill["Time"], one.fill["Id"]))

    def _fills_of(self, name: str, since_ms: int) -> Iterable[OrderFill]:
        """Page by page: a full one is followed from the time of its last fill, so that some come twice."""
        now_ms = self.channel.time.now_ms()
        found: dict[str, OrderFill] = {}
        for start, end in windows(since_ms, now_ms):
            from_ms, is_full = start, True
            while is_full:
                page = self.channel.call(*self.dialect.fills_between(name, from_ms, end))
                found.update({fill["Id"]: fill for fill in page})
                is_full = len(page) >= MOST_ROWS
                from_ms = max(from_ms + 1, *(fill["Time"] for fill in page)) if is_full else end
        return found.values()

    def client_id_of(self, order: Order) -> str:
        """The order's own field, or that of a condition order; see ``Venue.client_id_of``."""
        row = order["Info"]
        return str(row.get("clientOrderId") or row.get("clientAlgoId") or "")


def read_listen_key(payload: Any) -> str:
    """The listen key of a reply."""
    return text(mapping(payload, "the reply"), "listenKey")


def _taken(payload: Any) -> None:
    mapping(payload, "the reply")
