"""Sends heartbeats, and ends a link that has gone silent."""

from __future__ import annotations

from typing import Protocol

from ..clock import Clock, Signal
from ..errors import StopRequested
from .link import Link
from .options import DialOptions

__all__ = ["Pulse", "Watch", "Watched"]


class Pulse:
    """When the peer last sent something.

    The reader writes it and the watch reads it without a lock: a slightly old value is harmless.

    Args:
        clock: Measures the times.

    Attributes:
        heard_at: When anything last arrived, in ``clock.monotonic()`` seconds; None before.
        data_at: When data last arrived, or the link was opened.
        unanswered: Pings sent since anything last arrived.
    """

    __slots__ = ("_now", "data_at", "heard_at", "unanswered")

    def __init__(self, clock: Clock) -> None:
        self._now = clock.monotonic
        self.heard_at: float | None = None
        self.data_at: float | None = None
        self.unanswered = 0

    def start(self) -> None:
        """Starts counting for a new link."""
        self.data_at = self._now()
        self.unanswered = 0

    def hear(self) -> None:
        """Notes that something arrived, even if only a pong."""
        self.heard_at = self._now()
        self.unanswered = 0


class Watched(Protocol):
    """What the watch needs from the connection."""

    def open_link(self) -> Link | None:
        """The link, while the connection is open."""

    def is_blocked(self) -> bool:
        """Whether reading is paused because the script does not read."""

    def end_link(self, link: Link, why: str) -> None:
        """Ends a link whose peer no longer responds."""


class Watch:
    """The thread that pings and detects silence.

    Args:
        options: Their heartbeat and silence settings are used.
        pulse: When the peer last sent something.
        ended: Set when the connection has ended.
        connection: The connection whose links are watched.
    """

    def __init__(self, options: DialOptions, pulse: Pulse, ended: Signal, connection: Watched) -> None:
        self._options = options
        self._pulse = pulse
        self._ended = ended
        self._connection = connection

    def run(self, clock: Clock) -> None:
        """Watches until the connection ends or the strategy stops."""
        interval, silence = self._options.ping_interval_s, self._options.silence_s
        now = clock.monotonic
        next_ping = now() + interval if interval else float("inf")
        try:
            while True:
                data_at = self._pulse.data_at
                is_open = self._connection.open_link() is not None
                silent_at = (
                    data_at + silence if is_open and silence and data_at is not None else now() + (silence or interval)
                )
                if clock.wait((self._ended,), max(min(next_ping, silent_at) - now(), 0.001)):
                    return
                link = self._connection.open_link()
                if now() >= next_ping:
                    next_ping = now() + interval
                    if link is not None:
                        self._ping(link)
                if link is not None and silence:
                    self._check_silence(link, now())
        except StopRequested:
            return

    def _ping(self, link: Link) -> None:
        options = self._options
        if options.ping_is_answered and self._pulse.unanswered >= 2 and not self._connection.is_blocked():
            self._connection.end_link(link, f"no response to 2 pings within {2 * options.ping_interval_s:g} s")
            return
        self._pulse.unanswered += options.ping_is_answered
        if options.ping_text:
            link.write_soon(options.ping_message)
        else:
            link.ping(options.ping_message.encode())

    def _check_silence(self, link: Link, now: float) -> None:
        silence = self._options.silence_s
        if self._connection.is_blocked():
            self._pulse.data_at = now  # nothing is being read, so silence proves nothing
        elif self._pulse.data_at is not None and now - self._pulse.data_at >= silence:
            self._connection.end_link(link, f"no data for {silence * 1000:g} ms")
