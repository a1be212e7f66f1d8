"""FMZ's ids of exchanges for contracts that run over ccxt, and what is known of each of ccxt's classes."""

from __future__ import annotations

from typing import Any

__all__ = [
    "CLOSING",
    "FUTURES",
    "HEDGED",
    "ID_ASKED",
    "ID_SENT",
    "LEVEL_SENT",
    "ONE_WAY",
    "PREFIX",
    "WALLET_TOTALS",
    "fmz_name",
]

PREFIX = "Futures_ccxt:"
"""What stands before ccxt's id of an exchange whose contracts are meant, such as in ``Futures_ccxt:htx``."""

FUTURES = {
    "Futures_Aster": "aster",
    "Futures_Backpack": "backpack",
    "Futures_Bitfinex": "bitfinex",
    "Futures_Bitget": "bitget",
    "Futures_Bybit": "bybit",
    "Futures_Crypto": "cryptocom",
    "Futures_Deepcoin": "deepcoin",
    "Futures_Deribit": "deribit",
    "Futures_DigiFinex": "digifinex",
    "Futures_GateIO": "gate",
    "Futures_HTX": "htx",
    "Futures_Hyperliquid": "hyperliquid",
    "Futures_Kraken": "krakenfutures",
    "Futures_KuCoin": "kucoinfutures",
    "Futures_Lighter": "lighter",
    "Futures_MEXC": "mexc",
    "Futures_Phemex": "phemex",
    "Futures_WOO": "woo",
    "Futures_WOOFI": "woofipro",
    "Futures_dYdX": "dydx",
}
"""ccxt's id for each of FMZ's. (``Futures_HTX`` is ours: FMZ's ``Futures_HuobiDM`` has raw calls only.)"""

_NAMES = {exchange_id: name for name, exchange_id in FUTURES.items()}


def fmz_name(exchange_id: str) -> str:
    """FMZ's id of an exchange of ccxt; ``Futures_ccxt:ID`` where it has none."""
    return _NAMES.get(exchange_id, f"{PREFIX}{exchange_id}")


_BINANCE = frozenset({"binance", "binancecoinm", "binanceusdm"})
_OKX = frozenset({"myokx", "okx", "okxus"})
_BYBIT = frozenset({"bybit", "bybiteu", "bybitid"})

_BY_WORD = _BINANCE | _OKX | _BYBIT | {"bingx", "bitget", "kucoinfutures", "phemex"}

HEDGED: dict[str, dict[str, Any]] = {
    **{name: {"hedged": True} for name in sorted(_BY_WORD)},
    "gate": {},  # an order is written alike in both modes
    "mexc": {"positionMode": 1},  # with ``hedged`` and ``reduceOnly``, ccxt 4.5 closes the other side
}
"""What ccxt needs with an order in hedge mode, where it can place one."""

ONE_WAY = frozenset({
    "backpack", "bitfinex", "cryptocom", "deribit", "dydx", "hyperliquid", "krakenfutures", "lighter", "woofipro",
})  # fmt: skip
"""Exchanges without a hedge mode."""

CLOSING = HEDGED.keys() | (ONE_WAY - {"cryptocom"}) | {"aster", "deepcoin", "htx", "woo"}
"""Where ccxt passes ``reduceOnly`` on, so that an order that closes cannot open."""

ID_SENT = (_BINANCE | _OKX | _BYBIT) | {
    "aster", "bingx", "bitget", "cryptocom", "gate", "hyperliquid", "krakenfutures", "kucoinfutures", "mexc", "phemex", "woofipro",
}  # fmt: skip
"""Where a client order id is sent with an order of contracts. (Not HTX and WOO, whose contracts take whole numbers.)"""

ID_ASKED = _BINANCE | _OKX | {"bitget", "hyperliquid"}
"""Where ccxt asks for one order of contracts by its client order id, so that "no such order" is an answer to be believed."""

WALLET_TOTALS = _BYBIT | {"gate", "woo"}
"""Where ccxt's total of a balance leaves out the unrealized profit, which is in the equity."""

LEVEL_SENT = frozenset({"kucoinfutures", "mexc"})
"""Where the leverage goes with each order (KuCoin's of ccxt is 1 without)."""
