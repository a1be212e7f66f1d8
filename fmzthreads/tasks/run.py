"""One run of a task queue: starts the calls, decides their outcomes, binds the results.

All binding happens in the thread that runs the turn. A call's end and its task's time-out meet under one lock, where the first of the two
decides; so a result is either bound or late, never both, and nothing is assigned once ``run`` has returned.
"""

from __future__ import annotations

import heapq
import math
import threading
import traceback
import weakref
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ..clock import Clock, Signal
from ..errors import InputError, OperationFailed, short_repr
from .binding import container, put
from .error_lines import ErrorLines
from .gate import Gate, GatePass, SharedGate
from .handle import Handle, seconds_of
from .report import Report, ReportRow, RunRecord, Status

if TYPE_CHECKING:
    from .task import Task

__all__ = ["Callee", "Entry", "Turn"]


class Callee(Protocol):
    """The interface of an exchange to the queue.

    An object without ``submit`` is called through ``Go(method, *args)`` instead, and cannot be gated. Three more are used where they exist:

    - ``max_concurrency``, how many calls would start at once if made now. No more than that are held at a gate together, and the rest
      start behind them (a gate that waited for a call without a worker would wait in vain).
    - ``check_call(method, args)`` raises for a call that ``submit`` would refuse; ``push`` then refuses the task.
    - ``report_error(call, error)`` writes an error line; an object that has it also writes one for each of its calls that fails.
    """

    def submit(self, method: str, args: Sequence[object], *, gate: SharedGate | None = None) -> Handle[Any]:
        """Starts a call in the background; its handle's ``error`` says why it failed.

        Raises:
            UnknownName: There is no such method.
            TooManyHandles: More unfinished calls than allowed.
        """


class Entry:
    """A task within a turn.

    Args:
        task: The task.
        callee: The exchange that it calls.
        label: The exchange's label, for the report.
    """

    __slots__ = ("callee", "decided", "dependents", "due", "gate_pass", "handle", "outcome", "row", "task", "waits_for")

    def __init__(self, task: Task, callee: Any, label: str) -> None:
        self.task = task
        self.callee = callee
        self.row = ReportRow(task=task, exchange=label)
        self.handle: Handle[Any] | None = None
        self.gate_pass: GatePass | None = None
        self.due = math.inf  # -inf for a task that is not waited for
        self.waits_for = 0  # how many entries of this turn have to be ok first
        self.dependents: list[Entry] = []
        self.decided = False  # guarded by the turn's lock: its call's end was accepted, or its time was up
        self.outcome: Status | None = None  # what the running thread made of it; final once row.status says the same

    def check_wanted(self) -> None:
        """Raises OperationFailed once the task has timed out or the run was cut: such a request is not sent."""
        if self.decided:
            raise OperationFailed("the task timed out while it waited at the gate; nothing was sent")


class Turn:
    """Runs a batch of tasks once.

    Args:
        entries: The tasks, in the order in which they were pushed.
        context: Where the results go.
        clock: Measures times, and waits; its stop cuts the turn.
        timeout_ms: The longest for all, in milliseconds; None or 0 for no limit; negative: nothing is waited for.
        gate_timeout_s: The longest that prepared calls are held for one that is not ready.
        was_ok: Whether a task that is not among the entries was ok in an earlier turn; None when it was in none.
        on_late: Called (in any thread) for each call that ends after its task's fate was decided.
        cut: Once set, the turn ends at once; what has not ended is cancelled.
    """

    def __init__(
        self,
        entries: list[Entry],
        context: Any,
        *,
        clock: Clock,
        timeout_ms: float | None,
        gate_timeout_s: float,
        was_ok: Callable[[Task], bool | None],
        on_late: Callable[[], None],
        cut: Signal,
    ) -> None:
        self._entries = entries
        self._context = context
        self._clock = clock
        self._gate_timeout_s = gate_timeout_s
        self._was_ok = was_ok
        self._on_late = on_late
        self._cut = cut
        self._signal = Signal()
        self._lock = threading.Lock()  # guards each entry's decided, row.late, and the inbox
        self._inbox: list[Entry] = []
        # The rest belongs to the thread that runs the turn.
        self._open = len(entries)
        # The first tasks are started however short the time is; what comes after others only within it.
        self._started = False
        self._ready: list[Entry] = []
        self._dues: list[tuple[float, int, Entry]] = []
        self._chains: dict[Hashable, deque[Entry]] = {}
        began_at = clock.monotonic()
        self.record = RunRecord(rows=[entry.row for entry in entries], began_at=began_at)
        self._lines = ErrorLines([(entry.row, entry.callee) for entry in entries])
        self._due = _due(began_at, timeout_ms)

    def run(self) -> Report:
        """Runs the batch to its end.

        Raises:
            StopRequested: The strategy is being stopped; what had not ended is cancelled, as ``record`` says.
        """
        reason: BaseException | None = None
        try:
            self._link()
            self._loop()
            if self._open:
                reason = OperationFailed("the queue was stopped")
            self._end(reason)
        except BaseException as error:  # a stop or Ctrl-C: noted on the rows, and raised again
            self._end(error)
            self._lines.report_dropped()  # there will be no report to look at
            raise
        report = Report(self.record)
        if not report.ok:
            weakref.finalize(report, self._lines.report_dropped)
        return report

    def _end(self, reason: BaseException | None) -> None:
        if self._open:
            self._abandon(reason)
        self._note_times()

    def _loop(self) -> None:
        while self._open and not self._cut.is_set():
            self._start_ready()
            self._signal.clear()  # before looking: what arrives after the look sets it again
            with self._lock:
                arrived, self._inbox = self._inbox, []
            for entry in arrived:
                self._resolve(entry, self._outcome_of(entry))
            self._expire()
            if self._open and not self._ready:
                left = self._dues[0][0] - self._clock.monotonic() if self._dues else math.inf
                self._clock.wait((self._signal, self._cut), None if left == math.inf else max(0.0, left))

    # Before the start

    def _link(self) -> None:
        """Links tasks with those in their ``after``, and orders the bindings of each target."""
        by_task: dict[Task, list[Entry]] = {}
        for entry in self._entries:
            by_task.setdefault(entry.task, []).append(entry)
        lacking: list[tuple[Entry, str]] = []
        for entry in self._entries:
            for task in entry.task.after:
                for first in by_task.get(task, ()):
                    first.dependents.append(entry)
                    entry.waits_for += 1
                if task not in by_task and not self._was_ok(task):
                    known = (
                        "was not ok in an earlier run"
                        if self._was_ok(task) is False
                        else "was not pushed before this run"
                    )
                    lacking.append((entry, f"it comes after {short_repr(task)}, which {known}"))
        for entry in _in_order(self._entries):
            if entry.task.ret is not None:
                self._chains.setdefault((entry.task.exchange, entry.task.ret), deque()).append(entry)
        self._ready = [entry for entry in self._entries if not entry.waits_for]
        for entry, why in lacking:
            self._not_started(entry, why)

    # Starting

    def _start_ready(self) -> None:
        ready, self._ready = [entry for entry in self._ready if entry.outcome is None], []
        if self._started and self._clock.monotonic() >= self._due:
            for entry in ready:
                self._not_started(entry, "the run timed out before it could start")
            return
        self._started = True
        together = self._gated_together([entry for entry in ready if entry.task.gate])
        if len(together) > 1:
            gate = Gate(len(together), self._longest_hold_s(together), stop=self._clock.stop)
            for entry in together:
                entry.gate_pass = GatePass(gate, self._clock, entry.check_wanted)
        # Gated ones first: they must find the free workers, or the gate would wait for those in the line.
        for entry in sorted(ready, key=lambda entry: entry.gate_pass is None):
            self._start(entry)

    def _longest_hold_s(self, together: list[Entry]) -> float:
        """How long calls are held at a gate: at most half of the time that the most urgent one has, so that it can still be answered."""
        now = self._clock.monotonic()
        soonest = min(self._due, *(_due(now, entry.task.timeout_ms) for entry in together))
        return min(self._gate_timeout_s, max(0.0, soonest - now) / 2)

    def _gated_together(self, entries: list[Entry]) -> list[Entry]:
        """Returns as many entries as have a free worker now."""
        room: dict[int, float] = {}
        chosen = []
        for entry in entries:
            if not hasattr(entry.callee, "submit"):
                continue
            most = getattr(entry.callee, "max_concurrency", None)
            left = room.setdefault(id(entry.callee), math.inf if most is None else most)
            if left > 0:
                room[id(entry.callee)] = left - 1
                chosen.append(entry)
        return chosen

    def _start(self, entry: Entry) -> None:
        task = entry.task
        entry.due = min(self._due, _due(self._clock.monotonic(), task.timeout_ms))
        try:
            if hasattr(entry.callee, "submit"):
                handle = entry.callee.submit(task.method, task.args, gate=entry.gate_pass)
            else:
                handle = entry.callee.Go(task.method, *task.args)
            if not isinstance(handle, Handle):
                raise InputError(
                    f"{task.method} of exchange {entry.row.exchange} returned a {type(handle).__name__}, expected a Handle"
                )
        except Exception as error:  # one call that cannot be started does not disturb the others; its row says why
            if entry.gate_pass is not None:
                entry.gate_pass.leave()
            entry.decided = True
            entry.row.error = _detached(error)
            self._resolve(entry, "failed")
            return
        entry.handle = entry.row.handle = handle
        if entry.due < math.inf:
            heapq.heappush(self._dues, (entry.due, id(entry), entry))
        handle.add_ready_callback(lambda: self._ended(entry, handle))

    # A call's end against its time-out

    def _ended(self, entry: Entry, handle: Handle[Any]) -> None:
        """Records the end of a call; runs in the thread that ended it."""
        with self._lock:
            too_late = self._clock.monotonic() > entry.due > -math.inf
            late = not handle.cancelled and (entry.decided or too_late)
            if late:
                entry.row.late = True
                entry.row.finished_at = handle.finished_at
            if not entry.decided:
                entry.decided = True
                self._inbox.append(entry)
        if late:
            self._on_late()
            self._lines.came_late(entry.row, entry.callee)
        self._signal.set()

    def _expire(self) -> None:
        """Ends the wait for calls that have timed out."""
        now = self._clock.monotonic()
        while self._dues and self._dues[0][0] <= now:
            entry = heapq.heappop(self._dues)[2]
            if entry.outcome is None and self._decide(entry):
                self._resolve(entry, "timed out")
                assert entry.handle is not None
                entry.handle.cancel()  # a call that waits for a worker will not start any more

    def _decide(self, entry: Entry) -> bool:
        """Takes the decision on an entry, unless its call's end was first."""
        with self._lock:
            if entry.decided:
                return False
            entry.decided = True
            return True

    def _outcome_of(self, entry: Entry) -> Status:
        handle, row = entry.handle, entry.row
        assert handle is not None
        if handle.cancelled:
            return "cancelled"
        if row.late:
            return "timed out"
        row.error = handle.error
        try:
            row.value = handle.wait(-1).value  # taken even if it failed, so that it gives no event any more
        except BaseException as error:  # the call's own error, raised by a handle that raises: it is on the row
            if error is not row.error:
                raise
        if row.error is not None:
            row.value = None
        return "ok" if row.error is None else "failed"

    # Settling and binding

    def _not_started(self, entry: Entry, why: str, *, follows: bool = False) -> None:
        if entry.outcome is None:
            entry.decided = True
            entry.row.follows = follows
            entry.row.error = OperationFailed(f"not started: {why}")
            self._resolve(entry, "not started")

    def _resolve(self, entry: Entry, outcome: Status) -> None:
        """Records an outcome; binds it once all earlier entries of the same target are settled."""
        entry.outcome = outcome
        if entry.task.ret is None:
            self._settle(entry)
            return
        chain = self._chains[entry.task.exchange, entry.task.ret]
        while chain and chain[0].outcome is not None:
            self._settle(chain.popleft())

    def _settle(self, entry: Entry) -> None:
        row = entry.row
        outcome = entry.outcome
        assert outcome is not None
        if outcome == "ok" and entry.task.ret is not None:
            try:
                put(container(self._context, entry.task.exchange), entry.task.ret, row.value)
                row.bound = True
            except Exception as error:  # the user's own class or function; its row says so, and the others go on
                row.error = _detached(error)
                outcome = entry.outcome = "failed"
        row.status = outcome
        self._open -= 1
        for dependent in entry.dependents:
            dependent.waits_for -= 1
            if outcome != "ok":
                why = f"it comes after {short_repr(entry.task)}, which was {_english(outcome)}"
                self._not_started(dependent, why, follows=True)
            elif not dependent.waits_for:  # one that has an outcome already is passed over when it would start
                self._ready.append(dependent)

    def _abandon(self, reason: BaseException | None) -> None:
        """Ends the run early: cancels everything that is not settled."""
        for entry in self._entries:
            if entry.row.status != "waiting":
                continue
            self._decide(entry)
            entry.row.status = entry.outcome = "cancelled"
            entry.row.value = None
            words = f"cancelled: {str(reason) or type(reason).__name__}"
            if entry.handle is not None:
                if not entry.handle.cancel():
                    words += "; the call had begun, and what it does is not undone"
            elif entry.gate_pass is not None:
                entry.gate_pass.leave()
            entry.row.error = OperationFailed(words)
        self._open = 0

    def _note_times(self) -> None:
        for entry in self._entries:
            row, handle = entry.row, entry.handle
            if handle is not None:
                passed_at = entry.gate_pass.passed_at if entry.gate_pass is not None else None
                row.started_at = handle.started_at if passed_at is None else passed_at
                if row.finished_at is None and handle.started_at is not None:
                    row.finished_at = handle.finished_at
        self.record.ended_at = self._clock.monotonic()
        self.record.note_skews()


def _detached(error: BaseException) -> BaseException:
    """Turns an error's traceback, which would keep the caller's frames and so the report alive, into a note of the error."""
    if error.__traceback__ is not None:
        error.add_note("".join(traceback.format_exception(error)))
    each: BaseException | None = error
    while each is not None:
        each.__traceback__ = None
        each = each.__cause__ or each.__context__
    return error


def _english(status: Status) -> str:
    return {"failed": "not ok", "timed out": "timed out"}.get(status, status)


def _due(now: float, timeout_ms: float | None) -> float:
    """When something is due that begins now; ``-inf`` for what is not waited for."""
    timeout_s = seconds_of(timeout_ms)
    if timeout_s is None:
        return math.inf
    return now + timeout_s if timeout_s > 0 else -math.inf


def _in_order(entries: list[Entry]) -> list[Entry]:
    """The entries as pushed, except that each comes behind those that it waits for."""
    place = {id(entry): number for number, entry in enumerate(entries)}
    missing = {id(entry): entry.waits_for for entry in entries}
    free = [number for number, entry in enumerate(entries) if not entry.waits_for]  # ascending, so already a heap
    ordered = []
    while free:
        entry = entries[heapq.heappop(free)]
        ordered.append(entry)
        for dependent in entry.dependents:
            missing[id(dependent)] -= 1
            if not missing[id(dependent)]:
                heapq.heappush(free, place[id(dependent)])
    return ordered
