"""Requests about OKX's contracts: what differs from spot."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

import attrs

from ....errors import InputError, UnknownName, UnknownSymbol, nearest, short_repr
from ....exchange.contracts.directions import is_buy
from ....exchange.contracts.intents import ConditionIntent, ModifyIntent
from ....exchange.contracts.port import PositionMode
from ....exchange.market_rules import plain_text
from ....exchange.venue import OrderFill, OrderIntent
from ....structures import Order, Ticker
from ...rest.ask import Ask, Page, Pages, VenueQuery
from ...rest.contract_venue import CONDITION_MARK
from ...rest.convert import check_options
from ...rest.dialect import Listing, OrderHistory, OrderQuery
from ...rest.parsing import Malformed, text
from ...rest.rows import OddRows
from ..dialect import (
    LISTINGS,
    OPEN_ORDERS,
    TICKERS,
    OKXCalls,
    OKXProduct,
    check_client_id,
    endpoint,
    option_value,
    order_number,
    single,
)
from ..protocol import data_of
from ..replies import read_ticker
from .conditions import amended_terms, condition_params, read_condition_order
from .replies import is_listed, read_listing, read_order, read_rules

__all__ = ["CONTRACTS", "KINDS", "NAME", "OKXContractCalls"]

NAME = "Futures_OKX"

CONTRACTS = OKXProduct(instrument_type="SWAP")
"""OKX's contracts."""

KINDS = ("SWAP", "FUTURES")
"""OKX's types of instruments that are contracts: perpetual ones, and those with a delivery."""

_AMEND = endpoint("trade/amend-order", 60, method="POST", signed=True, patient=False)
_PLACE_CONDITION = endpoint("trade/order-algo", 20, method="POST", signed=True, patient=False)
_AMEND_CONDITION = endpoint("trade/amend-algos", 20, method="POST", signed=True, patient=False)
_CANCEL_CONDITION = endpoint("trade/cancel-algos", 20, method="POST", signed=True)
_CONDITION = endpoint("trade/order-algo", 20, signed=True)
_OPEN_CONDITIONS = endpoint("trade/orders-algo-pending", 20, signed=True)
_PAST_CONDITIONS = endpoint("trade/orders-algo-history", 20, signed=True)

_CONDITION_TYPES = ("conditional,oco", "trigger", "move_order_stop")
_ENDED = ("effective", "canceled", "order_failed")
_PAGE = 100

# The parameters on OKX's page "Place algo order".
_CONDITION_OPTIONS = frozenset({
    "ordType", "sz", "closeFraction", "tag", "algoClOrdId", "reduceOnly", "posSide", "cxlOnClosePos", "tdMode",
    "tpTriggerPxType", "tpOrdKind", "slTriggerPxType", "triggerPx", "orderPx", "triggerPxType", "advanceOrdType", "attachAlgoOrds",
    "callbackRatio", "callbackSpread", "activePx",
})  # fmt: skip
_MODIFY_OPTIONS = frozenset({"cxlOnFail", "reqId", "pxAmendType", "attachAlgoOrds"})
_MODIFY_CONDITION_OPTIONS = frozenset({
    "cxlOnFail", "reqId", "newTpTriggerPxType", "newSlTriggerPxType", "newTriggerPxType",
})  # fmt: skip
_CLOSING = frozenset({"posSide", "reduceOnly"})
_MARGIN_MODES = ("cross", "isolated")


class OKXContractCalls(OKXCalls):
    """The requests and replies about OKX's contracts.

    Args:
        odd: Collects the rows that cannot be read.
        margin_mode: ``cross`` or ``isolated``, of contracts for which ``set_margin_mode`` was not called.
        mode: The account's position mode.

    Raises:
        UnknownName: There is no such margin mode.
    """

    venue = NAME
    is_listed = staticmethod(is_listed)
    read_listing = staticmethod(read_listing)
    read_rules = staticmethod(read_rules)
    read_order = staticmethod(read_order)

    def __init__(self, odd: OddRows, margin_mode: str, mode: Callable[[], PositionMode]) -> None:
        super().__init__(CONTRACTS, odd, _checked_mode(margin_mode))
        self._mode = mode
        self._modes: dict[
            str, str
        ] = {}  # the margin mode of each contract that has one of its own; replaced entry by entry

    def set_margin_mode(self, name: str, mode: str) -> None:
        """Sets cross or isolated margin of further orders of one contract."""
        self._modes[name] = _checked_mode(mode)

    def margin_mode(self, name: str) -> str:
        """``cross`` or ``isolated``."""
        return self._modes.get(name, self._trade_mode)

    # Symbols

    def _type_of(self, name: str | None) -> tuple[str, object]:
        return "instType", KINDS[0 if name is None or name.endswith("-SWAP") else 1]

    def name_of(self, symbol: str) -> str:
        """``BTC-USDT-SWAP`` of ``BTC_USDT.swap``; of others ``BTC-USD-260925``, or with the code, which only the list tells."""
        pair, dot, code = symbol.partition(".")
        base, _, quote = pair.partition("_")
        if not (dot and base and quote and code) or "_" in quote:
            raise UnknownSymbol(
                f"{NAME} does not list {short_repr(symbol)} (expected a contract such as 'BTC_USDT.swap' or 'BTC_USD.quarter')"
            )
        return f"{base}-{quote}-{'SWAP' if code == 'swap' else code}"

    def symbol_of(self, name: str) -> str | None:
        """``BTC_USDT.swap`` of ``BTC-USDT-SWAP``; None for a name with a date, whose code only the list tells."""
        base, _, rest = name.partition("-")
        quote, _, last = rest.partition("-")
        return f"{base}_{quote}.swap" if base and quote and last == "SWAP" and "_" not in quote else None

    def is_certain(self, symbol: str) -> bool:
        """A perpetual contract; other codes are looked up in the list, which tells what they name now."""
        return symbol.partition(".")[2] == "swap" and self.symbol_of(self.name_of(symbol)) == symbol

    def listings_of(self, kind: str) -> VenueQuery[list[Listing]]:
        """``public/instruments`` of one of ``KINDS``; empty where the venue lists none."""
        query = self.listings()
        return VenueQuery(LISTINGS.of(("instType", kind)), query.read)

    def tickers_of(self, kind: str, symbol_of: Callable[[str], str | None]) -> VenueQuery[list[Ticker]]:
        """``market/tickers`` of one of ``KINDS``."""

        def _read(payload: Any) -> list[Ticker]:
            return self.odd.tickers(data_of(payload), "instId", symbol_of, read_ticker)

        return VenueQuery(TICKERS.of(("instType", kind)), _read)

    # Orders

    def _side_params(self, intent: OrderIntent, name: str) -> dict[str, object]:
        return self._terms(intent.side, intent.options, name)

    def _terms(self, side: str, options: Mapping[str, str], name: str) -> dict[str, object]:
        """Instrument, margin mode, side and position side; a closing order can never open, in neither mode."""
        closing = side.startswith("close")
        if closing and _CLOSING.intersection(options):
            raise InputError(f"{side} sets posSide and reduceOnly itself; nothing was sent")
        params: dict[str, object] = {
            "instId": name,
            "tdMode": self.margin_mode(name),
            "side": "buy" if is_buy(side) else "sell",
        }
        if self._mode() == "hedge":
            params["posSide"] = "long" if side in {"buy", "closebuy"} else "short"
        elif closing:
            params["reduceOnly"] = True
        return params

    def modify(self, intent: ModifyIntent, name: str, number: str) -> VenueQuery[str]:
        """``trade/amend-order``: OKX accepted the request; the order's state tells the outcome."""
        check_options(intent.options, _MODIFY_OPTIONS, f"{NAME}'s changes of orders")
        params: dict[str, object] = {
            "instId": name,
            "ordId": number,
            "newPx": None if intent.price is None else plain_text(intent.price),
            "newSz": None if intent.amount is None else plain_text(intent.amount),
            **{option: option_value(option, value) for option, value in intent.options.items()},
        }
        ask = _AMEND.of(*_given(params), door=f"trade/amend-order:{name}", about=("ordId", number))
        return VenueQuery(ask, order_number)

    def open_orders_of(self, kind: str) -> Pages[Order]:
        """``trade/orders-pending`` of one of ``KINDS``."""
        return self._order_pages(OPEN_ORDERS, ("instType", kind))

    def fills_since(self, kind: str, since_ms: int, now_ms: int) -> Pages[OrderFill]:
        """``trade/fills`` of one of ``KINDS`` since a time, newest first."""
        return self._fill_pages(now_ms - since_ms, ("instType", kind), ("begin", since_ms))

    # Condition orders

    def place_condition(self, intent: ConditionIntent, name: str) -> OrderQuery:
        """``trade/order-algo``."""
        check_options(intent.options, _CONDITION_OPTIONS, f"{NAME}'s condition orders")
        params = self._terms(intent.side, intent.options, name)
        params["sz"] = plain_text(intent.amount)
        params.update(condition_params(intent.terms, intent.options))
        if intent.client_order_id:
            params["algoClOrdId"] = intent.client_order_id
        params.update((option, option_value(option, value)) for option, value in intent.options.items())
        if "closeFraction" in params:
            params.pop("sz")
        client_order_id = params.get("algoClOrdId")
        check_client_id(client_order_id)
        about = ("algoClOrdId", str(client_order_id)) if client_order_id else None
        ask = attrs.evolve(_PLACE_CONDITION, params=tuple(params.items()), door=f"trade/order-algo:{name}", about=about)
        return OrderQuery(ask, _algo_number, str(client_order_id or ""))

    def modify_condition(self, intent: ModifyIntent, name: str, number: str) -> VenueQuery[str]:
        """``trade/amend-algos``."""
        check_options(intent.options, _MODIFY_CONDITION_OPTIONS, f"{NAME}'s changes of condition orders")
        algo = number.removeprefix(CONDITION_MARK)
        params: dict[str, object] = {
            "instId": name,
            "algoId": algo,
            "newSz": None if intent.amount is None else plain_text(intent.amount),
            **({} if intent.terms is None else amended_terms(intent.terms)),
            **{option: option_value(option, value) for option, value in intent.options.items()},
        }
        ask = _AMEND_CONDITION.of(*_given(params), door=f"trade/amend-algos:{name}")
        return VenueQuery(ask, lambda payload: _same_number(payload, number))

    def cancel_condition(self, name: str, number: str) -> VenueQuery[object]:
        """``trade/cancel-algos``, a list of one."""
        algo = number.removeprefix(CONDITION_MARK)
        body = json.dumps([{"instId": name, "algoId": algo}], separators=(",", ":"))
        ask = attrs.evolve(_CANCEL_CONDITION, raw=body, door=f"trade/cancel-algos:{name}")
        return VenueQuery(ask, lambda payload: _same_number(payload, number))

    def condition(self, *by: tuple[str, object]) -> VenueQuery[Order]:
        """``trade/order-algo`` by ``algoId`` or ``algoClOrdId``."""
        return VenueQuery(_CONDITION.of(*by), lambda payload: read_condition_order(single(payload)))

    def _condition_pages(self, endpoint_: Ask, *asked: tuple[str, object], most: int | None = None) -> Pages[Order]:
        size = ("limit", _PAGE)

        def _read(payload: Any) -> Page[Order]:
            raw = data_of(payload)
            return Page(self.odd.read(raw, "a condition order", "algoId", read_condition_order), len(raw))

        def _onward(page: list[Order], _found: int) -> Ask:
            return endpoint_.of(*asked, size, ("after", page[-1]["Info"]["algoId"]))

        return Pages(
            first=endpoint_.of(*asked, size), read=_read, key=itemgetter("Id"), size=_PAGE, onward=_onward, most=most
        )

    def open_conditions(self, name: str | None) -> list[Pages[Order]]:
        """``trade/orders-algo-pending``, a list for each type."""
        place = (self._type_of(name), ("instId", name)) if name is not None else ()
        return [self._condition_pages(_OPEN_CONDITIONS, ("ordType", kind), *place) for kind in _CONDITION_TYPES]

    def past_conditions(self, name: str, limit: int) -> OrderHistory:
        """``trade/orders-algo-history``, a list for each type and each state in which one ends; of the last three months."""
        place = (self._type_of(name), ("instId", name))
        lists = [
            self._condition_pages(_PAST_CONDITIONS, ("ordType", kind), ("state", state), *place)
            for kind in _CONDITION_TYPES
            for state in _ENDED
        ]
        return OrderHistory(lists=tuple(lists), most=limit or None)


def _checked_mode(mode: str) -> str:
    if mode not in _MARGIN_MODES:
        raise UnknownName(f"{NAME} has no margin mode {short_repr(mode)}{nearest(mode, _MARGIN_MODES)}")
    return mode


def _given(params: Mapping[str, object]) -> list[tuple[str, object]]:
    return [(name, value) for name, value in params.items() if value is not None]


def _algo_number(payload: Any) -> str:
    return f"{CONDITION_MARK}{text(single(payload), 'algoId')}"


def _same_number(payload: Any, number: str) -> str:
    """The number in a reply about one condition order; a refusal does not repeat it."""
    found = _algo_number(payload)
    if found != number:
        raise Malformed(
            f"the reply is about another condition order: {short_repr(found)}, sent was {short_repr(number)}"
        )
    return found
