"""The settings that all threads of an HTTP client share."""

from __future__ import annotations

import attrs

from ..clock import Clock
from ..net.proxy import ProxyChoice
from ..net.tls import TlsPolicy
from .connection import ConnectionLimits

__all__ = ["ClientSettings"]


@attrs.define
class ClientSettings:
    """The settings that all threads of a client share.

    Attributes:
        clock: Measures time-outs; its stop ends calls.
        limits: The limits of connections and replies.
        user_agent: The User-Agent of requests without their own.
        tls: Which certificates are trusted.
        proxies: The proxy settings. Replaced as a whole, so that they are read and set atomically.
    """

    clock: Clock
    limits: ConnectionLimits
    user_agent: str
    tls: TlsPolicy
    proxies: ProxyChoice
