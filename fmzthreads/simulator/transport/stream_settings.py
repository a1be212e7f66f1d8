"""Settings of a simulated venue's websockets."""

from __future__ import annotations

import attrs

from ...errors import InputError

__all__ = ["StreamSettings"]


@attrs.frozen(kw_only=True)
class StreamSettings:
    """Limits and times of websockets; defaults as documented by Binance and OKX. 0 disables a limit.

    Attributes:
        ping_s: Seconds between Binance's pings.
        pong_s: The time-out of the answer to Binance's ping, in seconds.
        idle_s: Seconds after which OKX closes a connection without traffic.
        life_s: The maximum age of a connection to Binance, in seconds.
        backlog_bytes: The maximum backlog of a slow client before it is disconnected.
        most_streams: The maximum number of streams on one connection to Binance.
        messages_per_s: The maximum frames per second from a client to Binance, including pings and pongs.
        requests_per_h: Subscriptions, their ends and logins an hour on one connection to OKX.
        listen_key_s: Seconds that a listenKey is valid without renewal.
        checksums: Whether OKX's books contain real CRC32 checksums, as they did until June 2026, instead of 0.
    """

    ping_s: float = 20.0
    pong_s: float = 60.0
    idle_s: float = 30.0
    life_s: float = 86_400.0
    backlog_bytes: int = 4 * 1024 * 1024
    most_streams: int = 1024
    messages_per_s: int = 5
    requests_per_h: int = 480
    listen_key_s: float = 3600.0
    checksums: bool = False

    def __attrs_post_init__(self) -> None:
        for name in ("ping_s", "pong_s", "idle_s", "life_s", "most_streams", "messages_per_s", "requests_per_h"):
            if not 0 <= getattr(self, name) <= 1e7:
                raise InputError(f"{name} must be from 0 to 1e7, got {getattr(self, name)!r}")
        if not 0 < self.listen_key_s <= 1e7:
            raise InputError(f"listen_key_s must be above 0, got {self.listen_key_s!r}")
        if self.backlog_bytes < 4096:
            raise InputError(f"backlog_bytes must be 4096 or more, got {self.backlog_bytes!r}")
