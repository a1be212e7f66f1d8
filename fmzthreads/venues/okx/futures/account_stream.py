"""The user stream of OKX's contracts ("Order channel", "Positions channel", "Algo orders channel" in its v5 API reference)."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Sequence
from decimal import Decimal
from typing import Any

from ....constants import ORDER_STATE_CLOSED, ORDER_STATE_PENDING
from ....errors import AuthenticationFailed, VenueRejected, excerpt
from ....exchange.contracts.scopes import is_scope
from ....exchange.keys.credentials import Credentials
from ....exchange.keys.signing import hmac_base64
from ....exchange.live_account.events import AccountAlarm, OrderChange, PositionChange, StreamEnded
from ....exchange.live_account.source import StreamGreeting, StreamLine
from ....exchange.venue import OrderFill
from ....structures import Position, info
from ...rest.parsing import Malformed, exact, integer, mapping, number_or, rows, text
from ...rest.streams.account_source import AccountCalls, ContractAccountSource
from ...rest.streams.stream_home import StreamHome
from .conditions import read_condition_order
from .replies import read_order, read_position

__all__ = ["OKXAccountSource"]

_ORDERS, _POSITIONS, _WARNINGS = "orders", "positions", "liquidation-warning"
_CONDITIONS = ("orders-algo", "algo-advance")

# Condition orders lie on an address of their own since 2023.
_CHANNELS = {"private": (_ORDERS, _POSITIONS, _WARNINGS), "business": _CONDITIONS}
_KINDS = ("SWAP", "FUTURES")

# Positions only when they change: without it they come every five seconds, too.
_EVENTS_ONLY = json.dumps({"updateInterval": "0"}, separators=(",", ":"))

_PONG = "pong"
_LOGIN_PATH = "/users/self/verify"
_LOGIN_REFUSED = frozenset({"60004", "60005", "60006", "60007", "60009", "60024", "60032"})


class OKXAccountSource(ContractAccountSource):
    """The ``AccountSource`` of an account's contracts, over two connections.

    Args:
        home: Where the streams are.
        calls: The REST calls.
        base: Returns the base of the streams.
        keys: Key, secret and passphrase.
    """

    # OKX closes a connection without messages after 30 s, and answers the text ping by a text, which is a message here: three that are
    # missing mean that the connection is dead.
    watch = {"pingInterval": 10_000, "pingType": "text", "pingMessage": "ping", "silence_ms": 35_000}  # noqa: RUF012 (never changed)
    updated_field = "uTime"

    def __init__(self, home: StreamHome, calls: AccountCalls, base: Callable[[], str], keys: Credentials) -> None:
        super().__init__("Futures_OKX account", "contracts", home, calls)
        self._base = base
        self._keys = keys

    def includes(self, scope: str | None) -> bool:
        """Whether a scope is about contracts."""
        return scope is not None and (is_scope(scope) or "." in scope)

    def position_key(self, position: Position) -> Hashable:
        """By OKX's id: cross and isolated positions of one contract are apart."""
        return position["Info"].get("posId") or super().position_key(position)

    # Connections

    def connect(self) -> Sequence[StreamLine]:
        """The private address with orders and positions, and the one with condition orders."""
        base = self._base()
        return [
            StreamLine(address=f"{base}/ws/v5/{place}", options=self._options(), greet=self._greeting(channels))
            for place, channels in _CHANNELS.items()
        ]

    def keep_alive(self) -> None:
        """Does nothing: the ping does it; see ``AccountSource.keep_alive``."""

    def _greeting(self, channels: Sequence[str]) -> Callable[[StreamGreeting], None]:
        def _greet(line: StreamGreeting) -> None:
            line.say(self._login())
            _confirmed(line, "login", 1)
            line.say(json.dumps({"op": "subscribe", "args": [_arg(one, kind) for one in channels for kind in _KINDS]}))
            _confirmed(line, "subscribe", len(channels) * len(_KINDS))

        return _greet

    def _login(self) -> str:
        seconds = str(self._calls.now_ms() // 1000)
        return json.dumps({"op": "login", "args": [{
            "apiKey": self._keys.access_key, "passphrase": self._keys.passphrase, "timestamp": seconds,
            "sign": hmac_base64(self._keys.secret_key, f"{seconds}GET{_LOGIN_PATH}"),
        }]})  # fmt: skip

    # Messages

    def read(self, message: str | bytes) -> Iterable[object]:
        """The events of a message; none of the answer to a ping. See ``AccountSource.read``."""
        return () if message == _PONG else super().read(message)

    def _events(self, row: dict[str, Any]) -> Iterable[object]:
        if "event" in row:
            ended = _ended(row)
            if ended:
                yield StreamEnded(ended)
            return
        channel = mapping(row.get("arg"), "the field 'arg'").get("channel")
        for item in rows(row.get("data"), "the field 'data'"):
            one = mapping(item, f"an item of the channel {channel}")
            if channel == _ORDERS:
                yield self._order(one)
            elif channel == _POSITIONS:
                position = self._placed(read_position(one))
                yield PositionChange(position=position, time_ms=integer(one, "uTime"), told_ms=integer(one, "pTime"))
            elif channel in _CONDITIONS:
                yield self._condition(one)
            elif channel == _WARNINGS:
                yield AccountAlarm(f"margin call of {one.get('instId') or 'the account'}: liquidation is near")

    def _order(self, row: dict[str, Any]) -> OrderChange:
        order = self._placed(read_order(row))
        traded = bool(row.get("tradeId")) and number_or(row, "fillSz", 0.0) > 0
        return OrderChange(order=order, time_ms=integer(row, "uTime"), fill=_fill(row) if traded else None)

    def _condition(self, row: dict[str, Any]) -> OrderChange:
        order = self._placed(read_condition_order(row))
        if order.get("ChildId") and order["Status"] == ORDER_STATE_CLOSED:
            order["Status"] = (
                ORDER_STATE_PENDING  # triggered is not filled: the order that it placed has updates of its own
            )
        return OrderChange(order=order, time_ms=integer(row, "uTime"))


def _arg(channel: str, kind: str) -> dict[str, str]:
    arg = {"channel": channel, "instType": kind}
    return {**arg, "extraParams": _EVENTS_ONLY} if channel == _POSITIONS else arg


def _confirmed(line: StreamGreeting, event: str, count: int) -> None:
    """Waits until OKX has confirmed a request, once for each of its parts; what comes meanwhile is kept.

    Raises:
        AuthenticationFailed: The keys were refused.
        VenueRejected: Something else was refused.
    """
    while count:
        message = line.hear()
        row = _parsed(message)
        if "event" not in row:
            line.keep(message)
        elif row["event"] == event:
            count -= 1
        elif _ended(row):
            code = str(row.get("code"))
            kind = AuthenticationFailed if code in _LOGIN_REFUSED else VenueRejected
            raise kind(f"Futures_OKX refused the {event} of the user stream: {_ended(row)}", code=code)


def _parsed(message: str | bytes) -> dict[str, Any]:
    try:
        return mapping(json.loads(message), "the message")
    except (ValueError, RecursionError, Malformed):
        return {}  # kept, and reported when it is read


def _ended(row: dict[str, Any]) -> str:
    """What a control message says against the stream; empty for any other (a confirmation, the number of connections, a notice)."""
    if row["event"] == "error":
        return excerpt(f"{row.get('code')} {row.get('msg')}")
    if row["event"] == "channel-conn-count-error":
        return f"too many connections subscribe to the channel {row.get('channel')}"
    return ""


def _fill(row: dict[str, Any]) -> OrderFill:
    """The fill of this change; OKX gives a fee that was charged as a negative number."""
    fee = row.get("fillFee")
    return OrderFill(
        Info=info(row),
        Id=text(row, "tradeId"),
        Price=exact(row, "fillPx"),
        Amount=exact(row, "fillSz"),
        Fee=-exact(row, "fillFee") if fee not in {None, ""} else Decimal(0),
        FeeCurrency=str(row.get("fillFeeCcy") or ""),
        Time=integer(row, "fillTime"),
        Maker=row.get("execType") == "M",
    )
