"""OKX's spot replies, read into structures. Field names as in OKX's v5 API reference; every number is a string there."""

from __future__ import annotations

from typing import Any

from ...constants import (
    ORDER_OFFSET_OPEN,
    ORDER_STATE_CANCELED,
    ORDER_STATE_CLOSED,
    ORDER_STATE_PENDING,
    ORDER_STATE_UNKNOWN,
)
from ...structures import Asset, Depth, Market, Order, Record, Ticker, Trade, info
from ..rest.convert import bars_of, step_digits, taker_side
from ..rest.parsing import first, integer, levels, mapping, number, number_or, rows, text
from ..rest.symbols import Listing

__all__ = [
    "data_of",
    "read_bars",
    "read_book",
    "read_holdings",
    "read_listings",
    "read_order",
    "read_server_time",
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


def data_of(payload: Any) -> list[Any]:
    """The ``data`` of an envelope."""
    return rows(mapping(payload, "the reply").get("data"), "the field 'data'")


def read_server_time(payload: Any) -> float:
    """``GET /api/v5/public/time``, in seconds since the epoch."""
    return integer(first(data_of(payload), "the field 'data'"), "ts") / 1000


def read_listings(payload: Any) -> list[Listing]:
    """``GET /api/v5/public/instruments?instType=SPOT``."""
    found = []
    for raw in data_of(payload):
        row = mapping(raw, "an instrument")
        if text(row, "state") not in _NOT_YET:
            found.append(_listing(row))
    return found


def _listing(row: dict[str, Any]) -> Listing:
    venue_symbol, base, quote = text(row, "instId"), text(row, "baseCcy"), text(row, "quoteCcy")
    tick, lot = text(row, "tickSz"), text(row, "lotSz")
    market = Market(
        Info=info(row),
        Symbol=venue_symbol,
        BaseAsset=base,
        QuoteAsset=quote,
        TickSize=number(row, "tickSz"),
        AmountSize=number(row, "lotSz"),
        PricePrecision=step_digits(tick, "the field 'tickSz'"),
        AmountPrecision=step_digits(lot, "the field 'lotSz'"),
    )
    for field, name in (("MinQty", "minSz"), ("MaxQty", "maxLmtSz")):
        value = number_or(row, name, 0.0)
        if value > 0:
            market[field] = value
    return Listing(
        symbol=f"{base}_{quote}", venue_symbol=venue_symbol, base=base, quote=quote, listed=True, market=market
    )


def read_ticker(payload: Any, symbol: str) -> Ticker:
    """One row of ``market/ticker(s)``; where 24 h values are missing, FMZ's rule fills in the current ones."""
    row = mapping(payload, "a ticker")
    last = number(row, "last")
    ask, bid = number_or(row, "askPx", last), number_or(row, "bidPx", last)
    return Ticker(
        Info=info(row),
        Symbol=symbol,
        High=number_or(row, "high24h", ask),
        Low=number_or(row, "low24h", bid),
        Sell=ask,
        Buy=bid,
        Last=last,
        Open=number_or(row, "open24h", last),
        Volume=number_or(row, "vol24h", 0.0),
        Time=integer(row, "ts"),
        OpenInterest=0.0,
    )


def read_book(payload: Any) -> Depth:
    """``market/books`` and ``market/books-full``."""
    row = first(data_of(payload), "the field 'data'")
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


def read_bars(payload: Any) -> list[Record]:
    """``market/candles`` and ``market/history-candles``, oldest first."""
    return bars_of(data_of(payload))


def read_holdings(payload: Any) -> dict[str, Asset]:
    """The details of ``account/balance``, by currency. Free is ``availBal`` in spot mode (``availEq`` is empty there), else ``availEq``."""
    found = {}
    for raw in rows(first(data_of(payload), "the field 'data'").get("details"), "the field 'details'"):
        row = mapping(raw, "a balance")
        currency = text(row, "ccy")
        absent = row.get("availEq") is None or row.get("availEq") == ""
        free = number(row, "availBal" if absent else "availEq")
        found[currency] = Asset(Info=info(row), Currency=currency, Amount=free, FrozenAmount=number(row, "frozenBal"))
    return found


def read_order(payload: Any, symbol: str = "") -> Order:
    """An order as the query calls answer it.

    Args:
        payload: One order.
        symbol: FMZ's symbol; empty leaves the venue's, to be replaced by the caller.
    """
    row = mapping(payload, "an order")
    venue_symbol = text(row, "instId")
    return Order(
        Info=info(row),
        Symbol=symbol or venue_symbol,
        Id=f"{venue_symbol},{text(row, 'ordId')}",
        Time=integer(row, "cTime"),
        Price=number_or(row, "px", 0.0),
        # What was asked for, in the unit in which it was asked: quote currency for a market buy by value.
        Amount=number(row, "sz"),
        DealAmount=number(row, "accFillSz"),
        AvgPrice=number_or(row, "avgPx", 0.0),
        Status=_STATES.get(text(row, "state"), ORDER_STATE_UNKNOWN),
        Type=taker_side(text(row, "side")),
        Offset=ORDER_OFFSET_OPEN,
        ContractType="",
        Condition=None,
    )
