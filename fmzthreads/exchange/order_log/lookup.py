"""How the state of something at a venue is asked until it is certain: a bounded number of times, past its settling time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import attrs

from ...clock import Clock
from ...deadline import Deadline
from ...errors import AuthenticationFailed, FmzError, NotSupported, StopRequested

__all__ = ["LookupPlan", "NoAnswer", "look_up"]

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class LookupPlan:
    """How an unknown outcome is looked up.

    Attributes:
        attempts: The most queries.
        first_pause_s: Seconds before the second query; the pause doubles each time.
        longest_pause_s: The longest pause between two queries, in seconds.
        timeout_s: Seconds after which no further query is sent.
    """

    attempts: int = 8
    first_pause_s: float = 0.1
    longest_pause_s: float = 2.0
    timeout_s: float = 15.0


class NoAnswer(Exception):
    """The queries did not tell.

    Args:
        attempts: How many were made.
        last: The error of the last one; None if the venue said "not there" too early to be believed.
    """

    def __init__(self, attempts: int, last: FmzError | None) -> None:
        super().__init__(attempts, last)
        self.attempts = attempts
        self.last = last


def look_up(
    query: Callable[[], T | None], clock: Clock, plan: LookupPlan, settling_s: float, gone_s: float = 0.0
) -> T | None:
    """Asks until the answer is certain.

    Args:
        query: Asks once; returns what it found, or None for "not there", which is believed only after the settling time.
        clock: Waits and measures.
        plan: How often and how long to query.
        settling_s: The settling time, in seconds.
        gone_s: How much of it has passed.

    Returns:
        What was found; None if it is not there.

    Raises:
        NoAnswer: The queries failed, or ended before the settling time.
        StopRequested: The strategy is being stopped.
    """
    left_s = max(0.0, settling_s - gone_s)
    settling = Deadline(clock, left_s)
    deadline = Deadline(clock, max(plan.timeout_s, left_s + 0.01))
    pause_s = plan.first_pause_s
    last: FmzError | None = None
    attempt = 0
    while attempt < plan.attempts:
        settled = settling.expired  # before the query: a reply formed earlier proves nothing
        attempt += 1
        try:
            found = query()
            if found is not None or settled:
                return found
            last = None
        except StopRequested:
            raise
        except (NotSupported, AuthenticationFailed) as error:
            last = error
            break
        except FmzError as error:
            last = error
        if deadline.expired or attempt == plan.attempts:
            break
        # The last query waits until the settling time has passed (and a little more); an earlier one could not be believed.
        wait_s = pause_s if attempt < plan.attempts - 1 else max(pause_s, (settling.remaining() or 0.0) + 0.001)
        clock.sleep(deadline.sooner(wait_s) or 0.0)
        pause_s = min(pause_s * 2, plan.longest_pause_s)
    raise NoAnswer(attempt, last)
