"""A bounded pool of workers: one per exchange, so a hanging venue never starves another.

The threads are a ``ThreadPoolExecutor``'s. The line of calls that wait for a worker is the pool's own, so that a cancelled call leaves it
at once, and the executor only ever holds as many jobs as there are workers: each job takes calls from the line until it is empty.
"""

from __future__ import annotations

import atexit
import concurrent.futures.thread as executor_module
import threading
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from ..arguments import whole_number
from ..clock import Clock, WallClock
from ..deadline import Deadline
from ..errors import ConcurrentUse, ErrorMode, StopRequested, TooManyHandles, short_repr
from ..fork import after_fork_in_child
from .gate import Gate, SharedGate, ungated
from .handle import Handle

__all__ = ["CallPool"]

T = TypeVar("T")

# What a plain script that simply ends grants its unfinished calls (orders under way, perhaps) before the interpreter goes.
_EXIT_GRACE_S = 10.0


class _WorkerMark(threading.local):
    is_worker = False

    def start_anew(self) -> None:
        """In the child of a fork: a worker that forked is the child's only thread, and no worker of any pool there."""
        self.is_worker = False


_here = _WorkerMark()
after_fork_in_child(_here.start_anew)


class _Executor(ThreadPoolExecutor):
    """A ThreadPoolExecutor whose workers cannot keep the interpreter from ending.

    The standard one joins its workers at exit, so that one call that hangs would hang the exit for ever. A thread inherits being a daemon
    from the thread that makes it, and the standard library keeps the list of those to be joined in ``_threads_queues``; both have been so
    from Python 3.9 to 3.14. Should a later version change that, the worst is the standard behaviour.
    """

    def _adjust_thread_count(self) -> None:
        idle = getattr(self, "_idle_semaphore", None)
        if idle is not None and idle.acquire(timeout=0):
            return  # an idle worker takes it; the standard method begins with the same look
        failure: list[BaseException] = []
        adjust = super()._adjust_thread_count

        def _make() -> None:
            try:
                adjust()
            except BaseException as error:  # handed to the caller below
                failure.append(error)

        before = set(self._threads)
        maker = threading.Thread(target=_make, name="fmzthreads-maker", daemon=True)
        maker.start()
        maker.join()
        joined_at_exit: Any = getattr(executor_module, "_threads_queues", {})
        for thread in set(self._threads) - before:
            joined_at_exit.pop(thread, None)
        if failure:
            raise failure[0]


def _enter_worker() -> None:
    """Run by each worker when it starts; a plain function, so that running workers do not keep a forgotten pool alive."""
    _here.is_worker = True


class CallPool:
    """Runs calls in the background and returns a handle for each.

    Workers are started when they are needed, up to ``max_workers``, and kept. They are daemons: a script that ends is granted 10 s for
    its unfinished calls and then ends, whatever hangs. Calls whose handle is not kept run all the same.

    Args:
        name: What the pool is for (the exchange's label); the workers' names begin with it.
        max_workers: The most calls that run at once.
        max_unfinished: The most calls that have not ended, waiting ones included (FMZ's limit is 2000).
        clock: Tells the times of the handles, and waits for them; real time when None.

    Raises:
        InputError: A limit is not a whole number of 1 or more.
    """

    def __init__(
        self, name: str, *, max_workers: int = 16, max_unfinished: int = 2000, clock: Clock | None = None
    ) -> None:
        self.name = name
        self.max_workers = whole_number("max_workers", max_workers, least=1)
        self.max_unfinished = whole_number("max_unfinished", max_unfinished, least=1)
        self._clock: Clock = clock if clock is not None else WallClock()
        self._closed = False
        self._set_up()
        after_fork_in_child(self._start_anew)
        self._at_exit = _shut_at_exit(weakref.ref(self))
        atexit.register(self._at_exit)
        weakref.finalize(self, atexit.unregister, self._at_exit).atexit = False

    def _set_up(self) -> None:
        self._executor = _Executor(self.max_workers, thread_name_prefix=self.name, initializer=_enter_worker)
        # Guards everything below, and _closed. A condition only for shutdown, which waits for _unfinished to reach 0.
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._line: deque[Handle[Any]] = deque()
        self._unfinished = 0
        # Jobs in the executor. A job ends only when the line is empty, so while _jobs < max_workers each call in the line has a job of
        # its own that is about to take it: a call started then is certain of a worker, however long the others take.
        self._jobs = 0
        self._next_job = 0
        self._void_jobs: set[int] = set()
        self._idle_waiters = 0
        # What the workers run, for a child of a fork, which has no workers. Added to and taken from without the lock.
        self._running: set[Handle[Any]] = set()

    def _start_anew(self) -> None:
        """In the child of a fork: no worker exists here, and the calls are the parent's; a closed pool stays closed."""
        left = [*self._line, *self._running]
        self._set_up()
        for handle in left:
            handle.left_behind()

    @property
    def unfinished(self) -> int:
        """The number of calls that were started and have not ended, waiting ones included."""
        return self._unfinished

    @property
    def free_workers(self) -> int:
        """How many calls, started now, would run at once without waiting for a worker."""
        return max(0, self.max_workers - self._jobs)

    @property
    def workers(self) -> int:
        """Worker threads alive."""
        return sum(thread.is_alive() for thread in list(self._executor._threads))

    @property
    def closed(self) -> bool:
        """Whether ``shutdown`` was called."""
        return self._closed

    def __repr__(self) -> str:
        """Name and counts."""
        return f"<CallPool {self.name}: {self._unfinished} unfinished, {self._jobs} of {self.max_workers} workers busy>"

    def start(
        self,
        fn: Callable[..., T],
        *args: Any,
        name: str = "",
        gate: SharedGate | None = None,
        failure_value: Any = None,
        errors: ErrorMode = "log",
        on_take: Callable[[Handle[T]], None] | None = None,
        on_misuse: Callable[[str], None] | None = None,
        on_done: Callable[[Handle[T]], None] | None = None,
    ) -> Handle[T]:
        """Starts a call in the background.

        A start from within a background call, while all workers of this pool are busy, runs the call in the caller before it returns
        (without its gate): calls that start calls and wait for them can then never block each other.

        Args:
            fn: The call.
            args: Its arguments.
            name: Its name in messages.
            gate: The call is held at this gate right before it writes its request. The gate counts it out when it ends without
                arriving, or is cancelled.
            failure_value: What ``wait`` gives for a call that raised.
            errors: ``"raise"`` has ``wait`` raise the call's error instead.
            on_take: Called with the handle, in the thread that takes the result, before ``wait`` returns.
            on_misuse: Called with one line of text when a result is asked for twice.
            on_done: Called with the handle when the call has ended or was cancelled, in the thread that ended it.

        Raises:
            TooManyHandles: ``max_unfinished`` calls have not ended.
            StopRequested: The strategy is being stopped, or the pool was shut down.
        """
        self._clock.stop.check()
        handle: Handle[T] = Handle(
            fn,
            args,
            clock=self._clock,
            name=name,
            gate=gate,
            failure_value=failure_value,
            errors=errors,
            on_take=on_take,
            on_misuse=on_misuse,
            on_done=on_done,
            _on_settle=self._settled,
        )
        with self._lock:
            if self._closed:
                raise StopRequested(f"the pool of background calls of {self.name} was shut down")
            if self._unfinished >= self.max_unfinished:
                raise TooManyHandles(f"too many routine wait, max is {self.max_unfinished}")
            self._unfinished += 1
            here = _here.is_worker and self._jobs >= self.max_workers
            job = -1
            if not here:
                self._line.append(handle)
                if self._jobs < self.max_workers:
                    self._jobs += 1
                    job = self._next_job
                    self._next_job += 1
        if here:
            with ungated():  # the gate of the calling call is not for this one
                handle._run_ungated()
        elif job >= 0:
            self._add_job(job, handle)
        return handle

    def _add_job(self, job: int, handle: Handle[Any]) -> None:
        try:
            self._executor.submit(self._work, job)
        except RuntimeError:
            # The interpreter is ending, or the system gives no more threads. The job may or may not be in the executor: it is void. Other
            # workers, if there are any, will come to the call; if not, the caller runs it: late, but never lost.
            with self._lock:
                self._jobs -= 1
                self._void_jobs.add(job)
                orphan = self._jobs == 0 and handle in self._line
                if orphan:
                    self._line.remove(handle)
            if orphan:
                handle._run_ungated()

    def _work(self, job: int) -> None:
        """One job: takes calls from the line until it is empty."""
        while True:
            with self._lock:
                if job in self._void_jobs:
                    self._void_jobs.discard(job)
                    return
                if not self._line:
                    self._jobs -= 1
                    return
                handle = self._line.popleft()
                self._running.add(handle)
            handle.run()
            self._running.discard(handle)
            del handle  # a worker that is idle keeps nothing alive

    def _settled(self, handle: Handle[Any]) -> None:
        """Called once for each handle when its call has ended or was cancelled, before the handle says that it is done."""
        with self._lock:
            self._unfinished -= 1
            if handle.started_at is None:
                try:
                    self._line.remove(handle)
                except ValueError:
                    pass  # a worker has just taken it; run() will see that it was cancelled
            if self._idle_waiters and not self._unfinished:
                self._idle.notify_all()

    def warm(self, count: int, fn: Callable[[], T], *, timeout_s: float = 30.0) -> list[Handle[T]]:
        """Starts workers ahead of the first burst and runs ``fn`` once in each of ``count`` different ones.

        Args:
            count: How many workers.
            fn: What each of them does, such as opening its connection.
            timeout_s: The maximum time to wait for all, in seconds.

        Returns:
            A handle for each; look at ``error`` for what ``fn`` raised. Not done when the time was up.

        Raises:
            InputError: ``count`` is not within 1 and ``max_workers``.
            ConcurrentUse: It was called from within a background call, which holds one of the workers itself.
            TooManyHandles: More unfinished calls than allowed.
            StopRequested: A stop, or the pool was shut down.
        """
        count = whole_number("count", count, least=1, most=self.max_workers)
        if _here.is_worker:
            worker = threading.current_thread().name
            raise ConcurrentUse(
                f"warm() of {self.name} was called from its background call in thread {short_repr(worker)}"
            )
        together = Gate(count, timeout_s, stop=self._clock.stop)

        def _once() -> T:
            together.arrive()  # none of them ends before all have begun: so each has a worker to itself
            return fn()

        deadline = Deadline(self._clock, timeout_s)
        handles = [self.start(_once, name="warm") for _ in range(count)]
        for handle in handles:
            self._clock.wait((handle.done_signal,), deadline.remaining())
        return handles

    def shutdown(self, timeout_s: float | None = None, *, cancel_waiting: bool = False) -> bool:
        """Shuts the pool down: refuses new calls, waits for running ones, ends the workers.

        Args:
            timeout_s: The maximum time to wait for calls and workers, in seconds of real time; None for ever; 0 not at all. Calls that have
                not started by then are cancelled.
            cancel_waiting: Cancels the calls that have not started at once instead.

        Returns:
            Whether everything has ended; False when a call still hangs in its (daemon) thread.
        """
        deadline = Deadline(WallClock(), timeout_s)
        with self._lock:
            self._closed = True
        if cancel_waiting:
            self.cancel_waiting()
        self.wait_idle(deadline.remaining())
        self.cancel_waiting()
        self._executor.shutdown(wait=False)
        atexit.unregister(self._at_exit)
        threads = [thread for thread in list(self._executor._threads) if thread is not threading.current_thread()]
        for thread in threads:
            thread.join(deadline.remaining())
        return not any(thread.is_alive() for thread in threads)

    def cancel_waiting(self) -> None:
        """Cancels the calls that have not started."""
        with self._lock:
            waiting = list(self._line)
        for handle in waiting:
            handle.cancel()

    def wait_idle(self, timeout_s: float | None) -> bool:
        """Waits until every call has ended, even during a stop.

        Args:
            timeout_s: The maximum time, in seconds of real time; None for no limit.

        Returns:
            Whether all have ended.
        """
        with self._lock:
            self._idle_waiters += 1
            try:
                return self._idle.wait_for(lambda: not self._unfinished, timeout_s)
            finally:
                self._idle_waiters -= 1


def _shut_at_exit(pool_of: weakref.ref[CallPool]) -> Callable[[], None]:
    """Returns the function for atexit; its weak reference does not keep the pool alive."""

    def _shut() -> None:
        pool = pool_of()
        if pool is not None:
            pool.shutdown(_EXIT_GRACE_S)

    return _shut
