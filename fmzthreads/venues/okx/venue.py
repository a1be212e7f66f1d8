"""OKX spot, composed of its channel, its dialect and its streams."""

from __future__ import annotations

from typing import Literal

from ...clock import Clock
from ...errors import BadReply
from ...exchange.keys.credentials import Credentials
from ...http.client import HttpOptions
from ..rest.channel import Channel
from ..rest.dialect import IoCommand
from ..rest.parsing import Malformed, first, mapping, number
from ..rest.rows import OddRows
from ..rest.streams.stream_home import StreamHome
from ..rest.venue import RestVenue
from .dialect import SPOT, OKXCalls, countdown
from .protocol import OKXProtocol, data_of
from .streams import OKXStreams

__all__ = ["OKX"]


class OKX(RestVenue):
    """OKX spot.

    Args:
        credentials: Key, secret and passphrase; None for public calls only.
        base: The REST base, such as ``https://eea.okx.com``; empty for ``https://openapi.okx.com``.
        clock: Tells the time and waits; real time when None.
        options: The options of the HTTP client; None for its defaults.
        simulated: Whether calls go to OKX's demo trading (header ``x-simulated-trading: 1``).
        trade_mode: ``tdMode`` of orders: ``cash`` in the spot and futures account modes, ``cross`` in the others.
        order_lifetime_ms: OKX refuses an order that arrives later than this after it was signed (header ``expTime``), so
            that a lost order cannot appear after this time; 1 to 60000.
        share_limits: Whether requests are counted together with other processes of this user.
        stream_base: The base of the streams, such as ``wss://wseea.okx.com``; empty to derive it from ``base``.
        allow_plain_http: Whether keys may be sent to an ``http://`` base that is not this machine; a warning is written.

    Raises:
        InputError: An argument is not valid.
    """

    dead_man: Literal["", "symbol", "account"] = "account"

    def __init__(
        self,
        *,
        credentials: Credentials | None = None,
        base: str = "",
        clock: Clock | None = None,
        options: HttpOptions | None = None,
        simulated: bool = False,
        trade_mode: str = "cash",
        order_lifetime_ms: int = 5000,
        stream_base: str = "",
        allow_plain_http: bool = False,
        share_limits: bool = True,
    ) -> None:
        self._protocol = OKXProtocol(
            simulated=simulated, order_lifetime_ms=order_lifetime_ms, account_orders=SPOT.account_orders
        )
        channel = Channel(
            self._protocol,
            credentials=credentials,
            base=base,
            clock=clock,
            options=options,
            allow_plain_http=allow_plain_http,
            share_limits=share_limits,
        )
        dialect = OKXCalls(SPOT, OddRows(channel.name), trade_mode)
        super().__init__(
            channel=channel,
            dialect=dialect,
            streams=OKXStreams(StreamHome(channel, stream_base), self._protocol),
            commands={"simulate": IoCommand(bool, self._simulate), "tdMode": IoCommand(str, dialect.set_trade_mode)},
            settling_s=order_lifetime_ms / 1000 + 1.0,
        )

    def cancel_all_after(self, symbol: str, timeout_s: float) -> None:
        """POST /api/v5/trade/cancel-all-after: of the whole account; 10 to 120 s, or 0. See ``Venue.cancel_all_after``."""
        self.channel.call(countdown(self.name, timeout_s), data_of)

    def fee_rates(self, symbol: str) -> tuple[float, float]:
        """GET /api/v5/account/trade-fee, where a fee is negative; see ``Venue.fee_rates``."""
        reply = self.request("GET", "/api/v5/account/trade-fee", f"instType=SPOT&instId={self._name(symbol)}")
        try:
            rates = first(mapping(reply, "the reply").get("data"), "data")
            return -number(rates, "maker"), -number(rates, "taker")
        except Malformed as error:
            raise BadReply(f"OKX GetFee: {error}") from error

    def _simulate(self, on: bool) -> None:
        """Sends further calls to demo trading, or to real trading; the known symbols are dropped."""
        self._protocol.simulated = on
        self.symbols.forget()
