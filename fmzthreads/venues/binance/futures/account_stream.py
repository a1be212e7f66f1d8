"""The user stream of a family of Binance's futures ("User Data Streams" in its documents)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

import attrs

from ....constants import PD_LONG, PD_SHORT
from ....exchange.live_account.events import AccountAlarm, LeverageChange, OrderChange, PositionChange, StreamEnded
from ....exchange.live_account.source import StreamLine
from ....exchange.venue import OrderFill
from ....structures import Position, info
from ...rest.ask import Ask
from ...rest.parsing import exact, integer, mapping, number, number_or, rows, text
from ...rest.streams.account_source import AccountCalls, ContractAccountSource
from ...rest.streams.stream_home import StreamHome
from .conditions import read_condition_order
from .products import FuturesProduct
from .replies import read_order
from .streams import private_address

__all__ = ["FuturesAccountSource", "KeyCall"]

KeyCall = Callable[[Ask], str]
"""Makes a listen key (``POST``), and keeps it alive (``PUT``); returns the key."""

# A listen key lives for an hour; Binance recommends to renew it at least every 60 minutes, half of that is usual.
_KEEP_ALIVE_S = 1800.0

_ORDER_FIELDS = {
    "symbol": "s", "clientOrderId": "c", "side": "S", "type": "o", "timeInForce": "f", "origQty": "q", "price": "p", "avgPrice": "ap",
    "stopPrice": "sp", "status": "X", "orderId": "i", "executedQty": "z", "reduceOnly": "R", "closePosition": "cp", "positionSide": "ps",
}  # fmt: skip
_CONDITION_FIELDS = {
    "clientAlgoId": "caid", "algoId": "aid", "algoType": "at", "orderType": "o", "symbol": "s", "side": "S", "positionSide": "ps",
    "timeInForce": "f", "quantity": "q", "algoStatus": "X", "actualOrderId": "ai", "actualPrice": "ap", "actualQty": "aq",
    "triggerPrice": "tp", "price": "p", "reduceOnly": "R", "closePosition": "cp", "triggerTime": "tt", "rejectReason": "rm",
    "workingType": "wt",
}  # fmt: skip


class FuturesAccountSource(ContractAccountSource):
    """The ``AccountSource`` of one family.

    Args:
        product: The family.
        home: Where the streams are.
        calls: The REST calls.
        key_call: The call of listen keys.
    """

    keep_alive_s = _KEEP_ALIVE_S
    updated_field = "updateTime"

    def __init__(self, product: FuturesProduct, home: StreamHome, calls: AccountCalls, key_call: KeyCall) -> None:
        name = f"Futures_Binance account {'COIN-M' if product.coin else 'USDⓈ-M'}"
        super().__init__(name, "USD" if product.coin else "USDT", home, calls)
        self._product = product
        self._key_call = key_call

    def includes(self, scope: str | None) -> bool:
        """Whether a scope is of this family."""
        if scope is None:
            return False
        head = scope.partition(".")[0]
        return (head.rpartition("_")[2] == "USD") is self._product.coin

    def connect(self) -> Sequence[StreamLine]:
        """A listen key, which is the same while it lives, and the address with it."""
        self._calls.mode()  # read before the first event needs it
        listen_key = self._key_call(self._product.listen_key)
        return (StreamLine(address=private_address(self._home, self._product, listen_key), options=self._options()),)

    def keep_alive(self) -> None:
        """Renews the listen key."""
        self._key_call(attrs.evolve(self._product.listen_key, method="PUT"))

    def _events(self, row: dict[str, Any]) -> Iterable[object]:
        event = mapping(row["data"], "the field 'data'") if "stream" in row else row
        kind = event.get("e")
        if kind == "ORDER_TRADE_UPDATE":
            yield self._order(event)
        elif kind == "ALGO_UPDATE":
            yield self._condition(event)
        elif kind == "ACCOUNT_UPDATE":
            account = mapping(event.get("a"), "the field 'a'")
            times = {"time_ms": integer(event, "T"), "told_ms": integer(event, "E")}
            for raw in rows(account.get("P", []), "the field 'P'"):
                for position in self._positions(mapping(raw, "a position")):
                    yield PositionChange(position=position, **times)
        elif kind == "MARGIN_CALL":
            names = ", ".join(str(one.get("s")) for one in event.get("p", []) if isinstance(one, dict))
            yield AccountAlarm(f"margin call of {names or 'the account'}: liquidation is near")
        elif kind == "ACCOUNT_CONFIG_UPDATE" and "ac" in event:
            changed = mapping(event["ac"], "the field 'ac'")
            yield LeverageChange(symbol=self._calls.symbol_of(text(changed, "s")), level=number(changed, "l"))
        elif kind == "listenKeyExpired":
            yield StreamEnded("the listen key has expired")

    def _order(self, event: dict[str, Any]) -> OrderChange:
        raw = mapping(event.get("o"), "the field 'o'")
        time_ms = integer(event, "T")
        row = {name: raw.get(short) for name, short in _ORDER_FIELDS.items()}
        order = read_order({**row, "time": time_ms})
        order["Info"] = info(raw)
        order["Info"]["clientOrderId"] = row["clientOrderId"]
        self._placed(order)
        traded = raw.get("x") in {"TRADE", "CALCULATED"} and number_or(raw, "l", 0.0) > 0
        return OrderChange(order=order, time_ms=time_ms, fill=_fill(raw) if traded else None)

    def _condition(self, event: dict[str, Any]) -> OrderChange:
        raw = mapping(event.get("o"), "the field 'o'")
        time_ms = integer(event, "T")
        row = {name: raw.get(short) for name, short in _CONDITION_FIELDS.items()}
        order = read_condition_order({**row, "createTime": time_ms})
        order["Info"] = info(raw)
        order["Info"]["clientAlgoId"] = row["clientAlgoId"]
        return OrderChange(order=self._placed(order), time_ms=time_ms)

    def _positions(self, row: dict[str, Any]) -> Iterable[Position]:
        """The positions of a row of ``ACCOUNT_UPDATE``: in one-way mode a long one is no short one any more, and the other way round."""
        side = row.get("ps", "BOTH")
        if (side != "BOTH") is not (self._calls.mode() == "hedge"):
            return  # of the mode that is not in use: always flat
        amount = number(row, "pa")
        short = side == "SHORT" or (side == "BOTH" and amount < 0)
        yield self._position(row, amount, short=short)
        if side == "BOTH":
            yield self._position(row, 0.0, short=not short)

    def _position(self, row: dict[str, Any], amount: float, *, short: bool) -> Position:
        """One position; a row has neither leverage nor margin, which stay as they were."""
        return self._placed(
            Position(
                Info=info(row),
                Symbol=text(row, "s"),
                MarginLevel=0.0,
                Amount=abs(amount),
                FrozenAmount=0.0,
                Price=number(row, "ep"),
                Profit=number(row, "up") if amount else 0.0,
                Type=PD_SHORT if short else PD_LONG,
                ContractType="",
                Margin=number_or(row, "iw", 0.0),
            )
        )


def _fill(raw: dict[str, Any]) -> OrderFill:
    return OrderFill(
        Info=info(raw),
        Id=str(integer(raw, "t")),
        Price=exact(raw, "L"),
        Amount=exact(raw, "l"),
        Fee=exact(raw, "n") if raw.get("n") not in {None, ""} else Decimal(0),
        FeeCurrency=str(raw.get("N") or ""),
        Time=integer(raw, "T"),
        Maker=raw.get("m") is True,
    )
