"""Reads OKX v5's orders ("Order Book Trading", "Place order" in OKX's API guide)."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Literal

import attrs

from ....engine.accounts import TradingAccount
from ....engine.book import SelfTrade
from ....engine.exchange import SimulatedExchange
from ....engine.instruments import Instrument
from ....engine.margin.positions import Side
from ....engine.orders import NewOrder, TimeInForce
from ....engine.reasons import Rejected
from ...fields import plain_decimal
from ..parameters import Item, ItemRefusal, client_id
from ..public.instruments import Instruments
from ..public.market import OkxMarket
from ..public.products import product_of
from .refusals import NO_INSTRUMENT, refuse_order

__all__ = ["SELF_TRADE", "OkxOrderReader", "stp_mode", "tag"]

_TYPES: dict[str, tuple[Literal["limit", "market"], TimeInForce]] = {
    "market": ("market", TimeInForce.GTC),
    "limit": ("limit", TimeInForce.GTC),
    "post_only": ("limit", TimeInForce.POST_ONLY),
    "fok": ("limit", TimeInForce.FOK),
    "ioc": ("limit", TimeInForce.IOC),
    "optimal_limit_ioc": ("market", TimeInForce.IOC),
}
_CONTRACTS_ONLY = ("optimal_limit_ioc",)
SELF_TRADE = {
    "cancel_maker": SelfTrade.EXPIRE_MAKER,
    "cancel_taker": SelfTrade.EXPIRE_TAKER,
    "cancel_both": SelfTrade.EXPIRE_BOTH,
}
"""The modes of self-trade prevention by OKX's names."""

_TAG = re.compile(r"[A-Za-z0-9]{1,16}", re.ASCII)
_MODES = ("cash", "cross", "isolated", "spot_isolated")


class OkxOrderReader:
    """Reads the fields of orders.

    Args:
        exchange: The exchange.
        instruments: Its instruments under OKX's names.
        market: Knows the price limits.
    """

    def __init__(self, exchange: SimulatedExchange, instruments: Instruments, market: OkxMarket) -> None:
        self._exchange = exchange
        self._instruments = instruments
        self._market = market

    def instrument_of(self, item: Item) -> Instrument:
        """The instrument of an item, by ``instId`` or else by ``instIdCode``.

        Raises:
            ItemRefusal: 50014 if both are absent, 51001 if the instrument is unknown.
        """
        name = item.optional("instId")
        if name is None:
            code = item.optional("instIdCode")
            if code is None:
                raise ItemRefusal("50014", "Parameter instId can not be empty.")
            found = self._instruments.by_code(int(code)) if code.isascii() and code.isdigit() else None
        else:
            found = self._instruments.find(name)
        if found is None:
            raise ItemRefusal(*NO_INSTRUMENT)
        return found

    def read(self, account: TradingAccount, instrument: Instrument, item: Item) -> NewOrder:
        """An order of trade/order.

        Raises:
            ItemRefusal: A field is missing or wrong.
        """
        name = item.choice("ordType", _TYPES, required=True) or ""
        kind, force = _TYPES[name]
        terms = self.read_terms(account, instrument, item)
        buys, contracts = terms.side == "buy", product_of(instrument).contracts
        if name in _CONTRACTS_ONLY and not contracts:
            raise item.invalid("ordType")
        item.required("sz")
        size = item.decimal("sz")
        price = item.decimal("px") if kind == "limit" else None
        if size is None or size <= 0:
            raise ItemRefusal("51000", "Parameter sz error")
        target = item.choice("tgtCcy", ("base_ccy", "quote_ccy"))
        in_quote = kind == "market" and (target or ("quote_ccy" if buys else "base_ccy")) == "quote_ccy"
        order = attrs.evolve(
            terms,
            type=kind,
            price=self.price(instrument, item, price, buys=buys) if kind == "limit" else None,
            quantity=None if in_quote and not contracts else size,
            quote_quantity=size if in_quote and not contracts else None,
            time_in_force=force if kind == "limit" else TimeInForce.GTC,
            post_only_cancels=True,
            client_id=client_id(item) or "",
            self_trade=stp_mode(item, force),
        )
        return self.at_price_limit(instrument, order, name) if contracts and kind == "market" else order

    def at_price_limit(self, instrument: Instrument, order: NewOrder, name: str) -> NewOrder:
        """A market order of a contract: a limit order at the price limit, whose rest stays in the book unless it is IOC.

        Raises:
            ItemRefusal: 51202 if it is larger than a market order may be.
        """
        band = self._market.price_band(instrument)
        if band is None or order.quantity is None:
            return order
        try:
            instrument.lots(order.quantity, market=True)
        except Rejected as error:
            raise refuse_order(error, instrument, order) from error
        return attrs.evolve(
            order,
            type="limit",
            price=band[1] if order.side == "buy" else band[0],
            time_in_force=TimeInForce.IOC if name in _CONTRACTS_ONLY else TimeInForce.GTC,
            extra={**order.extra, "ordType": name},
        )

    def read_terms(self, account: TradingAccount, instrument: Instrument, item: Item) -> NewOrder:
        """What an order and an algo order share: side, mode, position side and tag.

        Raises:
            ItemRefusal: A field is missing or wrong.
        """
        mode = item.choice("tdMode", _MODES, required=True)
        side = item.choice("side", ("buy", "sell"), required=True)
        contracts = product_of(instrument).contracts
        if mode not in product_of(instrument).trade_modes:
            raise ItemRefusal("51010", "Request unsupported under current account mode")
        position_side = self.position_side(account, instrument, item)
        reduces = item.flag("reduceOnly")
        order = NewOrder(
            instrument=instrument.id,
            side="buy" if side == "buy" else "sell",
            type="market",
            position_side=position_side,
            reduce_only=contracts and position_side == "net" and reduces,
            isolated=mode == "isolated" if contracts else None,
        )
        only = order.reduces if contracts else reduces
        return attrs.evolve(order, extra={"tag": tag(item), "reduceOnly": "true" if only else "false"})

    def position_side(self, account: TradingAccount, instrument: Instrument, item: Item) -> Side:
        """The side of the position: ``net``, or ``long`` or ``short`` in long/short mode.

        Raises:
            ItemRefusal: 51000 if it does not fit the position mode.
        """
        word = item.optional("posSide")
        if not product_of(instrument).contracts or not self._exchange.contracts.hedge(account):
            if word not in {None, "net"}:
                raise ItemRefusal("51000", "Parameter posSide error")
            return "net"
        if word == "long":
            return "long"
        if word == "short":
            return "short"
        raise ItemRefusal("51000", "Parameter posSide error")

    def price(self, instrument: Instrument, item: Item, price: Decimal | None, *, buys: bool) -> Decimal:
        """The limit price within the price limits; adjusted to them if ``pxAmendType`` says so.

        Raises:
            ItemRefusal: 51204 if it is missing, 51000 if it is not above 0, 51137 or 51138 if it is outside the price limits.
        """
        if price is None:
            raise ItemRefusal("51204", "The price for the limit order cannot be empty.")
        if price <= 0:
            raise ItemRefusal("51000", "Parameter px error")
        clip = item.choice("pxAmendType", ("0", "1")) == "1"
        band = self._market.price_band(instrument)
        if band is None:
            return price
        low, high = band
        if buys and price > high:
            if clip:
                return high
            raise ItemRefusal("51137", f"The highest price limit for buy orders is {plain_decimal(high)}.")
        if not buys and price < low:
            if clip:
                return low
            raise ItemRefusal("51138", f"The lowest price limit for sell orders is {plain_decimal(low)}.")
        return price

    @staticmethod
    def ids(item: Item) -> tuple[int | None, str | None]:
        """Order id and client id of an item; the order id takes precedence.

        Raises:
            ItemRefusal: 51407 if both are absent, 51000 if the order id is not a number.
        """
        order_id, own_id = item.optional("ordId"), item.optional("clOrdId")
        if order_id is None and own_id is None:
            raise ItemRefusal("51407", "Either order ID or client order ID is required.")
        if order_id is not None and not re.fullmatch(r"[0-9]{1,19}", order_id, re.ASCII):
            raise ItemRefusal("51000", "Parameter ordId error")
        return (int(order_id) if order_id is not None else None), own_id


def stp_mode(item: Item, force: TimeInForce) -> SelfTrade:
    """The mode of self-trade prevention.

    Raises:
        ItemRefusal: 51000 if it is unknown, 50016 if it does not fit a fill-or-kill order.
    """
    mode = item.choice("stpMode", SELF_TRADE) or "cancel_maker"
    if mode == "cancel_both" and force is TimeInForce.FOK:
        raise ItemRefusal("50016", "Parameter stpMode does not match parameter ordType")
    return SELF_TRADE[mode]


def tag(item: Item) -> str:
    """The client's tag; empty if absent.

    Raises:
        ItemRefusal: 51000 if its characters or length are not allowed.
    """
    text = item.optional("tag") or ""
    if text and not _TAG.fullmatch(text):
        raise ItemRefusal("51000", "Parameter tag error")
    return text
