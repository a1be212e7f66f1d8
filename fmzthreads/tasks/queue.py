"""The task queue: threads push tasks; a run starts them and binds the results."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from ..arguments import whole_number
from ..clock import Clock, Signal
from ..deadline import Deadline
from ..errors import ConcurrentUse, InputError, StopRequested, TooManyHandles, UnknownName, nearest, short_repr
from ..fork import after_fork_in_child
from ..structures.value_objects import ValueObject
from .events import clock_of
from .handle import seconds_of
from .report import Report, RunRecord
from .run import Entry, Turn

if TYPE_CHECKING:
    import logging

    from .task import Task

__all__ = ["QueueStats", "TaskQueue"]

# How long prepared calls are held at a gate for one that is not ready: enough to open a far connection with TLS, and no more, because a
# venue that cannot even be connected to must not hold up the other's order for long.
_GATE_TIMEOUT_MS = 250.0

# A loop that was stopped needs this long at the most to end; it waits for nothing any more.
_LAST_STEPS_S = 10.0


class QueueStats(ValueObject, kw_only=True):
    """The counters of a queue; ``pushed = waiting + running`` + the five outcomes, always.

    Attributes:
        late: How many calls ended after their task had timed out or was cancelled (which is where they are counted, too).
    """

    pushed: int = 0
    waiting: int = 0
    running: int = 0
    ok: int = 0
    failed: int = 0
    timed_out: int = 0
    cancelled: int = 0
    not_started: int = 0
    late: int = 0


def _task_reader() -> Callable[[Task | Mapping[str, Any] | None, Mapping[str, Any]], Task]:
    """What makes a task of the arguments of ``push``; its module, with attrs, is imported with the first queue and not with each start."""
    from .task import Task

    return Task.of


class TaskQueue:
    """Runs calls to several exchanges in parallel and binds the results into a context.

    Any thread may push. One thread at a time runs the queue: by calling ``run``, or the queue's own thread (``start``).

    - All tasks of a run start at once (those with ``after`` when the others have succeeded); tasks pushed meanwhile belong to the next run.
    - A result goes to ``context[exchange][ret]``. Only a successful task assigns; otherwise the previous value stays.
    - Results for the same target are bound in the order in which the tasks were pushed (and after the tasks in their ``after``),
      regardless of the order in which the calls end.
    - A result that arrives after its task timed out is never assigned; it is counted as late.

    Args:
        exchanges: A list, or a dict by name, of exchanges; see ``Callee`` for what is asked of them.
        context: A list, dict, object or ``SharedContext`` with one inner container for each exchange; absent ones are made.
        clock: Used to wait; None uses that of the first exchange that has one (so that its strategy's stop ends the waits).
        max_pending: The maximum number of tasks waiting for the next run; None for no limit.
        overflow: What ``push`` does beyond that: ``block`` waits for the next run to begin, ``raise`` raises.
        gate_timeout_ms: The maximum time for which prepared calls wait for one that is not ready, in milliseconds.

    Raises:
        InputError: An argument has the wrong type or value.
    """

    def __init__(
        self,
        exchanges: Sequence[Any] | Mapping[str, Any],
        context: Any,
        *,
        clock: Clock | None = None,
        max_pending: int | None = None,
        overflow: Literal["block", "raise"] = "block",
        gate_timeout_ms: float = _GATE_TIMEOUT_MS,
    ) -> None:
        if isinstance(exchanges, (str, bytes)) or not isinstance(exchanges, (Sequence, Mapping)):
            raise InputError(
                f"exchanges is a {type(exchanges).__name__}, expected a list of exchanges, or a dict by name"
            )
        if overflow not in {"block", "raise"}:
            raise UnknownName(f"overflow is {short_repr(overflow)}{nearest(overflow, ['block', 'raise'])}")
        if max_pending is not None:
            max_pending = whole_number("max_pending", max_pending, least=1)
        gate_timeout_s = seconds_of(gate_timeout_ms)
        if not gate_timeout_s:
            raise InputError(f"gate_timeout_ms is {short_repr(gate_timeout_ms)}, expected more than 0 milliseconds")
        self.exchanges = exchanges
        self.context = context
        self.max_pending = max_pending
        self.overflow = overflow
        self._gate_timeout_s = gate_timeout_s
        self._task_of = _task_reader()
        self._clock = clock if clock is not None else clock_of(_each(exchanges))
        self._set_up()
        after_fork_in_child(self._set_up)

    def _set_up(self) -> None:
        """Makes the state of a queue that has nothing to do; also in the child of a fork, because the tasks are the parent's."""
        self._lock = threading.Lock()  # guards everything below
        self._pending: list[Entry] = []
        self._done: dict[str, int] = {}
        self._pushed = self._running = self._late = 0
        # Whether each task was ok the last time, for those that come after it in a later run; forgotten with the task.
        self._outcomes: weakref.WeakKeyDictionary[Task, bool] = weakref.WeakKeyDictionary()
        self._runner: threading.Thread | None = None
        # Of those who wait for a change of the fields here; each is set once and forgotten.
        self._wakers: list[Signal] = []
        self._cut = Signal()
        self._loop: threading.Thread | None = None
        self._stopping = False
        self._failure: BaseException | None = None
        self._last: RunRecord | None = None

    # Producers

    def push(self, task: Task | Mapping[str, Any] | None = None, /, **options: Any) -> Task:
        """Adds a task to the next run; from any thread.

        Args:
            task: A ``Task``, or a dict such as ``{"exchange": 0, "ret": "depth", "param": ["GetDepth"]}``.
            options: The same as keywords: ``push(exchange=0, ret="depth", param=["GetDepth"])``.

        Returns:
            The task, for the ``after`` of others.

        Raises:
            InputError: A value has the wrong type.
            UnknownName: There is no such option, exchange or method; the message suggests the nearest name.
            TypeError: The number of arguments does not fit the method.
            TooManyHandles: ``max_pending`` tasks wait, and ``overflow`` is ``raise`` (or the thread that runs the queue pushes,
                which would wait for itself).
            StopRequested: The strategy is being stopped while ``push`` waits for room.
        """
        made = self._task_of(task, options)
        callee, label = self._callee(made.exchange)
        check_call = getattr(callee, "check_call", None)
        if check_call is not None:
            check_call(made.method, made.args)
        entry = Entry(made, callee, label)
        while True:
            with self._lock:
                if self.max_pending is None or len(self._pending) < self.max_pending:
                    self._pending.append(entry)
                    self._pushed += 1
                    woken = self._take_wakers()
                    break
                if self.overflow == "raise" or self._runner is threading.current_thread():
                    raise TooManyHandles(
                        f"cannot push: {len(self._pending)} tasks are waiting, max_pending is {self.max_pending}"
                    )
                signal = self._waker()
            self._await(signal, None)
        _set_all(woken)
        return made

    def _callee(self, key: int | str) -> tuple[Any, str]:
        """Returns the exchange of an index or name, and its label."""
        if isinstance(self.exchanges, Mapping):
            if key not in self.exchanges:
                names = [str(name) for name in self.exchanges]
                raise UnknownName(f"the queue has no exchange {short_repr(key)}{nearest(key, names)}")
            return self.exchanges[key], str(key)  # type: ignore[index]  # a dict by number works as well
        if not isinstance(key, int) or not 0 <= key < len(self.exchanges):
            raise UnknownName(f"the queue has no exchange {short_repr(key)}; valid: 0 to {len(self.exchanges) - 1}")
        return self.exchanges[key], str(key)

    # Workers

    def run(self, timeout_ms: float | None = None) -> Report:
        """Runs all tasks pushed so far, in this thread, until each has an outcome.

        Args:
            timeout_ms: The maximum time of the whole run, in milliseconds; None or 0 for no limit; negative: all are started without
                waiting, and only results that are available at once are bound.

        Returns:
            One row for each task, in the order in which they were pushed. ``late`` grows afterwards, as late results arrive.

        Raises:
            ConcurrentUse: Another thread runs the queue, or this one does already (called from a binding); names both.
            StopRequested: The strategy is being stopped; ``last_report`` has the results so far.
            InputError: ``timeout_ms`` is not a number.
        """
        seconds_of(timeout_ms)
        self._claim(threading.current_thread())
        try:
            return self._turn(self._take(), timeout_ms)
        finally:
            with self._lock:
                self._runner = None  # no thread waits for this: a second ``run`` is refused, and does not wait

    def _claim(self, me: threading.Thread) -> None:
        with self._lock:
            if self._runner is not None:
                raise ConcurrentUse(
                    f"thread {short_repr(self._runner.name)} is running the task queue; thread {threading.current_thread().name!r} cannot run it too"
                )
            self._runner = me

    def _take(self) -> list[Entry]:
        """Moves all waiting tasks into the batch of a run."""
        with self._lock:
            batch, self._pending = self._pending, []
            self._running = len(batch)
            woken = self._take_wakers() if batch else []
        _set_all(woken)
        return batch

    def _turn(self, batch: list[Entry], timeout_ms: float | None) -> Report:
        turn = Turn(
            batch,
            self.context,
            clock=self._clock,
            timeout_ms=timeout_ms,
            gate_timeout_s=self._gate_timeout_s,
            was_ok=self._was_ok,
            on_late=self._count_late,
            cut=self._cut,
        )
        try:
            return turn.run()
        except BaseException:  # a stop, Ctrl-C, or what a binding raised: passed on
            with self._lock:
                if self._runner is self._loop:  # whose end this is: join() must not find it idle before that
                    self._stopping = True
            raise
        finally:
            with self._lock:
                self._last = turn.record
                self._running = 0
                for row in turn.record.rows:
                    self._done[row.status] = self._done.get(row.status, 0) + 1
                    self._outcomes[row.task] = row.ok
                woken = self._take_wakers()
            _set_all(woken)

    def _was_ok(self, task: Task) -> bool | None:
        with self._lock:
            return self._outcomes.get(task)

    def _count_late(self) -> None:
        with self._lock:
            self._late += 1

    # The same in the background

    def start(
        self, timeout_ms: float | None = None, *, on_report: Callable[[Report], object] | None = None
    ) -> TaskQueue:
        """Starts a thread that runs the queue whenever tasks are pushed.

        Args:
            timeout_ms: For each run, as for ``run``.
            on_report: Called with each run's report, in that thread; what it raises is logged.

        Returns:
            The queue, for ``with queue.start(): ...``, which waits for the pushed tasks, then stops.

        Raises:
            ConcurrentUse: It runs already; names both threads.
            InputError: ``timeout_ms`` is not a number.
        """
        seconds_of(timeout_ms)
        loop = threading.Thread(
            target=self._clock.stop.carry(self._run_loop),
            args=(timeout_ms, on_report),
            name="fmzthreads-tasks",
            daemon=True,
        )
        self._claim(loop)
        with self._lock:
            self._loop = loop
            self._stopping = False
        try:
            loop.start()
        except BaseException:  # the thread could not be started: release the claim
            with self._lock:
                self._runner = self._loop = None
            raise
        return self

    def _run_loop(self, timeout_ms: float | None, on_report: Callable[[Report], object] | None) -> None:
        failure: BaseException | None = None
        try:
            while True:
                with self._lock:
                    if self._stopping:
                        return
                    signal = None if self._pending else self._waker()
                if signal is not None:
                    self._await(signal, None)
                    continue
                report = self._turn(self._take(), timeout_ms)
                if on_report is not None:
                    _report_to(on_report, report)
        except StopRequested:
            pass  # the strategy is stopping; join() raises it in the waiting thread
        except BaseException as error:  # kept for join(): a loop that ends unseen would let producers wait for ever
            failure = error
            _log().exception("the task queue's thread ended")
        finally:
            with self._lock:
                self._failure = failure
                self._stopping = True
                self._runner = None
                self._cut.clear()
                woken = self._take_wakers()
            _set_all(woken)

    def stop(self, *, cut: bool = False) -> None:
        """Ends the background thread after the current run.

        Tasks pushed afterwards wait for the next ``run`` or ``start``.

        Args:
            cut: Ends the current run at once: unfinished tasks are cancelled, and their results are never assigned.
        """
        with self._lock:
            if self._loop is None or self._runner is not self._loop:
                return
            self._stopping = True
            if cut:
                # Under the lock, so that it never outlives the loop, whose end clears it. What it wakes takes no lock of ours.
                self._cut.set()
            woken = self._take_wakers()
        _set_all(woken)

    def join(self, timeout_ms: float | None = None) -> bool:
        """Waits until the background thread has run all tasks; after ``stop``, until it ends.

        Args:
            timeout_ms: None or 0 for no limit; negative polls.

        Returns:
            True when done; False after a time-out, or when tasks are waiting and no thread runs them.

        Raises:
            StopRequested: The strategy is being stopped; the thread has ended by then.
            Exception: The error that ended the background thread.
        """
        deadline = Deadline(self._clock, seconds_of(timeout_ms))
        while True:
            with self._lock:
                loop, stopping = self._loop, self._stopping
                if loop is not None and not stopping and not self._pending and not self._running:
                    return True
                signal = None if loop is None or stopping else self._waker()
            if signal is None:
                return self._join_thread(loop, deadline)
            try:
                if not self._await(signal, deadline.remaining()):
                    return False
            except StopRequested:
                if loop is not None and loop is not threading.current_thread():
                    loop.join(_LAST_STEPS_S)
                raise

    def _join_thread(self, loop: threading.Thread | None, deadline: Deadline) -> bool:
        if loop is not None and loop is not threading.current_thread():
            loop.join(deadline.remaining())
            if loop.is_alive():
                return False
        with self._lock:
            failure, self._failure = self._failure, None
            if failure is not None:
                raise failure
            return not self._pending

    def __enter__(self) -> TaskQueue:
        """Returns the queue; the end of the block waits for pushed tasks, then stops."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Waits for pushed tasks (unless an error ended the block), and stops."""
        try:
            if kind is None:
                self.join()
        finally:
            self.stop(cut=kind is not None)
            self.join()

    # What can be seen

    @property
    def last_report(self) -> Report | None:
        """The report of the last run, also of one that a stop ended."""
        record = self._last
        return None if record is None else Report(record)

    @property
    def late(self) -> int:
        """How many results arrived after their task had timed out."""
        return self._late

    @property
    def stats(self) -> QueueStats:
        """The counters of this moment."""
        with self._lock:
            done = self._done.get
            return QueueStats(
                pushed=self._pushed,
                waiting=len(self._pending),
                running=self._running,
                ok=done("ok", 0),
                failed=done("failed", 0),
                timed_out=done("timed out", 0),
                cancelled=done("cancelled", 0),
                not_started=done("not started", 0),
                late=self._late,
            )

    def __len__(self) -> int:
        """The number of tasks waiting for the next run."""
        return len(self._pending)

    def __bool__(self) -> bool:
        """True: an empty queue is still a queue."""
        return True

    def __repr__(self) -> str:
        """The counts."""
        return f"<TaskQueue: {self.stats}>"

    # Waiting for a change; each waiter has a signal of its own, which no other thread clears

    def _waker(self) -> Signal:
        """A signal that is set at the next change. The caller holds the lock."""
        signal = Signal()
        self._wakers.append(signal)
        return signal

    def _take_wakers(self) -> list[Signal]:
        """Those to be set once the lock is free. The caller holds the lock."""
        wakers, self._wakers = self._wakers, []
        return wakers

    def _await(self, signal: Signal, timeout_s: float | None) -> bool:
        try:
            return self._clock.wait((signal,), timeout_s)
        finally:
            with self._lock:
                if signal in self._wakers:
                    self._wakers.remove(signal)


def _each(exchanges: Sequence[Any] | Mapping[str, Any]) -> Iterable[Any]:
    return exchanges.values() if isinstance(exchanges, Mapping) else exchanges


def _log() -> logging.Logger:
    import logging  # a start needs none

    return logging.getLogger(__name__)


def _set_all(signals: list[Signal]) -> None:
    for signal in signals:
        signal.set()


def _report_to(on_report: Callable[[Report], object], report: Report) -> None:
    try:
        on_report(report)
    except Exception:  # the user's function; the loop goes on, and the error is in the log
        _log().exception("on_report of the task queue raised")
