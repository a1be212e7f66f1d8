"""Retries failed reads, within one deadline."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import attrs

from ..clock import Clock
from ..deadline import Deadline
from ..errors import Banned, ConnectFailed, FmzError, NetworkError, RateLimited, VenueUnavailable

if TYPE_CHECKING:
    from tenacity import RetryCallState

__all__ = ["RetryPolicy", "repeat"]

T = TypeVar("T")

_SHORTEST_ATTEMPT_S = 0.005  # no venue answers sooner


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """When and how often an idempotent call is retried.

    Attributes:
        retries: The maximum number of retries; 0 for none.
        first_delay_s: The longest pause before the first retry; it doubles with each retry.
        longest_delay_s: The upper limit of the pause.
        jitter: Returns a number from 0 to 1; each pause is between half and all of its length, so that threads that failed
            together do not retry together.
    """

    retries: int = attrs.field(default=3, validator=attrs.validators.ge(0))
    first_delay_s: float = attrs.field(default=0.1, validator=attrs.validators.ge(0))
    longest_delay_s: float = attrs.field(default=2.0, validator=attrs.validators.ge(0))
    jitter: Callable[[], float] = random.random

    def repeats(self, error: BaseException) -> bool:
        """Whether a read is retried after this error: network errors and overload, never a ban."""
        return isinstance(error, (NetworkError, VenueUnavailable, RateLimited)) and not isinstance(error, Banned)

    def pause_s(self, error: BaseException | None, attempt: int, *, stale: bool = False) -> float:
        """The seconds to wait before the next attempt.

        Args:
            error: What the last attempt raised.
            attempt: Its number, from 1.
            stale: Whether it failed on a kept connection, which the peer had probably closed.
        """
        if stale and attempt == 1:
            return 0.0
        longest: float = min(self.longest_delay_s, self.first_delay_s * 2.0 ** min(attempt - 1, 30))
        pause = longest * (0.5 + self.jitter() / 2)
        if isinstance(error, RateLimited) and error.retry_after_s is not None:
            return max(pause, float(error.retry_after_s))
        return pause


class _WaitByPolicy:
    """The wait by the policy and the venue's Retry-After."""

    def __init__(self, policy: RetryPolicy, was_stale: Callable[[BaseException], bool]) -> None:
        self._policy = policy
        self._was_stale = was_stale

    def __call__(self, retry_state: RetryCallState) -> float:
        error = _error_of(retry_state)
        stale = error is not None and self._was_stale(error)
        return self._policy.pause_s(error, retry_state.attempt_number, stale=stale)


class _StopBeforeDeadline:
    """Stops if the next pause would exceed the deadline."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline

    def __call__(self, retry_state: RetryCallState) -> bool:
        return _is_near(self._deadline, retry_state.upcoming_sleep)


class _StopWhen:
    """Stops when a function returns True."""

    def __init__(self, is_over: Callable[[], bool]) -> None:
        self._is_over = is_over

    def __call__(self, retry_state: RetryCallState) -> bool:
        return self._is_over()


def _is_near(deadline: Deadline, pause_s: float = 0.0) -> bool:
    """Whether too little time is left for an attempt after a pause."""
    left = deadline.remaining()
    return left is not None and left <= pause_s + _SHORTEST_ATTEMPT_S


def _error_of(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None


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
    """Retries after a first attempt that failed.

    Args:
        attempt: Makes one attempt.
        first_error: What the first attempt raised; raised again if it is not retried.
        policy: When, and how often.
        clock: Sleeps between the attempts; its stop cuts that short.
        deadline: A pause that would exceed it is not begun.
        may_go_on: Called before each retry; False ends the retries (the client was closed).
        was_stale: Whether an error came from a kept connection that the peer had probably closed.

    Raises:
        FmzError: What the last attempt raised.
        StopRequested: A stop was requested meanwhile.
    """
    last_error = first_error
    attempts = 0

    def _next() -> T:
        nonlocal last_error, attempts
        attempts += 1
        # The first attempt was made without tenacity, which most calls never need. And where a pause has left no time for another one,
        # what is raised is why the call has failed, not that there was no time.
        if attempts == 1 or _is_near(deadline):
            raise last_error
        try:
            return attempt()
        except FmzError as error:
            if not (isinstance(error, ConnectFailed) and _is_near(deadline)):
                last_error = error
            raise last_error from None

    import tenacity  # with asyncio it takes as long to load as half of this package, and most processes never need it

    stopping = (
        tenacity.stop_after_attempt(policy.retries + 1),
        _StopWhen(lambda: not may_go_on()),
        _StopBeforeDeadline(deadline),
    )
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(policy.repeats),
        wait=_WaitByPolicy(policy, was_stale),
        stop=lambda state: any(stops(state) for stops in stopping),
        sleep=clock.sleep,
        reraise=True,
    )
    return retrying(_next)
