"""Claims and buckets for tests of the limits."""

from __future__ import annotations

from collections.abc import Sequence

from fmzthreads.clock import Clock
from fmzthreads.venues.limits.limiter import Claim, Count
from fmzthreads.venues.limits.table import Bucket
from fmzthreads.venues.limits.windows import LimitWindow

__all__ = ["bucket", "claim"]


def bucket(*windows: LimitWindow, door: str = "", account: str = "") -> Bucket:
    return Bucket.of(account, door, windows)


def claim(
    clock: Clock,
    *counts: Count,
    patient: bool = True,
    longest_s: float = 0.0,
    ahead_s: float = 0.0,
    margin_s: float = 0.0,
) -> Claim:
    """A request; ``ahead_s`` is how far the venue's clock is ahead of ours."""
    given: Sequence[Count] = counts
    return Claim(
        counts=given,
        patient=patient,
        longest_s=longest_s,
        clock=clock,
        server_now=lambda: clock.now() + ahead_s,
        margin_s=margin_s,
    )
