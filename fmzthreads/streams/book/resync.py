"""How often and how soon a feed asks for a new snapshot when its book is broken."""

from __future__ import annotations

import random
from collections.abc import Callable

import attrs

__all__ = ["ResyncPlan"]


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
