"""The dead-man switch: the venue cancels all orders by itself if this process falls silent."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable

from ...errors import FmzError, GuardRefused, NotSupported, StopRequested
from ...fork import after_fork_in_child
from ..venue import Venue

__all__ = ["DeadManSwitch"]

_BEATS = 3  # how often the countdown is renewed while it runs: two may be lost
_LAST_S = 5.0
_ALL = "the whole account"


class _Beat:
    """What the thread waits for; it outlives the object."""

    def __init__(self) -> None:
        self.ended = threading.Event()


class DeadManSwitch:
    """Starts the venue's countdown before the first order of a symbol, and renews it until it is closed; thread-safe.

    Args:
        venue: The venue.
        timeout_s: The countdown, in seconds.
        tell: Called with one line when the countdown cannot be renewed, once until it can be again.

    Raises:
        NotSupported: The venue has none.
    """

    def __init__(self, venue: Venue, timeout_s: float, tell: Callable[[str], object]) -> None:
        if not venue.dead_man:
            raise NotSupported(
                f"{venue.name} has no dead-man switch: its orders stay open when a process falls silent; leave out dead_man_s"
            )
        self._venue = venue
        self.timeout_s = timeout_s
        self._tell = tell
        self._told = False
        self._symbols: set[str] = set()
        self._beat: _Beat | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._start_anew()
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: the parent renews its countdowns."""
        self._lock = threading.Lock()  # guards the fields above; held while a first countdown is started
        self._symbols = set()
        self._beat = self._thread = None

    def cover(self, symbol: str) -> None:
        """Starts the countdown of a symbol, before its first order; costs nothing for later ones.

        Raises:
            GuardRefused: It could not be started, so that no order may be sent.
        """
        if self._venue.dead_man == "account":
            symbol = _ALL
        if symbol in self._symbols:
            return
        with self._lock:
            if symbol in self._symbols:
                return
            try:
                self._venue.cancel_all_after(symbol, self.timeout_s)
            except StopRequested:
                raise
            except FmzError as error:
                raise GuardRefused(
                    f"the dead-man switch of {symbol} could not be set: {error}; nothing was sent", guard="dead_man_s"
                ) from error
            self._symbols.add(symbol)
            if self._beat is None:
                self._beat = _Beat()
                weakref.finalize(self, self._beat.ended.set)
                self._thread = threading.Thread(
                    target=_renew, args=(weakref.ref(self), self._beat, self.timeout_s / _BEATS), name="fmzthreads-dead-man", daemon=True
                )  # fmt: skip
                self._thread.start()

    def renew(self) -> None:
        """Restarts the countdowns; a failure is reported once."""
        for symbol in list(self._symbols):
            try:
                self._venue.cancel_all_after(symbol, self.timeout_s)
            except StopRequested:
                return
            except FmzError as error:
                if not self._told:
                    self._told = True
                    self._tell(
                        f"the dead-man switch of {symbol} could not be renewed; the venue cancels all orders unless it can be within "
                        f"{self.timeout_s:g} s: {error}"
                    )
                return
        self._told = False

    def close(self) -> None:
        """Ends the renewals and the countdowns: what is open stays open."""
        with self._lock:
            beat, self._beat = self._beat, None
            thread, self._thread = self._thread, None
            symbols, self._symbols = self._symbols, set()
        if beat is None:
            return
        beat.ended.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(_LAST_S)
        for symbol in symbols:
            try:
                self._venue.cancel_all_after(symbol, 0)
            except FmzError as error:
                self._tell(
                    f"the dead-man switch of {symbol} could not be turned off; its orders may be cancelled: {error}"
                )


def _renew(switch: weakref.ref[DeadManSwitch], beat: _Beat, pause_s: float) -> None:
    while not beat.ended.wait(pause_s):
        found = switch()
        if found is None:
            return
        found.renew()
        del found
