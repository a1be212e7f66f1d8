"""The websocket addresses of Binance's contracts: ``/fstream`` for USDⓈ-M and ``/dstream`` for COIN-M.

On the exchange these are hosts of their own; here they are paths, so that all products share one port.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs

from .....engine.accounts import TradingAccount
from .....engine.exchange import SimulatedExchange
from .....faults import Faults
from .....transport.requests import WireRequest, encode_json
from .....transport.stream_settings import StreamSettings
from .....transport.topics import Topic
from .....transport.websocket import ClientSession, Keepalive, Refusal, WsConnection
from ....streaming import VenueSite
from ...parameters import BinanceParams, BinanceRefusal
from ...routes import BinanceRoute
from ...streams.connections import BinanceSite
from ...streams.stream_session import StreamSession
from ...streams.user_data import ListenKeys
from ..rest import SimulatedContracts
from .market_events import ContractStreams, RoutedStreams
from .user_events import ContractUserTopic

__all__ = ["BinanceSites", "ContractSite"]

_PATH = re.compile(r"/[fd]stream(?:/(public|market|private))?/(ws|stream)(?:/(.*))?")
_PINGS = 9  # pings come every three minutes instead of every 20 seconds


class ContractSite(VenueSite[SimulatedContracts]):
    """Accepts connections to the streams of one family.

    Attributes:
        keys: The listenKeys.
        streams: The market streams.
    """

    connects = (300, 300)
    retry_after = True

    def __init__(
        self,
        exchange: SimulatedExchange,
        dialect: SimulatedContracts,
        faults: Faults,
        settings: StreamSettings,
        *,
        rate_scale: float,
    ) -> None:
        super().__init__(exchange, dialect, faults, settings, rate_scale=rate_scale)
        self.keys = ListenKeys(settings.listen_key_s, self.now_ms)
        self.streams = ContractStreams(exchange, self.feed, dialect.symbols, self.now_ms)
        dialect.add(_listen_key_routes(self.keys, dialect.family.prefix + "/v1/listenKey"))

    def keepalive(self, path: str) -> Keepalive:
        """Sends pings; closes a connection after a day."""
        settings = self.settings
        return Keepalive(ping_s=settings.ping_s * _PINGS, pong_s=settings.pong_s * _PINGS, life_s=settings.life_s)

    def session(self, request: WireRequest, connection: WsConnection) -> ClientSession | Refusal:
        """The session of a path."""
        match = _PATH.fullmatch(request.path.rstrip("/"))
        coin = self.dialect.family.coin
        if match is None or (coin and match[1]):
            return Refusal(status=404, body=encode_json(self.dialect.not_served(path_known=False).body()))
        query = parse_qs(request.query)
        names = (match[3] or "").split("/") if match[2] == "ws" else "/".join(query.get("streams", [])).split("/")
        names += query.get("listenKey", [])
        streams: Any = self.streams if coin else RoutedStreams(self.streams, match[1] or "public")
        return StreamSession(
            self, connection, streams, self.keys, names, combined=match[2] == "stream", microseconds=False, user=self._user
        )  # fmt: skip

    def _user(self, account: TradingAccount, microseconds: bool) -> tuple[Hashable, Callable[[], Topic]]:
        """The key of the topic of an account's events, and its factory."""
        return ("user", account.name), lambda: ContractUserTopic(
            self.feed, self.exchange, account, self.dialect.symbols, self.now_ms
        )

    def stop(self) -> None:
        """Ends all subscriptions and timers."""
        super().stop()
        self.keys.stop()


class BinanceSites:
    """The websocket addresses of all products: each by the path that it begins with, the rest spot's.

    Args:
        spot: Spot's addresses.
        contracts: Those of contracts, by ``um`` and ``cm``.
    """

    def __init__(self, spot: BinanceSite, contracts: Mapping[str, ContractSite]) -> None:
        self.spot = spot
        self.contracts = dict(contracts)
        self.faults = spot.faults
        self.message_limit, self.backlog, self.slow_code = spot.message_limit, spot.backlog, spot.slow_code
        self._by_prefix = {{"um": "fstream", "cm": "dstream"}[name]: site for name, site in contracts.items()}

    def of(self, path: str) -> BinanceSite | ContractSite:
        """The site of a path."""
        return self._by_prefix.get(path.lstrip("/").partition("/")[0], self.spot)

    def enter(self, request: WireRequest, connection: WsConnection) -> ClientSession | Refusal:
        """Accepts or refuses a handshake."""
        return self.of(request.path).enter(request, connection)

    def now_ms(self) -> int:
        """The exchange's time, in milliseconds since the epoch."""
        return self.spot.now_ms()

    def keepalive(self, path: str) -> Keepalive:
        """How connections to a path are kept alive."""
        return self.of(path).keepalive(path)

    def farewell(self, session: ClientSession) -> None:
        """Notifies a client that the server will shut down."""
        self.spot.farewell(session)

    def stop(self) -> None:
        """Ends all subscriptions and timers."""
        self.spot.stop()
        for site in self.contracts.values():
            site.stop()


def _listen_key_routes(keys: ListenKeys, path: str) -> Iterator[BinanceRoute]:
    """The calls of the listenKey: one per account, named by the API key alone."""

    def _create(account: TradingAccount, params: BinanceParams) -> dict[str, str]:
        return {"listenKey": keys.create(account)}

    def _own(account: TradingAccount, params: BinanceParams) -> str:
        """The account's key; one that is sent must be it."""
        sent = params.optional("listenKey") if "listenKey" in params else keys.of(account)
        if sent is None or keys.account(sent) is not account:
            raise BinanceRefusal(
                -1125, "This listenKey does not exist. Please use `POST /fapi/v1/listenKey` to recreate `listenKey`"
            )
        return sent

    def _keep(account: TradingAccount, params: BinanceParams) -> dict[str, str]:
        key = _own(account, params)
        keys.keep(key)
        return {"listenKey": key}

    def _end(account: TradingAccount, params: BinanceParams) -> dict[str, str]:
        keys.end(_own(account, params))
        return {}

    for method, handler in (("POST", _create), ("PUT", _keep), ("DELETE", _end)):
        yield BinanceRoute(method=method, path=path, private=handler, weight=1, key_only=True)
