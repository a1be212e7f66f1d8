"""When snapshots are taken: at stamps, late after jumps, and at the end."""

from collections.abc import Callable

import pytest

from fmzthreads.backtest.engine.snapshots import SnapshotStamps
from fmzthreads.backtest.engine.virtual_time import VirtualTime


class Stamps:
    """Stamps every 100 ms of a test of 1000 ms, with what was taken: (stamp, clock)."""

    def __init__(self, end_ms: int = 1000) -> None:
        self.time = VirtualTime(0, end_ms)
        self.taken: list[tuple[int, int]] = []
        self.on_take: Callable[[], None] = lambda: None
        self.stamps = SnapshotStamps(self.time, 100, self._take)

    def _take(self, stamp: int) -> None:
        self.taken.append((stamp, self.time.now_ms))
        self.on_take()


def test_a_sleep_stops_at_each_stamp() -> None:
    run = Stamps()
    run.stamps.pass_until(250)
    assert run.taken == [(0, 0), (100, 100), (200, 200)]
    assert run.stamps.next_ms == 300


def test_after_a_jump_the_first_stamp_is_late_and_those_in_between_are_lost() -> None:
    run = Stamps()
    run.stamps.pass_until(0)
    run.time.now_ms = 350
    run.stamps.pass_until(350)
    assert run.taken == [(0, 0), (100, 350)]
    assert run.stamps.next_ms == 400


def test_a_jump_to_a_stamp_takes_it_too() -> None:
    run = Stamps()
    run.stamps.pass_until(0)
    run.time.now_ms = 400
    run.stamps.pass_until(400)
    assert run.taken == [(0, 0), (100, 400), (400, 400)]


def test_the_end_takes_the_first_late_one_and_itself() -> None:
    run = Stamps()
    run.stamps.pass_until(650)
    run.taken.clear()
    run.time.now_ms = 1000  # a sleep beyond the end
    run.stamps.finish()
    assert run.taken == [(700, 1000), (1000, 1000)]


@pytest.mark.parametrize("end", [1000, 950])
def test_the_end_takes_all_that_lie_ahead(end: int) -> None:
    run = Stamps(end)
    run.stamps.pass_until(650)
    run.time.now_ms = 690
    run.taken.clear()
    run.stamps.finish()
    assert run.taken == [(700, 700), (800, 800), (900, 900), (end, end)]
    assert run.time.now_ms == end
    run.stamps.finish()
    assert len(run.taken) == 4


def test_an_end_that_was_reached_exactly_is_taken_once() -> None:
    run = Stamps()
    run.stamps.pass_until(1000)
    run.stamps.finish()
    assert [stamp for stamp, _ in run.taken] == list(range(0, 1001, 100))


def test_time_that_passes_at_a_stamp_moves_the_later_ones() -> None:
    run = Stamps()

    def wait() -> None:
        run.time.now_ms += 130

    run.on_take = wait
    run.stamps.pass_until(300)
    assert run.taken == [(0, 0), (100, 130), (200, 260), (300, 390)]
