"""Clocks, and how threads wait.

A ``Clock`` tells the time and waits. All waiting in fmzthreads uses three small classes:

- ``Waker``: a one-shot alarm that one thread sleeps on and any thread may trigger.
- ``Signal``: a flag that, when it is set, wakes the wakers registered with it (the end of a call, data on a stream, a stop).
- ``Clock.wait(signals, timeout_s)``: sleeps until one of several signals is set, the time-out passes, or the clock's stop is set.

Nothing polls: an idle wait uses no CPU time, and a stop ends any wait at once. Seconds are floats.

A stop stays set. What may go on after it (``onexit``) holds a ``Permission``: for the thread that holds it, and for the calls that this
thread hands to others, the stop reads as not set.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ParamSpec, Protocol, runtime_checkable

from .errors import InputError, StopRequested, short_repr
from .fork import after_fork_in_child

__all__ = ["Clock", "ManualClock", "Permission", "Signal", "Stop", "Waker", "WallClock"]

P = ParamSpec("P")

# threading.Lock.acquire refuses timeouts beyond this (about 292 years on 64-bit systems, 49 days on some others).
_LONGEST_S = min(threading.TIMEOUT_MAX, 4_000_000.0)

# A signal that arrives in the few instructions before the main thread blocks on a lock does not wake it, and on Windows none does: a Ctrl-C
# would take effect only when the wait ends. So the main thread, the only one that handles signals, wakes this often.
_LOOK_UP_S = 1.0


class Waker:
    """A one-shot alarm: one thread sleeps on it, any thread may trigger it, before or after, more than once too."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        # Held while asleep; releasing it wakes the sleeper. It costs half as much as an Event.
        self._lock = threading.Lock()
        self._lock.acquire()

    def wake(self) -> None:
        """Triggers the alarm; repeating it has no effect."""
        try:
            self._lock.release()
        except RuntimeError:
            pass  # already triggered

    def sleep(self, timeout_s: float | None = None) -> bool:
        """Sleeps until the alarm is triggered.

        Args:
            timeout_s: The longest to sleep, in seconds; None for no limit; 0 or less does not sleep.

        Returns:
            Whether it was triggered.
        """
        if timeout_s is not None and timeout_s <= 0:
            return self._lock.acquire(False)
        if threading.get_ident() == threading.main_thread().ident and (timeout_s is None or timeout_s > _LOOK_UP_S):
            return self._sleep_looking_up(timeout_s)
        return self._lock.acquire() if timeout_s is None else self._lock.acquire(timeout=min(timeout_s, _LONGEST_S))

    def _sleep_looking_up(self, timeout_s: float | None) -> bool:
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            left = _LOOK_UP_S if end is None else min(_LOOK_UP_S, end - time.monotonic())
            if left <= 0:
                return self._lock.acquire(False)
            if self._lock.acquire(timeout=left):
                return True


class Signal:
    """A flag that stays set until it is cleared, and wakes the threads that wait for it."""

    __slots__ = ("_callbacks", "_lock", "_set", "_token")

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards _callbacks, and that no callback is added after set() has taken them
        self._set = False
        self._callbacks: dict[int, Callable[[], None]] = {}
        # A count, not id(callback): an id is reused once its callback is freed, and a waiter that removes its old token would then remove
        # the callback of a later waiter.
        self._token = 0

    def is_set(self) -> bool:
        """Whether it is set."""
        return self._set

    def set(self) -> None:
        """Sets it and calls the callbacks in this thread; repeating it has no effect."""
        with self._lock:
            self._set = True
            if not self._callbacks:
                return
            callbacks = list(self._callbacks.values())
            self._callbacks.clear()
        for callback in callbacks:
            callback()

    def clear(self) -> None:
        """Unsets it."""
        self._set = False

    def add(self, callback: Callable[[], None]) -> int:
        """Registers a callback that is called once when the signal is set; at once if it is set already.

        Args:
            callback: Called without arguments in the thread that sets the signal; it must be short and must not raise.

        Returns:
            A token for ``remove``; 0 when it was called at once.
        """
        with self._lock:
            if not self._set:
                self._token += 1
                self._callbacks[self._token] = callback
                return self._token
        callback()
        return 0

    def remove(self, token: int) -> None:
        """Removes a callback; an unknown token is ignored."""
        with self._lock:
            self._callbacks.pop(token, None)


class Permission:
    """Lets a thread, and the calls that it starts, go on after a stop; granted by ``Stop.grant``.

    It travels in a context variable: ``contextvars.copy_context().run(...)`` takes it into another thread. Pools, task queues and streams
    take it along by themselves with what is handed to them.
    """

    __slots__ = ("_stop", "heeds_requests")

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self.heeds_requests = False
        """Whether a further ``Stop.request`` withdraws it."""

    @property
    def valid(self) -> bool:
        """Whether it is the stop's newest, and was not withdrawn."""
        return self._stop._is_valid(self)

    def withdraw(self, reason: str) -> None:
        """Ends it: what holds it is stopped, with this reason."""
        self._stop._withdraw(self, reason)

    def hold(self) -> None:
        """Has this thread (or context) hold it from now on."""
        _held.set(self)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Has this thread (or context) hold it within the ``with`` block."""
        token = _held.set(self)
        try:
            yield
        finally:
            _held.reset(token)


_held: ContextVar[Permission | None] = ContextVar("fmzthreads_permission", default=None)


class Stop(Signal):
    """The signal that the strategy is being stopped, with the reason.

    Once set it stays set. For a thread that holds a valid ``Permission`` all methods answer as if it were not set, and callbacks that such
    a thread adds are called when its permission is withdrawn.
    """

    __slots__ = ("__weakref__", "_permission", "_reason", "_withdrawal", "_withdrawn")

    def __init__(self) -> None:
        super().__init__()
        self._reason = self._withdrawal = ""
        # Only one permission is valid at a time, so one signal serves all of them.
        self._permission: Permission | None = None
        self._withdrawn = Signal()
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: a new lock, and none of the callbacks, which are those of the parent's calls and streams."""
        self._lock = threading.Lock()
        self._callbacks = {}
        former, self._withdrawn = self._withdrawn, Signal()
        if former.is_set():
            self._withdrawn.set()

    @property
    def reason(self) -> str:
        """Why the calling thread is to stop; empty before a stop."""
        return self._reason if self.permission() is None else self._withdrawal

    @property
    def requested(self) -> bool:
        """Whether a stop was requested, whatever the calling thread may still do."""
        return self._set

    def is_set(self) -> bool:
        """Whether the calling thread is to stop."""
        if not self._set:
            return False
        held = _held.get()
        return held is None or not self._is_valid(held)

    def request(self, reason: str = "stop requested") -> None:
        """Sets the stop; the first reason is kept."""
        permission = self._permission
        again = permission is not None and permission.heeds_requests and permission.valid
        if again or not self._set:
            self._reason = reason
        if again and permission is not None:
            permission.withdraw(reason)
        self.set()

    def check(self) -> None:
        """Raises StopRequested if the calling thread is to stop.

        Raises:
            StopRequested: A stop was requested, and this thread holds no permission to go on.
        """
        if self._set and self.is_set():
            raise StopRequested(self.reason or "stop requested")

    def add(self, callback: Callable[[], None]) -> int:
        """Registers a callback for the moment from which the calling thread is to stop; see ``Signal.add``."""
        if self._set and self.permission() is not None:
            return -self._withdrawn.add(callback)
        return super().add(callback)

    def remove(self, token: int) -> None:
        """Removes a callback; an unknown token is ignored."""
        if token < 0:
            self._withdrawn.remove(-token)
        else:
            super().remove(token)

    # Going on after a stop

    def grant(self) -> Permission:
        """Makes a permission to go on after the stop; an earlier one ends."""
        before = self._permission
        if before is not None:
            before.withdraw("another permission was granted")
        self._permission = permission = Permission(
            self
        )  # before the next lines: or the earlier one would be valid again for a moment
        self._withdrawn.clear()
        self._withdrawal = ""
        return permission

    def permission(self) -> Permission | None:
        """The newest permission of this stop, if the calling thread holds it (valid or withdrawn); None without a stop."""
        if not self._set:
            return None
        held = _held.get()
        return held if held is not None and held is self._permission else None

    def carry(self, work: Callable[P, None]) -> Callable[P, None]:
        """Returns a function that does ``work`` with the calling thread's permission, in whatever thread it is called."""
        permission = self.permission()
        if permission is None:
            return work

        def _carried(*args: P.args, **kwargs: P.kwargs) -> None:
            with permission.held():
                work(*args, **kwargs)

        return _carried

    def _is_valid(self, permission: Permission) -> bool:
        return permission is self._permission and not self._withdrawn.is_set()

    def _withdraw(self, permission: Permission, reason: str) -> None:
        if self._is_valid(permission):
            self._withdrawal = reason
            self._withdrawn.set()


@runtime_checkable
class Clock(Protocol):
    """Tells the time and waits; wall, manual and virtual clocks have the same methods."""

    stop: Stop

    def now(self) -> float:
        """The time of day, in seconds since the epoch (UTC)."""

    def now_ns(self) -> int:
        """The time of day, in nanoseconds since the epoch (UTC)."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary start, never going back; deadlines use it."""

    def sleep(self, seconds: float) -> None:
        """Sleeps; raises StopRequested if the stop is or gets set."""

    def wait(self, signals: Iterable[Signal], timeout_s: float | None = None) -> bool:
        """Waits until a signal is set; False after the time-out; raises StopRequested on a stop."""


def _wait(stop: Stop, signals: Iterable[Signal], sleep: Callable[[Waker], bool]) -> bool:
    """Registers one waker with every signal and with the stop, sleeps on it, and removes it."""
    signals = tuple(signals)
    stop.check()
    if any(signal.is_set() for signal in signals):
        return True
    waker = Waker()
    tokens = [(signal, signal.add(waker.wake)) for signal in (*signals, stop)]
    try:
        sleep(waker)
    finally:
        for signal, token in tokens:
            signal.remove(token)
    if any(signal.is_set() for signal in signals):
        return True
    stop.check()
    return False


class WallClock:
    """Real time."""

    def __init__(self, stop: Stop | None = None) -> None:
        self.stop = stop if stop is not None else Stop()
        self.monotonic = time.monotonic  # type: ignore[method-assign]  # streams ask for each batch

    def now(self) -> float:
        """The time of day, in seconds since the epoch (UTC)."""
        return time.time()

    def now_ns(self) -> int:
        """The time of day, in nanoseconds since the epoch (UTC)."""
        return time.time_ns()

    def monotonic(self) -> float:
        """Seconds of the system's monotonic clock."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleeps in real time.

        Args:
            seconds: How long; 0 or less lets other threads run, then returns.

        Raises:
            StopRequested: The stop is or was set.
        """
        if seconds <= 0:
            self.stop.check()
            time.sleep(0)
            return
        self.wait((), seconds)

    def wait(self, signals: Iterable[Signal], timeout_s: float | None = None) -> bool:
        """Waits until one of the signals is set.

        Args:
            signals: What to wait for; none at all makes it a sleep.
            timeout_s: The longest to wait, in seconds; None for no limit; 0 or less does not wait.

        Returns:
            Whether one of the signals is set.

        Raises:
            StopRequested: The stop is or was set.
        """
        return _wait(self.stop, signals, lambda waker: waker.sleep(timeout_s))


class ManualClock:
    """A clock that tests advance by hand; ``sleep`` and ``wait`` end when it was advanced far enough.

    Args:
        start: The first time of day, in seconds since the epoch.
        stop: The stop that ends waits; None for a new one.
    """

    def __init__(self, start: float = 0.0, stop: Stop | None = None) -> None:
        self.stop = stop if stop is not None else Stop()
        self._lock = threading.Condition()  # guards the fields below
        self._now_ns = round(start * 1e9)
        self._start_ns = self._now_ns
        self._sleepers: list[tuple[int, int, Waker]] = []
        self._count = 0
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: a new lock; who slept was a thread of the parent."""
        self._lock = threading.Condition()
        self._sleepers = []

    def now(self) -> float:
        """The time of day, in seconds since the epoch (UTC)."""
        return self._now_ns / 1e9

    def now_ns(self) -> int:
        """The time of day, in nanoseconds since the epoch (UTC)."""
        return self._now_ns

    def monotonic(self) -> float:
        """Seconds by which the clock was advanced since it was made."""
        return (self._now_ns - self._start_ns) / 1e9

    def sleep(self, seconds: float) -> None:
        """Sleeps until the clock has been advanced that far.

        Raises:
            StopRequested: The stop is or was set.
        """
        if seconds <= 0:
            self.stop.check()
            return
        self.wait((), seconds)

    def wait(self, signals: Iterable[Signal], timeout_s: float | None = None) -> bool:
        """Waits until one of the signals is set, or the clock has been advanced by ``timeout_s``.

        Raises:
            StopRequested: The stop is or was set.
        """
        return _wait(self.stop, signals, lambda waker: self._sleep(waker, timeout_s))

    def _sleep(self, waker: Waker, timeout_s: float | None) -> bool:
        if timeout_s is None:
            return waker.sleep()
        if timeout_s <= 0:
            return waker.sleep(0)
        with self._lock:
            self._count += 1
            entry = (self._now_ns + round(timeout_s * 1e9), self._count, waker)
            heapq.heappush(self._sleepers, entry)
            self._lock.notify_all()
        try:
            return waker.sleep()
        finally:
            with self._lock:
                if entry in self._sleepers:
                    self._sleepers.remove(entry)
                    heapq.heapify(self._sleepers)

    def advance(self, seconds: float) -> None:
        """Advances the clock and wakes every sleeper whose time has come.

        Raises:
            InputError: ``seconds`` is negative.
        """
        if seconds < 0:
            raise InputError(
                f"a clock cannot be turned back: advance({short_repr(seconds)}), expected 0 or more seconds"
            )
        with self._lock:
            self._now_ns += round(seconds * 1e9)
            due = []
            while self._sleepers and self._sleepers[0][0] <= self._now_ns:
                due.append(heapq.heappop(self._sleepers)[2])
        for waker in due:
            waker.wake()

    def wait_for_sleepers(self, count: int = 1, timeout_s: float = 60.0) -> bool:
        """Blocks, in real time, until so many threads sleep on this clock with a time-out.

        Args:
            count: How many sleepers to wait for.
            timeout_s: The longest to wait, in real seconds.

        Returns:
            Whether they are there.
        """
        with self._lock:
            return self._lock.wait_for(lambda: len(self._sleepers) >= count, timeout_s)
