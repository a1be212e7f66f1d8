"""Never more than allowed in any window as the venue sees it, with replies that are late, lost and out of order."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter

from hypothesis import example, given
from hypothesis import strategies as st

from fmzthreads.clock import ManualClock
from fmzthreads.errors import RateLimited
from fmzthreads.http.reply import Headers
from fmzthreads.venues.limits.limiter import Limiter, Ticket
from fmzthreads.venues.limits.windows import CELLS, AlignedWindow, LimitWindow, Moment, SlidingWindow
from tests.venues.limits.helpers import bucket, claim

calls = st.lists(
    st.tuples(
        st.floats(0, 1.5),  # pause before the call
        st.integers(1, 4),  # its weight
        st.floats(0, 1.2),  # how long it travels to the venue
        st.floats(0, 3.0),  # and how long its reply travels back
        st.booleans(),  # whether the reply arrives at all
    ),
    max_size=60,
)


class Venue:
    """Counts what arrives, in the windows of its own clock."""

    def __init__(self, length_s: float, ahead_s: float, sliding: bool) -> None:
        self.length_s, self.ahead_s, self.sliding = length_s, ahead_s, sliding
        self.arrived: list[tuple[float, int]] = []
        self.counts: Counter[int] = Counter()

    def arrive(self, at: float, weight: int) -> int:
        self.arrived.append((at, weight))
        window = int((at + self.ahead_s) // self.length_s)
        self.counts[window] += weight
        return self.counts[window]

    def most(self) -> int:
        if not self.sliding:
            return max(self.counts.values(), default=0)
        ends = [at for at, _ in self.arrived]
        return max((sum(w for at, w in self.arrived if end - self.length_s < at <= end) for end in ends), default=0)


def play(
    window: LimitWindow, venue: Venue, wanted: list[tuple[float, int, float, float, bool]], *margins_s: float
) -> None:
    """Sends calls whenever the limiter lets them; arrivals and replies are events of a manual clock.

    The calls have the margins in turn, as those of several exchange objects.
    """
    clock, margins = ManualClock(1000.0), itertools.cycle(margins_s)
    limiter, one = Limiter("V", clock), bucket(window)
    events: list[tuple[float, int, str, int, Ticket]] = []
    delays: dict[int, tuple[float, bool]] = {}
    number = 0

    def until(moment: float) -> None:
        while events and events[0][0] <= moment:
            at, which, what, value, ticket = heapq.heappop(events)
            clock.advance(max(0.0, at - clock.now()))
            if what == "arrives":
                count = venue.arrive(clock.now(), value)
                back, replied = delays[which]
                heapq.heappush(events, (clock.now() + back, which, "reply" if replied else "lost", count, ticket))
            elif what == "reply":
                limiter.leave(ticket, headers=Headers({"used": str(value)}.items()))
            else:
                limiter.leave(ticket)
        clock.advance(max(0.0, moment - clock.now()))

    for pause, weight, there, back, replied in wanted:
        until(clock.now() + pause)
        try:
            ticket = limiter.enter(claim(clock, (one, (weight,)), ahead_s=0.1, margin_s=next(margins)))
        except RateLimited:
            continue
        number += 1
        delays[number] = (back, replied)
        heapq.heappush(events, (clock.now() + there, number, "arrives", weight, ticket))
    until(clock.now() + 20)
    assert venue.most() <= window.limit


@given(wanted=calls, limit=st.integers(4, 12), error_s=st.floats(-0.04, 0.04))
@example(
    wanted=[(1.84375, 3, 1.0, 0.0, False), (0.125, 1, 0.0, 0.0, False), (0.0, 1, 0.0, 0.0, False)],
    limit=4,
    error_s=0.0,
)
def test_aligned_windows_are_never_exceeded(
    wanted: list[tuple[float, int, float, float, bool]], limit: int, error_s: float
) -> None:
    """The venue's clock is wrongly estimated, by less than the margin."""
    window = AlignedWindow("weight", limit, 2.0, header="used", share=1.0)
    play(window, Venue(2.0, 0.1 + error_s, sliding=False), wanted, 0.05)


@given(
    wanted=calls,
    limit=st.integers(4, 12),
    margins_s=st.lists(st.sampled_from([0.05, 0.3, 0.5]), min_size=2, max_size=5),
)
def test_aligned_windows_are_never_exceeded_with_margins_of_several_objects(
    wanted: list[tuple[float, int, float, float, bool]], limit: int, margins_s: list[float]
) -> None:
    window = AlignedWindow("weight", limit, 2.0, header="used", share=1.0)
    play(window, Venue(2.0, 0.1, sliding=False), wanted, *margins_s)


@given(wanted=calls, limit=st.integers(4, 12))
def test_no_stretch_of_a_sliding_window_is_exceeded(
    wanted: list[tuple[float, int, float, float, bool]], limit: int
) -> None:
    play(SlidingWindow("calls", limit, 2.0), Venue(2.0, 0.0, sliding=True), wanted, 0.0)


def moment(seconds: float, margin_s: float = 0.0) -> Moment:
    return Moment(seconds, seconds, margin_s)


def cells() -> list[int]:
    return [0] * CELLS


def test_the_largest_count_of_a_window_holds() -> None:
    window, found = AlignedWindow("weight", 600, 60, header="used"), cells()
    mark = window.charge(found, 5, moment(10))
    window.heard(found, 500, mark)
    window.heard(found, 250, mark)
    assert window.used(found, 0) == 500
    window.charge(found, 5, moment(11))
    assert window.used(found, 0) == 505  # what others used, and what is ours
    assert window.used(found, 1) == 0


def test_a_count_that_may_be_of_either_window_is_not_taken() -> None:
    window, found = AlignedWindow("weight", 600, 60, header="used"), cells()
    mark = window.charge(found, 5, moment(59.9))
    mark = window.extend(found, 5, mark, moment(60.1))
    window.heard(found, 500, mark)
    assert (window.used(found, 0), window.used(found, 1)) == (5, 5)


def test_near_a_boundary_both_windows_are_charged() -> None:
    window, found = AlignedWindow("weight", 10, 60, share=1.0), cells()
    window.charge(found, 10, moment(30))
    assert window.wait_s(found, 1, moment(59.9, 0.25), patient=False) > 0.3
    assert window.wait_s(found, 1, moment(60.1, 0.25), patient=False) > 0.1
    assert window.wait_s(found, 1, moment(60.3, 0.25), patient=False) == 0


def test_patient_requests_leave_a_part_to_orders() -> None:
    window, found = AlignedWindow("weight", 100, 60), cells()
    window.charge(found, 95, moment(1))
    assert window.wait_s(found, 1, moment(1), patient=True) > 58
    assert window.wait_s(found, 5, moment(1), patient=False) == 0
    assert window.wait_s(found, 6, moment(1), patient=False) > 58
    assert window.wait_s(cells(), 101, moment(1), patient=False) == float("inf")
    assert window.wait_s(cells(), 100, moment(1), patient=True) == 0  # alone in its window


def test_a_slow_call_counts_until_a_window_after_its_reply() -> None:
    window, found = SlidingWindow("calls", 1, 2.0), cells()
    mark = window.charge(found, 1, moment(100))
    mark = window.extend(found, 1, mark, moment(103.01))
    assert window.wait_s(found, 1, moment(104.9), patient=True) > 0
    assert window.wait_s(found, 1, moment(105.07), patient=True) == 0
    window.refund(found, 1, mark)
    assert window.wait_s(found, 1, moment(103.02), patient=True) == 0


def test_cells_left_by_other_times_count_nothing() -> None:
    """Damage, another start of the machine, a clock that was set: only the cells of the present windows count."""
    window, found = SlidingWindow("calls", 3, 2.0), [2**64 - 1] * CELLS
    assert window.wait_s(found, 1, moment(100), patient=True) == 0
    aligned = AlignedWindow("weight", 3, 60)
    assert aligned.wait_s(found, 1, moment(100), patient=True) == 0
    aligned.charge(found, 1, moment(1_770_000_000))
    assert all(0 <= cell < 2**64 for cell in found)


def test_a_moment_that_is_late_sees_what_others_have_counted_since() -> None:
    """A thread or process that was held up after it read the clock."""
    window, cells = SlidingWindow("calls", 10, 2.0), [0] * CELLS
    late = Moment(100.0, 0.0, 0.0)
    window.charge(cells, 10, Moment(100.3, 0.0, 0.0))
    assert window.wait_s(cells, 1, late, patient=True) > 0
    mark = window.charge([0] * CELLS, 1, Moment(100.3, 0.0, 0.0))
    assert window.extend(cells, 1, mark, late) == mark
