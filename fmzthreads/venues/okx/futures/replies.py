"""Readers of OKX's replies about contracts: instruments, orders, positions, accounts, funding."""

from __future__ import annotations

from typing import Any

from ....constants import ORDER_OFFSET_CLOSE, ORDER_OFFSET_OPEN, PD_LONG, PD_SHORT
from ....exchange.contracts.port import FundingPayment
from ....exchange.market_rules import MarketRules, OrderBounds
from ....structures import Account, Asset, Funding, Market, Order, Position, info
from ...rest.convert import step_digits
from ...rest.dialect import Listing
from ...rest.parsing import Malformed, decimal_or, integer, mapping, number, number_or, rows, text, to_integer
from ..replies import is_listed as is_listed_at_all
from ..replies import read_order as read_plain_order

__all__ = [
    "expiry_ms",
    "is_listed",
    "offset_of",
    "read_account",
    "read_fee_rates",
    "read_funding",
    "read_listing",
    "read_order",
    "read_payment",
    "read_position",
    "read_rules",
]

# FMZ's codes of OKX's aliases of futures with a delivery (the venue says that it will end the field: a date then names them).
_CODES = {
    "this_week": "this_week",
    "next_week": "next_week",
    "this_month": "month",
    "next_month": "next_month",
    "quarter": "quarter",
    "next_quarter": "next_quarter",
}

# Why the venue made an order itself, by the order's category.
_MADE_BY = {
    "full_liquidation": "liquidation",
    "partial_liquidation": "liquidation",
    "adl": "adl",
    "delivery": "delivery",
}


def is_listed(row: Any) -> bool:
    """Whether the row's contract is traded and has a pair that FMZ can name (``BTC-USD_UM`` cannot be)."""
    return is_listed_at_all(row) and isinstance(row, dict) and "_" not in str(row.get("instFamily"))


def read_listing(row: dict[str, Any]) -> Listing:
    """One contract of ``public/instruments``; its code is ``swap``, that of its alias, or the date in its name."""
    name = text(row, "instId")
    base, dash, quote = text(row, "instFamily").partition("-")
    if not (base and dash and quote):
        raise Malformed("the field 'instFamily' is no pair")
    perpetual = row.get("instType") == "SWAP"
    code = "swap" if perpetual else _CODES.get(str(row.get("alias"))) or name.rpartition("-")[2]
    market = Market(
        Info=info(row),
        Symbol=name,
        BaseAsset=base,
        QuoteAsset=quote,
        TickSize=number(row, "tickSz"),
        AmountSize=number(row, "lotSz"),
        PricePrecision=step_digits(text(row, "tickSz"), "the field 'tickSz'"),
        AmountPrecision=step_digits(text(row, "lotSz"), "the field 'lotSz'"),
        CtVal=number(row, "ctVal") * number_or(row, "ctMult", 1.0),
        CtValCcy=text(row, "ctValCcy"),
    )
    for field, key in (("MinQty", "minSz"), ("MaxQty", "maxLmtSz")):
        value = number_or(row, key, 0.0)
        if value > 0:
            market[field] = value
    listed = row.get("state") not in {"expired", "settling"}
    return Listing(symbol=f"{base}_{quote}.{code}", venue_symbol=name, listed=listed, market=market)


def expiry_ms(listing: Listing) -> int:
    """When a contract is delivered, in ms since the epoch; 0 for a perpetual one."""
    row = listing.market["Info"]
    ends = row.get("expTime")
    return 0 if row.get("instType") == "SWAP" or ends in {None, ""} else to_integer(ends, "the field 'expTime'")


def read_rules(listing: Listing) -> MarketRules:
    """The sizes of a contract, all in contracts."""
    row = listing.market["Info"]
    step, least = decimal_or(row, "lotSz"), decimal_or(row, "minSz")
    limit, at_market = (
        OrderBounds(step=step, min_amount=least, max_amount=decimal_or(row, most)) for most in ("maxLmtSz", "maxMktSz")
    )
    return MarketRules.of_bounds(listing.symbol, decimal_or(row, "tickSz"), limit, at_market)


def offset_of(row: dict[str, Any]) -> int:
    """``ORDER_OFFSET_CLOSE`` of an order that can only close: by its side in hedge mode, else by ``reduceOnly``."""
    side, position = row.get("side"), row.get("posSide")
    if position in {"long", "short"}:
        return ORDER_OFFSET_CLOSE if (side == "sell") is (position == "long") else ORDER_OFFSET_OPEN
    return ORDER_OFFSET_CLOSE if row.get("reduceOnly") in {True, "true"} else ORDER_OFFSET_OPEN


def read_order(payload: Any) -> Order:
    """An order from the query calls; amounts are contracts."""
    order = read_plain_order(payload)
    row = order["Info"]
    order["Offset"] = offset_of(row)
    why = _MADE_BY.get(str(row.get("category")))
    if why:
        order["MadeBy"] = why
    return order


def read_position(row: dict[str, Any]) -> Position:
    """One row of ``account/positions``; its ``Symbol`` is still the venue's name, and its amount may be 0."""
    held = number_or(row, "pos", 0.0)
    side = row.get("posSide")
    free = number_or(row, "availPos", abs(held))
    return Position(
        Info=info(row),
        Symbol=text(row, "instId"),
        MarginLevel=number_or(row, "lever", 0.0),
        Amount=abs(held),
        FrozenAmount=max(0.0, abs(held) - abs(free)),
        Price=number_or(row, "avgPx", 0.0),
        Profit=number_or(row, "upl", 0.0),
        Type=PD_SHORT if side == "short" or (side != "long" and held < 0) else PD_LONG,
        ContractType="",
        Margin=number_or(row, "margin", 0.0) or number_or(row, "imr", 0.0),
    )


def read_account(asset: Asset | None, raw: Any, *, in_coins: bool) -> Account:
    """The margin of one currency as a contract sees it: in ``Stocks`` for an inverse contract, else in ``Balance``; 0 without a balance."""
    free, frozen = (asset["Amount"], asset["FrozenAmount"]) if asset is not None else (0.0, 0.0)
    detail: dict[str, Any] = asset["Info"] if asset is not None else {}
    return Account(
        Info=raw,
        Balance=0.0 if in_coins else free,
        FrozenBalance=0.0 if in_coins else frozen,
        Stocks=free if in_coins else 0.0,
        FrozenStocks=frozen if in_coins else 0.0,
        Equity=number_or(detail, "eq", 0.0),
        UPnL=number_or(detail, "upl", 0.0),
    )


def read_funding(row: dict[str, Any]) -> Funding:
    """One row of ``public/funding-rate``; its ``Symbol`` is still the venue's name."""
    due = integer(row, "fundingTime")
    after = to_integer(row.get("nextFundingTime") or due, "the field 'nextFundingTime'")
    return Funding(
        Info=info(row),
        Symbol=text(row, "instId"),
        Interval=max(0, after - due),
        Time=due,
        Rate=number(row, "fundingRate"),
    )


def read_payment(row: dict[str, Any]) -> FundingPayment:
    """A funding bill; it changes the balance, or that of a position with isolated margin."""
    return FundingPayment(
        Info=info(row),
        Id=text(row, "billId"),
        Symbol=text(row, "instId"),
        Amount=number_or(row, "balChg", 0.0) + number_or(row, "posBalChg", 0.0),
        Currency=text(row, "ccy"),
        Time=integer(row, "ts"),
    )


def read_fee_rates(row: dict[str, Any], group: str, quote: str) -> tuple[float, float]:
    """Maker's and taker's rate in ``account/trade-fee``, where a fee is negative.

    Args:
        row: The reply's row.
        group: The contract's group of fees.
        quote: The contract's quote currency, for replies without groups.
    """
    groups = row.get("feeGroup")
    for one in rows(groups, "the field 'feeGroup'") if groups else ():
        found = mapping(one, "a group of fees")
        if str(found.get("groupId")) == group:
            return -number(found, "maker"), -number(found, "taker")
    end = {"USDT": "U", "USDC": "USDC"}.get(quote, "")
    return -number(row, f"maker{end}"), -number(row, f"taker{end}")
