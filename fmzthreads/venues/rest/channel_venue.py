"""What every venue over a channel has alike: its account, its address, its connections, its last reply."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from urllib.parse import urlsplit

from ...exchange.venue import BaseVenue
from ...http.reply import Reply
from .channel import Channel

__all__ = ["ChannelVenue"]


class ChannelVenue(BaseVenue):
    """A venue whose calls go through one channel.

    Args:
        channel: Makes the calls.
    """

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._account = ("", "")  # the base URL, and the account's id there

    def account_id(self) -> str:
        """The venue, its address, and a digest of the access key; see ``Venue.account_id``."""
        channel = self.channel
        if not channel.keys:
            return ""
        base = channel.http.base
        if self._account[0] != base:
            digest = hashlib.sha256(f"{self.name}:{channel.keys.access_key}".encode()).hexdigest()[:16]
            self._account = (base, f"{self.name}:{self._place(base)}:{digest}")
        return self._account[1]

    @staticmethod
    def _place(base: str) -> str:
        """What of a base URL tells one account from another: the host."""
        return urlsplit(base).netloc.rpartition("@")[2]

    def last_reply(self) -> Reply | None:
        """The calling thread's last reply; see ``Venue.last_reply``."""
        return self.channel.http.last_reply()

    def base(self) -> str:
        """The REST base URL; empty before it is set. See ``Venue.base``."""
        return self.channel.http.base

    def set_base(self, url: str) -> None:
        """Sets the REST base, and counts towards its limits; see ``Venue.set_base``."""
        self.channel.set_base(url)

    def market_base(self) -> str:
        """The base URL of market data; see ``Venue.market_base``."""
        return self.channel.market_base

    def set_market_base(self, url: str) -> None:
        """Sets where market data comes from; see ``Venue.set_market_base``."""
        self.channel.set_market_base(url)

    def set_timeout(self, timeout_ms: float) -> None:
        """Sets the time-out of calls; see ``Venue.set_timeout``."""
        self.channel.http.set_timeout(timeout_ms)

    def set_proxy(self, proxy: str) -> None:
        """Sets the proxy of calls; see ``Venue.set_proxy``."""
        self.channel.set_proxy(proxy)

    def warn_with(self, warn: Callable[[str], None]) -> None:
        """Sets where warnings go; see ``Venue.warn_with``."""
        self.channel.warn_with(warn)

    def warm(self, connections: int) -> None:
        """Opens the calling thread's connections; see ``Venue.warm``."""
        for base in {self.base(), self.market_base()} - {""}:
            self.channel.http.warm(base)

    def close(self) -> None:
        """Closes the connections; see ``Venue.close``."""
        self.channel.http.close()
