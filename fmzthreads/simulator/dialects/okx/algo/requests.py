"""Reads OKX v5's algo orders ("Algo Trading", "Place algo order" in OKX's API guide)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import attrs

from ....engine.accounts import TradingAccount
from ....engine.conditional.conditions import ConditionLeg, NewCondition, Trail, TriggerPrice
from ....engine.instruments import Instrument
from ....engine.orders import NewOrder, TimeInForce
from ..parameters import Item, ItemRefusal
from ..public.market import OkxMarket
from ..public.products import product_of
from ..trading.order_requests import OkxOrderReader

__all__ = ["ALGO_TYPES", "AlgoReader", "wrong_side"]

ALGO_TYPES = ("conditional", "oco", "trigger", "move_order_stop")
"""The types that are simulated; OKX also has chase, twap and iceberg orders."""

_OWN_ID = r"[A-Za-z0-9]{1,32}"
_MARKET_PRICE = Decimal(-1)
_SOURCES = {"trigger": "6", "conditional": "7", "oco": "7", "move_order_stop": "25"}
"""What ``source`` says of an order that an algo order placed."""
_WRONG_SIDE: Mapping[tuple[str, bool], tuple[int, str]] = {
    ("tp", True): (0, "TP trigger price cannot be higher than the {} price"),
    ("sl", True): (1, "SL trigger price cannot be lower than the {} price"),
    ("tp", False): (2, "TP trigger price cannot be lower than the {} price"),
    ("sl", False): (3, "SL trigger price cannot be higher than the {} price"),
}
_WRONG_SIDE_CODES = {
    TriggerPrice.LAST: ("51277", "51278", "51279", "51280"),
    TriggerPrice.MARK: ("51300", "51302", "51303", "51304"),
    TriggerPrice.INDEX: ("51305", "51306", "51307", "51308"),
}


def wrong_side(leg: ConditionLeg, *, buys: bool) -> ItemRefusal:
    """The refusal of a trigger price that has been reached already."""
    known = _WRONG_SIDE.get((leg.name, buys))
    if known is None:
        return ItemRefusal("51000", "Parameter triggerPx error")
    place, text = known
    return ItemRefusal(_WRONG_SIDE_CODES[leg.source][place], text.format(leg.source.value))


class AlgoReader:
    """Reads the fields of algo orders.

    Args:
        reader: Reads what they share with orders.
        market: Knows the last prices.
    """

    def __init__(self, reader: OkxOrderReader, market: OkxMarket) -> None:
        self._reader = reader
        self._market = market

    def read(self, account: TradingAccount, instrument: Instrument, item: Item) -> NewCondition:
        """An algo order of trade/order-algo.

        Raises:
            ItemRefusal: A field is missing or wrong.
        """
        kind = item.choice("ordType", ALGO_TYPES, required=True) or ""
        order = self._reader.read_terms(account, instrument, item)
        own_id = item.matching("algoClOrdId", _OWN_ID) or item.matching("clOrdId", _OWN_ID) or ""
        legs, trail, force = self._triggers(instrument, item, kind, buys=order.side == "buy")
        whole = self._closes_all(instrument, item, order, kind, legs)
        if item.flag("cxlOnClosePos") and not order.extra["reduceOnly"] == "true":
            raise ItemRefusal("51000", "Parameter cxlOnClosePos error")
        return NewCondition(
            order=attrs.evolve(
                self._sized(instrument, item, order, legs, whole=whole, kind=kind),
                time_in_force=force,
                extra={**order.extra, "source": _SOURCES[kind], "algoClOrdId": own_id},
            ),
            legs=legs,
            trail=trail,
            kind=kind,
            client_id=own_id,
            whole_position=whole,
            with_position=whole or item.flag("cxlOnClosePos"),
            extra={"tag": order.extra["tag"]},
        )

    # --- what triggers it ---

    def _triggers(
        self, instrument: Instrument, item: Item, kind: str, *, buys: bool
    ) -> tuple[tuple[ConditionLeg, ...], Trail | None, TimeInForce]:
        if kind == "trigger":
            force = item.choice("advanceOrdType", ("fok", "ioc"))
            tif = {"fok": TimeInForce.FOK, "ioc": TimeInForce.IOC}.get(force or "", TimeInForce.GTC)
            return (self._crossing(instrument, item),), None, tif
        if kind == "move_order_stop":
            return (), self._trail(instrument, item, buys=buys), TimeInForce.GTC
        legs = {name: self.leg(instrument, item, name, buys=buys) for name in ("tp", "sl")}
        found = tuple(leg for leg in legs.values() if leg is not None)
        if kind == "oco":
            for name, leg in legs.items():
                if leg is None:
                    raise item.absent(f"{name}TriggerPx")
        elif not found:
            raise ItemRefusal("50015", "Either parameter tpTriggerPx or slTriggerPx is required")
        elif len(found) > 1:
            found = found[1:]  # of a one-way order with both, only the stop loss acts
        return found, None, TimeInForce.GTC

    def leg(
        self, instrument: Instrument, item: Item, name: str, *, buys: bool, new: bool = False
    ) -> ConditionLeg | None:
        """The take profit (``tp``) or stop loss (``sl``) of an item; None if absent.

        Args:
            instrument: The instrument.
            item: The fields.
            name: ``tp`` or ``sl``.
            buys: Whether the order that it places buys.
            new: Whether the fields are those of a change (``newTpTriggerPx``).

        Raises:
            ItemRefusal: A field is missing or wrong.
        """
        prefix = f"new{name.capitalize()}" if new else name
        trigger, price = item.decimal(f"{prefix}TriggerPx"), item.decimal(f"{prefix}OrdPx")
        if item.optional(f"{prefix}OrdKind") not in {None, "condition"}:
            raise item.invalid(f"{prefix}OrdKind")
        if trigger is None and price is None:
            return None
        if trigger is None or price is None:
            raise item.absent(f"{prefix}TriggerPx" if trigger is None else f"{prefix}OrdPx")
        return ConditionLeg(
            name=name,
            price=_positive(item, f"{prefix}TriggerPx", trigger),
            rising=buys is (name == "sl"),
            source=self._source(instrument, item, f"{prefix}TriggerPxType"),
            order_price=_order_price(item, f"{prefix}OrdPx", price),
        )

    def _crossing(self, instrument: Instrument, item: Item) -> ConditionLeg:
        """The trigger of a trigger order: reached from wherever the price is now."""
        item.required("triggerPx")
        item.required("orderPx")
        source = self._source(instrument, item, "triggerPxType")
        return self.crossing(instrument, item, "triggerPx", "orderPx", source)

    def crossing(
        self, instrument: Instrument, item: Item, trigger: str, order_price: str, source: TriggerPrice
    ) -> ConditionLeg:
        """A trigger from the fields of those names.

        Raises:
            ItemRefusal: A field is wrong.
        """
        price = _positive(item, trigger, item.decimal(trigger))
        return ConditionLeg(
            price=price,
            rising=price > self._market.price_now(instrument, source),
            source=source,
            order_price=_order_price(item, order_price, item.decimal(order_price)),
        )

    def _trail(self, instrument: Instrument, item: Item, *, buys: bool) -> Trail:
        ratio, spread, active = item.decimal("callbackRatio"), item.decimal("callbackSpread"), item.decimal("activePx")
        if ratio is None and spread is None:
            raise ItemRefusal("50015", "Either parameter callbackRatio or callbackSpread is required")
        if ratio is not None and spread is not None:
            raise ItemRefusal("50024", "Parameter callbackRatio and callbackSpread can not exist at the same time.")
        if ratio is not None and not 0 < ratio <= 1:
            raise ItemRefusal("51311", "Failed to place trailing stop order. Callback rate should be within 0<x<=1")
        if spread is not None:
            _positive(item, "callbackSpread", spread)
        if active is not None:
            _positive(item, "activePx", active)
            last = self._market.last(instrument)
            if last and (active >= last if buys else active <= last):
                code, side, word = ("51259", "buy", "lower") if buys else ("51258", "sell", "higher")
                raise ItemRefusal(
                    code,
                    f"Trailing stop order placement failed. The trigger price of a {side} order must be {word} than the last "
                    "transaction price.",
                )
        return Trail(ratio=ratio, spread=spread, activation=active)

    def _source(self, instrument: Instrument, item: Item, name: str) -> TriggerPrice:
        word = item.choice(name, [source.value for source in TriggerPrice]) or "last"
        if word != "last" and not product_of(instrument).contracts:
            raise ItemRefusal(
                "51415",
                "Unable to place order. Spot trading only supports using the last price as trigger price. "
                'Please select "Last" and try again.',
            )
        return TriggerPrice(word)

    # --- how much it trades ---

    @staticmethod
    def _closes_all(
        instrument: Instrument, item: Item, order: NewOrder, kind: str, legs: tuple[ConditionLeg, ...]
    ) -> bool:
        """Whether it closes the whole position, as ``closeFraction`` says."""
        fraction = item.optional("closeFraction")
        if fraction is None:
            return False
        if not product_of(instrument).contracts:
            raise ItemRefusal("51327", "closeFraction is only available for Expiry Futures and Perpetual Futures")
        if fraction != "1" or kind not in {"conditional", "oco"} or item.optional("sz") is not None:
            raise item.invalid("closeFraction")
        if order.extra["reduceOnly"] != "true" and item.optional("posSide") in {None, "net"}:
            raise ItemRefusal("51328", "closeFraction is only available for reduceOnly orders")
        if any(leg.order_price is not None for leg in legs):
            raise ItemRefusal("51330", "closeFraction is only available for stop market orders")
        return True

    @staticmethod
    def _sized(
        instrument: Instrument, item: Item, order: NewOrder, legs: tuple[ConditionLeg, ...], *, whole: bool, kind: str
    ) -> NewOrder:
        """The order with its quantity: of base or contracts, or of quote for a one-way or OCO spot purchase at the market."""
        if whole:
            return attrs.evolve(order, quantity=None)
        if item.optional("sz") is None:
            raise ItemRefusal("50015", "Either parameter sz or closeFraction is required")
        size = _positive(item, "sz", item.decimal("sz"))
        target = item.choice("tgtCcy", ("base_ccy", "quote_ccy"))
        spot_market = kind in {"conditional", "oco"} and not product_of(instrument).contracts
        if (
            spot_market
            and order.side == "buy"
            and all(leg.order_price is None for leg in legs)
            and target != "base_ccy"
        ):
            return attrs.evolve(order, quote_quantity=size)
        return attrs.evolve(order, quantity=size)


def _positive(item: Item, name: str, value: Decimal | None) -> Decimal:
    if value is None or value <= 0:
        raise item.invalid(name)
    return value


def _order_price(item: Item, name: str, value: Decimal | None) -> Decimal | None:
    """A limit price; None for ``-1``, the market's price."""
    return None if value == _MARKET_PRICE else _positive(item, name, value)
