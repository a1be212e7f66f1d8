"""Delays after wrong passwords, by address and by name."""

from __future__ import annotations

import threading

import attrs

from ...clock import Clock, WallClock

__all__ = ["LoginThrottle"]

_FREE = 3
_LONGEST_ADDRESS_S, _LONGEST_NAME_S = 900.0, 60.0
_FORGOTTEN_S = 3600.0
_MOST_KEYS = 10_000


@attrs.define
class _Failures:
    count: int = 0
    last_s: float = 0.0


class LoginThrottle:
    """Counts failed logins and says how long the next one has to wait.

    Three are free; then the delay doubles from one second on, up to 15 minutes for an address. For a name it ends at a minute, so that
    strangers who try one cannot lock its owner out for longer. A try counts from its beginning: tries that are made side by side cannot
    share one delay.

    Args:
        clock: Tells the time that has passed.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or WallClock()
        self._lock = threading.Lock()  # guards _failures
        self._failures: dict[tuple[str, str], _Failures] = {}

    def begin(self, address: str, name: str) -> float:
        """Begins a try, or says how long it has to wait.

        Returns:
            0.0 when the password may be checked now: then call ``succeeded`` if it is right. Else seconds, and nothing is counted.
        """
        now = self._clock.monotonic()
        with self._lock:
            self._forget(now)
            both = [
                (self._failures.setdefault(("address", address), _Failures()), _LONGEST_ADDRESS_S),
                (self._failures.setdefault(("name", name[:100]), _Failures()), _LONGEST_NAME_S),
            ]
            wait = max(_delay(one.count, most) - (now - one.last_s) for one, most in both)
            if wait > 0:
                return wait
            for one, _ in both:
                one.count += 1
                one.last_s = now
            return 0.0

    def succeeded(self, address: str, name: str) -> None:
        """Forgets the failures of an address and a name."""
        with self._lock:
            self._failures.pop(("address", address), None)
            self._failures.pop(("name", name[:100]), None)

    def _forget(self, now: float) -> None:
        """Drops what is old; when too many are left, the oldest."""
        if len(self._failures) < _MOST_KEYS:
            return
        kept = sorted(self._failures.items(), key=lambda item: item[1].last_s)
        kept = [item for item in kept if now - item[1].last_s < _FORGOTTEN_S][-_MOST_KEYS // 2 :]
        self._failures = dict(kept)


def _delay(count: int, most: float) -> float:
    return 0.0 if count < _FREE else min(2.0 ** min(count - _FREE, 20), most)
