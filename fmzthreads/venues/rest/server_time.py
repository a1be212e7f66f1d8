"""The venue's clock, estimated from our monotonic one.

Signed requests carry a time stamp that must lie within the venue's window, while our own clock may be wrong by seconds. The venue's time is
measured before the first signed call (one cheap request), again by a read when the measurement is too old, and at once when the venue
reports a wrong time stamp. An order never waits only because the measurement is old: that is renewed in the background.

The time of day may be set at any moment, so the venue's time is counted from the measurement on by the monotonic clock, which nothing sets.
That clock may stand still while the machine sleeps; then the time of day has run ahead of it, and the next signed call measures first.

The estimate is never ahead of the venue's clock: an order that carries it (``expTime``, or ``timestamp`` with ``recvWindow``) is never accepted
for longer than we count. For this the venue's answer counts as made at the last possible moment, when the reply arrived.
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
# Setting the clock, or a sleep of the machine, by less than this is not noticed: the estimate then lags by no more, which is harmless.
_JUMP_S = 0.25


@attrs.frozen(kw_only=True)
class TimeSample:
    """One request for the venue's time.

    Attributes:
        server_s: The venue's answer, in seconds since the epoch.
        received_at: When the reply arrived, in ``clock.monotonic()`` seconds.
        rtt_s: Seconds between writing the request and having the reply.
    """

    server_s: float
    received_at: float
    rtt_s: float

    @property
    def base_s(self) -> float:
        """The venue's time of day when our monotonic clock was 0, or less: the answer was made before the reply arrived."""
        return self.server_s - self.received_at


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
        self._lock = threading.Lock()  # guards the fields below, which change together
        self._base_s: float | None = None
        self._rtt_s = 0.0
        self._lead_s = 0.0  # the time of day minus the monotonic clock, before the measurement
        self._renew_at = 0.0
        self._generation = 0
        self._flight: SingleFlight[None] = SingleFlight(clock)
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: a new lock; the measurement stays."""
        self._lock = threading.Lock()

    @property
    def offset_s(self) -> float:
        """Seconds that the venue's clock is ahead of our time of day; 0 before the first measurement."""
        return 0.0 if self._base_s is None else self.now() - self._clock.now()

    @property
    def known(self) -> bool:
        """Whether the venue's time was measured."""
        return self._base_s is not None

    @property
    def error_s(self) -> float:
        """How far ``now`` may be behind the venue's clock, in seconds: as long as the measurement took."""
        return self._rtt_s

    def now(self) -> float:
        """The venue's time of day, in seconds since the epoch; our own before the first measurement."""
        base_s = self._base_s
        return self._clock.now() if base_s is None else base_s + self._clock.monotonic()

    def now_ms(self) -> int:
        """The venue's time of day, in milliseconds since the epoch."""
        return int(self.now() * 1000)

    def ready(self, *, renew: bool) -> None:
        """Measures if not done yet, or if our clock was set or stood still since.

        Args:
            renew: Whether an old measurement is renewed now; otherwise that is done in the background.

        Raises:
            FmzError: The first measurement failed, as the request raised it.
        """
        if self._base_s is None:
            self._flight.run(self._measure_first)
        elif self._has_jumped():
            self._renew()
        elif self._clock.monotonic() >= self._renew_at:
            if renew:
                self._renew()
            else:
                self._postpone()  # the thread renews it; no other is started meanwhile
                self._in_background(self._renew)

    def _renew(self) -> None:
        try:
            self._flight.run(self._measure)
        except (NetworkError, VenueUnavailable, RateLimited):
            # The old measurement is still right unless the machine slept, and then too early: the venue refuses the time stamp.
            self._postpone()

    def _postpone(self) -> None:
        with self._lock:
            self._renew_at = self._clock.monotonic() + self._retry_s
            self._lead_s = self._lead()

    def _has_jumped(self) -> bool:
        """Whether the time of day has moved against the monotonic clock: it was set, or the machine slept."""
        return abs(self._lead() - self._lead_s) > _JUMP_S

    def _lead(self) -> float:
        """The time of day minus the monotonic clock; read again if this thread was held up in between."""
        for _ in range(10):
            before = self._clock.monotonic()
            lead_s = self._clock.now() - before
            if self._clock.monotonic() - before < _JUMP_S / 10:
                break
        return lead_s

    def prefetch(self) -> None:
        """Starts the first measurement in the background, so the first order need not wait."""
        if self._base_s is None:
            self._in_background(lambda: self.ready(renew=False))

    def _in_background(self, work: Callable[[], None]) -> None:
        def _quietly() -> None:
            try:
                work()
            except FmzError:
                pass  # the call that needs the time raises the error

        thread = threading.Thread(target=_quietly, name="server time", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no thread can be started: the call that needs the time measures it itself
            pass

    def measure(self) -> None:
        """Measures now, or waits for a running measurement.

        Raises:
            FmzError: The request failed.
        """
        self._flight.run(self._measure)

    def forget(self) -> None:
        """Makes the next signed call measure again (for example when the base URL changes)."""
        with self._lock:
            self._base_s = None
            self._generation += 1

    def _measure_first(self) -> None:
        if self._base_s is None:  # else another thread has measured since this one looked
            self._measure()

    def _measure(self) -> None:
        generation = self._generation
        lead_s = self._lead()  # before the request: a sleep during it is noticed too
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
                self._base_s, self._rtt_s = best.base_s, best.rtt_s
                self._lead_s = lead_s
                self._renew_at = self._clock.monotonic() + self._max_age_s
