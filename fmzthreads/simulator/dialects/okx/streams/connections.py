"""OKX v5's websocket addresses and private channels ("WebSocket" in OKX's API guide)."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from typing import Any

from ....engine.accounts import TradingAccount
from ....engine.exchange import SimulatedExchange
from ....faults import Faults
from ....transport.requests import WireRequest, encode_json
from ....transport.stream_settings import StreamSettings
from ....transport.topics import Topic
from ....transport.websocket import ClientSession, Keepalive, Refusal, WsConnection
from ...fields import VenueRefusal
from ...streaming import VenueSite
from ..rest import SimulatedOkx
from .algo_channel import AlgoOrdersTopic
from .contract_channels import ContractChannels
from .instrument_choice import InstrumentChoice
from .position_channels import PositionsTopic, RiskWarningTopic
from .private_channels import AccountTopic, BalanceAndPositionTopic, OrdersTopic
from .public_channels import Channels
from .session import OkxSession, wrong_channel

__all__ = ["OkxSite"]

_PLACE = re.compile(r"/ws/v5/(public|private|business)/?")
_INST_TYPES = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "EVENTS", "ANY")
_MOST_OF_A_CHANNEL = 30  # per account


class OkxSite(VenueSite[SimulatedOkx]):
    """Accepts connections to OKX's websocket addresses.

    Attributes:
        channels: The public channels.
        contract_channels: Those of contracts only.
    """

    message_limit = 65_536
    slow_code = 4005
    connects = (3, 1)

    def __init__(
        self,
        exchange: SimulatedExchange,
        dialect: SimulatedOkx,
        faults: Faults,
        settings: StreamSettings,
        *,
        rate_scale: float,
    ) -> None:
        super().__init__(exchange, dialect, faults, settings, rate_scale=rate_scale)
        self.channels = Channels(
            exchange, self.feed, dialect.instruments, dialect.market, self.now_ms, checksums=settings.checksums
        )
        self.contract_channels = ContractChannels(
            exchange, self.feed, dialect.instruments, dialect.market, dialect.contracts, self.now_ms
        )
        self._private_connections: dict[tuple[str, str], set[object]] = {}

    def keepalive(self, path: str) -> Keepalive:
        """Sends no pings; closes a connection without data."""
        return Keepalive(idle_s=self.settings.idle_s, idle_code=4004, idle_reason="No data received in 30s")

    def session(self, request: WireRequest, connection: WsConnection) -> ClientSession | Refusal:
        """A session at one of the three addresses; the query is ignored."""
        place = _PLACE.fullmatch(request.path)
        if place is None:
            return Refusal(status=404, body=encode_json(self.dialect.not_served(path_known=False).body()))
        return OkxSession(self, connection, place[1], request.client, self)

    # --- channels ---

    def public_topic(self, place: str, channel: str, arg: dict[str, Any]) -> Callable[[], Topic] | None:
        """The factory of a public channel's topic; None if channel or instrument is unknown."""
        found = self.channels.topic(place, channel, str(arg["instId"]) if "instId" in arg else None)
        if found is None and place == "public":
            return self.contract_channels.topic(arg)
        return found

    def count(self, channel: str, session: object, account: TradingAccount) -> tuple[int, bool]:
        """Counts a connection for a private channel; returns the count, and whether it is too high."""
        sessions = self._private_connections.setdefault((channel, account.name), set())
        if session not in sessions and len(sessions) >= _MOST_OF_A_CHANNEL:
            return len(sessions) + 1, True
        sessions.add(session)
        return len(sessions), False

    def uncount(self, session: object, channel: str | None = None) -> None:
        """Forgets a connection, or its last subscription to a channel."""
        for (name, _), sessions in self._private_connections.items():
            if channel in {None, name}:
                sessions.discard(session)

    def private_topic(self, account: TradingAccount, arg: dict[str, Any]) -> tuple[Hashable, Callable[[], Topic]]:
        """The key of a private channel's topic, and its factory.

        Raises:
            VenueRefusal: An argument is missing or wrong.
        """
        channel, dialect = arg["channel"], self.dialect
        if channel in {"orders", "positions", "liquidation-warning", "orders-algo", "algo-advance"}:
            return self._by_instrument(account, channel, arg)
        if channel == "account":
            currency, regular = str(arg["ccy"]) if arg.get("ccy") else None, _regular(arg)
            return (channel, account.name, currency, regular), lambda: AccountTopic(
                self.feed, account, dialect.accounts, self.now_ms, currency, regular=regular
            )
        return (channel, account.name), lambda: BalanceAndPositionTopic(self.feed, account, dialect, self.now_ms)

    def _by_instrument(
        self, account: TradingAccount, channel: str, arg: dict[str, Any]
    ) -> tuple[Hashable, Callable[[], Topic]]:
        kind = arg.get("instType")
        if kind is None:
            raise VenueRefusal("60027", "Parameter instType can not be empty.")
        name = arg.get("instId")
        instrument = self.dialect.instruments.find(str(name)) if name is not None else None
        if kind not in _INST_TYPES or (name is not None and instrument is None):
            raise wrong_channel(channel, name)
        choice = InstrumentChoice(
            self.exchange, inst_type=str(kind), family=arg.get("instFamily"), instrument=instrument.id if instrument is not None else None
        )  # fmt: skip
        key = (channel, account.name, choice.key)
        if channel == "positions":
            regular = _regular(arg)
            return (*key, regular), lambda: PositionsTopic(
                self.feed, account, self.dialect, choice, self.now_ms, regular=regular
            )
        if channel == "liquidation-warning":
            return key, lambda: RiskWarningTopic(self.feed, account, self.dialect, choice, self.now_ms)
        if channel in {"orders-algo", "algo-advance"}:
            advanced = channel == "algo-advance"
            return key, lambda: AlgoOrdersTopic(self.feed, account, self.dialect, choice, advanced=advanced)
        return key, lambda: OrdersTopic(self.feed, account, self.dialect, choice)


def _regular(arg: dict[str, Any]) -> bool:
    """Whether a subscription wants periodic snapshots besides changes."""
    return '"updateInterval":"0"' not in str(arg.get("extraParams", "")).replace(" ", "")
