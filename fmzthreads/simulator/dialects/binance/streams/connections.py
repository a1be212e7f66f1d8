"""Binance's websocket addresses: the kind of session for each path."""

from __future__ import annotations

import re
from urllib.parse import parse_qs

from ....engine.exchange import SimulatedExchange
from ....faults import Faults
from ....transport.requests import WireRequest, encode_json
from ....transport.stream_settings import StreamSettings
from ....transport.websocket import ClientSession, Keepalive, Refusal, WsConnection
from ...streaming import VenueSite
from ..parameters import BinanceRefusal, wants_microseconds
from ..rest import SimulatedBinance
from .market_streams import Streams
from .stream_session import StreamSession
from .user_data import ListenKeys, listen_key_routes
from .websocket_api import ApiSession

__all__ = ["BinanceSite"]

# Clients that detect the market type by the address need "/stream" in it; so one or two path segments before it are accepted.
_RAW = re.compile(r"(?:/stream[A-Za-z0-9_-]*)?/ws(?:/(.*))?")
_COMBINED = re.compile(r"/stream/?")
_API = "/ws-api/v3"


class BinanceSite(VenueSite[SimulatedBinance]):
    """Accepts connections to Binance's websocket paths.

    Attributes:
        keys: The former listenKeys.
        streams: The market streams.
    """

    connects = (300, 300)
    retry_after = True

    def __init__(
        self,
        exchange: SimulatedExchange,
        dialect: SimulatedBinance,
        faults: Faults,
        settings: StreamSettings,
        *,
        rate_scale: float,
    ) -> None:
        super().__init__(exchange, dialect, faults, settings, rate_scale=rate_scale)
        self.keys = ListenKeys(settings.listen_key_s, self.now_ms)
        self.streams = Streams(exchange, self.feed, dialect.symbols, self.now_ms, dialect.market.average)
        dialect.add(listen_key_routes(self.keys))

    def keepalive(self, path: str) -> Keepalive:
        """Sends pings; closes a connection after a day."""
        return Keepalive(ping_s=self.settings.ping_s, pong_s=self.settings.pong_s, life_s=self.settings.life_s)

    def session(self, request: WireRequest, connection: WsConnection) -> ClientSession | Refusal:
        """The session for a path: streams or the WebSocket API."""
        query = parse_qs(request.query)
        try:
            micro = wants_microseconds(query["timeUnit"][-1] if "timeUnit" in query else None)
        except BinanceRefusal as error:
            return Refusal(status=400, body=encode_json(error.body()))
        if request.path.rstrip("/") == _API:
            limits = query.get("returnRateLimits", ["true"])[-1].lower() != "false"
            return ApiSession(self, connection, request.client, microseconds=micro, rate_limits=limits)
        raw = _RAW.fullmatch(request.path)
        if raw is not None:
            names = (raw[1] or "").split("/")
        elif _COMBINED.fullmatch(request.path):
            names = "/".join(query.get("streams", [])).split("/")
        else:
            return Refusal(status=404, body=encode_json(self.dialect.not_served(path_known=False).body()))
        return StreamSession(self, connection, self.streams, self.keys, names, combined=raw is None, microseconds=micro)

    def stop(self) -> None:
        """Ends all subscriptions and timers."""
        super().stop()
        self.keys.stop()
