"""Who may send now, who waits, and who is refused; races repeated."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from fmzthreads import errors
from fmzthreads.clock import ManualClock
from fmzthreads.venues.limits.limiter import Claim, Limiter, Ticket
from fmzthreads.venues.limits.windows import AlignedWindow, Moment, SlidingWindow
from tests.helpers.forked import in_fork, needs_fork
from tests.venues.limits.helpers import bucket, claim

PATIENCE_S = 30


def once(limiter: Limiter, asked: Claim) -> Ticket:
    """A request whose reply arrives at once."""
    ticket = limiter.enter(asked)
    limiter.leave(ticket)
    return ticket


def waiting(work: Callable[[], Ticket], clock: ManualClock, sleepers: int) -> tuple[threading.Thread, list[object]]:
    """A thread that waits in line."""
    found: list[object] = []

    def _run() -> None:
        try:
            found.append(work())
        except BaseException as error:  # handed to the test
            found.append(error)

    thread = threading.Thread(target=_run, daemon=True)
    thread.start()
    assert clock.wait_for_sleepers(sleepers)
    return thread, found


def test_orders_go_before_reads_that_wait_longer() -> None:
    clock = ManualClock(100.0)
    limiter, one = Limiter("V", clock), bucket(AlignedWindow("weight", 2, 10, share=1.0))
    order: list[str] = []

    def enter(name: str, *, patient: bool) -> Callable[[], Ticket]:
        def _enter() -> Ticket:
            ticket = once(limiter, claim(clock, (one, (1,)), patient=patient, longest_s=60))
            order.append(name)
            return ticket

        return _enter

    for _ in range(2):
        once(limiter, claim(clock, (one, (1,))))
    threads = []
    for number, (name, patient) in enumerate([("read 1", True), ("read 2", True), ("order", False)]):
        threads.append(waiting(enter(name, patient=patient), clock, number + 1)[0])
    clock.advance(10.01)
    assert clock.wait_for_sleepers(1)  # one read is left
    for thread in (threads[0], threads[2]):
        thread.join(PATIENCE_S)
    assert sorted(order) == ["order", "read 1"]
    clock.advance(10)
    threads[1].join(PATIENCE_S)
    assert order[2:] == ["read 2"]


def test_who_arrives_takes_no_turn_of_those_in_line() -> None:
    """The turn of an order has come, but its thread does not run yet."""
    clock = ManualClock(100.0)
    limiter, one = Limiter("V", clock), bucket(AlignedWindow("weight", 1, 10, share=1.0))
    first = claim(clock, (one, (1,)), patient=False, longest_s=60)
    with limiter._lock:
        waiter = limiter._queue(first, clock.monotonic(), first.moment())
    with pytest.raises(errors.RateLimited):
        limiter.enter(claim(clock, (one, (1,)), patient=False))
    assert waiter.ticket is not None
    assert waiter.signal.is_set()
    assert limiter._line == []


def test_a_heavy_read_does_not_hold_up_light_ones_and_is_first_in_the_next_window() -> None:
    clock = ManualClock(100.0)
    limiter, one = Limiter("V", clock), bucket(AlignedWindow("weight", 10, 10, share=1.0))
    once(limiter, claim(clock, (one, (5,))))
    heavy, found = waiting(lambda: once(limiter, claim(clock, (one, (8,)), longest_s=60)), clock, 1)
    for _ in range(5):
        once(limiter, claim(clock, (one, (1,))))
    light, later = waiting(lambda: once(limiter, claim(clock, (one, (3,)), longest_s=60)), clock, 2)
    clock.advance(10.01)
    heavy.join(PATIENCE_S)
    assert isinstance(found[0], Ticket)
    assert found[0].waited_s == pytest.approx(10.01)
    assert not later
    assert clock.wait_for_sleepers(1, PATIENCE_S)  # the light one, once more
    clock.advance(10)
    light.join(PATIENCE_S)
    assert isinstance(later[0], Ticket)


def test_a_call_that_may_not_wait_so_long_is_refused_and_counts_nothing() -> None:
    clock = ManualClock(102.0)
    limiter, one = Limiter("V", clock), bucket(AlignedWindow("orders", 1, 10))
    once(limiter, claim(clock, (one, (1,)), patient=False))
    for _ in range(100):
        with pytest.raises(
            errors.RateLimited, match=r"orders at V to 2 of 1 in 10 s; nothing was sent, .* in 8\.0 s"
        ) as caught:
            once(limiter, claim(clock, (one, (1,)), patient=False, longest_s=1))
        assert caught.value.retry_after_s == pytest.approx(8.0, abs=0.01)
    clock.advance(8.01)
    once(limiter, claim(clock, (one, (1,)), patient=False))


def test_a_ban_ends_the_wait_of_every_thread_in_line_at_once() -> None:
    clock = ManualClock(100.0)
    limiter = Limiter("V", clock)
    address, one = bucket(), bucket(SlidingWindow("calls", 1, 2.0), door="x")
    asked = claim(clock, (address, ()), (one, (1,)), longest_s=60)
    once(limiter, asked)
    lines = [waiting(lambda: once(limiter, asked), clock, number + 1) for number in range(8)]
    limiter.block(asked, "", errors.Banned("out", retry_after_s=120, code="-1003"))
    for thread, found in lines:
        thread.join(PATIENCE_S)
        assert isinstance(found[0], errors.Banned)
        assert "nothing was sent" in str(found[0])
    with pytest.raises(errors.Banned):
        once(limiter, asked)
    clock.advance(121)
    once(limiter, asked)


def test_a_stop_ends_the_wait_and_its_place_is_free() -> None:
    clock = ManualClock(100.0)
    limiter, one = Limiter("V", clock), bucket(AlignedWindow("weight", 1, 10))
    once(limiter, claim(clock, (one, (1,))))
    thread, found = waiting(lambda: once(limiter, claim(clock, (one, (1,)), longest_s=60)), clock, 1)
    clock.stop.request()
    thread.join(PATIENCE_S)
    assert isinstance(found[0], errors.StopRequested)
    assert limiter._line == []


@pytest.mark.parametrize("jump_s", [-3600.0, 3600.0, -20.0, 0.9])
def test_a_sliding_limit_does_not_depend_on_the_time_of_day(jump_s: float) -> None:
    clock = ManualClock(10_000.0)
    limiter, one = Limiter("V", clock), bucket(SlidingWindow("calls", 2, 2.0))
    for _ in range(2):
        once(limiter, claim(clock, (one, (1,))))
    with pytest.raises(errors.RateLimited):
        once(limiter, claim(clock, (one, (1,)), ahead_s=jump_s))
    clock.advance(2.1)
    once(limiter, claim(clock, (one, (1,)), ahead_s=jump_s))


def test_what_is_on_its_way_is_looked_through_only_when_a_window_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """With margins of live use, looking through all of them before each request took 2 ms of processor time."""
    clock, looked = ManualClock(605.0), 0
    limiter = Limiter("V", clock)
    minute = bucket(AlignedWindow("weight", 1000, 60), door="minute")
    orders = bucket(AlignedWindow("orders", 1000, 10), AlignedWindow("orders", 1000, 86_400, cell=20), door="orders")
    extend = limiter._extend

    def counted(ticket: Ticket, moment: Moment) -> None:
        nonlocal looked
        looked += 1
        extend(ticket, moment)

    monkeypatch.setattr(limiter, "_extend", counted)
    asked = claim(clock, (minute, (1,)), (orders, (1, 1)), margin_s=0.3)
    held = [limiter.enter(asked) for _ in range(30)]
    for _ in range(20):
        once(limiter, asked)
    assert looked == 0
    clock.advance(4.8)  # with the margin the next ten seconds may have begun
    for _ in range(3):
        once(limiter, claim(clock, (minute, (1,)), margin_s=0.3))  # counts in none of them itself
    held += [limiter.enter(asked) for _ in range(20)]
    assert looked == 30
    for ticket in held:
        assert ticket.marks[1][0] == (60, 61)
        limiter.leave(ticket)
    clock.advance(60.0)
    limiter.enter(asked)  # of the windows of long ago nothing is left to look through
    limiter.enter(asked)
    assert looked == 30


def test_a_wider_margin_of_another_object_hides_no_window_that_begins() -> None:
    """One object counts in the next ten seconds already; what the other has sent must count there once they begin."""
    clock = ManualClock(609.9)
    limiter, one = Limiter("V", clock), bucket(AlignedWindow("weight", 3, 10, share=1.0))
    wide, narrow = (claim(clock, (one, (1,)), margin_s=margin_s) for margin_s in (0.5, 0.05))
    assert limiter.enter(wide).marks == [[(60, 61)]]
    held = limiter.enter(narrow)
    assert held.marks == [[(60, 60)]]
    clock.advance(0.2)
    limiter.enter(narrow)
    assert held.marks == [[(60, 61)]]
    with pytest.raises(errors.RateLimited):
        limiter.enter(narrow)


def race(rounds: int) -> None:
    """Threads enter and leave at once; each round a window has room for some of them only."""
    clock = ManualClock(1000.0)  # at midnight a day's count would begin anew
    with ThreadPoolExecutor(8) as pool:
        for number in range(rounds):
            limiter = Limiter("V", clock)
            one = bucket(AlignedWindow("weight", 10, 86_400, share=1.0), door=str(number))
            start = threading.Barrier(8)

            def enter(limiter: Limiter = limiter, one: object = one, start: threading.Barrier = start) -> int:
                start.wait(PATIENCE_S)
                done = 0
                for weight in (1, 2, 1):
                    try:
                        ticket = limiter.enter(claim(clock, (one, (weight,)), patient=weight == 1))  # type: ignore[arg-type]
                    except errors.RateLimited:
                        continue
                    done += weight
                    limiter.leave(ticket)
                return done

            assert sum(pool.map(lambda work: work(), [enter] * 8)) == 10
            assert not limiter._running


def test_threads_at_once_never_exceed_a_window() -> None:
    race(150)


@pytest.mark.stress
def test_threads_at_once_never_exceed_a_window_thousands_of_times() -> None:
    race(5000)


@needs_fork
def test_a_forked_child_counts_anew_without_the_parents_lock_and_line() -> None:
    clock = ManualClock(1000.0)
    limiter, one = Limiter("V", clock), bucket(AlignedWindow("weight", 5, 86_400, share=1.0))
    once(limiter, claim(clock, (one, (2,))))
    under_way = limiter.enter(claim(clock, (one, (1,))))

    def child() -> list[int]:
        limiter.leave(under_way)  # the parent's: nothing happens
        for _ in range(2):
            once(limiter, claim(clock, (one, (1,))))
        return [len(limiter._running), len(limiter._line)]

    with limiter._lock:
        assert in_fork(child) == [0, 0]
    limiter.leave(under_way)
    once(limiter, claim(clock, (one, (2,))))
