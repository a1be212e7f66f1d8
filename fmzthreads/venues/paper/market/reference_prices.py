"""Mark and index prices of contracts, as the real venue publishes them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs

from ....errors import FmzError, NotSupported, StopRequested
from ....exchange.contracts.converter import Contract
from ....exchange.venue import Venue
from ....structures import Depth, Funding
from .liquidity import sides_of

__all__ = ["ReferencePrices", "ReferenceRow"]


@attrs.frozen(kw_only=True)
class ReferenceRow:
    """What a venue says of a contract at one moment.

    Attributes:
        mark: The mark price: the published one, else the middle of the book; None without either.
        index: The index price; None where the venue publishes none.
        funding: Its next funding; None if it has none.
    """

    mark: Decimal | None
    index: Decimal | None
    funding: Funding | None


class ReferencePrices:
    """Asks for mark prices, index prices and funding rates; all of it is public.

    Args:
        market: The venue.
    """

    def __init__(self, market: Venue) -> None:
        self._market = market

    def of(self, contract: Contract, depth: Depth, *, index: bool = False) -> ReferenceRow:
        """What the venue says of a contract now.

        Args:
            contract: The contract.
            depth: Its book.
            index: Whether the index price is wanted, where it takes a request of its own.
        """
        funding = next((one for one in self._fundings(contract.symbol) if one["Symbol"] == contract.symbol), None)
        row = funding.get("Info") if funding is not None else None
        mark, level = _price(row, "markPrice", "markPx"), _price(row, "indexPrice", "idxPx")
        if mark is None:
            mark, level = self._asked(contract, level, index=index)
        elif index and level is None:
            level = self._asked(contract, level, index=True)[1]
        if mark is None:
            asks, bids = sides_of(depth)
            mark = (asks[0][0] + bids[0][0]) / 2 if asks and bids else None
        return ReferenceRow(mark=mark, index=level, funding=funding)

    def _fundings(self, symbol: str) -> list[Funding]:
        try:
            return self._market.fundings(symbol)
        except NotSupported:
            return []

    def _asked(
        self, contract: Contract, level: Decimal | None, *, index: bool
    ) -> tuple[Decimal | None, Decimal | None]:
        """Mark and index price by the venue's own endpoints, which no call of the port has; None for what it does not answer."""
        name, linear = contract.venue_symbol, contract.value.in_coins
        if self._market.name == "Futures_Binance":
            row = self._row(f"/{'fapi' if linear else 'dapi'}/v1/premiumIndex", f"symbol={name}")
            return _price(row, "markPrice"), _price(row, "indexPrice")
        if self._market.name == "Futures_OKX":
            kind = "SWAP" if name.endswith("-SWAP") else "FUTURES"
            mark = _price(self._row("/api/v5/public/mark-price", f"instType={kind}&instId={name}"), "markPx")
            if index:
                pair = "-".join(name.split("-")[:2])
                level = _price(self._row("/api/v5/market/index-tickers", f"instId={pair}"), "idxPx")
            return mark, level
        return None, level

    def _row(self, resource: str, params: str) -> Any:
        """The first row of a public reply; None for an empty reply."""
        try:
            reply = self._market.request("GET", resource, params)
        except StopRequested:
            raise
        except FmzError:
            return None  # the middle of the book serves; the look's other requests report a venue that is away
        if isinstance(reply, dict) and isinstance(reply.get("data"), list):
            reply = reply["data"]
        return next(iter(reply), None) if isinstance(reply, list) else reply


def _price(row: Any, *names: str) -> Decimal | None:
    for name in names:
        value = row.get(name) if isinstance(row, dict) else None
        if value:
            found = Decimal(str(value))
            return found if found > 0 else None
    return None
