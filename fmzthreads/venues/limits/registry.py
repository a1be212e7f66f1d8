"""One limiter for each address in a process."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from ...clock import Clock, WallClock
from ...errors import OperationFailed
from ...fork import after_fork_in_child
from ...home import data_folder
from .limiter import Limiter
from .shared_file import SharedFile

__all__ = ["SHARE_VARIABLE", "Limiters", "limiter_of"]

SHARE_VARIABLE = "FMZTHREADS_SHARE_LIMITS"
"""The environment variable that switches sharing off for all exchanges of a process, when it is ``0``."""


def _folder() -> Path | None:
    try:
        return data_folder() / "limits"
    except OperationFailed:  # the user has no home: this process counts alone
        return None


class Limiters:
    """The limiters of a process, by address; each lives as long as an exchange object uses it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards _known
        self._known: WeakValueDictionary[tuple[object, ...], Limiter] = WeakValueDictionary()
        after_fork_in_child(self._after_fork)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()

    def find(self, venue: str, base: str, proxy: str, clock: Clock, *, share: bool) -> Limiter:
        """The limiter of an address.

        Args:
            venue: The venue's name.
            base: The REST base URL; its host and port count.
            proxy: What requests go through, because the venue then sees another IP address; empty for none.
            clock: Our clock. Exchange objects with clocks of their own, such as in tests, share only with those of the same clock.
            share: Whether to count together with other processes of this user; only with a wall clock.
        """
        real = type(clock) is WallClock
        folder = _folder() if share and real and os.environ.get(SHARE_VARIABLE, "").strip() != "0" else None
        address = f"{venue}|{urlsplit(base).netloc.lower()}|{proxy}"
        key = (address, None if real else id(clock))
        with self._lock:
            found = self._known.get(key)
            if found is None:
                found = self._known[key] = Limiter(venue, clock)
            if folder is not None and not found.shared:
                name = hashlib.blake2b(address.encode(), digest_size=12).hexdigest()
                found.share(SharedFile(folder / f"{name}.limits"))
            return found


_LIMITERS = Limiters()


def limiter_of(venue: str, base: str, proxy: str, clock: Clock, *, share: bool) -> Limiter:
    """The limiter of an address in this process; see ``Limiters.find``."""
    return _LIMITERS.find(venue, base, proxy, clock, share=share)
