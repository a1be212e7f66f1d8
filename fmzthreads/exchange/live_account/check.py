"""Compares a live account with REST from time to time: no user stream numbers its messages, so that nothing else shows that one was lost."""

from __future__ import annotations

import threading
from collections.abc import Callable

import attrs

from ...clock import Clock, Signal
from ...errors import FmzError, StopRequested, short_repr
from .rest_state import RestReader
from .source import AccountSource
from .view import AccountView

__all__ = ["AccountCheck", "CheckTimes"]


@attrs.frozen(kw_only=True)
class CheckTimes:
    """When a live account is compared with REST.

    Attributes:
        every_s: The time between two comparisons, in seconds.
        settle_s: How long the stream has to tell what REST has told, in seconds; what changed so short before REST was asked is left to the next
            comparison, since REST may be behind the stream, too.
    """

    every_s: float = 60.0
    settle_s: float = 5.0


class AccountCheck:
    """The comparisons of one connection, in a thread of their own, so that messages do not wait for REST.

    Args:
        source: The venue's stream.
        view: The state.
        clock: Measures the waits.
        times: When it compares.
        since_ms: Returns the venue's time from which on fills are compared.
        on_agreed: Called with the venue's time at which nothing was missing.
        on_lost: Called once when something is missing; no further comparison follows.

    Attributes:
        missing: What the stream did not tell; empty while nothing was seen to be missing.
    """

    def __init__(
        self,
        source: AccountSource,
        view: AccountView,
        clock: Clock,
        times: CheckTimes,
        *,
        since_ms: Callable[[], int],
        on_agreed: Callable[[int], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._view, self._clock, self._times = view, clock, times
        self._since_ms, self._on_agreed, self._on_lost = since_ms, on_agreed, on_lost
        self.missing = ""
        self._ended = Signal()
        self._rest = RestReader(source, clock, self._ended)
        self._thread = threading.Thread(target=clock.stop.carry(self._run), name=f"{source.name} check", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def end(self) -> None:
        """Ends the comparisons; one that waits for REST has no consequences any more."""
        self._ended.set()

    def join(self, timeout_s: float) -> None:
        """Waits for the thread to end, for at most so many seconds."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            while not self._clock.wait((self._ended,), self._times.every_s):
                try:
                    why = self._compare()
                except FmzError:  # REST cannot be asked now; the next comparison covers this time, too
                    continue
                if why:
                    self._lose(why)
                    return
        except StopRequested:
            pass  # the strategy is being stopped
        except Exception as error:  # a bug in a source or here: the account catches up, and the line says so
            self._lose(f"the comparison with REST failed: {short_repr(error)}")

    def _lose(self, why: str) -> None:
        self.missing = why
        self._on_lost()

    def _compare(self) -> str:
        """Asks REST, and returns what the stream has not told by the end of the time that it has for it."""
        view, rest = self._view, self._rest
        quiet_since = self._clock.monotonic() - self._times.settle_s
        moment_ms, noted, before = rest.now_ms(), view.expected(), view.open_ids()
        state = rest.state([order for order in before if not order.get("ChildId")], self._since_ms())
        fills = rest.fills_since(self._since_ms(), view.symbols())
        if self._clock.wait((self._ended,), self._times.settle_s):
            return ""
        missing = view.missing(state.orders, state.snapshot.positions, fills, quiet_since)
        if missing:
            return f"the stream did not tell of {missing}"
        view.renounce(noted)
        self._on_agreed(moment_ms)
        return ""
