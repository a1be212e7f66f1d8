"""Readers of Binance's spot replies. Field names as in Binance's spot REST API documents."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ...constants import (
    ORDER_STATE_CANCELED,
    ORDER_STATE_CLOSED,
    ORDER_STATE_PENDING,
    ORDER_STATE_UNKNOWN,
    ORDER_TYPE_BUY,
    ORDER_TYPE_SELL,
)
from ...exchange.market_rules import MarketRules, OrderBounds
from ...exchange.venue import OrderFill
from ...structures import Asset, Depth, Market, Order, Ticker, Trade, info
from ..rest.convert import asset_of, average_price, order_of, step_digits, ticker_of
from ..rest.dialect import Listing
from ..rest.parsing import (
    Malformed,
    decimal_or,
    exact,
    integer,
    levels,
    mapping,
    number,
    number_or,
    rows,
    text,
    to_integer,
)

__all__ = [
    "market_of",
    "read_asset",
    "read_book",
    "read_fill",
    "read_listing",
    "read_order",
    "read_rules",
    "read_ticker",
    "read_trade",
]

_STATES = {
    "NEW": ORDER_STATE_PENDING,
    "PENDING_NEW": ORDER_STATE_PENDING,
    "PARTIALLY_FILLED": ORDER_STATE_PENDING,
    "PENDING_CANCEL": ORDER_STATE_PENDING,
    "FILLED": ORDER_STATE_CLOSED,
    "CANCELED": ORDER_STATE_CANCELED,
    "REJECTED": ORDER_STATE_CANCELED,
    # The unfilled rest of a market, IOC or FOK order expires; DealAmount tells how much was filled.
    "EXPIRED": ORDER_STATE_CANCELED,
    "EXPIRED_IN_MATCH": ORDER_STATE_CANCELED,
}


# A symbol in BREAK is delisted; in the other states it is listed, though maybe halted for a while.
_NOT_LISTED = frozenset({"BREAK"})


def read_listing(row: dict[str, Any]) -> Listing:
    """One symbol of ``GET /api/v3/exchangeInfo``."""
    name, base, quote = text(row, "symbol"), text(row, "baseAsset"), text(row, "quoteAsset")
    listed = text(row, "status") not in _NOT_LISTED and row.get("isSpotTradingAllowed", True) is not False
    return Listing(symbol=f"{base}_{quote}", venue_symbol=name, listed=listed, market=market_of(row, name, base, quote))


def market_of(row: dict[str, Any], name: str, base: str, quote: str) -> Market:
    """The trading rules of a symbol of ``exchangeInfo``, as far as FMZ's structure has them."""
    market = Market(Info=info(row), Symbol=name, BaseAsset=base, QuoteAsset=quote)
    filters = _filters(row)
    market.update(_steps(filters, "PRICE_FILTER", "tickSize", "TickSize", "PricePrecision", row.get("quotePrecision")))
    market.update(
        _steps(filters, "LOT_SIZE", "stepSize", "AmountSize", "AmountPrecision", row.get("baseAssetPrecision"))
    )
    lot, notional = filters.get("LOT_SIZE", {}), _notional(filters)
    for field, source, key in (
        ("MinQty", lot, "minQty"),
        ("MaxQty", lot, "maxQty"),
        ("MinNotional", notional, "notional" if "notional" in notional else "minNotional"),
        ("MaxNotional", notional, "maxNotional"),
    ):
        value = number_or(source, key, 0.0)
        if value > 0:
            market[field] = value
    return market


def _filters(row: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The filters by type; unknown or malformed ones are skipped."""
    found = rows(row.get("filters"), "the field 'filters'")
    return {str(one.get("filterType")): one for one in found if isinstance(one, dict)}


def _notional(filters: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}


def _steps(
    filters: dict[str, dict[str, Any]], kind: str, name: str, size_field: str, digits_field: str, precision: Any
) -> dict[str, Any]:
    """A step and its digits; a step of 0 switches the filter off, and the asset's precision is used instead."""
    one = filters.get(kind)
    step = number_or(one, name, 0.0) if one is not None else 0.0
    if one is not None and step > 0:
        return {size_field: step, digits_field: step_digits(str(one[name]), f"the field {name!r}")}
    if precision is None:
        return {}
    digits = to_integer(precision, f"the precision behind {size_field}")
    if not 0 <= digits <= 30:
        raise Malformed(f"the precision behind {size_field} is {digits}")
    return {size_field: float(f"1e-{digits}"), digits_field: digits}


def read_rules(listing: Listing) -> MarketRules:
    """The filters of a symbol, applied to order types as Binance's page "Filters" says.

    LOT_SIZE applies to all orders and MARKET_LOT_SIZE to market orders in addition; NOTIONAL applies to market orders by its two flags,
    and the older MIN_NOTIONAL by its one.
    """
    market = listing.market
    filters = _filters(market["Info"])
    lot, market_lot, notional = filters.get("LOT_SIZE", {}), filters.get("MARKET_LOT_SIZE", {}), _notional(filters)
    step = decimal_or(lot, "stepSize") or _precision(market.get("AmountPrecision"))
    limit = OrderBounds(
        step=step,
        min_amount=decimal_or(lot, "minQty"),
        max_amount=decimal_or(lot, "maxQty"),
        min_notional=decimal_or(notional, "minNotional"),
        max_notional=decimal_or(notional, "maxNotional"),
    )
    older = notional.get("filterType") == "MIN_NOTIONAL"
    least_holds = notional.get("applyToMarket" if older else "applyMinToMarket", True) is not False
    most_holds = notional.get("applyMaxToMarket", True) is not False
    at_market = OrderBounds(
        step=decimal_or(market_lot, "stepSize") or step,
        min_amount=max((limit.min_amount, decimal_or(market_lot, "minQty")), key=lambda one: one or 0),
        max_amount=min((limit.max_amount, decimal_or(market_lot, "maxQty")), key=lambda one: one or _ENDLESS),
        min_notional=limit.min_notional if least_holds else None,
        max_notional=limit.max_notional if most_holds else None,
    )
    tick = decimal_or(filters.get("PRICE_FILTER", {}), "tickSize") or _precision(market.get("PricePrecision"))
    return MarketRules.of_bounds(listing.symbol, tick, limit, at_market)


_ENDLESS = Decimal("Infinity")


def _precision(digits: int | None) -> Decimal | None:
    return None if digits is None else Decimal(1).scaleb(-digits)


def read_ticker(payload: Any, symbol: str) -> Ticker:
    """One row of ``GET /api/v3/ticker/24hr``."""
    row = mapping(payload, "the reply")
    return ticker_of(
        row,
        symbol,
        integer(row, "closeTime"),
        number(row, "volume"),
        last="lastPrice",
        buy="bidPrice",
        sell="askPrice",
        open="openPrice",
        high="highPrice",
        low="lowPrice",
    )


def read_book(payload: Any, now_ms: int) -> Depth:
    """``GET /api/v3/depth``, whose reply has no time: our estimate of the venue's time is used."""
    row = mapping(payload, "the reply")
    return Depth(Info=info(row), Asks=levels(row, "asks"), Bids=levels(row, "bids"), Time=now_ms)


def read_trade(payload: Any) -> Trade:
    """One row of ``GET /api/v3/aggTrades``: fills of one taker order at one price are one trade."""
    row = mapping(payload, "a trade")
    maker_bought = row.get("m")
    if type(maker_bought) is not bool:
        raise Malformed("the field 'm' is missing or not a boolean")
    return Trade(
        Info=info(row),
        Id=str(integer(row, "a")),
        Time=integer(row, "T"),
        Price=number(row, "p"),
        Amount=number(row, "q"),
        Type=ORDER_TYPE_SELL if maker_bought else ORDER_TYPE_BUY,
    )


def read_asset(row: dict[str, Any]) -> Asset:
    """One balance of ``GET /api/v3/account``."""
    return asset_of(row, text(row, "asset"), number(row, "free"), number(row, "locked"))


def read_fill(payload: Any) -> OrderFill:
    """One row of ``GET /api/v3/myTrades``."""
    row = mapping(payload, "a fill")
    return OrderFill(
        Info=info(row),
        Id=str(integer(row, "id")),
        Price=exact(row, "price"),
        Amount=exact(row, "qty"),
        Fee=exact(row, "commission"),
        FeeCurrency=text(row, "commissionAsset"),
        Time=integer(row, "time"),
        Maker=row.get("isMaker") is True,
    )


def read_order(payload: Any) -> Order:
    """An order from the query calls."""
    row = mapping(payload, "an order")
    dealt, ordered = number(row, "executedQty"), number(row, "origQty")
    return order_of(
        row,
        name=text(row, "symbol"),
        number=integer(row, "orderId"),
        time_ms=integer(row, "time") if "time" in row else integer(row, "transactTime"),
        price=number(row, "price"),
        # A market buy by quote amount has no base amount of its own until it is filled.
        amount=ordered if ordered > 0 else number_or(row, "origQuoteOrderQty", 0.0),
        dealt=dealt,
        average=average_price(number_or(row, "cummulativeQuoteQty", 0.0), dealt),
        status=_STATES.get(text(row, "status"), ORDER_STATE_UNKNOWN),
    )
