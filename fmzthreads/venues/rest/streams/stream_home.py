"""The stream addresses of a venue, which always belong to its REST base."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from ....clock import Clock
from ....errors import InputError, NotSupported, RateLimited, short_repr
from ....net.hosts import is_loopback
from ...limits.recent_calls import RecentCalls
from ..channel import Channel

__all__ = ["SnapshotTurns", "StreamHome", "check_stream_base"]


def check_stream_base(url: str) -> str:
    """The stream base without a trailing slash.

    Raises:
        InputError: It is not a ws or wss URL.
    """
    parts = urlsplit(url) if isinstance(url, str) else urlsplit("")
    if parts.scheme not in {"ws", "wss"} or not parts.hostname or parts.query or parts.fragment:
        raise InputError(
            f"a stream base must be a ws or wss URL such as 'wss://stream.example.com', got {short_repr(url)}"
        )
    return url.rstrip("/")


_MINUTE_S = 60.0
# The share of a venue's limit for snapshots: if all books break at once, the strategy's own calls must still fit.
_SNAPSHOT_SHARE = 0.5


class StreamHome:
    """The address of a venue's streams, and their connection options.

    Args:
        channel: The venue's REST.
        stream_base: The base of its streams, such as ``wss://demo-stream.binance.com``; empty to derive it from the REST base, which
            works for the venue's own hosts and for any ``http://`` base (the same host and port are used).

    Raises:
        InputError: ``stream_base`` is not a ws or wss URL.
    """

    def __init__(self, channel: Channel, stream_base: str) -> None:
        self._channel = channel
        # A stream base that was passed belongs to the REST base passed with it, not to one that is set later.
        self._given = (channel.http.base, check_stream_base(stream_base) if stream_base else "")

    def base(self, known: Mapping[str, str], below: str = "") -> str:
        """The stream base for the current REST base of market data.

        Args:
            known: The venue's own REST hosts and their stream bases.
            below: The path of these streams where all of a venue share one address; it is not added to a base that was given.

        Raises:
            NotSupported: The REST base is a different one, and no stream base was given for it.
        """
        base, name = self._channel.market_base, self._channel.name
        with_base, given = self._given
        if given and with_base == base:
            return given
        parts = urlsplit(base)
        host = parts.hostname or ""
        if host in known and parts.scheme == "https":
            return known[host]
        if parts.scheme == "http" or is_loopback(host):
            scheme = "ws" if parts.scheme == "http" else "wss"
            return f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}{below}"
        raise NotSupported(
            f"{name} at {host} has no known streams; set them with stream_base='wss://...' "
            f"or the environment variable FMZ_{name.upper()}_STREAM_BASE"
        )

    def options(self) -> dict[str, object]:
        """The options of ``Dial`` taken from the REST client: certificates and proxy."""
        return {"reconnect": True, **self._channel.http.stream_options()}


class SnapshotTurns:
    """Limits book snapshots: all books of a venue use at most half of its limit.

    Args:
        venue: The venue's name, for messages.
        clock: Measures the minute.
    """

    def __init__(self, venue: str, clock: Clock) -> None:
        self._venue = venue
        self._recent = RecentCalls(clock, _MINUTE_S)

    def take(self, weight: int, limit: int) -> None:
        """Counts one snapshot, or refuses it.

        Args:
            weight: The request weight of a snapshot.
            limit: The weight that the venue allows in a minute.

        Raises:
            RateLimited: The limit of this minute is used up; the message says how long to wait.
        """
        most = max(1, int(limit * _SNAPSHOT_SHARE) // weight)
        wait_s = self._recent.turn(f"books, {most} a minute", most, 0.0)  # a changed limit starts a new count
        if wait_s > 0:
            raise RateLimited(
                f"{most} book snapshots were requested from {self._venue} within a minute; nothing was sent, retry in {wait_s:.1f} s",
                retry_after_s=wait_s,
            )

    def forget(self) -> None:
        """Resets the count (for example when the base URL changes)."""
        self._recent.forget()
