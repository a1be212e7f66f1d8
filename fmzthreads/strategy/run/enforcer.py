"""Ends a strategy that does not heed its stop.

After a stop every call of a strategy raises StopRequested. A strategy that computes, sleeps by ``time.sleep``, or catches everything does not
see it, or swallows it. So the exception is raised in its thread again and again, at first only while its own code runs (a call of ours is
about to end by itself), later anywhere; and when that does not help either, ``give_up`` is called, which ends the process.

On POSIX systems the strategy's thread is interrupted by SIGURG, which nothing else uses and which is ignored by default: unlike an
asynchronous exception it also ends ``time.sleep`` and reads of sockets. Elsewhere, and in other threads, it is an asynchronous exception.
"""

from __future__ import annotations

import ctypes
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from ...clock import Stop, Waker
from ...errors import StopRequested

__all__ = ["Enforcer"]

_PACKAGE = str(Path(__file__).resolve().parents[2])
_EXAMPLES = str(Path(_PACKAGE) / "examples")
_SIGNAL = getattr(signal, "SIGURG", None)

_SOFT_PAUSE_S = 0.25
# A loop that catches everything ends only when the exception is raised outside its try, so it is raised often.
_HARD_PAUSE_S = 0.02


class _StoppedAnywhere(StopRequested):
    """The stop as an asynchronous exception, which the interpreter makes without arguments."""

    def __init__(self) -> None:
        super().__init__("stop requested")


class Enforcer:
    """Watches a strategy in the thread that made this object.

    Args:
        stop: The strategy's stop.
        give_up: Called in a helper thread when the strategy is still there after ``limit_s``.
        soft_s: When the strategy's own code is interrupted, in seconds after the stop.
        hard_s: When any code of its thread is interrupted.
        limit_s: When it is given up.
    """

    def __init__(
        self,
        stop: Stop,
        give_up: Callable[[], None],
        *,
        soft_s: float = 0.5,
        hard_s: float = 5.0,
        limit_s: float = 15.0,
    ) -> None:
        self._stop = stop
        self._give_up = give_up
        self._soft_s, self._hard_s, self._limit_s = soft_s, hard_s, limit_s
        self._thread_id = threading.get_ident()
        self._by_signal = _SIGNAL is not None and threading.current_thread() is threading.main_thread()
        self._active = False  # written by the strategy's thread only, in which the handler runs too
        self._hard = False
        self._pressed = False  # whether an asynchronous exception was ever sent

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Has the ``with`` block end after a stop, whatever it does."""
        left, alarm = Waker(), Waker()
        token = self._stop.add(alarm.wake)
        helper = threading.Thread(target=self._watch, args=(left, alarm), name="fmzthreads-enforcer", daemon=True)
        former: Any = None
        if self._by_signal and _SIGNAL is not None:
            former = signal.signal(_SIGNAL, self._interrupt)
        self._active, self._hard = True, False
        helper.start()
        try:
            try:
                yield
            finally:
                # An interrupt before this line is raised here and leaves the block like one that was raised inside it; later ones do nothing.
                self._active = False
        finally:
            self._active = (
                False  # such an interrupt has passed by the line above; the next one is some milliseconds off
            )
            _undisturbed(left.wake, alarm.wake, lambda: self._stop.remove(token), helper.join)
            if self._by_signal and _SIGNAL is not None:
                signal.signal(_SIGNAL, former if former is not None else signal.SIG_DFL)
            elif self._pressed:
                _undisturbed(self._take_back)

    def _take_back(self) -> None:
        """Has an exception that may still be on its way to this thread raised here, where it does nothing.

        Setting none in its place would not do: until CPython 3.12 the interpreter then looks for it for ever, in all threads, and 3.11 hangs as
        soon as anything traces (a debugger, coverage).
        """
        try:
            self._raise_in_thread()  # in the place of one that waits
            while True:  # it comes at the next step
                pass
        except _StoppedAnywhere:
            pass

    def _watch(self, left: Waker, alarm: Waker) -> None:
        alarm.sleep()
        began = time.monotonic()  # real time: it interrupts code that asks no clock
        if left.sleep(self._soft_s):
            return
        while time.monotonic() - began < self._limit_s:
            self._hard = time.monotonic() - began >= self._hard_s
            self._press()
            if left.sleep(_HARD_PAUSE_S if self._hard else _SOFT_PAUSE_S):
                return
        self._give_up()

    def _press(self) -> None:
        if self._by_signal and _SIGNAL is not None:
            with suppress(ProcessLookupError):
                signal.pthread_kill(self._thread_id, _SIGNAL)
        elif self._active and self._hard:
            self._pressed = True
            self._raise_in_thread()

    def _raise_in_thread(self) -> None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread_id), ctypes.py_object(_StoppedAnywhere))

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._active and (self._hard or not _in_a_call_of_ours(frame)):
            raise StopRequested(self._stop.reason or "stop requested")


def _undisturbed(*steps: Callable[[], object]) -> None:
    """Takes steps that may be taken twice; one that an asynchronous exception interrupts is taken again."""
    for step in steps:
        while True:
            try:
                step()
                break
            except _StoppedAnywhere:
                continue


def _in_a_call_of_ours(frame: FrameType | None) -> bool:
    """Whether the interrupted code is a call of this package, or something that such a call called."""
    here = Path(__file__).parent
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(str(here)):  # the frames of the run itself, below the strategy
            return False
        if file.startswith(_PACKAGE) and not file.startswith((_EXAMPLES, str(here.parent / "program"))):
            return True
        frame = frame.f_back
    return False
