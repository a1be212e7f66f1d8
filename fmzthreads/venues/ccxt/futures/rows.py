"""Rows of ccxt about contracts as FMZ's structures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ....constants import ORDER_OFFSET_CLOSE, ORDER_TYPE_BUY
from ....exchange.contracts.port import FundingPayment
from ....structures import Account, Order, Position, info
from ...rest.parsing import Malformed
from .. import convert

__all__ = ["account_with_profit", "funding_payment_of", "marked_offset", "position_with_level", "unrealized_profit"]

_SIDE_FIELDS = ("positionSide", "position_side", "posSide", "positionIdx")
_LONG = frozenset({"long", "1"})
_SHORT = frozenset({"short", "2"})


def marked_offset(order: Order, row: Mapping[str, Any]) -> Order:
    """The order with the offset that the venue's row tells in hedge mode: selling a long position, buying back a short one."""
    raw = row.get("info")
    if isinstance(raw, Mapping):
        said = {str(raw.get(field)).lower() for field in _SIDE_FIELDS}
        held = _SHORT if order["Type"] == ORDER_TYPE_BUY else _LONG
        closing = "close" in {str(raw.get("tradeSide")).lower(), str(raw.get("offset")).lower()}
        if said & held or closing:
            order["Offset"] = ORDER_OFFSET_CLOSE
    return order


def position_with_level(row: Mapping[str, Any], symbol: str) -> Position:
    """A position; where ccxt has no leverage of it, what its value and its initial margin make."""
    found = convert.position_of(row, symbol)
    notional, margin = row.get("notional"), row.get("initialMargin")
    if not found["MarginLevel"] and notional and margin:
        found["MarginLevel"] = float(round(abs(float(notional)) / float(margin)))
    return found


def account_with_profit(account: Account, unrealized: float, *, in_wallet: bool) -> Account:
    """The account with its unrealized profit.

    Args:
        account: As read of the balance; its ``Equity`` is ccxt's total.
        unrealized: The profit of the open positions, in margin currency.
        in_wallet: Whether that total is the wallet's, which the profit is not part of.
    """
    account["UPnL"] = unrealized
    if in_wallet:
        account["Equity"] = account["Equity"] + unrealized
    return account


def unrealized_profit(rows: Iterable[Mapping[str, Any]]) -> float:
    """The sum of the unrealized profit of positions."""
    return sum((float(row.get("unrealizedPnl") or 0.0) for row in rows), 0.0)


def funding_payment_of(row: Mapping[str, Any], symbol: str) -> FundingPayment:
    """A funding payment."""
    if row.get("amount") is None or row.get("timestamp") is None:
        raise Malformed("a funding payment without its amount or time")
    return FundingPayment(
        Info=info(row.get("info")),
        Id=str(row.get("id") or row["timestamp"]),
        Symbol=symbol,
        Amount=float(row["amount"]),
        Currency=str(row.get("code") or ""),
        Time=int(row["timestamp"]),
    )
