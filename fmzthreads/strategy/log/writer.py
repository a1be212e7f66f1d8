"""A bounded queue before one sink, and the thread that hands its entries over.

Nobody who writes a line waits for a sink: a line is put into the queue, and a thread writes what has gathered there a few milliseconds
later. A sink that is slow, locked or full makes the queue grow up to its bound; then lines are dropped and counted, those of orders last.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from operator import itemgetter

import attrs

from ...charts.points import ChartPoint
from ...clock import Waker
from ...errors import OperationFailed
from ...fork import after_fork_in_child
from .at_exit import write_out_at_exit
from .lines import Entry, Line, Mark, ProfitPoint, Sink, StatusText, Vacuum
from .spill import Spill
from .spill_entries import SPILLED

__all__ = ["SinkStats", "SinkWriter"]

# A line is on its way to the sink after this long. It lets lines gather, so that a busy journal costs one write, not one for each line.
_LINGER_S = 0.01
# One write takes at most so many entries, so that it is short: other processes wait for it.
_LARGEST_BATCH = 2_000
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 0.5
# How long a caller writes by itself when the interpreter is ending and no thread can be started any more.
_LAST_CHANCE_S = 2.0
# The part of a close's time in which a refused batch is tried again; the rest is for the last try.
_TRYING = 0.8
# What is dropped first: log and profit lines; then errors; then lines of orders, and what deletes lines.
_RANKS = {"log": 0, "profit": 0, "error": 1, "restart": 1}


class _Close:
    """The entry after which the sink is closed."""


_CLOSE = _Close()


@attrs.frozen(kw_only=True)
class SinkStats:
    """What became of the entries of one sink.

    Attributes:
        sink: The class of the sink.
        written: Entries that it took.
        lost: Lines and points (of the profit curve and of charts) that never reached it: dropped from the full queue, or refused.
        waiting: Entries in the queue.
        failures: How often it raised an error.
        last_error: The last of these errors; empty before the first.
    """

    sink: str
    written: int
    lost: int
    waiting: int
    failures: int
    last_error: str


class SinkWriter:
    """The queue and the thread of one sink. Any thread may use it; the thread is started by the first entry.

    Args:
        sink: Where the entries go.
        tell: Takes a text about this sink: that lines get lost, and that it takes lines again. Called without a lock of this object.
        most_entries: How many entries wait at most.
        most_characters: How many characters of text wait at most.
        linger_s: How long an entry waits for others before they are written together, in seconds.
        spill: Where entries are kept meanwhile, should the process be killed; None for nowhere. The sink must store marks.
    """

    def __init__(
        self,
        sink: Sink,
        tell: Callable[[str], object],
        *,
        most_entries: int = 50_000,
        most_characters: int = 64 * 2**20,
        linger_s: float = _LINGER_S,
        spill: Spill | None = None,
    ) -> None:
        self.sink = sink
        self._tell = tell
        self._most_entries, self._most_characters, self._linger_s = most_entries, most_characters, linger_s
        # Guards all fields below. Re-entrant, because a finalizer that logs may run while this thread has it.
        self._lock = threading.RLock()
        self._alarm = Waker()
        self._thread: threading.Thread | None = None
        self._asleep = False  # whether the thread waits for the alarm
        self._hurry = False  # whether somebody waits for the writing
        self._leaving = False  # whether the sink was closed, so that the thread ends when the queue is empty
        self._give_up_at: float | None = None  # by time.monotonic(): what cannot be written by then is lost
        self._number = self._done = 0  # of the newest entry, and of the last one that needs no more work
        self._spill, self._stored = spill, 0  # the second: up to which number the sink has what the first keeps
        self._waiters: list[tuple[int, Waker]] = []
        self._clear_queue()
        self._in_hand = self._written = self._lost = self._failures = 0
        self._last_error = ""
        self._in_trouble, self._lost_before_trouble, self._told = False, 0, 0
        after_fork_in_child(self._start_anew_in_child)
        write_out_at_exit(self)

    def _clear_queue(self) -> None:
        self._ranks: tuple[deque[tuple[int, Entry | _Close]], ...] = (deque(), deque(), deque())
        self._status: tuple[int, StatusText] | None = None
        self._count = self._characters = 0

    def _start_anew_in_child(self) -> None:
        """Forgets the parent's entries, which the parent writes, and its thread, which does not exist here."""
        self._lock = threading.RLock()
        self._alarm = Waker()
        self._thread, self._asleep, self._hurry, self._leaving, self._waiters = None, False, False, False, []
        self._clear_queue()
        self._in_hand = 0
        self._done = self._number

    def __repr__(self) -> str:
        return f"<SinkWriter of {type(self.sink).__name__}: {self._count} waiting, {self._lost} lost>"

    # What callers do

    def put(self, entry: Entry) -> None:
        """Queues an entry; never waits for the sink."""
        if isinstance(entry, Line):
            self.put_line(entry)
        elif isinstance(entry, StatusText):
            with self._lock:
                self._number += 1
                self._status = (self._number, entry)
                self._wake()
        else:
            self._put(entry, 0 if isinstance(entry, (ProfitPoint, ChartPoint)) else 2, 0)

    def put_line(self, line: Line) -> None:
        """Queues a line; never waits for the sink."""
        self._put(line, _RANKS.get(line.kind, 2), len(line.text))

    def _put(self, entry: Entry | _Close, rank: int, characters: int) -> None:
        with self._lock:
            self._number += 1
            self._ranks[rank].append((self._number, entry))
            self._count += entry is not _CLOSE
            self._characters += characters
            if self._spill is not None:
                self._spill.put(self._number, entry)
            full = self._count > self._most_entries or self._characters > self._most_characters
            news = self._make_room() if full else ""
            if self._asleep or self._thread is None:
                self._wake()
        if news:
            self._tell(news)

    def flush(self, timeout_s: float) -> bool:
        """Waits until what was queued before is written, or lost.

        Args:
            timeout_s: The longest to wait, in seconds.

        Returns:
            Whether nothing of it waits any more.
        """
        waker = Waker()
        with self._lock:
            if self._done >= self._number:
                return True
            if self._thread is threading.current_thread():
                return False  # a sink that flushes its own journal
            waiter = (self._number, waker)
            self._waiters.append(waiter)
            self._hurry = True
            self._wake()
            self._alarm.wake()
        try:
            return waker.sleep(timeout_s)
        finally:
            with self._lock:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)

    def begin_close(self, timeout_s: float) -> None:
        """Has the sink closed after what is queued; what cannot be written in time is lost. Does not wait.

        Args:
            timeout_s: How long it may take, in seconds.
        """
        with self._lock:
            # Real time here and below: a full disk or a lock of another process does not wait for a virtual clock.
            self._give_up_at = time.monotonic() + timeout_s * _TRYING
            idle = self._thread is None and self._done >= self._number
        if idle:
            self._close_sink()
        else:
            self._put(_CLOSE, 2, 0)
            self._alarm.wake()

    def final_words(self) -> str:
        """What there is to say about lost lines at the end; empty if the sink took what it had to."""
        with self._lock:
            name, waiting = type(self.sink).__name__, self._in_hand + self._count
            kept = self._spill.path if self._spill is not None and self._stored < self._number else None
            tail = f"; those that {kept} has are stored by the next start" if kept is not None else ""
            if self._done < self._number:
                return f"the journal's {name} did not take {waiting} lines before the end{tail}"
            lost = self._lost - self._lost_before_trouble
            return f"the journal's {name} lost {lost} lines{tail}" if self._in_trouble and lost else ""

    def stats(self) -> SinkStats:
        """What became of the entries."""
        with self._lock:
            waiting = self._in_hand + self._count + (self._status is not None)
            name = type(self.sink).__name__
            return SinkStats(
                sink=name, written=self._written, lost=self._lost, waiting=waiting,
                failures=self._failures, last_error=self._last_error,
            )  # fmt: skip

    # Inside; under the lock

    def _make_room(self) -> str:
        """Drops the oldest entries of the lowest rank until the queue is within its bounds; returns what is to be told."""
        lost = 0
        while self._count > 1 and (self._count > self._most_entries or self._characters > self._most_characters):
            rank = next(rank for rank in self._ranks if rank)
            _, entry = rank.popleft()
            self._count -= 1
            self._characters -= len(entry.text) if isinstance(entry, Line) else 0
            lost += isinstance(entry, (Line, ProfitPoint, ChartPoint))
        return self._trouble(f"is too slow: {self._count} lines wait for it, and older ones are dropped", lost)

    def _trouble(self, text: str, lost: int) -> str:
        """Counts lost lines; returns what is to be told at the first failure, and never again before the sink works."""
        before = self._lost
        self._lost += lost
        if self._in_trouble:
            return ""
        self._in_trouble, self._lost_before_trouble = True, before
        self._told += 1
        return f"the journal's {type(self.sink).__name__} {text}" if self._told <= 10 else ""

    def _wake(self) -> None:
        """Makes sure that a thread works on the queue."""
        if self._thread is None:
            thread = threading.Thread(
                target=self._run, name=f"fmzthreads-journal-{type(self.sink).__name__}", daemon=True
            )
            self._thread = thread
            try:
                thread.start()
            except RuntimeError:  # the interpreter is ending
                self._give_up_at = time.monotonic() + _LAST_CHANCE_S
                self._work()
                self._thread = None
        elif self._asleep:
            self._asleep = False
            self._alarm.wake()

    # Inside; in the thread

    def _run(self) -> None:
        while True:
            if not self._hurry:
                self._alarm.sleep(self._linger_s)  # a flush ends it early
            self._work()
            with self._lock:
                if self._done < self._number:
                    continue
                if self._leaving:
                    self._thread, self._leaving = None, False
                    return
                self._asleep = True
            self._alarm.sleep()

    def _work(self) -> None:
        """Writes what the queue holds."""
        with self._lock:
            entries = [entry for rank in self._ranks for entry in rank]
            if self._status is not None:
                entries.append(self._status)
            number = self._number
            self._in_hand, self._hurry = self._count + (self._status is not None), False
            self._clear_queue()
        entries.sort(key=itemgetter(0))
        batch: list[Entry] = []
        last = 0  # of those that the spill keeps
        for entry_number, entry in entries:
            if isinstance(entry, _Close):
                self._write(batch, last)
                batch = []
                self._close_sink()
                self._leaving = True
                continue
            self._leaving = False
            if isinstance(entry, Vacuum):
                self._write(batch, last)
                batch = []
            batch.append(entry)
            if type(entry) in SPILLED:
                last = entry_number
            if len(batch) >= _LARGEST_BATCH or isinstance(entry, Vacuum):
                self._write(batch, last)
                batch = []
        self._write(batch, last)
        with self._lock:
            self._done, self._in_hand = number, 0
            if self._spill is not None:
                self._spill.done(number)
            ready = [waker for target, waker in self._waiters if target <= number]
        for waker in ready:
            waker.wake()

    def _write(self, batch: Sequence[Entry], last: int) -> None:
        if not batch:
            return
        pause_s = _FIRST_PAUSE_S
        marked = self._marked(batch, last)
        while True:
            try:
                self.sink.write(marked)
            except OperationFailed as error:
                if self._give_up_at is None or time.monotonic() < self._give_up_at:
                    self._failed(error, 0)
                    self._pause(pause_s)
                    pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
                    continue
                self._failed(error, _lines_in(batch))
            except Exception as error:  # the thread must go on with the next lines; the error is counted and told
                self._failed(error, _lines_in(batch))
            else:
                self._stored = max(self._stored, last)
                self._succeeded(len(batch))
            return

    def _marked(self, batch: Sequence[Entry], last: int) -> Sequence[Entry]:
        """The batch, with a mark if the spill has entries of it; a Vacuum is alone."""
        if self._spill is None or last <= self._stored or isinstance(batch[0], Vacuum):
            return batch
        name = self._spill.name
        return [*batch, Mark(name, last)] if name else batch

    def _pause(self, seconds: float) -> None:
        if self._give_up_at is not None:
            seconds = min(seconds, self._give_up_at - time.monotonic())
        self._alarm.sleep(seconds)

    def _close_spill(self) -> None:
        """Deletes the spill, unless entries in it have not reached the sink."""
        if self._spill is None:
            return
        with self._lock:
            name = self._spill.name
            gone = self._spill.close(self._stored)
        if name and gone and self._stored:
            with contextlib.suppress(OperationFailed):  # the mark of a file that is gone does no harm
                self.sink.write([Mark(name, -1)])

    def _close_sink(self) -> None:
        try:
            self._close_spill()
            self.sink.close()
        except Exception as error:  # as above
            self._failed(error, 0)
        self._give_up_at = None

    def _failed(self, error: Exception, lost: int) -> None:
        with self._lock:
            self._failures += 1
            self._last_error = f"{type(error).__name__}: {error}"
            news = self._trouble(f"failed: {self._last_error}", lost)
        if news:
            self._tell(news)

    def _succeeded(self, count: int) -> None:
        with self._lock:
            self._written += count
            self._in_hand -= count
            over = self._in_trouble and self._count * 2 <= self._most_entries
            if over:
                self._in_trouble = False
            lost = self._lost - self._lost_before_trouble
        if over and self._told <= 10:
            self._tell(f"the journal's {type(self.sink).__name__} works again; {lost} lines were lost")


def _lines_in(batch: Sequence[Entry]) -> int:
    return sum(isinstance(entry, (Line, ProfitPoint, ChartPoint)) for entry in batch)
