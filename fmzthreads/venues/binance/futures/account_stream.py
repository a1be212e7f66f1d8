"""The user stream of a family of Binance's futures ("User Data Streams" in its documents)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

import attrs

from ....constants import PD_LONG, PD_SHORT
from ....errors import BadReply, excerpt
from ....exchange.contracts.port import PositionMode
from ....exchange.live_account.events import AccountAlarm, AccountSnapshot, OrderChange, PositionChange, StreamEnded
from ....exchange.venue import OrderFill
from ....structures import Order, Position, info
from ...rest.ask import Ask
from ...rest.parsing import Malformed, exact, integer, mapping, number, number_or, rows, text
from ...rest.stream_home import StreamHome
from .conditions import read_condition_order
from .products import FuturesProduct
from .replies import read_order
from .streams import private_address

__all__ = ["FuturesAccountSource", "StreamCalls"]

# A listen key lives for an hour; Binance recommends to renew it at least every 60 minutes, half of that is usual.
_KEEP_ALIVE_S = 1800.0

# The stream is silent while nothing happens, so that only control pings show whether it is alive.
_WATCH: Mapping[str, object] = {"pingInterval": 10_000}

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


@attrs.frozen(kw_only=True)
class StreamCalls:
    """The REST calls of a user stream.

    Attributes:
        key_call: Makes a listen key (``POST``), and keeps it alive (``PUT``); returns the key.
        orders: The open orders of the family.
        conditions: The condition orders of the family that have not triggered.
        positions: The positions of the family, those that are flat left out.
        order: One order.
        condition: One condition order.
        symbol_of: FMZ's symbol of a venue's name.
        mode: The position mode.
    """

    key_call: Callable[[Ask], str]
    orders: Callable[[], list[Order]]
    conditions: Callable[[], list[Order]]
    positions: Callable[[], list[Position]]
    order: Callable[[str], Order]
    condition: Callable[[str], Order]
    symbol_of: Callable[[str], str]
    mode: Callable[[], PositionMode]


class FuturesAccountSource:
    """The ``AccountSource`` of one family.

    Args:
        product: The family.
        home: Where the streams are.
        calls: The REST calls.
    """

    keep_alive_s = _KEEP_ALIVE_S

    def __init__(self, product: FuturesProduct, home: StreamHome, calls: StreamCalls) -> None:
        self.key = "USD" if product.coin else "USDT"
        self.name = f"Futures_Binance account {'COIN-M' if product.coin else 'USDⓈ-M'}"
        self._product = product
        self._home = home
        self._calls = calls
        self._listen_key = ""

    def includes(self, scope: str | None) -> bool:
        """Whether a scope is of this family."""
        if scope is None:
            return False
        head = scope.partition(".")[0]
        return (head.rpartition("_")[2] == "USD") is self._product.coin

    def connect(self) -> tuple[str, Mapping[str, object]]:
        """A listen key, which is the same while it lives, and the address with it."""
        self._calls.mode()  # read before the first event needs it
        self._listen_key = self._calls.key_call(self._product.listen_key)
        address = private_address(self._home, self._product, self._listen_key)
        return address, {**_WATCH, **self._home.options(), "reconnect": False}

    def keep_alive(self) -> None:
        """Renews the listen key."""
        self._calls.key_call(attrs.evolve(self._product.listen_key, method="PUT"))

    def snapshot(self) -> AccountSnapshot:
        """Open orders, condition orders and positions of the family, by three requests."""
        return AccountSnapshot(
            orders=self._calls.orders(),
            conditions=self._calls.conditions(),
            positions=[(one, _updated_ms(one)) for one in self._calls.positions()],
        )

    def look_up(self, order: Order) -> Order:
        """One order, or condition order, by its id."""
        return self._calls.order(order["Id"]) if order["Condition"] is None else self._calls.condition(order["Id"])

    def read(self, message: str | bytes) -> Iterable[object]:
        """The events of a message.

        Raises:
            BadReply: It cannot be read; something may be missing then.
        """
        try:
            row = mapping(json.loads(message), "the message")
            event = mapping(row["data"], "the field 'data'") if "stream" in row else row
            return list(self._events(event))
        except (ValueError, RecursionError, Malformed) as error:
            raise BadReply(f"a message of the user stream cannot be read: {error}: {excerpt(message)}") from None

    def _events(self, event: dict[str, Any]) -> Iterable[object]:
        kind = event.get("e")
        if kind == "ORDER_TRADE_UPDATE":
            yield self._order(event)
        elif kind == "ALGO_UPDATE":
            yield self._condition(event)
        elif kind == "ACCOUNT_UPDATE":
            account = mapping(event.get("a"), "the field 'a'")
            time_ms = integer(event, "T")
            for raw in rows(account.get("P", []), "the field 'P'"):
                for position in self._positions(mapping(raw, "a position")):
                    yield PositionChange(position=position, time_ms=time_ms)
        elif kind == "MARGIN_CALL":
            names = ", ".join(str(one.get("s")) for one in event.get("p", []) if isinstance(one, dict))
            yield AccountAlarm(f"margin call of {names or 'the account'}: liquidation is near")
        elif kind == "listenKeyExpired":
            yield StreamEnded("the listen key has expired")

    def _order(self, event: dict[str, Any]) -> OrderChange:
        raw = mapping(event.get("o"), "the field 'o'")
        time_ms = integer(event, "T")
        row = {name: raw.get(short) for name, short in _ORDER_FIELDS.items()}
        order = read_order({**row, "time": time_ms})
        order["Info"] = info(raw)
        order["Info"]["clientOrderId"] = row["clientOrderId"]
        self._place(order)
        traded = raw.get("x") in {"TRADE", "CALCULATED"} and number_or(raw, "l", 0.0) > 0
        return OrderChange(order=order, time_ms=time_ms, fill=_fill(raw) if traded else None)

    def _condition(self, event: dict[str, Any]) -> OrderChange:
        raw = mapping(event.get("o"), "the field 'o'")
        time_ms = integer(event, "T")
        row = {name: raw.get(short) for name, short in _CONDITION_FIELDS.items()}
        order = read_condition_order({**row, "createTime": time_ms})
        order["Info"] = info(raw)
        order["Info"]["clientAlgoId"] = row["clientAlgoId"]
        return OrderChange(order=self._place(order), time_ms=time_ms)

    def _place(self, order: Order) -> Order:
        order["Symbol"] = self._calls.symbol_of(order["Symbol"])
        order["ContractType"] = order["Symbol"].partition(".")[2]
        return order

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
        symbol = self._calls.symbol_of(text(row, "s"))
        return Position(
            Info=info(row),
            Symbol=symbol,
            MarginLevel=0.0,
            Amount=abs(amount),
            FrozenAmount=0.0,
            Price=number(row, "ep"),
            Profit=number(row, "up") if amount else 0.0,
            Type=PD_SHORT if short else PD_LONG,
            ContractType=symbol.partition(".")[2],
            Margin=number_or(row, "iw", 0.0),
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


def _updated_ms(position: Position) -> int:
    found = position["Info"].get("updateTime", 0)
    return found if type(found) is int else 0
