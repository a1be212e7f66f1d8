"""Readers of the replies of Binance's futures: symbols, tickers, orders, fills, positions, accounts, funding."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ....constants import (
    ORDER_OFFSET_CLOSE,
    ORDER_OFFSET_OPEN,
    ORDER_STATE_CANCELED,
    ORDER_STATE_CLOSED,
    ORDER_STATE_PENDING,
    ORDER_STATE_UNKNOWN,
    PD_LONG,
    PD_SHORT,
)
from ....exchange.contracts.port import FundingPayment
from ....exchange.venue import OrderFill
from ....structures import Account, Asset, Funding, Order, Position, Ticker, info
from ...rest.convert import asset_of, order_of, ticker_of
from ...rest.dialect import Listing
from ...rest.parsing import exact, integer, mapping, number, number_or, rows, text, to_integer
from ..replies import market_of

__all__ = [
    "expiry_ms",
    "made_by",
    "offset_of",
    "read_account",
    "read_asset",
    "read_fill",
    "read_funding",
    "read_listing",
    "read_order",
    "read_payment",
    "read_position",
    "read_ticker",
]

_CODES = {
    "PERPETUAL": "swap",
    "TRADIFI_PERPETUAL": "swap",
    "CURRENT_QUARTER": "quarter",
    "NEXT_QUARTER": "next_quarter",
}
_PERPETUAL_MS = 4_133_404_800_000  # the delivery date of contracts that have none

# The states in which a contract can be traded, or is only halted for a while.
_LISTED = frozenset({"TRADING", "PRE_SETTLE", "SETTLING", "PRE_DELIVERING"})

_STATES = {
    "NEW": ORDER_STATE_PENDING,
    "PARTIALLY_FILLED": ORDER_STATE_PENDING,
    "NEW_INSURANCE": ORDER_STATE_PENDING,
    "NEW_ADL": ORDER_STATE_PENDING,
    "FILLED": ORDER_STATE_CLOSED,
    "CANCELED": ORDER_STATE_CANCELED,
    "REJECTED": ORDER_STATE_CANCELED,
    "EXPIRED": ORDER_STATE_CANCELED,
    "EXPIRED_IN_MATCH": ORDER_STATE_CANCELED,
}

# What the client order ids of orders begin with that the venue itself placed ("Event: Order Update" in Binance's documents).
_MADE_BY = (
    ("autoclose-", "liquidation"),
    ("adl_autoclose", "adl"),
    ("settlement_autoclose-", "settlement"),
    ("delivery_autoclose-", "delivery"),
    ("delivery-", "delivery"),
)


def made_by(client_order_id: str) -> str:
    """Why the venue made an order itself, from its client order id; empty for any other order."""
    return next((why for start, why in _MADE_BY if client_order_id.startswith(start)), "")


def read_listing(row: dict[str, Any], *, coin: bool) -> Listing:
    """One symbol of ``exchangeInfo``; its code is ``swap``, ``quarter``, ``next_quarter``, or the date in its name."""
    name, base, quote = text(row, "symbol"), text(row, "baseAsset"), text(row, "quoteAsset")
    listed = text(row, "contractStatus" if coin else "status") in _LISTED
    code = _CODES.get(text(row, "contractType")) or name.rpartition("_")[2]
    market = market_of(row, name, base, quote)
    market["CtVal"] = number(row, "contractSize") if coin else 1.0
    market["CtValCcy"] = quote if coin else base
    return Listing(symbol=f"{base}_{quote}.{code}", venue_symbol=name, listed=listed, market=market)


def expiry_ms(listing: Listing) -> int:
    """When a contract is delivered, in ms since the epoch; 0 for a perpetual one."""
    found = listing.market["Info"].get("deliveryDate", _PERPETUAL_MS)
    date = to_integer(found, "the field 'deliveryDate'")
    return 0 if date >= _PERPETUAL_MS else date


def read_ticker(row: dict[str, Any], best: dict[str, Any], symbol: str) -> Ticker:
    """A row of ``ticker/24hr`` with best bid and ask of ``ticker/bookTicker``; the volume counts contracts."""
    merged = {**row, "bidPrice": best.get("bidPrice"), "askPrice": best.get("askPrice")}
    return ticker_of(
        merged,
        symbol,
        max(integer(row, "closeTime"), to_integer(best.get("time", 0), "the field 'time'")),
        number(row, "volume"),
        last="lastPrice",
        buy="bidPrice",
        sell="askPrice",
        open="openPrice",
        high="highPrice",
        low="lowPrice",
    )


def offset_of(row: dict[str, Any]) -> int:
    """``ORDER_OFFSET_CLOSE`` of an order that can only close; in hedge mode by its side, else by ``reduceOnly``."""
    side, position = row.get("side"), row.get("positionSide", "BOTH")
    if position == "LONG":
        return ORDER_OFFSET_CLOSE if side == "SELL" else ORDER_OFFSET_OPEN
    if position == "SHORT":
        return ORDER_OFFSET_CLOSE if side == "BUY" else ORDER_OFFSET_OPEN
    closes = any(row.get(name) in {True, "true"} for name in ("reduceOnly", "closePosition"))
    return ORDER_OFFSET_CLOSE if closes else ORDER_OFFSET_OPEN


def read_order(payload: Any) -> Order:
    """An order from the query calls; only they have its average price."""
    row = mapping(payload, "an order")
    order = order_of(
        row,
        name=text(row, "symbol"),
        number=integer(row, "orderId"),
        time_ms=integer(row, "time") if "time" in row else integer(row, "updateTime"),
        price=number(row, "price"),
        amount=number(row, "origQty"),
        dealt=number(row, "executedQty"),
        average=number_or(row, "avgPrice", 0.0),
        status=_STATES.get(text(row, "status"), ORDER_STATE_UNKNOWN),
    )
    order["Offset"] = offset_of(row)
    why = made_by(str(row.get("clientOrderId", "")))
    if why:
        order["MadeBy"] = why
    return order


def read_fill(payload: Any) -> OrderFill:
    """One row of ``userTrades``; a fill of the venue's own order may have no fee."""
    row = mapping(payload, "a fill")
    return OrderFill(
        Info=info(row),
        Id=str(integer(row, "id")),
        Price=exact(row, "price"),
        Amount=exact(row, "qty"),
        Fee=exact(row, "commission") if row.get("commission") not in {None, ""} else Decimal(0),
        FeeCurrency=str(row.get("commissionAsset") or ""),
        Time=integer(row, "time"),
        Maker=row.get("maker") is True,
    )


def read_asset(row: dict[str, Any]) -> Asset:
    """One balance of ``account``: what is free, and what positions and orders hold."""
    return asset_of(row, text(row, "asset"), number(row, "availableBalance"), number(row, "initialMargin"))


def read_account(payload: Any, currency: str, *, coin: bool) -> Account:
    """``account`` as a contract with this margin currency sees it; a currency without a balance is 0."""
    row = mapping(payload, "the reply")
    found = [
        mapping(one, "a balance")
        for one in rows(row.get("assets"), "the field 'assets'")
        if isinstance(one, dict) and one.get("asset") == currency
    ]
    asset = found[0] if found else {}
    free, frozen = (number_or(asset, name, 0.0) for name in ("availableBalance", "initialMargin"))
    return Account(
        Info=info(row),
        Balance=0.0 if coin else free,
        FrozenBalance=0.0 if coin else frozen,
        Stocks=free if coin else 0.0,
        FrozenStocks=frozen if coin else 0.0,
        Equity=number_or(asset, "marginBalance", 0.0),
        UPnL=number_or(asset, "unrealizedProfit", 0.0),
    )


def read_position(row: dict[str, Any]) -> Position:
    """One row of ``positionRisk``; its ``Symbol`` is still the venue's name, and its amount may be 0."""
    amount = number(row, "positionAmt")
    side = row.get("positionSide", "BOTH")
    short = side == "SHORT" or (side == "BOTH" and amount < 0)
    isolated = number_or(row, "isolatedMargin", 0.0)
    notional = abs(number_or(row, "notional", number_or(row, "notionalValue", 0.0)))
    held = number_or(row, "positionInitialMargin", 0.0)
    # USDⓈ-M no longer tells the leverage here; its initial margin is the value divided by it.
    level = number_or(row, "leverage", round(notional / held) if held > 0 else 0.0)
    return Position(
        Info=info(row),
        Symbol=text(row, "symbol"),
        MarginLevel=level,
        Amount=abs(amount),
        FrozenAmount=0.0,
        Price=number(row, "entryPrice"),
        Profit=number(row, "unRealizedProfit"),
        Type=PD_SHORT if short else PD_LONG,
        ContractType="",
        Margin=isolated or held or (notional / level if level else 0.0),
    )


_EIGHT_HOURS_MS = 28_800_000


def read_funding(row: dict[str, Any], hours: dict[str, int]) -> Funding | None:
    """One row of ``premiumIndex``; None for a contract with a delivery. ``hours`` has the intervals that are not eight hours."""
    if not row.get("lastFundingRate") or not integer(row, "nextFundingTime"):
        return None
    name = text(row, "symbol")
    return Funding(
        Info=info(row),
        Symbol=name,
        Interval=hours[name] * 3_600_000 if name in hours else _EIGHT_HOURS_MS,
        Time=integer(row, "nextFundingTime"),
        Rate=number(row, "lastFundingRate"),
    )


def read_payment(row: dict[str, Any]) -> FundingPayment:
    """One row of ``income``; its ``Symbol`` is still the venue's name."""
    return FundingPayment(
        Info=info(row),
        Id=str(row.get("tranId", "")),
        Symbol=text(row, "symbol"),
        Amount=number(row, "income"),
        Currency=text(row, "asset"),
        Time=integer(row, "time"),
    )
