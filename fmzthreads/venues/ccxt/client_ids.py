"""Client order ids: which exchanges of ccxt take one, in what form, and which tell an order by it."""

from __future__ import annotations

import hashlib
import re
import uuid

__all__ = ["BY_CLIENT_ID", "CLIENT_IDS", "venue_client_id"]

_OURS = re.compile(r"fz[0-9a-z]{14,34}")

BY_CLIENT_ID = frozenset({
    "binance", "binancecoinm", "binanceus", "binanceusdm", "bitget", "gate", "htx", "hyperliquid", "kucoin", "mexc", "myokx", "okx", "okxus",
})  # fmt: skip
"""Exchanges where ccxt asks for one order by its client order id, so that "no such order" is an answer to be believed."""

CLIENT_IDS = BY_CLIENT_ID | {
    "aster", "backpack", "bingx", "bitfinex", "bybit", "bybiteu", "bybitid", "coinsph", "cryptocom", "hashkey", "kraken",
    "krakenfutures", "kucoinfutures", "lbank", "phemex", "poloniex", "toobit", "weex", "whitebit", "woo", "woofipro",
}  # fmt: skip
"""Exchanges to which one is sent. Not to others: ccxt does not pass it on there, or the form that the venue takes is not known here."""

_AS_UUID = frozenset({"kraken", "krakenfutures"})
_AS_NUMBER = frozenset({"bitfinex"})
_AS_HEX = frozenset({"hyperliquid"})
_MOST_CID = 2**45
_LONGEST = {"gate": 28}  # with the "t-" before it that ccxt writes


def venue_client_id(exchange_id: str, client_order_id: str) -> str:
    """The form that an exchange takes of a client order id; the same one each time.

    Args:
        exchange_id: ccxt's id of the exchange.
        client_order_id: One made here is converted; one that the strategy chose is passed on as it is.
    """
    if not _OURS.fullmatch(client_order_id):
        return client_order_id
    digest = hashlib.sha256(client_order_id.encode()).digest()
    if exchange_id in _AS_UUID:
        return str(uuid.UUID(bytes=digest[:16], version=4))
    if exchange_id in _AS_HEX:
        return f"0x{digest[:16].hex()}"
    if exchange_id in _AS_NUMBER:
        return str(int.from_bytes(digest[:8], "big") % _MOST_CID)
    longest = _LONGEST.get(exchange_id, len(client_order_id) + 2) - 2
    return client_order_id if len(client_order_id) <= longest else f"fz{digest.hex()}"[:longest]
