"""Requests that the venue refused are blocked until its limit or ban ends."""

from __future__ import annotations

import pytest

from fmzthreads import errors
from fmzthreads.clock import ManualClock
from fmzthreads.venues.limits.doors import Doors


def test_a_shut_door_says_until_when_and_opens_by_itself() -> None:
    clock = ManualClock(1000.0)
    doors = Doors("V", clock)
    doors.check("orders")
    doors.shut("orders", errors.RateLimited("slow down", retry_after_s=5, code="-1015"))
    doors.check("reads")
    with pytest.raises(
        errors.RateLimited, match=r"until 00:16:45 UTC \(5\.0 s from now\); nothing was sent; its reply was: slow down"
    ) as caught:
        doors.check("orders")
    assert (caught.value.retry_after_s, caught.value.code) == (5.0, "-1015")
    doors.shut("orders", errors.RateLimited("shorter", retry_after_s=1))
    clock.advance(4)
    with pytest.raises(errors.RateLimited):
        doors.check("orders")
    clock.advance(1)
    doors.check("orders")
    doors.shut("", errors.Banned("out", retry_after_s=100))
    with pytest.raises(errors.Banned):
        doors.check()
    clock.advance(100)
    doors.check()
