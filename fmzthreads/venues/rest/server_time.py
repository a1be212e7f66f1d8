"""The venue's clock, estimated from ours.

Signed requests carry a time stamp that must lie within the venue's window, while our own clock may be wrong by seconds. The offset is
measured before the first signed call (one cheap request), again by a read when the measurement is too old, and at once when the venue
reports
a wrong time stamp. An order never waits only because the measurement is old.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import attrs

from ...clock import Clock
from ...errors import FmzError, NetworkError, RateLimited, VenueUnavailable
from ...fork import after_fork_in_child
from ...tasks.single_flight import SingleFlight

__all__ = ["ServerTime", "TimeSample"]

_GOOD_RTT_S = 0.5
_MOST_SAMPLES = 3


@attrs.frozen(kw_only=True)
class TimeSample:
    """One request for the venue's time.

    Attributes:
        server_s: The venue's answer, in seconds since the epoch.
        received_s: Our time of day when the reply arrived.
        rtt_s: Seconds between writing the request and having the reply.
    """

    server_s: float
    received_s: float
    rtt_s: float

    @property
    def offset_s(self) -> float:
        """The venue's clock minus ours, assuming the answer was made halfway through the round trip."""
        return self.server_s - (self.received_s - self.rtt_s / 2)


class ServerTime:
    """Keeps the offset between the venue's clock and ours; thread-safe.

    Args:
        clock: Our clock.
        ask: Requests the venue's time once.
        max_age_s: A measurement older than this is renewed by the next read.
        retry_s: If renewing failed, the old one is used and the next attempt follows after this many seconds.
    """

    def __init__(
        self, clock: Clock, ask: Callable[[], TimeSample], *, max_age_s: float = 300.0, retry_s: float = 30.0
    ) -> None:
        self._clock = clock
        self._ask = ask
        self._max_age_s = max_age_s
        self._retry_s = retry_s
        self._lock = threading.Lock()  # guards the three fields below, which change together
        self._offset_s: float | None = None
        self._renew_at = 0.0
        self._generation = 0
        self._flight: SingleFlight[None] = SingleFlight(clock)
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: a new lock; the measurement stays."""
        self._lock = threading.Lock()

    @property
    def offset_s(self) -> float:
        """Seconds that the venue's clock is ahead of ours; 0 before the first measurement."""
        return self._offset_s or 0.0

    @property
    def known(self) -> bool:
        """Whether the offset was measured."""
        return self._offset_s is not None

    def now(self) -> float:
        """The venue's time of day, in seconds since the epoch."""
        return self._clock.now() + (self._offset_s or 0.0)

    def now_ms(self) -> int:
        """The venue's time of day, in milliseconds since the epoch."""
        return int(self.now() * 1000)

    def ready(self, *, renew: bool) -> None:
        """Measures if not done yet; with ``renew`` also if the measurement is old.

        Raises:
            FmzError: The first measurement failed, as the request raised it.
        """
        if self._offset_s is None:
            self._flight.run(self._measure)
        elif renew and self._clock.monotonic() >= self._renew_at:
            try:
                self._flight.run(self._measure)
            except (NetworkError, VenueUnavailable, RateLimited):
                # The old offset is nearly always still right; if not, the venue refuses the time stamp.
                with self._lock:
                    self._renew_at = self._clock.monotonic() + self._retry_s

    def prefetch(self) -> None:
        """Starts the first measurement in the background, so the first order need not wait."""
        if self._offset_s is not None:
            return
        thread = threading.Thread(target=self._try_once, name="server time", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no thread can be started: the call that needs the time measures it itself
            pass

    def _try_once(self) -> None:
        try:
            self.ready(renew=False)
        except FmzError:
            pass  # the call that needs the time raises the error

    def measure(self) -> None:
        """Measures now, or waits for a running measurement.

        Raises:
            FmzError: The request failed.
        """
        self._flight.run(self._measure)

    def forget(self) -> None:
        """Makes the next signed call measure again (for example when the base URL changes)."""
        with self._lock:
            self._offset_s = None
            self._generation += 1

    def _measure(self) -> None:
        generation = self._generation
        best = self._ask()
        for _ in range(_MOST_SAMPLES - 1):
            # A slow sample is wrong by up to half of its duration; the first one often includes opening the connection.
            if best.rtt_s <= _GOOD_RTT_S:
                break
            sample = self._ask()
            if sample.rtt_s < best.rtt_s:
                best = sample
        with self._lock:
            if generation == self._generation:
                self._offset_s = best.offset_s
                self._renew_at = self._clock.monotonic() + self._max_age_s
