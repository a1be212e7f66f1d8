"""Checks that initial balances plus all fills equal the simulators' balances."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Protocol

import attrs

__all__ = ["Audit", "AuditedAccount", "Fill", "audit", "fills_of"]

_BINANCE_PAGE = 1000
_OKX_PAGE = 100


class AuditedAccount(Protocol):
    """The part of an exchange object that the audit uses."""

    def GetName(self) -> str:
        """FMZ's id of the venue."""

    def GetLastError(self) -> str:
        """Why the last call failed."""

    def IO(self, command: str, *args: Any) -> Any:
        """The signed raw call."""


@attrs.frozen
class Fill:
    """One trade of an account, as its venue reports it; ``fee`` is positive when paid."""

    base: str
    quote: str
    is_buy: bool
    price: Decimal
    amount: Decimal
    fee: Decimal
    fee_currency: str


@attrs.frozen
class Audit:
    """The result for one account.

    Attributes:
        differences: By currency, the simulator's balance minus the sum of the fills, as exact text.
        fees: All fees in quote currency, those taken in coins at the price of their fill.
        fills: The number of fills.
    """

    differences: dict[str, str]
    fees: float
    fills: int


def fills_of(exchange: AuditedAccount, base: str, quote: str) -> Iterator[Fill]:
    """Every fill of the account in one pair, oldest or newest first, by the venue's own signed interface.

    Raises:
        LookupError: The venue returned no list, or the audit cannot read this venue.
    """
    name = exchange.GetName()
    if name == "Binance":
        yield from _binance_fills(exchange, base, quote)
    elif name == "OKX":
        yield from _okx_fills(exchange, base, quote)
    else:
        raise LookupError(f"the audit supports Binance and OKX, got {name!r}")


def _binance_fills(exchange: AuditedAccount, base: str, quote: str) -> Iterator[Fill]:
    start = 0
    while True:
        params = f"symbol={base}{quote}&limit={_BINANCE_PAGE}&fromId={start}"
        rows = exchange.IO("api", "GET", "/api/v3/myTrades", params)
        if rows is None:
            raise LookupError("Binance returned no list of trades")
        for row in rows:
            yield Fill(
                base, quote, bool(row["isBuyer"]), Decimal(row["price"]), Decimal(row["qty"]),
                Decimal(row["commission"]), row["commissionAsset"],
            )  # fmt: skip
        if len(rows) < _BINANCE_PAGE:
            return
        start = int(rows[-1]["id"]) + 1


def _okx_fills(exchange: AuditedAccount, base: str, quote: str) -> Iterator[Fill]:
    after = ""
    while True:
        params = f"instType=SPOT&instId={base}-{quote}&limit={_OKX_PAGE}" + (f"&after={after}" if after else "")
        reply = exchange.IO("api", "GET", "/api/v5/trade/fills-history", params)
        if reply is None:
            raise LookupError("OKX returned no list of fills")
        rows = reply["data"]
        for row in rows:
            # OKX reports fees as changes of the balance: negative when paid.
            yield Fill(
                base, quote, row["side"] == "buy", Decimal(row["fillPx"]), Decimal(row["fillSz"]),
                -Decimal(row["fee"]), row["feeCcy"],
            )  # fmt: skip
        if len(rows) < _OKX_PAGE:
            return
        after = str(rows[-1]["billId"])


def audit(
    exchange: AuditedAccount, base: str, quote: str, begin: Mapping[str, Decimal], end: Mapping[str, Decimal]
) -> Audit:
    """Compares the initial balances plus all fills with the simulator's balances.

    Args:
        exchange: The account.
        base: The coin.
        quote: The currency it is traded against.
        begin: Total holdings by currency at the start.
        end: Total holdings by currency that the simulator reports now.

    Raises:
        LookupError: The venue gave no list of fills.
    """
    book: defaultdict[str, Decimal] = defaultdict(Decimal, begin)
    fees, count = Decimal(0), 0
    for fill in fills_of(exchange, base, quote):
        sign = 1 if fill.is_buy else -1
        book[fill.base] += sign * fill.amount
        book[fill.quote] -= sign * fill.amount * fill.price
        book[fill.fee_currency] -= fill.fee
        fees += fill.fee * (fill.price if fill.fee_currency == fill.base else 1)
        count += 1
    currencies = sorted({*book, *end})
    differences = {c: format((end.get(c, Decimal(0)) - book[c]).normalize() + 0, "f") for c in currencies}
    return Audit(differences, float(fees), count)
