"""A connection to OKX: login, subscriptions and orders ("WebSocket" in OKX's API guide)."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Hashable
from typing import Any, Protocol

import attrs

from ....engine.accounts import TradingAccount
from ....transport.push import Push
from ....transport.requests import encode_json
from ....transport.topics import Topic
from ....transport.websocket import WsConnection
from ...base import Route
from ...fields import VenueRefusal
from ...streaming import StreamSubscription, VenueSession, VenueSite
from ...windows import AlignedWindows
from ..parameters import OkxParams
from ..rest import SimulatedOkx, check_items, overall
from ..signatures import log_in

__all__ = ["ChannelSource", "OkxSession", "wrong_channel"]

_REQUEST_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_PRIVATE = ("orders", "account", "positions", "balance_and_position", "liquidation-warning")
_ALGO = ("orders-algo", "algo-advance")
_COUNTED = _PRIVATE
_HIGH_TIER = ("books-l2-tbt", "books50-l2-tbt")
_ECHO = 200
_TIER = "Your trading fee tier doesn't meet the requirement to access this channel"
_WRONG_URL = (
    "The current operation is not supported by this URL. Please use the correct WebSocket URL for the operation."
)
_ORDER_OPS: dict[str, tuple[str, bool]] = {
    "order": ("trade/order", False),
    "batch-orders": ("trade/batch-orders", True),
    "cancel-order": ("trade/cancel-order", False),
    "batch-cancel-orders": ("trade/cancel-batch-orders", True),
    "amend-order": ("trade/amend-order", False),
    "batch-amend-orders": ("trade/amend-batch-orders", True),
}
"""The REST call behind each operation, and whether it takes a list."""

_Site = VenueSite[SimulatedOkx]


class ChannelSource(Protocol):
    """Provides a session's channels."""

    def public_topic(self, place: str, channel: str, arg: dict[str, Any]) -> Callable[[], Topic] | None:
        """The factory of a public channel's topic; None if unknown."""

    def private_topic(self, account: TradingAccount, arg: dict[str, Any]) -> tuple[Hashable, Callable[[], Topic]]:
        """The key of a private channel's topic, and its factory."""

    def count(self, channel: str, session: object, account: TradingAccount) -> tuple[int, bool]:
        """Counts a connection for a private channel."""

    def uncount(self, session: object, channel: str | None = None) -> None:
        """Forgets a connection."""


@attrs.frozen(kw_only=True)
class _LoggedInVisit:
    """Handles orders on a connection that has logged in."""

    owner: TradingAccount
    items: list[dict[str, Any]]
    expires: str | None
    client: str
    now_ms: int

    def params(self, route: Route[OkxParams]) -> OkxParams:
        """The orders."""
        check_items(self.items, batch=route.single is not None)
        return OkxParams({}, self.now_ms, self.items, self.expires)

    def account(self, route: Route[OkxParams], params: OkxParams) -> TradingAccount:
        """The account that logged in."""
        return self.owner


def wrong_channel(channel: object, inst_id: object) -> VenueRefusal:
    """The refusal 60018 of an unknown channel."""
    what = f"channel:{channel}" + (f",instId:{inst_id}" if inst_id is not None else "")
    return VenueRefusal(
        "60018",
        f"Wrong URL or {what} doesn't exist. Please use the correct URL, channel and parameters referring to API document.",
    )


class _ChannelSubscription(StreamSubscription):
    """One channel on one connection."""

    def __init__(self, connection: WsConnection, arg: dict[str, Any], key: Hashable, uid: str | None) -> None:
        super().__init__(key)
        self._connection = connection
        self.arg = arg
        self._early: list[Push] | None = []
        # A private message begins with the subscription's own arg; a public one is complete.
        self._head = b'{"arg":' + encode_json({**arg, "uid": uid}) if uid is not None else b""

    def push(self, push: Push) -> None:
        """Sends a message, or keeps it until the subscription is acknowledged."""
        if self._early is not None:
            self._early.append(push)
        else:
            self._connection.send(Push(self._head + push.text) if self._head else push)

    def begin(self) -> None:
        """Sends the messages kept until the acknowledgement, then all later ones at once."""
        early, self._early = self._early or [], None
        for push in early:
            self.push(push)


class OkxSession(VenueSession[_Site, _ChannelSubscription]):
    """One connection.

    Args:
        site: The exchange.
        connection: The connection.
        place: ``public``, ``private`` or ``business``.
        client: The IP address, for limits per IP.
        channels: Provides the channels.
    """

    def __init__(self, site: _Site, connection: WsConnection, place: str, client: str, channels: ChannelSource) -> None:
        super().__init__(site, connection)
        self._place = place
        self._client = client
        self._channels = channels
        self._id = secrets.token_hex(4)
        self._account: TradingAccount | None = None
        self._requests = AlignedWindows(round(site.settings.requests_per_h * site.rate_scale) or None, 3600)

    def closed(self) -> None:
        """Ends all subscriptions."""
        self._channels.uncount(self)
        super().closed()

    def shut_down(self) -> None:
        """Sends the notice of a service upgrade."""
        self._event(
            "notice", code="64008", msg="The connection will soon be closed for a service upgrade. Please reconnect."
        )

    # --- messages ---

    def number_options(self) -> dict[str, Any]:
        """Decodes JSON; fractions stay text."""
        return {"parse_float": str}

    def received(self, data: bytes) -> None:
        """Answers one message."""
        if data == b"ping":
            self.connection.send_text("pong")
        else:
            super().received(data)

    def not_an_object(self, data: bytes) -> VenueRefusal:
        """60012."""
        return VenueRefusal("60012", f"Invalid request: {data[:_ECHO].decode('utf-8', 'replace')}")

    def refuse(self, error: VenueRefusal) -> None:
        """Sends the event ``error``."""
        self._event("error", code=str(error.code), msg=error.msg)

    def _event(self, event: str, **fields: Any) -> None:
        self.send_json({**self._head(), "event": event, **fields, "connId": self._id})

    def _head(self) -> dict[str, str]:
        return {"id": self.request_id} if self.request_id is not None else {}

    def answer(self, message: dict[str, Any]) -> None:
        """Executes a login, subscriptions or orders."""
        self.request_id = _request_id(message)
        op, args = message.get("op"), message.get("args")
        if not isinstance(op, str):
            raise VenueRefusal("60012", f"Invalid request: {encode_json(message).decode()[:_ECHO]}")
        if op in _ORDER_OPS:
            self._trade(op, args, message)
            return
        if op not in {"login", "subscribe", "unsubscribe"}:
            raise VenueRefusal("60019", f"Invalid op: {op}")
        if not isinstance(args, list) or not args or not all(isinstance(arg, dict) for arg in args):
            raise VenueRefusal("60013", "Invalid args")
        now_ms = self.site.now_ms()
        if self._requests.would_exceed(self._place, now_ms):
            raise VenueRefusal("60014", "Requests too frequent")
        self._requests.add(self._place, now_ms)
        if op == "login":
            self._login(args[0])
            return
        for arg in args:
            try:
                (self._subscribe if op == "subscribe" else self._unsubscribe)(arg)
            except VenueRefusal as error:
                self.refuse(error)

    def _login(self, arg: dict[str, Any]) -> None:
        """Opens the private channels; closes the connection when authentication fails."""
        if self._account is not None:
            raise VenueRefusal("60031", "The WebSocket endpoint does not allow multiple or repeated logins.")
        try:
            self._account = log_in(self.site.exchange, arg, self.site.now_ms())
        except VenueRefusal as error:
            self.refuse(error)
            self.connection.close(4001, "Login Failed")
            return
        self._event("login", code="0", msg="")

    def _logged_in(self) -> TradingAccount:
        if self._account is None:
            raise VenueRefusal("60011", "Please log in")
        return self._account

    # --- subscriptions ---

    def _subscribe(self, arg: dict[str, Any]) -> None:
        channel = arg.get("channel")
        if not channel or not isinstance(channel, str):
            raise VenueRefusal("60027", "Parameter channel can not be empty.")
        if self._place == "private":
            self._subscribe_private(arg, channel)
            return
        inst_id = str(arg["instId"]) if "instId" in arg else None
        if self._place == "public" and channel in _HIGH_TIER:
            self._logged_in()
            raise VenueRefusal("64003", _TIER)
        make: Callable[[], Topic] | None
        if self._place == "business" and channel in _ALGO:
            self._subscribe_private(arg, channel)
            return
        make = self._channels.public_topic(self._place, channel, arg)
        if make is None:
            raise wrong_channel(channel, inst_id)
        subscription = _ChannelSubscription(
            self.connection, arg, (self._place, channel, inst_id, arg.get("instType")), None
        )
        self.join(_name(arg), subscription, make)
        self._event("subscribe", arg=arg)
        subscription.begin()

    def _subscribe_private(self, arg: dict[str, Any], channel: str) -> None:
        account = self._logged_in()
        if channel == "fills":
            raise VenueRefusal("64003", _TIER)
        if channel not in (_ALGO if self._place == "business" else _PRIVATE):
            raise wrong_channel(channel, arg.get("instId"))
        key, make = self._channels.private_topic(account, arg)
        counted = channel in _COUNTED
        count, too_many = self._channels.count(channel, self, account) if counted else (0, False)
        subscription = _ChannelSubscription(self.connection, arg, key, str(account.uid))
        if not too_many:
            self.join(_name(arg), subscription, make)
        self._event("subscribe", arg=arg)
        if counted:
            request_id, self.request_id = (
                self.request_id,
                None,
            )  # the number of connections is reported in its own event
            self._event(
                "channel-conn-count-error" if too_many else "channel-conn-count", channel=channel, connCount=str(count)
            )
            self.request_id = request_id
        subscription.begin()

    def _unsubscribe(self, arg: dict[str, Any]) -> None:
        """Ends a subscription; an unknown one is acknowledged too."""
        subscription = self.leave(_name(arg))
        if subscription is not None:
            channel = subscription.arg["channel"]
            if all(other.arg["channel"] != channel for other in self.subscriptions.values()):
                self._channels.uncount(self, channel)
        self._event("unsubscribe", arg=arg)

    # --- orders ---

    def _trade(self, op: str, args: Any, message: dict[str, Any]) -> None:
        """Places, cancels or changes orders by the handlers of REST; an instrument is named by its code."""
        path, batch = _ORDER_OPS[op]
        if self._place != "private":
            raise VenueRefusal("60028", _WRONG_URL)
        account = self._logged_in()
        now_ms = self.site.now_ms()
        rows: list[dict[str, Any]] = []
        if (
            not isinstance(args, list)
            or not args
            or not all(isinstance(arg, dict) for arg in args)
            or (not batch and len(args) != 1)
        ):
            code, msg = "60013", "Invalid args"
        else:
            items = [{key: _written(value) for key, value in arg.items() if key != "instId"} for arg in args]
            expires = message.get("expTime")
            visit = _LoggedInVisit(
                owner=account, items=items, expires=str(expires) if expires else None, client=self._client, now_ms=now_ms
            )  # fmt: skip
            dialect = self.site.dialect
            try:
                rows = dialect.call(dialect.route("POST", f"/api/v5/{path}"), visit).result
                code, msg = overall(rows), ""  # a refusal's text is in its row
            except VenueRefusal as error:
                code, msg = str(error.code), error.msg
        for row in rows:
            if row["sCode"] == "50014":
                row["sMsg"] = "Parameter instIdCode can not be empty."
        times = {"inTime": str(now_ms * 1000), "outTime": str(self.site.now_ms() * 1000)}
        self.send_json({**self._head(), "op": op, "code": code, "msg": msg, "data": rows, **times})


def _written(value: Any) -> Any:
    """A whole number as text, as REST reads it; anything else unchanged."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _name(arg: dict[str, Any]) -> str:
    """The name of a subscription on its connection: its arguments in sorted order."""
    return encode_json(sorted((str(key), str(value)) for key, value in arg.items())).decode()


def _request_id(message: dict[str, Any]) -> str | None:
    value = message.get("id")
    if value is None:
        return None
    if not isinstance(value, str) or not _REQUEST_ID.fullmatch(value):
        raise VenueRefusal("60033", "Parameter id error")
    return value
