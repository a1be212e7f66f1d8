"""What the threads of one client have in common: the way out, and the authorities that they trust."""

from __future__ import annotations

import ssl
import threading

import certifi

from ..clock import Clock
from ..errors import InputError
from ..http.reply_reader import ReplyLimits
from .proxy import Environment, Origin, Proxy

__all__ = ["ClientSettings"]


class ClientSettings:
    """Made by a client, read by its threads; it knows neither, so that both can go when nobody needs them.

    Args:
        clock: Measures, and brings the stop.
        limits: What a reply may be.
        connect_timeout_s: The longest that making a connection may take.
        max_idle_s: The longest idle time after which a connection is used again.
        stop_grace_s: How long a reply that must not be lost is waited for after a stop.
        user_agent: The User-Agent of requests that name none.
        verify: Whether, or by which bundle, certificates are verified.
        environment: The environment's proxies and CA bundle.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        limits: ReplyLimits,
        connect_timeout_s: float,
        max_idle_s: float,
        stop_grace_s: float,
        user_agent: str,
        verify: bool | str,
        environment: Environment,
    ) -> None:
        self.clock = clock
        self.limits = limits
        self.connect_timeout_s = connect_timeout_s
        self.max_idle_s = max_idle_s
        self.stop_grace_s = stop_grace_s
        self.user_agent = user_agent
        # The proxy and whether it stands instead of the environment's, in one place, so that they are read and set as one.
        self.way: tuple[Proxy | None, bool] = (None, False)
        self._verify = verify
        self._environment = environment
        self._lock = threading.Lock()  # guards _context, so that it is made once
        self._context: ssl.SSLContext | None = None

    def proxy_for(self, origin: Origin) -> Proxy | None:
        """The way to an origin: what was set for the client (None for directly), else what the environment says."""
        proxy, chosen = self.way
        return proxy if chosen else self._environment.proxy_for(origin)

    def tls(self) -> ssl.SSLContext:
        """The one TLS context; reading the authorities takes longer than a handshake.

        Raises:
            InputError: The CA bundle cannot be read.
        """
        with self._lock:
            if self._context is None:
                self._context = _make_tls(self._verify, self._environment.ca_bundle)
            return self._context


def _make_tls(verify: bool | str, from_environment: str) -> ssl.SSLContext:
    bundle = verify if isinstance(verify, str) else from_environment or certifi.where()
    try:
        context = ssl.create_default_context(cafile=bundle)
    except OSError:
        try:
            context = ssl.create_default_context(capath=bundle)
        except OSError:
            raise InputError(f"the CA bundle cannot be read: {bundle}") from None
    context.set_alpn_protocols(["http/1.1"])
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
