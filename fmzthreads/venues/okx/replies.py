"""Readers of OKX's spot replies. Field names as in OKX's v5 API reference; every number is a string there."""

from __future__ import annotations

from typing import Any

from ...constants import ORDER_STATE_CANCELED, ORDER_STATE_CLOSED, ORDER_STATE_PENDING, ORDER_STATE_UNKNOWN
from ...exchange.market_rules import MarketRules, OrderBounds
from ...exchange.venue import OrderFill
from ...structures import Asset, Depth, Market, Order, Ticker, Trade, info
from ..rest.convert import asset_of, order_of, step_digits, taker_side, ticker_of
from ..rest.dialect import Listing
from ..rest.parsing import decimal_or, exact, integer, levels, mapping, number, number_or, text

__all__ = [
    "is_listed",
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
    "live": ORDER_STATE_PENDING,
    "partially_filled": ORDER_STATE_PENDING,
    "filled": ORDER_STATE_CLOSED,
    "canceled": ORDER_STATE_CANCELED,
    "mmp_canceled": ORDER_STATE_CANCELED,
}

# Rows in these states may have only a name and a date.
_NOT_YET = frozenset({"preopen", "test"})

# maxMktSz of spot is in this currency for every pair (OKX's page "Get instruments").
_MARKET_SIZE_CURRENCY = "USDT"


def is_listed(row: Any) -> bool:
    """Whether the row's instrument is traded, or once was."""
    return not (isinstance(row, dict) and str(row.get("state")) in _NOT_YET)


def read_listing(row: dict[str, Any]) -> Listing:
    """One instrument of ``public/instruments``."""
    name, base, quote = text(row, "instId"), text(row, "baseCcy"), text(row, "quoteCcy")
    market = Market(
        Info=info(row),
        Symbol=name,
        BaseAsset=base,
        QuoteAsset=quote,
        TickSize=number(row, "tickSz"),
        AmountSize=number(row, "lotSz"),
        PricePrecision=step_digits(text(row, "tickSz"), "the field 'tickSz'"),
        AmountPrecision=step_digits(text(row, "lotSz"), "the field 'lotSz'"),
    )
    for field, key in (("MinQty", "minSz"), ("MaxQty", "maxLmtSz")):
        value = number_or(row, key, 0.0)
        if value > 0:
            market[field] = value
    return Listing(symbol=f"{base}_{quote}", venue_symbol=name, listed=True, market=market)


def read_rules(listing: Listing) -> MarketRules:
    """The sizes of an instrument: ``maxLmtSz`` holds for limit orders only, ``maxMktSz`` for market orders, and it counts USDT."""
    row = listing.market["Info"]
    step, least = decimal_or(row, "lotSz"), decimal_or(row, "minSz")
    most_spent = decimal_or(row, "maxMktSz") if listing.market["QuoteAsset"] == _MARKET_SIZE_CURRENCY else None
    limit = OrderBounds(step=step, min_amount=least, max_amount=decimal_or(row, "maxLmtSz"))
    at_market = OrderBounds(step=step, min_amount=least, max_notional=most_spent)
    return MarketRules.of_bounds(listing.symbol, decimal_or(row, "tickSz"), limit, at_market)


def read_ticker(payload: Any, symbol: str) -> Ticker:
    """One row of ``market/ticker(s)``, and of the channel ``tickers``."""
    row = mapping(payload, "a ticker")
    return ticker_of(
        row,
        symbol,
        integer(row, "ts"),
        number_or(row, "vol24h", 0.0),
        last="last",
        buy="bidPx",
        sell="askPx",
        open="open24h",
        high="high24h",
        low="low24h",
    )


def read_book(row: dict[str, Any]) -> Depth:
    """``market/books`` and ``market/books-full``."""
    return Depth(Info=info(row), Asks=levels(row, "asks"), Bids=levels(row, "bids"), Time=integer(row, "ts"))


def read_trade(payload: Any) -> Trade:
    """One row of ``market/trades``."""
    row = mapping(payload, "a trade")
    return Trade(
        Info=info(row),
        Id=text(row, "tradeId"),
        Time=integer(row, "ts"),
        Price=number(row, "px"),
        Amount=number(row, "sz"),
        Type=taker_side(text(row, "side")),
    )


def read_asset(row: dict[str, Any]) -> Asset:
    """One detail of ``account/balance``. The free amount is ``availBal`` in spot mode, else ``availEq``."""
    free = "availBal" if row.get("availEq") in (None, "") else "availEq"
    return asset_of(row, text(row, "ccy"), number(row, free), number(row, "frozenBal"))


def read_fill(payload: Any) -> OrderFill:
    """One row of ``trade/fills``; OKX gives a fee that was charged as a negative number."""
    row = mapping(payload, "a fill")
    text(row, "billId")  # the next page is asked for by it
    return OrderFill(
        Info=info(row),
        Id=text(row, "tradeId"),
        Price=exact(row, "fillPx"),
        Amount=exact(row, "fillSz"),
        Fee=-exact(row, "fee"),
        FeeCurrency=text(row, "feeCcy"),
        Time=integer(row, "ts"),
        Maker=row.get("execType") == "M",
    )


def read_order(payload: Any) -> Order:
    """An order from the query calls."""
    row = mapping(payload, "an order")
    return order_of(
        row,
        name=text(row, "instId"),
        number=text(row, "ordId"),
        time_ms=integer(row, "cTime"),
        price=number_or(row, "px", 0.0),
        # The requested amount in the requested unit: quote currency for a market buy by value.
        amount=number(row, "sz"),
        dealt=number(row, "accFillSz"),
        average=number_or(row, "avgPx", 0.0),
        status=_STATES.get(text(row, "state"), ORDER_STATE_UNKNOWN),
    )
