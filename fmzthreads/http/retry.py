"""Repeating a read that failed, within one deadline."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

import attrs
import tenacity

from ..clock import Clock
from ..deadline import Deadline
from ..errors import Banned, FmzError, NetworkError, RateLimited, VenueUnavailable

__all__ = ["RetryPolicy", "repeat"]

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """When and how often an idempotent call is repeated.

    Attributes:
        retries: The most repetitions; 0 for none.
        first_delay_s: The longest pause before the first of them; it doubles with each.
        longest_delay_s: Where the doubling ends.
        jitter: Gives a number from 0 to 1; each pause is between a half and the whole of its length, so that many threads that failed
            together do not come back together.
    """

    retries: int = attrs.field(default=3, validator=attrs.validators.ge(0))
    first_delay_s: float = attrs.field(default=0.1, validator=attrs.validators.ge(0))
    longest_delay_s: float = attrs.field(default=2.0, validator=attrs.validators.ge(0))
    jitter: Callable[[], float] = random.random

    def delay_s(self, error: BaseException, attempt: int, *, stale: bool = False) -> float | None:
        """Seconds to wait before the next attempt.

        Args:
            error: What the last attempt raised.
            attempt: Its number, from 1.
            stale: Whether it failed on a connection that was kept from an earlier call, which the peer had probably given up.

        Returns:
            None when it is not to be repeated.
        """
        if attempt > self.retries or isinstance(error, Banned):
            return None
        if not isinstance(error, (NetworkError, VenueUnavailable, RateLimited)):
            return None
        if stale and attempt == 1:
            return 0.0
        pause: float = min(self.longest_delay_s, self.first_delay_s * 2.0 ** min(attempt - 1, 30)) * (
            0.5 + self.jitter() / 2
        )
        if isinstance(error, RateLimited) and error.retry_after_s is not None:
            return max(pause, float(error.retry_after_s))
        return pause


def repeat(
    attempt: Callable[[], T],
    first_error: FmzError,
    *,
    policy: RetryPolicy,
    clock: Clock,
    deadline: Deadline,
    may_go_on: Callable[[], bool],
    was_stale: Callable[[BaseException], bool],
) -> T:
    """Goes on after a first attempt that failed.

    Args:
        attempt: Does it once.
        first_error: What the first attempt raised; it is raised again if that is not to be repeated.
        policy: When, and how often.
        clock: Sleeps between the attempts; its stop cuts that short.
        deadline: A pause that would reach beyond it is not begun.
        may_go_on: Asked before each repetition; False ends it (the client was closed).
        was_stale: Whether an error came from a connection that the peer had probably given up before.

    Raises:
        FmzError: What the last attempt raised.
        StopRequested: A stop was requested meanwhile.
    """
    pending: list[FmzError] = [first_error]
    pause = 0.0

    def _once() -> T:
        if pending:
            raise pending.pop()
        return attempt()

    def _again(state: tenacity.RetryCallState) -> bool:
        # The pause is fixed here rather than in ``wait``, because whether there is a next attempt depends on it.
        nonlocal pause
        error = state.outcome.exception() if state.outcome is not None else None
        if error is None or not may_go_on():
            return False
        delay = policy.delay_s(error, state.attempt_number, stale=was_stale(error))
        left = deadline.remaining()
        if delay is None or (left is not None and delay >= left):
            return False
        pause = delay
        return True

    machine = tenacity.Retrying(
        retry=_again, wait=lambda _state: pause, stop=tenacity.stop_never, sleep=clock.sleep, reraise=True
    )
    return machine(_once)
