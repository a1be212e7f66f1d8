"""Checks that initial balances plus all fills and payments equal the simulators' balances and positions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Protocol

import attrs

__all__ = ["Audit", "AuditedAccount", "LedgerEntry", "audit", "entries_of", "sent_twice"]

_BINANCE_PAGE = 1000
_OKX_PAGE = 100
_SPAN_MS = 2 * 86_400_000
"""How far back orders are listed: longer than a run, with what a clock of the venue may be off."""


class AuditedAccount(Protocol):
    """The part of an exchange object that the audit uses."""

    def GetName(self) -> str:
        """FMZ's id of the venue."""

    def GetLastError(self) -> str:
        """Why the last call failed."""

    def IO(self, command: str, *args: Any) -> Any:
        """The signed raw call."""

    def GetHistoryOrders(self, *args: Any) -> Any:
        """The past orders."""


@attrs.frozen(kw_only=True)
class LedgerEntry:
    """One fill or payment of an account, as its venue reports it.

    Attributes:
        changes: What it changed: balances by currency, and the position by its symbol, in contracts.
        fee: The fee in quote currency, one taken in coins at the price of the fill; positive when paid.
        funding: The funding received, negative when paid.
        is_fill: Whether it is a fill.
    """

    changes: Mapping[str, Decimal]
    fee: Decimal = Decimal(0)
    funding: Decimal = Decimal(0)
    is_fill: bool = True


@attrs.frozen
class Audit:
    """The result for one account.

    Attributes:
        differences: By currency (and by contract), what the simulator holds minus the sum of the books, as exact text.
        fees: All fees in quote currency, those taken in coins at the price of their fill.
        fills: The number of fills.
        funding: All funding received, negative when paid.
    """

    differences: dict[str, str]
    fees: float
    fills: int
    funding: float = 0.0


def entries_of(exchange: AuditedAccount, base: str, quote: str) -> Iterator[LedgerEntry]:
    """Every fill and funding payment of the account in one pair, in no order, by the venue's own signed interface.

    Raises:
        LookupError: The venue returned no list, or the audit cannot read this venue.
    """
    name = exchange.GetName()
    if name == "Binance":
        yield from _binance_fills(exchange, base, quote)
    elif name == "OKX":
        yield from _okx_fills(exchange, base, quote)
    elif name == "Futures_Binance":
        yield from _contract_fills(exchange, base, quote)
        yield from _funding_payments(exchange, base, quote)
    else:
        raise LookupError(f"the audit supports Binance, OKX and Futures_Binance, got {name!r}")


def _spot_fill(
    base: str, quote: str, *, is_buy: bool, price: Decimal, amount: Decimal, fee: Decimal, fee_currency: str
) -> LedgerEntry:
    sign = 1 if is_buy else -1
    changes = {base: sign * amount, quote: -sign * amount * price}
    changes[fee_currency] = changes.get(fee_currency, Decimal(0)) - fee
    return LedgerEntry(changes=changes, fee=fee * (price if fee_currency == base else 1))


def _pages(exchange: AuditedAccount, path: str, params: str) -> Iterator[dict[str, Any]]:
    """The rows of a list of Binance's that is counted on by ``fromId``."""
    start = 0
    while True:
        rows = exchange.IO("api", "GET", path, f"{params}&limit={_BINANCE_PAGE}&fromId={start}")
        if rows is None:
            raise LookupError(f"{exchange.GetName()} returned no list of trades")
        yield from rows
        if len(rows) < _BINANCE_PAGE:
            return
        start = int(rows[-1]["id"]) + 1


def _binance_fills(exchange: AuditedAccount, base: str, quote: str) -> Iterator[LedgerEntry]:
    for row in _pages(exchange, "/api/v3/myTrades", f"symbol={base}{quote}"):
        yield _spot_fill(
            base, quote, is_buy=bool(row["isBuyer"]), price=Decimal(row["price"]), amount=Decimal(row["qty"]),
            fee=Decimal(row["commission"]), fee_currency=row["commissionAsset"],
        )  # fmt: skip


def _contract_fills(exchange: AuditedAccount, base: str, quote: str) -> Iterator[LedgerEntry]:
    for row in _pages(exchange, "/fapi/v1/userTrades", f"symbol={base}{quote}"):
        sign, fee, asset = 1 if row["side"] == "BUY" else -1, Decimal(row["commission"]), row["commissionAsset"]
        changes = {f"{base}_{quote}.swap": sign * Decimal(row["qty"]), quote: Decimal(row["realizedPnl"])}
        changes[asset] = changes.get(asset, Decimal(0)) - fee
        yield LedgerEntry(changes=changes, fee=fee)


def _funding_payments(exchange: AuditedAccount, base: str, quote: str) -> Iterator[LedgerEntry]:
    params = f"symbol={base}{quote}&incomeType=FUNDING_FEE&limit={_BINANCE_PAGE}"
    rows = exchange.IO("api", "GET", "/fapi/v1/income", params)
    if rows is None or len(rows) == _BINANCE_PAGE:
        raise LookupError(f"{exchange.GetName()} returned no whole list of funding payments")
    for row in rows:
        amount = Decimal(row["income"])
        yield LedgerEntry(changes={row["asset"]: amount}, funding=amount, is_fill=False)


def _okx_fills(exchange: AuditedAccount, base: str, quote: str) -> Iterator[LedgerEntry]:
    after = ""
    while True:
        params = f"instType=SPOT&instId={base}-{quote}&limit={_OKX_PAGE}" + (f"&after={after}" if after else "")
        reply = exchange.IO("api", "GET", "/api/v5/trade/fills-history", params)
        if reply is None:
            raise LookupError("OKX returned no list of fills")
        rows = reply["data"]
        for row in rows:
            # OKX reports fees as changes of the balance: negative when paid.
            yield _spot_fill(
                base, quote, is_buy=row["side"] == "buy", price=Decimal(row["fillPx"]), amount=Decimal(row["fillSz"]),
                fee=-Decimal(row["fee"]), fee_currency=row["feeCcy"],
            )  # fmt: skip
        if len(rows) < _OKX_PAGE:
            return
        after = str(rows[-1]["billId"])


def audit(
    exchange: AuditedAccount, base: str, quote: str, begin: Mapping[str, Decimal], end: Mapping[str, Decimal]
) -> Audit:
    """Compares what was held at first, with all fills and payments, with what the simulator says is held.

    Args:
        exchange: The account.
        base: The coin.
        quote: The currency it is traded against.
        begin: Total holdings by currency at the start, and positions by contract.
        end: What the simulator reports now, in the same form.

    Raises:
        LookupError: The venue gave no list of fills.
    """
    book: defaultdict[str, Decimal] = defaultdict(Decimal, begin)
    fees, funding, count = Decimal(0), Decimal(0), 0
    for entry in entries_of(exchange, base, quote):
        for name, amount in entry.changes.items():
            book[name] += amount
        fees, funding, count = fees + entry.fee, funding + entry.funding, count + entry.is_fill
    names = sorted({*book, *end})
    differences = {name: format((end.get(name, Decimal(0)) - book[name]).normalize() + 0, "f") for name in names}
    return Audit(differences, float(fees), count, float(funding))


def sent_twice(exchange: AuditedAccount, symbol: str, now_ms: int, sent: int) -> list[str]:
    """What shows that an order reached the venue more than once; nothing when none did.

    Args:
        exchange: The account.
        symbol: What was traded.
        now_ms: The time, in ms since the epoch.
        sent: How many orders were sent, each once.

    Raises:
        LookupError: The venue gave no list of orders.
    """
    name, orders = exchange.GetName(), exchange.GetHistoryOrders(symbol, now_ms - _SPAN_MS, 10**9)
    if orders is None:
        raise LookupError(f"{name} returned no list of orders")
    ids = Counter(str(order.Info.get("clientOrderId") or order.Info.get("clOrdId") or order.Id) for order in orders)
    found = [f"{name} has {count} orders with the client order id {key}" for key, count in ids.items() if count > 1]
    if len(orders) > sent:
        found.append(f"{name} has {len(orders)} orders, but only {sent} were sent")
    return found
