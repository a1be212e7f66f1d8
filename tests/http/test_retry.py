"""What a repeated call raises in the end."""

from __future__ import annotations

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.deadline import Deadline
from fmzthreads.errors import ConnectFailed, ConnectionLost, FmzError, TimedOut
from fmzthreads.http.retry import RetryPolicy, repeat


class _LateClock(ManualClock):
    """A clock of a busy machine: each sleep lasts for as long as it should, and a minute more."""

    def sleep(self, seconds: float) -> None:
        self.advance(seconds + 60)


def test_a_pause_that_outlasts_the_deadline_leaves_the_error_before_it() -> None:
    clock = _LateClock()
    deadline = Deadline(clock, 100.0)
    errors: list[FmzError] = [ConnectionLost("the second attempt"), TimedOut("the third attempt")]
    made = []

    def attempt() -> None:
        made.append(errors.pop(0))
        raise made[-1]

    with pytest.raises(ConnectionLost, match="the second attempt"):
        repeat(
            attempt,
            TimedOut("the first attempt"),
            policy=RetryPolicy(retries=5),
            clock=clock,
            deadline=deadline,
            may_go_on=lambda: True,
            was_stale=lambda error: False,
        )
    assert len(made) == 1, "no attempt is made after the deadline"


def test_no_time_for_another_connection_is_not_what_is_raised() -> None:
    clock = ManualClock()
    deadline = Deadline(clock, 100.0)

    def attempt() -> None:
        clock.advance(100)
        raise ConnectFailed("no time to connect")

    with pytest.raises(TimedOut, match="the first attempt"):
        repeat(
            attempt,
            TimedOut("the first attempt"),
            policy=RetryPolicy(retries=5, first_delay_s=0.0),
            clock=clock,
            deadline=deadline,
            may_go_on=lambda: True,
            was_stale=lambda error: False,
        )
