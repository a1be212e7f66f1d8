"""Requests that the venue refused are blocked until its limit or ban ends."""

from __future__ import annotations

import pytest

from fmzthreads import errors
from fmzthreads.clock import ManualClock
from fmzthreads.venues.limits.doors import Doors
from tests.helpers.forked import in_fork, needs_fork


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


def test_a_longer_block_replaces_a_shorter_one_and_keeps_its_kind() -> None:
    clock = ManualClock(1000.0)
    doors = Doors("V", clock)
    doors.shut("orders", errors.RateLimited("short", retry_after_s=1))
    doors.shut("orders", errors.RateLimited("long", retry_after_s=5))
    clock.advance(2)
    with pytest.raises(errors.RateLimited, match="long") as caught:
        doors.check("orders")
    assert type(caught.value) is errors.RateLimited  # a limit, and no ban
    doors.open_all()
    doors.check("orders")
    assert not doors.are_shut


def test_a_refusal_that_does_not_say_for_how_long_blocks_nothing() -> None:
    doors = Doors("V", ManualClock(1000.0))
    doors.shut("orders", errors.RateLimited("now"))
    doors.check("orders")


@needs_fork
def test_a_forked_child_does_not_wait_for_the_parents_lock() -> None:
    doors = Doors("V", ManualClock(1000.0))
    doors.shut("", errors.Banned("out", retry_after_s=100))

    def child() -> str:
        try:
            doors.check()
        except errors.Banned as error:  # it is the same address
            return type(error).__name__
        return ""

    with doors._lock:  # as another thread of the parent may have it
        assert in_fork(child) == "Banned"
