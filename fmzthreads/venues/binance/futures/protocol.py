"""The REST protocol of one family of Binance's futures; both families count towards one limit."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

import attrs

from ....exchange.keys.credentials import Credentials
from ....http.client import HttpRequest
from ...limits.limiter import Limiter
from ...rest.ask import Ask
from ...rest.server_time import ServerTime
from ..limits import FUTURES_LIMITS, BinanceRateLimits
from ..protocol import BinanceProtocol
from .products import FuturesProduct
from .refusals import FUTURES_CODES

__all__ = ["NAME", "FuturesProtocol", "sibling_base"]

NAME = "Futures_Binance"

_HOSTS = ("fapi", "dapi", "fstream", "dstream")


def sibling_base(base: str, host: str) -> str:
    """The base URL of one family where the other's is known: ``https://dapi.binance.com`` for ``https://fapi.binance.com``.

    Args:
        base: A base URL; one whose host names neither family serves both.
        host: ``fapi`` or ``dapi``.
    """
    parts = urlsplit(base)
    first, dot, rest = parts.netloc.partition(".")
    for other in _HOSTS:
        if dot and first.endswith(other):
            return urlunsplit(parts._replace(netloc=f"{first.removesuffix(other)}{host}.{rest}"))
    return base


class FuturesProtocol(BinanceProtocol):
    """Binance's protocol with the codes and limits of futures.

    Args:
        product: The family.
        recv_window_ms: See ``BinanceProtocol``.
    """

    name = NAME
    refusals = FUTURES_CODES

    def __init__(self, product: FuturesProduct, recv_window_ms: int) -> None:
        super().__init__(recv_window_ms)
        self.default_base = f"https://{product.host}.binance.com"
        self.time_ask = Ask(path=f"/{product.host}/v1/time")

    def counted_at(self, base: str) -> str:
        """The USD-margined family's host: since 2026-06-30 both families count towards its limits."""
        return sibling_base(base, _HOSTS[0])

    def limits(self, limiter: Limiter, account: str) -> BinanceRateLimits:
        """The limits that both families share."""
        return BinanceRateLimits(limiter, account, FUTURES_LIMITS, gives_back=False)

    def build(self, ask: Ask, url: str, keys: Credentials, time: ServerTime) -> HttpRequest:
        """As for spot; the calls about listen keys carry the key, and no signature."""
        request = super().build(ask, url, keys, time)
        if not ask.path.endswith("/listenKey"):
            return request
        return attrs.evolve(request, headers={**request.headers, "X-MBX-APIKEY": keys.access_key})
