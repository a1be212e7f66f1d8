"""Kinds of contracts that ccxt asks a venue for one by one, and the parameters that name each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

__all__ = ["ContractKind", "kinds_of"]


@attrs.frozen(order=True)
class ContractKind:
    """One kind of contracts.

    Attributes:
        type: ccxt's ``swap`` or ``future``.
        linear: Whether they are settled in the quote currency.
        settle: The currency that they are settled in.
    """

    type: str
    linear: bool
    settle: str

    @classmethod
    def of(cls, market: Mapping[str, Any]) -> ContractKind:
        """The kind of one of ccxt's markets."""
        return cls(str(market["type"]), bool(market.get("linear")), str(market["settle"]))

    def narrow(self, exchange_id: str) -> dict[str, Any]:
        """What an exchange needs besides ccxt's ``type`` to answer about this kind; empty where one answer holds all."""
        sub = {"subType": "linear" if self.linear else "inverse"}
        if exchange_id.startswith("bybit"):
            return {**sub, **({"settleCoin": self.settle} if self.linear else {})}
        if exchange_id.startswith("binance") or exchange_id in {"bingx", "htx"}:
            return sub
        if exchange_id == "gate":
            return {"settle": self.settle.lower()}
        if exchange_id == "bitget":
            return {"productType": f"{self.settle}-FUTURES" if self.linear else "COIN-FUTURES"}
        return {}

    def listing(self, exchange_id: str) -> dict[str, Any]:
        """The parameters of a list of orders or tickers."""
        return {"type": self.type, **self.narrow(exchange_id)}

    def positions(self, exchange_id: str) -> dict[str, Any]:
        """The parameters of a list of positions; ``type`` only where ccxt takes it out of them again."""
        named = exchange_id == "gate" or exchange_id.startswith("bybit")
        return {**({"type": self.type} if named else {}), **self.narrow(exchange_id)}

    def balance(self, exchange_id: str) -> dict[str, Any]:
        """The parameters of the balance that their margin comes from."""
        found = self.listing(exchange_id)
        found.pop("settleCoin", None)
        return {**found, "code": self.settle} if exchange_id == "kucoinfutures" else found


def kinds_of(
    markets: Mapping[str, Mapping[str, Any]],
    included: Callable[[str], bool],
    params: Callable[[ContractKind], dict[str, Any]],
) -> list[dict[str, Any]]:
    """The parameters of the calls that together list all contracts of a scope, each once.

    Args:
        markets: ccxt's markets by FMZ's symbol.
        included: Whether a symbol is in the scope.
        params: The parameters of one kind.
    """
    kinds = {
        ContractKind.of(market)
        for symbol, market in markets.items()
        if market.get("contract") and market.get("active") is not False and included(symbol)
    }
    found: list[dict[str, Any]] = []
    for kind in sorted(kinds):
        each = params(kind)
        if each not in found:
            found.append(each)
    return found
