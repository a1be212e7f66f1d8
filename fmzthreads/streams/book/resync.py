"""How often and how soon a feed asks for a new snapshot when its book is broken: the plan, and where a feed stands in it."""

from __future__ import annotations

import random
from collections.abc import Callable

import attrs

__all__ = ["ResyncAttempts", "ResyncPlan"]


@attrs.frozen(kw_only=True)
class ResyncPlan:
    """How a feed restores a broken book.

    Attributes:
        attempts: Attempts on one connection; after them the feed reconnects.
        pause_s: The pause after the first attempt; it doubles with each further one.
        longest_pause_s: The upper limit of the pause.
        answer_s: How long to wait for the stream's own snapshot, or for its confirmation of the subscription.
        calm_s: A book that was live for this long starts with the first pause again; one that breaks sooner goes on doubling, so that a
            permanently faulty stream does not use up the venue's limits.
        quiet_s: A book that nothing has confirmed for this long, while the connection brings other messages, is reconnected: its part
            of the stream may have ended unnoticed.
        jitter: Returns a number from 0 to 1; each pause lasts between half and all of its length.
    """

    attempts: int = attrs.field(default=5, validator=attrs.validators.ge(1))
    pause_s: float = attrs.field(default=0.5, validator=attrs.validators.gt(0))
    longest_pause_s: float = attrs.field(default=30.0, validator=attrs.validators.gt(0))
    answer_s: float = attrs.field(default=5.0, validator=attrs.validators.gt(0))
    calm_s: float = attrs.field(default=10.0, validator=attrs.validators.ge(0))
    quiet_s: float = attrs.field(default=300.0, validator=attrs.validators.gt(0))
    jitter: Callable[[], float] = random.random

    def pause(self, attempt: int) -> float:
        """The longest pause after attempt number ``attempt`` (from 1), in seconds."""
        return min(self.pause_s * 2.0 ** min(attempt - 1, 60), self.longest_pause_s)


class ResyncAttempts:
    """Counts a feed's attempts to restore its book, and tells when the next one may be made.

    Belongs to the feed's thread.

    Attributes:
        plan: The plan.
        round: Attempts on this connection.
        in_a_row: Attempts since the book was calm; the pauses grow with them.
        paused: Whether a pause was made before this connection.
        due: When the next attempt may be made, in seconds of the monotonic clock.
        live_since: Since when the book has been live; None while it is not.
    """

    def __init__(self, plan: ResyncPlan) -> None:
        self.plan = plan
        self.round = 0
        self.in_a_row = 0
        self.paused = False
        self.due = 0.0
        self.live_since: float | None = None

    def connected(self, now: float) -> None:
        """Starts over after a connect: the subscription was sent, but not confirmed."""
        self.round = 0
        self.due = now + self.plan.answer_s

    def confirmed(self, now: float) -> None:
        """Sets when to ask for the first snapshot, since the venue has confirmed the subscription."""
        self.due = now + (0.0 if self.paused else self.pause_s())
        self.paused = False

    def refused(self, now: float) -> None:
        """Ends the attempts on this connection: another one would not help."""
        self.round = self.plan.attempts
        self.due = now

    def began(self) -> None:
        """Counts an attempt."""
        self.round += 1
        self.in_a_row += 1

    def lives(self, now: float) -> bool:
        """Notes that the book is live; True if it has just become so."""
        if self.live_since is None:
            self.live_since = now
            self.round = 0
            return True
        if self.in_a_row and self.is_calm(now):
            self.in_a_row = 0
        return False

    def is_calm(self, now: float) -> bool:
        """Whether the book has been live for long enough to start with the first pause again."""
        return self.live_since is not None and now - self.live_since >= self.plan.calm_s

    def ended(self, now: float) -> None:
        """Notes that the book is live no longer."""
        if self.is_calm(now):
            self.in_a_row = 0
        self.live_since = None

    def pause_s(self) -> float:
        """The pause before the next attempt, in seconds; 0 before the first one of a calm book."""
        if not self.in_a_row:
            return 0.0
        return self.plan.pause(self.in_a_row) * (0.5 + self.plan.jitter() / 2)
