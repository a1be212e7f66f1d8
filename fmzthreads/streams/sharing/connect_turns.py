"""Limits of venues on how often an address may open a stream, kept by all streams of the process together.

Venues ban an address that connects too often, most likely right after an outage, when everything comes back at once. So every attempt to a
known host takes a turn first. Attempts count until the window has passed since they *ended*: the venue saw each between its start and its
end, so however slow some of them were, it never sees more than the limit within a window.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import attrs

from ...clock import Clock, Signal, WallClock
from ...deadline import Deadline
from ...errors import ConnectionLost, RateLimited
from ...fork import after_fork_in_child
from ..address import Address

__all__ = ["BINANCE_LIMITS", "CONNECT_TURNS", "OKX_LIMITS", "ConnectTurns", "ConnectTurnsByHost", "StreamLimits"]

_MARGIN = 1.05  # the venue's clock and ours may differ a little in speed
_RECHECK_S = 1.0  # waiting threads look again this often, though the end of an attempt wakes them


@attrs.frozen(kw_only=True)
class StreamLimits:
    """What a venue allows on its streams.

    Attributes:
        connects: How many connections an IP address may open within ``connect_window_s``.
        connect_window_s: The length of that window, in seconds.
        requests: How many subscriptions and their ends one connection may send within ``request_window_s``.
        request_window_s: The length of that window, in seconds.
        messages: How many messages of any kind one connection may send within ``message_window_s``; 0 for no limit.
        message_window_s: The length of that window, in seconds.
    """

    connects: int
    connect_window_s: float
    requests: int
    request_window_s: float
    messages: int = 0
    message_window_s: float = 1.0


# Binance, "WebSocket Streams", general information: 300 connections in 5 minutes for each IP, 5 incoming messages a second for each
# connection, pings and pongs included. A tenth of the former is left for other programs at the address, some of the latter for heartbeats.
# The WebSocket API, on other hosts, counts weights instead of messages.
BINANCE_LIMITS = StreamLimits(connects=270, connect_window_s=300.0, requests=3, request_window_s=1.0, messages=4)
_BINANCE_API = attrs.evolve(BINANCE_LIMITS, messages=0)

# OKX, "WebSocket", "Connect" and "Connection count limit": 3 connections a second for each IP; 480 subscribe, unsubscribe and login
# requests an hour for each connection.
OKX_LIMITS = StreamLimits(connects=3, connect_window_s=1.0, requests=450, request_window_s=3600.0)

# By the end of a host's name; the first that fits counts.
_KNOWN_HOSTS = {
    ".stream.binance.com": BINANCE_LIMITS,
    ".demo-stream.binance.com": BINANCE_LIMITS,
    ".data-stream.binance.vision": BINANCE_LIMITS,
    ".stream.testnet.binance.vision": BINANCE_LIMITS,
    ".binance.com": _BINANCE_API,
    ".binance.vision": _BINANCE_API,
    ".okx.com": OKX_LIMITS,
}


class ConnectTurns:
    """The turns at one host from one address.

    Args:
        host: The host's name, for messages.
        limits: What the host allows.

    Attributes:
        limits: The limits.
    """

    def __init__(self, host: str, limits: StreamLimits) -> None:
        self.limits = limits
        self._host = host
        self._most = limits.connects
        self._window_s = limits.connect_window_s * _MARGIN
        self._lock = threading.Lock()  # guards the fields below
        self._running = 0
        self._ends: deque[float] = deque()  # when attempts ended, within the window
        self._changed = Signal()  # replaced when an attempt ends
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: the parent's attempts count on, but those under way do not end here."""
        self._lock = threading.Lock()
        self._changed = Signal()
        self._running = 0

    @contextmanager
    def turn(self, deadline: Deadline, closed: Signal, clock: Clock) -> Iterator[None]:
        """Waits until an attempt is allowed, and counts what is done within.

        Args:
            deadline: The latest moment for the attempt to begin.
            closed: Ends the wait when set.
            clock: Measures the window.

        Raises:
            RateLimited: The turn would come after the deadline.
            ConnectionLost: ``closed`` was set.
            StopRequested: The strategy is being stopped.
        """
        self._take(deadline, closed, clock)
        try:
            yield
        finally:
            with self._lock:
                self._running = max(0, self._running - 1)
                self._ends.append(clock.monotonic())
                changed, self._changed = self._changed, Signal()
            changed.set()

    def _take(self, deadline: Deadline, closed: Signal, clock: Clock) -> None:
        while True:
            with self._lock:
                now = clock.monotonic()
                while self._ends and self._ends[0] <= now - self._window_s:
                    self._ends.popleft()
                if self._running + len(self._ends) < self._most:
                    self._running += 1
                    return
                wait_s = self._ends[0] + self._window_s - now if self._ends else 0.0
                changed = self._changed
            left_s = deadline.remaining()
            if left_s is not None and (wait_s > left_s or left_s <= 0):
                raise RateLimited(
                    f"{self._most} connections to {self._host} were opened within {self._window_s:g} s, which is as many as it allows; "
                    f"nothing was sent, retry in {wait_s:.1f} s",
                    retry_after_s=wait_s,
                )
            longest_s = _RECHECK_S if left_s is None else min(left_s, _RECHECK_S)
            if clock.wait((closed, changed), min(wait_s, longest_s) if wait_s > 0 else longest_s) and closed.is_set():
                raise ConnectionLost("closed while waiting for its turn to connect")


class ConnectTurnsByHost:
    """The turns of all hosts, by host and by the address that they are connected to from."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards _turns
        self._turns: dict[tuple[object, ...], ConnectTurns] = {}
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()

    def of(self, address: Address, origin: object, clock: Clock, limits: StreamLimits | None) -> ConnectTurns | None:
        """The turns at an address; None for a host without known limits.

        Args:
            address: Where to.
            origin: What determines the IP address that the venue sees: the proxy and the local address.
            clock: Clocks other than the wall clock have turns of their own.
            limits: What a host that is not known by its name allows (a simulator); None for no limits.
        """
        host = address.host.lower()
        known = next((limits for name, limits in _KNOWN_HOSTS.items() if f".{host}".endswith(name)), None)
        limits = known if known is not None else limits
        if limits is None:
            return None
        key = (
            host if known is not None else address.authority,
            origin,
            None if isinstance(clock, WallClock) else clock,
        )
        with self._lock:
            turns = self._turns.get(key)
            if turns is None:
                turns = self._turns[key] = ConnectTurns(address.host, limits)
            return turns


CONNECT_TURNS = ConnectTurnsByHost()
"""The turns of this process."""
