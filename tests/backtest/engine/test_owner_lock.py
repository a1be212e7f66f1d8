"""The engine's lock: the owner's short way, and what happens when other threads come."""

import sys
import threading
from threading import get_ident

import pytest

from fmzthreads.backtest.engine.owner_lock import OwnerLock
from tests.helpers.threads import run_in_thread

has_gil = getattr(sys, "_is_gil_enabled", lambda: True)()


def short_way(lock: OwnerLock, work: object) -> bool:
    """The owner's way as the calls have it; whether it was the short one."""
    if get_ident() == lock.owner:
        was = lock.busy
        try:
            lock.busy = True
            if not lock.shared:
                work()  # type: ignore[operator]
                return True
        finally:
            lock.busy = was
    with lock:
        work()  # type: ignore[operator]
        return False


def test_the_first_thread_owns_it() -> None:
    lock = OwnerLock()
    assert not short_way(lock, lambda: None)  # nobody owns it yet
    assert lock.owner == get_ident()
    assert short_way(lock, lambda: None) is has_gil
    with lock, lock:
        assert lock.shared is not has_gil
    assert not lock.busy


def test_another_thread_ends_the_short_way_for_good() -> None:
    lock = OwnerLock()
    short_way(lock, lambda: None)
    run_in_thread(lambda: short_way(lock, lambda: None)).result()
    assert lock.shared
    assert not short_way(lock, lambda: None)


def test_an_inner_call_does_not_end_the_outer_one() -> None:
    lock = OwnerLock()
    short_way(lock, lambda: None)
    seen: list[bool] = []
    short_way(lock, lambda: (short_way(lock, lambda: None), seen.append(lock.busy)))
    assert seen == [has_gil]


@pytest.mark.skipif(not has_gil, reason="without the global lock there is no short way")
def test_another_thread_waits_for_the_owner_inside() -> None:
    lock = OwnerLock()
    short_way(lock, lambda: None)
    inside, leave, order = threading.Event(), threading.Event(), []

    def other() -> None:
        inside.wait()
        with lock:
            order.append("other")

    thread = threading.Thread(target=other)
    thread.start()

    def work() -> None:
        inside.set()
        while not lock.shared:  # until the other one has come
            leave.wait(0.001)
        with lock:  # the owner may still take the real lock
            order.append("owner")

    assert short_way(lock, work)
    thread.join()
    assert order == ["owner", "other"]


def test_two_threads_are_never_inside_together() -> None:
    """Counts with a step that loses what is not guarded; each thread is the owner in some rounds."""
    for _ in range(20):
        lock, count, start = OwnerLock(), [0], threading.Barrier(3)

        def work(lock: OwnerLock = lock, count: list[int] = count) -> None:
            seen = count[0]
            for _ in range(3):
                pass
            count[0] = seen + 1

        def many(lock: OwnerLock = lock, start: threading.Barrier = start, work: object = work) -> None:
            start.wait()
            for _ in range(200):
                short_way(lock, work)

        before = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            threads = [threading.Thread(target=many) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            sys.setswitchinterval(before)
        assert count == [600]
