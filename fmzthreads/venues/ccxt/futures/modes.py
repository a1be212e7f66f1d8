"""How the position mode of an account is read over ccxt; nothing here changes it."""

from __future__ import annotations

from typing import Any

from ....errors import NotSupported, short_repr
from ....exchange.contracts.port import PositionMode
from ...rest.parsing import Malformed
from .names import ONE_WAY

__all__ = ["read_mode"]

_BITGET = {"hedge_mode": True, "one_way_mode": False}
_HTX = {"dual_side": True, "single_side": False}


def read_mode(api: Any, venue: str, exchange_id: str, name: str) -> PositionMode:
    """The position mode of the account.

    Args:
        api: One of ccxt's objects, with markets.
        venue: The venue's name, for messages.
        exchange_id: ccxt's id of the exchange.
        name: ccxt's symbol of a contract; some venues keep a mode for each.

    Raises:
        NotSupported: It cannot be read over ccxt, and the exchange may have both.
        Malformed: The reply does not tell it.
    """
    if exchange_id in ONE_WAY:
        return "one_way"
    if api.has.get("fetchPositionMode") is True:
        hedged = api.fetch_position_mode(name).get("hedged")
    elif exchange_id.startswith("bybit"):
        hedged = _bybit(api, name)
    elif exchange_id == "bitget":
        hedged = _BITGET.get(str(api.fetch_leverage(name)["info"].get("posMode")))
    elif exchange_id == "htx":
        reply = api.contractPrivateGetV5PositionMode()
        hedged = _HTX.get(str((reply.get("data") or {}).get("position_mode")))
    elif exchange_id == "gate":
        settle = str(api.markets[name]["settle"]).lower()
        hedged = _gate(api.fetch_balance({"type": "swap", "settle": settle})["info"])
    else:
        raise NotSupported(
            f"{venue}: the position mode cannot be read over ccxt; say position_mode='one_way' or 'hedge' when the exchange is made; "
            "nothing was sent"
        )
    if not isinstance(hedged, bool):
        raise Malformed(f"the position mode is {short_repr(hedged)}, neither hedge nor one-way")
    return "hedge" if hedged else "one_way"


def _bybit(api: Any, name: str) -> bool | None:
    """By the rows of a contract, which are there without a position too: 0 for one-way, 1 and 2 for the two sides."""
    numbers = {str(row["info"].get("positionIdx")) for row in api.fetch_positions([name])}
    return False if numbers == {"0"} else True if numbers and numbers <= {"1", "2"} else None


def _gate(info: Any) -> Any:
    rows = info if isinstance(info, list) else [info]
    return rows[0].get("in_dual_mode") if rows else None
