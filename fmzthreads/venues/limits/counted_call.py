"""One call, counted towards the venue's limits before each of its attempts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from ...clock import Clock
from ...deadline import Deadline
from ...errors import FmzError, RateLimited
from ...http.reply import Headers, Reply
from ..rest.ask import Ask
from .limiter import Claim, Count, Limiter, Ticket
from .table import Bucket

__all__ = ["CountedCall", "NoLimits", "VenueLimits"]

_ORDER_WAIT_S = 1.0  # an order's price is meant for now: a later turn is refused, so that the caller decides again
_CALL_S = 1.0  # kept of the time-out for the call itself
_MARGIN_S = 0.25  # besides the time that the measurement of the venue's clock took
_UNMEASURED_MARGIN_S = 1.0
_LONGEST_TURN_S = 30.0
_STOP_LOOK_S = 0.05  # a lock cannot be waited for together with a stop


class VenueLimits(Protocol):
    """The limits of one account at a venue: what each request counts towards."""

    def counts(self, ask: Ask) -> Sequence[Count]:
        """The buckets of a request with its amounts; the first is that of the address, whose door is empty."""

    def turn(self, ask: Ask) -> threading.Lock | None:
        """A lock to hold from the signature of a request to its reply; None where requests may overtake each other."""

    def refund(self, ask: Ask, counts: Sequence[Count], error: FmzError | None) -> Sequence[tuple[int, ...]] | None:
        """What the venue did not count of a request after all.

        Args:
            ask: The request.
            counts: What it was counted as.
            error: The venue's refusal; None for success.

        Returns:
            The amounts for each bucket of ``counts``; None for nothing.
        """


class NoLimits:
    """Limits that are not known; refused requests block the address until the venue accepts them again."""

    def __init__(self) -> None:
        self._address = Bucket.of("", "", ())

    def counts(self, ask: Ask) -> Sequence[Count]:
        """The address alone, which can be blocked."""
        return ((self._address, ()),)

    def turn(self, ask: Ask) -> threading.Lock | None:
        """None: requests may overtake each other."""
        return None

    def refund(self, ask: Ask, counts: Sequence[Count], error: FmzError | None) -> None:
        """Nothing: nothing was counted."""


class CountedCall:
    """Counts the attempts of one call; used by one thread.

    Args:
        limiter: Counts.
        limits: What the call counts towards.
        ask: Its request.
        clock: Measures its time-out and waits.
        timeout_s: Its time-out, from now.
        server_now: The venue's time of day, in seconds since the epoch.
        measured: Whether that was measured.
        error_s: How wrong the measurement may be, in seconds.
    """

    __slots__ = ("_ask", "_clock", "_deadline", "_limiter", "_limits", "_margin_s", "_server_now", "_ticket", "_turn")

    def __init__(
        self,
        limiter: Limiter,
        limits: VenueLimits,
        ask: Ask,
        *,
        clock: Clock,
        timeout_s: float,
        server_now: Callable[[], float],
        measured: bool,
        error_s: float = 0.0,
    ) -> None:
        self._limiter = limiter
        self._limits = limits
        self._ask = ask
        self._clock = clock
        self._deadline = Deadline(clock, timeout_s)
        self._server_now = server_now
        self._margin_s = _MARGIN_S + error_s if measured else _UNMEASURED_MARGIN_S
        self._ticket: Ticket | None = None
        self._turn: threading.Lock | None = None  # held

    def begin(self) -> None:
        """Counts an attempt that is about to be sent; waits for its turn.

        A read waits for as long as its time-out allows, anything else for a second at most.

        Raises:
            RateLimited: Its turn is later than that, or the venue has refused such requests; nothing was sent.
            StopRequested: A stop was requested during the wait.
        """
        self.end()
        left_s = self._deadline.remaining() or 0.0
        longest_s = left_s - min(_CALL_S, left_s / 2)
        ask = self._ask
        if not ask.patient:
            longest_s = min(longest_s, _ORDER_WAIT_S)
        self._take_turn(ask)
        self._ticket = self._limiter.enter(
            Claim(
                counts=self._limits.counts(ask),
                patient=ask.patient,
                longest_s=longest_s,
                clock=self._clock,
                server_now=self._server_now,
                margin_s=self._margin_s,
            )
        )

    def _take_turn(self, ask: Ask) -> None:
        turn = self._limits.turn(ask)
        if turn is None:
            return
        for _ in range(int(_LONGEST_TURN_S / _STOP_LOOK_S)):
            self._clock.stop.check()
            if turn.acquire(timeout=_STOP_LOOK_S):
                self._turn = turn
                return
        raise RateLimited(
            f"this venue takes signed calls one at a time, and those before took {_LONGEST_TURN_S:g} s; nothing was sent"
        )

    def heard(self, reply: Reply, error: FmzError | None) -> None:
        """Takes what a reply says about the limits; ``error`` is the venue's refusal, None for success."""
        if self._ticket is not None:
            self._end(reply.headers, self._limits.refund(self._ask, self._ticket.claim.counts, error))

    def blocked(self, door: str, error: RateLimited) -> None:
        """Blocks requests of a group, which the venue has refused."""
        if self._ticket is not None:
            self._limiter.block(self._ticket.claim, door, error)

    def end(self) -> None:
        """Ends an attempt without a reply, which may have been counted; does nothing after ``heard``."""
        self._end(None, None)

    def _end(self, headers: Headers | None, refund: Sequence[tuple[int, ...]] | None) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.release()
        ticket, self._ticket = self._ticket, None
        if ticket is not None:
            self._limiter.leave(ticket, headers=headers, refund=refund)
