"""Binance's spot replies, read into structures. Field names as in Binance's spot REST API documents."""

from __future__ import annotations

from typing import Any

from ...constants import (
    ORDER_OFFSET_OPEN,
    ORDER_STATE_CANCELED,
    ORDER_STATE_CLOSED,
    ORDER_STATE_PENDING,
    ORDER_STATE_UNKNOWN,
    ORDER_TYPE_BUY,
    ORDER_TYPE_SELL,
)
from ...structures import Asset, Depth, Market, Order, Record, Ticker, Trade, info
from ..rest.convert import average_price, bars_of, step_digits, taker_side
from ..rest.parsing import Malformed, integer, levels, mapping, number, number_or, rows, text, to_integer
from ..rest.symbols import Listing

__all__ = [
    "read_bars",
    "read_book",
    "read_holdings",
    "read_listings",
    "read_order",
    "read_server_time",
    "read_ticker",
    "read_trade",
    "read_weight_limit",
]

_STATES = {
    "NEW": ORDER_STATE_PENDING,
    "PENDING_NEW": ORDER_STATE_PENDING,
    "PARTIALLY_FILLED": ORDER_STATE_PENDING,
    "PENDING_CANCEL": ORDER_STATE_PENDING,
    "FILLED": ORDER_STATE_CLOSED,
    "CANCELED": ORDER_STATE_CANCELED,
    "REJECTED": ORDER_STATE_CANCELED,
    # What a market, IOC or FOK order could not fill expires; DealAmount says how much was filled before.
    "EXPIRED": ORDER_STATE_CANCELED,
    "EXPIRED_IN_MATCH": ORDER_STATE_CANCELED,
}

# A symbol in BREAK is kept for the record; in the other states it is listed, if perhaps halted for the moment.
_NOT_LISTED = frozenset({"BREAK"})


def read_server_time(payload: Any) -> float:
    """``GET /api/v3/time``, in seconds since the epoch."""
    return integer(mapping(payload, "the reply"), "serverTime") / 1000


def read_weight_limit(payload: dict[str, Any]) -> int:
    """The request weight allowed in a minute, from exchangeInfo; 0 where it does not say."""
    for raw in rows(payload.get("rateLimits", []), "the field 'rateLimits'"):
        limit = mapping(raw, "a rate limit")
        if limit.get("rateLimitType") == "REQUEST_WEIGHT" and limit.get("interval") == "MINUTE":
            per_window = integer(limit, "limit")
            return per_window if limit.get("intervalNum") == 1 else 0
    return 0


def read_listings(payload: Any) -> list[Listing]:
    """``GET /api/v3/exchangeInfo``."""
    found = mapping(payload, "the reply")
    if "symbols" not in found:
        raise Malformed("the field 'symbols' is missing")
    return [_listing(mapping(row, "a symbol")) for row in rows(found["symbols"], "the field 'symbols'")]


def _listing(row: dict[str, Any]) -> Listing:
    venue_symbol, base, quote = text(row, "symbol"), text(row, "baseAsset"), text(row, "quoteAsset")
    listed = text(row, "status") not in _NOT_LISTED and row.get("isSpotTradingAllowed", True) is not False
    market = Market(Info=info(row), Symbol=venue_symbol, BaseAsset=base, QuoteAsset=quote)
    raw_filters = [mapping(one, "a filter") for one in rows(row.get("filters"), "the field 'filters'")]
    filters = {text(one, "filterType"): one for one in raw_filters}
    market.update(_steps(filters, "PRICE_FILTER", "tickSize", "TickSize", "PricePrecision", row.get("quotePrecision")))
    market.update(
        _steps(filters, "LOT_SIZE", "stepSize", "AmountSize", "AmountPrecision", row.get("baseAssetPrecision"))
    )
    lot = filters.get("LOT_SIZE", {})
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
    for field, source, name in (
        ("MinQty", lot, "minQty"),
        ("MaxQty", lot, "maxQty"),
        ("MinNotional", notional, "minNotional"),
        ("MaxNotional", notional, "maxNotional"),
    ):
        value = number_or(source, name, 0.0)
        if value > 0:
            market[field] = value
    return Listing(
        symbol=f"{base}_{quote}", venue_symbol=venue_symbol, base=base, quote=quote, listed=listed, market=market
    )


def _steps(
    filters: dict[str, dict[str, Any]], kind: str, name: str, size_field: str, digits_field: str, precision: Any
) -> dict[str, Any]:
    """A step and its digits; a step of 0 switches the filter off, and then the asset's precision is the step."""
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


def read_ticker(payload: Any, symbol: str) -> Ticker:
    """One row of ``GET /api/v3/ticker/24hr``; where 24 h values are missing, FMZ's rule fills in the current ones."""
    row = mapping(payload, "the reply")
    last = number(row, "lastPrice")
    ask, bid = number_or(row, "askPrice", last), number_or(row, "bidPrice", last)
    return Ticker(
        Info=info(row),
        Symbol=symbol,
        High=number_or(row, "highPrice", ask),
        Low=number_or(row, "lowPrice", bid),
        Sell=ask,
        Buy=bid,
        Last=last,
        Open=number_or(row, "openPrice", last),
        Volume=number(row, "volume"),
        Time=integer(row, "closeTime"),
        OpenInterest=0.0,
    )


def read_book(payload: Any, now_ms: int) -> Depth:
    """``GET /api/v3/depth``, whose reply has no time: ours, on the venue's clock as far as it is known, stands in."""
    row = mapping(payload, "the reply")
    return Depth(Info=info(row), Asks=levels(row, "asks"), Bids=levels(row, "bids"), Time=now_ms)


def read_trade(payload: Any) -> Trade:
    """One row of ``GET /api/v3/aggTrades``: fills of one taker order at one price are one trade."""
    row = mapping(payload, "a trade")
    maker_bought = row.get("m")
    if type(maker_bought) is not bool:
        raise Malformed("the field 'm' is missing or not true or false")
    return Trade(
        Info=info(row),
        Id=str(integer(row, "a")),
        Time=integer(row, "T"),
        Price=number(row, "p"),
        Amount=number(row, "q"),
        Type=ORDER_TYPE_SELL if maker_bought else ORDER_TYPE_BUY,
    )


def read_bars(payload: Any) -> list[Record]:
    """``GET /api/v3/klines``, oldest first."""
    return bars_of(rows(payload, "the reply"))


def read_holdings(payload: Any) -> dict[str, Asset]:
    """The balances of ``GET /api/v3/account``, by currency."""
    found = mapping(payload, "the reply")
    holdings = {}
    for raw in rows(found.get("balances"), "the field 'balances'"):
        row = mapping(raw, "a balance")
        currency = text(row, "asset")
        holdings[currency] = Asset(
            Info=info(row), Currency=currency, Amount=number(row, "free"), FrozenAmount=number(row, "locked")
        )
    return holdings


def read_order(payload: Any, symbol: str = "") -> Order:
    """An order as the query calls answer it.

    Args:
        payload: One order.
        symbol: FMZ's symbol; empty leaves the venue's, to be replaced by the caller.
    """
    row = mapping(payload, "an order")
    venue_symbol, dealt = text(row, "symbol"), number(row, "executedQty")
    ordered = number(row, "origQty")
    # A market buy by quote amount has no base amount of its own until it is filled.
    amount = ordered if ordered > 0 else number_or(row, "origQuoteOrderQty", 0.0)
    return Order(
        Info=info(row),
        Symbol=symbol or venue_symbol,
        Id=f"{venue_symbol},{integer(row, 'orderId')}",
        Time=integer(row, "time") if "time" in row else integer(row, "transactTime"),
        Price=number(row, "price"),
        Amount=amount,
        DealAmount=dealt,
        AvgPrice=average_price(number_or(row, "cummulativeQuoteQty", 0.0), dealt),
        Status=_STATES.get(text(row, "status"), ORDER_STATE_UNKNOWN),
        Type=taker_side(text(row, "side")),
        Offset=ORDER_OFFSET_OPEN,
        ContractType="",
        Condition=None,
    )
