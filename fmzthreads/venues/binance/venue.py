"""Binance spot, composed of its channel, its dialect and its streams."""

from __future__ import annotations

from ...clock import Clock
from ...errors import BadReply
from ...exchange.keys.credentials import Credentials
from ...http.client import HttpOptions
from ..rest.channel import Channel
from ..rest.dialect import IoCommand
from ..rest.parsing import Malformed, mapping, number
from ..rest.rows import OddRows
from ..rest.streams.stream_home import StreamHome
from ..rest.venue import RestVenue
from .dialect import SPOT, BinanceCalls
from .limits import BinanceRateLimits, LimitRow
from .protocol import BinanceProtocol
from .streams import BinanceStreams

__all__ = ["Binance"]


class Binance(RestVenue):
    """Binance spot.

    Args:
        credentials: Key, and secret (HMAC) or Ed25519 private key in PEM; None for public calls only.
        base: The REST base, such as ``https://demo-api.binance.com``; empty for ``https://api.binance.com``.
        clock: Tells the time and waits; real time when None.
        options: The options of the HTTP client; None for its defaults.
        recv_window_ms: How old a signed request may be when the matching engine gets it, 1 to 60000. An order that was delayed for
            longer is refused by Binance, so that a lost order cannot appear after this time.
        share_limits: Whether requests are counted together with other processes of this user.
        stream_base: The base of the streams, such as ``wss://demo-stream.binance.com``; empty to derive it from ``base``.
        allow_plain_http: Whether keys may be sent to an ``http://`` base that is not this machine; a warning is written.

    Raises:
        InputError: ``base``, ``stream_base`` or ``recv_window_ms`` is not valid.
    """

    def __init__(
        self,
        *,
        credentials: Credentials | None = None,
        base: str = "",
        clock: Clock | None = None,
        options: HttpOptions | None = None,
        recv_window_ms: int = 5000,
        stream_base: str = "",
        allow_plain_http: bool = False,
        share_limits: bool = True,
    ) -> None:
        protocol = BinanceProtocol(recv_window_ms)
        channel = Channel(
            protocol,
            credentials=credentials,
            base=base,
            clock=clock,
            options=options,
            allow_plain_http=allow_plain_http,
            share_limits=share_limits,
        )
        dialect = BinanceCalls(SPOT, OddRows(channel.name), channel.time.now_ms, self._learn_limits)
        super().__init__(
            channel=channel,
            dialect=dialect,
            streams=BinanceStreams(StreamHome(channel, stream_base), channel, lambda: self.limits.limit),
            commands={"selfTradePreventionMode": IoCommand(str, dialect.prevent_self_trades)},
            settling_s=recv_window_ms / 1000 + 1.0,
        )

    def fee_rates(self, symbol: str) -> tuple[float, float]:
        """GET /api/v3/account/commission; see ``Venue.fee_rates``."""
        reply = self.request("GET", "/api/v3/account/commission", f"symbol={self._name(symbol)}")
        try:
            rates = mapping(mapping(reply, "the reply").get("standardCommission"), "standardCommission")
            return number(rates, "maker"), number(rates, "taker")
        except Malformed as error:
            raise BadReply(f"Binance GetFee: {error}") from error

    @property
    def limits(self) -> BinanceRateLimits:
        """The limits at the current base URL."""
        limits = self.channel.limits
        assert isinstance(limits, BinanceRateLimits)  # made by BinanceProtocol
        return limits

    def _learn_limits(self, rows: tuple[LimitRow, ...]) -> None:
        self.limits.learn(rows)
