"""The venue's clock, as seen from ours.

Signed requests carry a time stamp that must lie within the venue's window, while our own clock may be off by seconds. The offset is
measured before the first signed call (one cheap request), again by a read when it has grown old, and at once when the venue says
that a time stamp was wrong. An order never waits for a measurement that is merely old.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import attrs

from ...clock import Clock
from ...errors import FmzError, NetworkError, RateLimited, VenueUnavailable
from ...tasks.single_flight import SingleFlight

__all__ = ["ServerTime", "TimeSample"]

_GOOD_RTT_S = 0.5
_MOST_SAMPLES = 3


@attrs.frozen(kw_only=True)
class TimeSample:
    """One question for the venue's time.

    Attributes:
        server_s: What it said, in seconds since the epoch.
        received_s: Our time of day when the reply was there.
        rtt_s: Seconds between writing the request and having the reply.
    """

    server_s: float
    received_s: float
    rtt_s: float

    @property
    def offset_s(self) -> float:
        """How far the venue's clock is ahead of ours, taking its answer for the moment halfway between question and reply."""
        return self.server_s - (self.received_s - self.rtt_s / 2)


class ServerTime:
    """Keeps the offset between the venue's clock and ours; thread-safe.

    Args:
        clock: Our clock.
        ask: Asks the venue once.
        max_age_s: A measurement older than this is renewed by the next read.
        retry_s: When renewing failed, the old one serves on and the next try comes after this many seconds.
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

    @property
    def offset_s(self) -> float:
        """Seconds that the venue's clock is ahead of ours; 0 before the first measurement."""
        return self._offset_s or 0.0

    @property
    def known(self) -> bool:
        """Whether it was measured."""
        return self._offset_s is not None

    def now(self) -> float:
        """The venue's time of day, in seconds since the epoch."""
        return self._clock.now() + (self._offset_s or 0.0)

    def now_ms(self) -> int:
        """The venue's time of day, in milliseconds since the epoch."""
        return int(self.now() * 1000)

    def ready(self, *, renew: bool) -> None:
        """Measures if that was never done; also, if ``renew``, when the measurement is old.

        Raises:
            FmzError: The first measurement failed, as the request raised it.
        """
        if self._offset_s is None:
            self._flight.run(self._measure)
        elif renew and self._clock.monotonic() >= self._renew_at:
            try:
                self._flight.run(self._measure)
            except (NetworkError, VenueUnavailable, RateLimited):
                # The old offset is nearly always right still; if it is not, the venue will say so.
                with self._lock:
                    self._renew_at = self._clock.monotonic() + self._retry_s

    def prefetch(self) -> None:
        """Begins the first measurement in the background, so that the first order does not wait for it."""
        if self._offset_s is not None:
            return
        thread = threading.Thread(target=self._try_once, name="server time", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no thread can be had: the call that needs the time measures it itself
            pass

    def _try_once(self) -> None:
        try:
            self.ready(renew=False)
        except FmzError:
            pass  # whoever needs the time meets the error

    def measure(self) -> None:
        """Measures now, or waits for a measurement that is under way.

        Raises:
            FmzError: The venue could not be asked.
        """
        self._flight.run(self._measure)

    def forget(self) -> None:
        """Makes the next signed call measure anew (another base URL, say)."""
        with self._lock:
            self._offset_s = None
            self._generation += 1

    def _measure(self) -> None:
        generation = self._generation
        best = self._ask()
        for _ in range(_MOST_SAMPLES - 1):
            # A slow sample is wrong by up to half of its duration; the first one often pays for opening the connection.
            if best.rtt_s <= _GOOD_RTT_S:
                break
            sample = self._ask()
            if sample.rtt_s < best.rtt_s:
                best = sample
        with self._lock:
            if generation == self._generation:
                self._offset_s = best.offset_s
                self._renew_at = self._clock.monotonic() + self._max_age_s
