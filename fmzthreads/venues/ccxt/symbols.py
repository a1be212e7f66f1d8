"""FMZ's symbols and order ids, and ccxt's: one place for both directions.

``BTC_USDT`` is ccxt's ``BTC/USDT``; ``BTC_USDT.swap`` its ``BTC/USDT:USDT``, ``BTC_USD.swap`` its ``BTC/USD:BTC``; a dated contract is
``BTC_USDT.251226``. An order's id is ``"<ccxt's symbol>,<the venue's id>"``, with ``trigger:`` before the id of a condition order that the
venue keeps apart from the others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs

from ...errors import InputError, UnknownSymbol, nearest, short_repr

__all__ = ["OrderRef", "SymbolTable", "fmz_symbol"]

_DATED = re.compile(r"-(\d{6})$")
_TRIGGER = "trigger:"


def fmz_symbol(market: Mapping[str, Any]) -> str | None:
    """FMZ's symbol of one of ccxt's markets; None for what FMZ has no form for (options, contracts that are settled in a third coin)."""
    base, quote = str(market.get("base") or ""), str(market.get("quote") or "")
    if not base or not quote or any(sign in base + quote for sign in "_. /:"):
        return None
    pair = f"{base}_{quote}".upper()
    if market.get("spot"):
        return pair
    if market.get("settle") != (quote if market.get("linear") else base):
        return None
    if market.get("swap"):
        return f"{pair}.swap"
    dated = _DATED.search(str(market.get("symbol") or "")) if market.get("future") else None
    return f"{pair}.{dated.group(1)}" if dated is not None else None


class SymbolTable:
    """The markets of a venue under FMZ's symbols.

    Args:
        venue: The venue's name, for messages.
        markets: ccxt's markets, by ccxt's symbol.
    """

    def __init__(self, venue: str, markets: Mapping[str, Mapping[str, Any]]) -> None:
        self._venue = venue
        self.markets: dict[str, Mapping[str, Any]] = {}
        """The markets by FMZ's symbol."""
        self._by_ccxt: dict[str, str] = {}
        for name, market in markets.items():
            symbol = fmz_symbol(market)
            if symbol is not None and symbol not in self.markets:
                self.markets[symbol] = market
                self._by_ccxt[name] = symbol

    def market(self, symbol: str) -> Mapping[str, Any]:
        """The market of an FMZ symbol, as ccxt describes it.

        Raises:
            UnknownSymbol: The venue does not list it.
        """
        found = self.markets.get(symbol)
        if found is None or found.get("active") is False:
            raise UnknownSymbol(f"{self._venue} does not list {short_repr(symbol)}{nearest(symbol, self.markets)}")
        return found

    def fmz(self, name: str) -> str | None:
        """FMZ's symbol of ccxt's; None without one."""
        return self._by_ccxt.get(name)


@attrs.frozen
class OrderRef:
    """What an order's id holds.

    Attributes:
        name: ccxt's symbol.
        number: The venue's id.
        trigger: Whether it is a condition order that the venue keeps apart.
    """

    name: str
    number: str
    trigger: bool = False

    @classmethod
    def parse(cls, order_id: str) -> OrderRef:
        """Splits an order's id.

        Raises:
            InputError: It is not of the form ``"<symbol>,<id>"``.
        """
        name, comma, number = str(order_id).partition(",")
        trigger = number.startswith(_TRIGGER)
        number = number.removeprefix(_TRIGGER)
        if not (comma and "/" in name and number) or not number.isprintable() or "," in number:
            raise InputError(f"an order id must have the form '<symbol>,<id>', got {short_repr(order_id)}")
        return cls(name, number, trigger)

    def __str__(self) -> str:
        return f"{self.name},{_TRIGGER if self.trigger else ''}{self.number}"
