"""Where the streams of a venue are, given where its REST calls go: never the live market's stream beside another place's orders."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from ...clock import Clock
from ...errors import InputError, NotSupported, RateLimited
from .channel import Channel
from .rate_limits import RecentCalls

__all__ = ["SnapshotTurns", "StreamHome", "check_stream_base"]


def check_stream_base(url: str) -> str:
    """A stream base as it is used: without a slash at its end.

    Raises:
        InputError: It is not a ws or wss URL.
    """
    parts = urlsplit(url) if isinstance(url, str) else urlsplit("")
    if parts.scheme not in {"ws", "wss"} or not parts.hostname or parts.query or parts.fragment:
        raise InputError(f"a stream base must be like 'wss://stream.example.com', got {url!r}")
    return url.rstrip("/")


_MINUTE_S = 60.0
# The part of a venue's limit that is for snapshots: books that all broke at once must leave room for what the strategy itself asks.
_SNAPSHOT_SHARE = 0.5


class StreamHome:
    """Where a venue's streams are, and how they travel.

    Args:
        channel: The venue's REST.
        stream_base: The base of its streams, such as ``wss://demo-stream.binance.com``; empty to derive it from the REST base, which
            works for the venue's own hosts and for any ``http://`` base (the same host and port are taken).

    Raises:
        InputError: ``stream_base`` is not a ws or wss URL.
    """

    def __init__(self, channel: Channel, stream_base: str) -> None:
        self._channel = channel
        # A stream base that was given belongs to the REST base beside it, and not to one that is set later.
        self._given = (channel.http.base, check_stream_base(stream_base) if stream_base else "")

    def base(self, known: Mapping[str, str]) -> str:
        """The base of the streams that belong to the REST base in use.

        Args:
            known: The venue's own hosts of REST calls, and the bases of their streams.

        Raises:
            NotSupported: The REST base is another one, and no stream base was given for it.
        """
        base, name = self._channel.http.base, self._channel.name
        with_base, given = self._given
        if given and with_base == base:
            return given
        parts = urlsplit(base)
        host = parts.hostname or ""
        if host in known and parts.scheme == "https":
            return known[host]
        if parts.scheme == "http" or host in {"127.0.0.1", "localhost", "::1"}:
            scheme = "ws" if parts.scheme == "http" else "wss"
            return f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        raise NotSupported(
            f"{name} at {host} has no known streams; name them with stream_base='wss://...' "
            f"or the variable FMZ_{name.upper()}_STREAM_BASE"
        )

    def options(self) -> dict[str, object]:
        """The options of ``Dial`` that follow from how this venue's REST calls travel: certificates and proxy."""
        return {"reconnect": True, **self._channel.http.stream_options()}


class SnapshotTurns:
    """Turns to fetch snapshots of books: all books of a venue together use up half of its limit at the most.

    Args:
        venue: The venue's name, for messages.
        clock: Measures.
    """

    def __init__(self, venue: str, clock: Clock) -> None:
        self._venue = venue
        self._recent = RecentCalls(clock, _MINUTE_S)

    def take(self, weight: int, limit: int) -> None:
        """Takes a turn.

        Args:
            weight: What a snapshot costs.
            limit: What the venue allows in a minute.

        Raises:
            RateLimited: There is none left in this minute; the message says when to come back.
        """
        most = max(1, int(limit * _SNAPSHOT_SHARE) // weight)
        wait_s = self._recent.turn(f"books, {most} a minute", most, 0.0)  # another limit is counted anew
        if wait_s > 0:
            raise RateLimited(
                f"{most} snapshots of books were asked of {self._venue} within a minute; nothing was sent, there is room in {wait_s:.1f} s",
                retry_after_s=wait_s,
            )

    def forget(self) -> None:
        """Forgets all turns (another base URL, say)."""
        self._recent.forget()
