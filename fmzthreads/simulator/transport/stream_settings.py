"""How a simulated venue's websockets behave where the venue itself leaves a choice, or a test needs another figure."""

from __future__ import annotations

import attrs

from ...errors import InputError

__all__ = ["StreamSettings"]


@attrs.frozen(kw_only=True)
class StreamSettings:
    """Figures of the websocket side; the defaults are those that Binance and OKX document. 0 switches a limit off.

    Attributes:
        ping_s: Seconds between Binance's pings.
        pong_s: Seconds that a ping may stay unanswered there.
        idle_s: Seconds after which OKX closes a connection on which nothing passes.
        life_s: Seconds that a connection to Binance may live.
        backlog_bytes: What may wait for a client that reads too slowly before it is cut.
        most_streams: Streams on one connection to Binance.
        messages_per_s: Frames a second that a client may send to Binance, pings and pongs counted.
        requests_per_h: Subscriptions, their ends and logins an hour on one connection to OKX.
        listen_key_s: Seconds that a listenKey lives without being kept alive.
        checksums: Whether OKX's books carry real CRC32 checksums, as they did until June 2026, instead of 0.
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
                raise InputError(f"{name} must be from 0 to 1e7, not {getattr(self, name)!r}")
        if not 0 < self.listen_key_s <= 1e7:
            raise InputError(f"listen_key_s must be above 0, not {self.listen_key_s!r}")
        if self.backlog_bytes < 4096:
            raise InputError(f"backlog_bytes must be 4096 or more, not {self.backlog_bytes!r}")
