"""Requests of Binance's futures: what differs from spot, for both families."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

import attrs

from ....errors import InputError, UnknownSymbol, short_repr
from ....exchange.contracts.directions import is_buy
from ....exchange.contracts.intents import ConditionIntent, ModifyIntent
from ....exchange.contracts.port import PositionMode
from ....exchange.market_rules import plain_text
from ....exchange.venue import OrderFill, OrderIntent
from ....structures import Order
from ...rest.ask import Ask, Page, Pages, VenueQuery
from ...rest.contract_venue import CONDITION_MARK
from ...rest.convert import check_options
from ...rest.dialect import Listing, OrderHistory, OrderQuery
from ...rest.parsing import integer, mapping, rows
from ...rest.rows import OddRows
from ..dialect import BinanceCalls, order_number
from ..limits import LimitRow
from .conditions import CONDITIONAL_TYPES, OPTION_NAMES, condition_params, read_condition_order
from .products import FuturesProduct
from .replies import read_fill, read_listing, read_order

__all__ = ["MOST_ROWS", "FuturesCalls", "windows"]

_USUAL_QUOTES = frozenset({"USDT", "USDC", "BTC"})

_WEEK_MS = 7 * 86_400_000 - 1  # a list of orders or fills covers less than seven days
_MOST_WEEKS = 13  # they are kept for 90 days
MOST_ROWS = 1000
_USUAL_ROWS = 500

# The parameters on Binance's pages on new orders and new algo orders.
_OPTIONS = frozenset({
    "type", "timeInForce", "quantity", "price", "positionSide", "reduceOnly", "newClientOrderId", "newOrderRespType", "priceMatch",
    "selfTradePreventionMode", "goodTillDate",
})  # fmt: skip
_CONDITION_OPTIONS = frozenset({
    "type", "timeInForce", "quantity", "price", "triggerPrice", "workingType", "priceMatch", "closePosition", "priceProtect",
    "reduceOnly", "activatePrice", "callbackRate", "clientAlgoId", "newOrderRespType", "selfTradePreventionMode", "goodTillDate",
    "positionSide",
})  # fmt: skip
_MODIFY_OPTIONS = frozenset({"priceMatch", "modifyId", "reduceOnly"})
_CLOSING = frozenset({"positionSide", "reduceOnly"})


def windows(since_ms: int, now_ms: int) -> list[tuple[int, int]]:
    """The weeks between two times, oldest first, of the last 90 days at most."""
    start = max(since_ms, now_ms - _MOST_WEEKS * (_WEEK_MS + 1) + 1)
    found = []
    while start <= now_ms:
        found.append((start, min(start + _WEEK_MS, now_ms + 60_000)))
        start += _WEEK_MS + 1
    return found


class FuturesCalls(BinanceCalls):
    """The requests and replies of one family of Binance's futures.

    Args:
        product: The family.
        odd: Collects the rows that cannot be read.
        now_ms: The venue's time of day.
        on_limits: Called with the limits, whenever a reply reports them.
        mode: The account's position mode.
    """

    periods: Mapping[int, str] = {length: name for length, name in BinanceCalls.periods.items() if length >= 60}
    read_order = staticmethod(read_order)
    read_fill = staticmethod(read_fill)

    def __init__(
        self,
        product: FuturesProduct,
        odd: OddRows,
        now_ms: Callable[[], int],
        on_limits: Callable[[tuple[LimitRow, ...]], None],
        mode: Callable[[], PositionMode],
    ) -> None:
        super().__init__(product, odd, now_ms, on_limits)
        self.product = product
        self.mode = mode

    # Symbols

    def name_of(self, symbol: str) -> str:
        """``BTCUSDT`` of ``BTC_USDT.swap``, ``BTCUSD_PERP`` of ``BTC_USD.swap``; a date's own name of others."""
        pair, dot, code = symbol.partition(".")
        base, _, quote = pair.partition("_")
        if not (dot and base and quote and code) or (quote == "USD") is not self.product.coin:
            raise UnknownSymbol(
                f"Futures_Binance does not list {short_repr(symbol)} (expected a contract such as 'BTC_USDT.swap' or 'BTC_USD.swap')"
            )
        if code != "swap":
            return f"{base}{quote}_{code}"
        return f"{base}{quote}{'_PERP' if self.product.coin else ''}"

    def is_certain(self, symbol: str) -> bool:
        """A perpetual contract; other codes are looked up in the list, which tells what they name now."""
        pair, _, code = symbol.partition(".")
        return code == "swap" and (self.product.coin or pair.rpartition("_")[2] in _USUAL_QUOTES)

    def listings(self) -> VenueQuery[list[Listing]]:
        """``exchangeInfo``."""

        def _read(payload: Any) -> list[Listing]:
            found = self._symbol_rows(payload)
            return self.odd.read(found, "a symbol", "symbol", lambda row: read_listing(row, coin=self.product.coin))

        return VenueQuery(self.product.listings, _read)

    def listing(self, name: str) -> VenueQuery[Listing]:
        """``exchangeInfo``, which has no parameters: one symbol of all."""

        def _read(payload: Any) -> Listing:
            found = [row for row in self._symbol_rows(payload) if isinstance(row, dict) and row.get("symbol") == name]
            if not found:
                raise UnknownSymbol(f"Futures_Binance has no symbol {short_repr(name)}")
            listing = read_listing(found[0], coin=self.product.coin)
            self.rules(listing)  # strict: the rules of the requested symbol must be readable
            return listing

        return VenueQuery(self.product.listings, _read)

    # Orders

    def place(self, intent: OrderIntent, name: str) -> OrderQuery:
        """A new order; one of a conditional type goes to the endpoint of condition orders."""
        if intent.options.get("type") in CONDITIONAL_TYPES:
            price = None if intent.price is None else plain_text(intent.price)
            kind = intent.options["type"]
            own = {"type": kind, "price": price if kind in {"STOP", "TAKE_PROFIT"} else None}
            return self._condition_query(intent, name, own)
        params = self._order_params(intent, name)
        client_order_id = str(params.get("newClientOrderId") or "")
        about = ("clientOrderId", client_order_id) if client_order_id else None
        ask = attrs.evolve(self.product.place, params=tuple(params.items()), about=about)
        return OrderQuery(ask, order_number, client_order_id)

    def _order_params(self, intent: OrderIntent, name: str) -> dict[str, object]:
        params = self._side_params(intent.side, intent.options, name)
        params["quantity"] = plain_text(intent.amount)
        if intent.price is None:
            params["type"] = "MARKET"
        else:
            params.update(type="LIMIT", timeInForce=intent.time_in_force, price=plain_text(intent.price))
        if intent.client_order_id:
            params["newClientOrderId"] = intent.client_order_id
        params["newOrderRespType"] = "ACK"
        params["selfTradePreventionMode"] = self._self_trade_prevention
        if intent.options:
            check_options(intent.options, _OPTIONS, "Futures_Binance")
            params.update(intent.options)
            if "priceMatch" in intent.options and "price" not in intent.options:
                params.pop("price", None)
        return params

    def _side_params(self, side: str, options: Mapping[str, str], name: str) -> dict[str, object]:
        """Side and position side; a closing order can never open, in neither mode."""
        closing = side.startswith("close")
        if closing and _CLOSING.intersection(options):
            raise InputError(f"{side} sets positionSide and reduceOnly itself; nothing was sent")
        params: dict[str, object] = {"symbol": name, "side": "BUY" if is_buy(side) else "SELL"}
        if self.mode() == "hedge":
            params["positionSide"] = "LONG" if side in {"buy", "closebuy"} else "SHORT"
        elif closing:
            params["reduceOnly"] = "true"
        return params

    def modify(self, intent: ModifyIntent, name: str, number: str) -> VenueQuery[str]:
        """A change of an order; Binance wants price and amount both."""
        check_options(intent.options, _MODIFY_OPTIONS, "Futures_Binance's changes of orders")
        params: dict[str, object] = {
            "symbol": name,
            "orderId": number,
            "side": "BUY" if is_buy(intent.side) else "SELL",
            "quantity": None if intent.amount is None else plain_text(intent.amount),
            "price": None if intent.price is None else plain_text(intent.price),
            **intent.options,
        }
        if "priceMatch" in intent.options:
            params.pop("price")
        ask = attrs.evolve(self.product.modify, params=tuple(params.items()), about=("orderId", number))
        return VenueQuery(ask, order_number)

    def past_orders(self, name: str, since_ms: int, limit: int, now_ms: int) -> OrderHistory:
        """``allOrders`` week by week from ``since_ms`` on, else the newest."""
        endpoint, wanted = self.product.past_orders, limit or _USUAL_ROWS
        if not since_ms:
            first = endpoint.of(("symbol", name), ("limit", min(wanted, MOST_ROWS)))
            return OrderHistory(lists=(_one_page(first, self._orders),), most=wanted)
        weeks = windows(since_ms, now_ms)
        lists = [self._week(endpoint, name, start, end, self._orders) for start, end in weeks]
        return OrderHistory(lists=tuple(lists), most=limit or None)

    @staticmethod
    def _week(endpoint: Ask, name: str, start: int, end: int, read: Callable[[Any], Page[Order]]) -> Pages[Order]:
        def _ask(since: int) -> Ask:
            return endpoint.of(("symbol", name), ("startTime", since), ("endTime", end), ("limit", MOST_ROWS))

        return Pages(
            first=_ask(start),
            read=read,
            key=itemgetter("Id"),
            size=MOST_ROWS,
            onward=lambda page, found: _ask(max(order["Time"] for order in page)),
        )

    def fills(self, name: str, number: str, made_ms: int, now_ms: int) -> Pages[OrderFill]:
        """``userTrades`` of one order, week by week since it was made: without times only the last week would come."""
        weeks = windows(max(0, made_ms - 1000), now_ms)

        def _ask(week: int) -> Ask:
            start, end = weeks[week]
            return self.product.fills.of(
                ("symbol", name), ("orderId", number), ("startTime", start), ("endTime", end), ("limit", MOST_ROWS)
            )

        def _read(payload: Any) -> Page[OrderFill]:
            raw = rows(payload, "the reply")
            return Page([self.read_fill(row) for row in raw], len(raw))

        return Pages(first=_ask(0), read=_read, key=itemgetter("Id"), size=MOST_ROWS, onward=lambda page, found: None)

    def later_fills(self, name: str, number: str, made_ms: int, now_ms: int) -> list[Ask]:
        """The requests for the weeks after the first one of ``fills``."""
        weeks = windows(max(0, made_ms - 1000), now_ms)[1:]
        return [
            self.product.fills.of(
                ("symbol", name), ("orderId", number), ("startTime", start), ("endTime", end), ("limit", MOST_ROWS)
            )
            for start, end in weeks
        ]

    def fills_between(self, name: str, start_ms: int, end_ms: int) -> tuple[Ask, Callable[[Any], list[OrderFill]]]:
        """``userTrades`` of a contract between two times, oldest first; at most ``MOST_ROWS``."""
        ask = self.product.fills.of(
            ("symbol", name), ("startTime", start_ms), ("endTime", end_ms), ("limit", MOST_ROWS)
        )
        return ask, lambda payload: [self.read_fill(row) for row in rows(payload, "the reply")]

    # Condition orders

    def place_condition(self, intent: ConditionIntent, name: str) -> OrderQuery:
        """A new condition order."""
        return self._condition_query(intent, name, condition_params(intent.terms, intent.options))

    def _condition_query(
        self, intent: OrderIntent | ConditionIntent, name: str, own: Mapping[str, object]
    ) -> OrderQuery:
        options = {OPTION_NAMES.get(option, option): value for option, value in intent.options.items()}
        check_options(options, _CONDITION_OPTIONS, "Futures_Binance's condition orders")
        params = {"algoType": "CONDITIONAL", **self._side_params(intent.side, options, name)}
        params["quantity"] = plain_text(intent.amount)
        params.update(own)
        if intent.client_order_id:
            params["clientAlgoId"] = intent.client_order_id
        params.update(options)
        if str(options.get("closePosition", "")).lower() == "true":
            params.pop("quantity", None)
            params.pop("reduceOnly", None)
        client_order_id = str(params.get("clientAlgoId") or "")
        about = ("clientAlgoId", client_order_id) if client_order_id else None
        ask = attrs.evolve(self.product.place_condition, params=tuple(params.items()), about=about)
        return OrderQuery(ask, _algo_number, client_order_id)

    def cancel_condition(self, number: str) -> VenueQuery[object]:
        """A cancellation; Binance wants no symbol."""
        algo = number.removeprefix(CONDITION_MARK)
        ask = self.product.cancel_condition.of(("algoId", algo), about=("algoId", algo))
        return VenueQuery(ask, lambda payload: mapping(payload, "the reply"))

    def condition(self, number: str) -> VenueQuery[Order]:
        """One condition order by its number."""
        algo = number.removeprefix(CONDITION_MARK)
        ask = self.product.condition.of(("algoId", algo), about=("algoId", algo))
        return VenueQuery(ask, read_condition_order)

    def condition_by_client_id(self, client_order_id: str) -> VenueQuery[Order]:
        """One condition order by ``clientAlgoId``."""
        about = ("clientAlgoId", client_order_id)
        return VenueQuery(self.product.condition.of(about, about=about), read_condition_order)

    def _conditions(self, payload: Any) -> Page[Order]:
        raw = rows(payload, "the reply")
        return Page(self.odd.read(raw, "a condition order", "algoId", read_condition_order), len(raw))

    def open_conditions(self, name: str | None) -> Pages[Order]:
        """``openAlgoOrders``: all in one page."""
        endpoint = self.product.open_conditions
        first = endpoint.of(weight=40) if name is None else endpoint.of(("symbol", name))
        return _one_page(first, self._conditions)

    def past_conditions(self, name: str, since_ms: int, limit: int, now_ms: int) -> OrderHistory:
        """``allAlgoOrders`` week by week from ``since_ms`` on, else of the last week."""
        weeks = windows(since_ms or now_ms - _WEEK_MS, now_ms)
        endpoint = self.product.past_conditions
        lists = [self._week(endpoint, name, start, end, self._conditions) for start, end in weeks]
        return OrderHistory(lists=tuple(lists), most=limit or None)


def _one_page(first: Ask, read: Callable[[Any], Page[Order]]) -> Pages[Order]:
    return Pages(first=first, read=read, key=itemgetter("Id"), size=0, onward=lambda page, found: None)


def _algo_number(payload: Any) -> str:
    return f"{CONDITION_MARK}{integer(mapping(payload, 'the reply'), 'algoId')}"
