"""Turns Ctrl-C and SIGTERM into a stop, after which a plain script can clean up."""

from __future__ import annotations

import atexit
import signal
import threading
from collections.abc import Callable, Iterable
from types import FrameType, TracebackType
from typing import Any

from ..clock import Waker
from ..errors import InputError, StopRequested
from ..fork import after_fork_in_child
from .runtime import Runtime, current

__all__ = ["StopOnSignal", "install_signal_handlers"]

# FMZ gives onexit five minutes.
_ONEXIT_LIMIT_S = 300.0


class StopOnSignal:
    """Turns SIGINT and SIGTERM into the stop of a runtime.

    Created by ``install_signal_handlers``.

    As a context manager it suppresses the StopRequested of its own stop, runs ``onexit``, and restores the previous handlers.
    """

    def __init__(
        self, runtime: Runtime, onexit: Callable[[], Any] | None, signals: Iterable[int], onexit_limit_s: float
    ) -> None:
        self._runtime = runtime
        self._onexit = onexit
        self._limit_s = onexit_limit_s
        self.received = 0
        """The number of the first signal received; 0 before."""
        self._former: dict[int, Any] = {}
        # A handler runs between two steps of the main thread, which may hold any lock just then, the stop's too. So it only wakes this
        # waker (which takes no lock), and the helper thread sets the stop.
        self._alarm = Waker()
        self._ended = False
        # The same thread later ends an onexit that takes too long: none can be started once the interpreter is ending.
        self._settled, self._begun, self._over = Waker(), Waker(), Waker()
        self._helper = threading.Thread(target=self._watch, name="fmzthreads-stop", daemon=True)
        for number in signals:
            self._former[number] = signal.signal(number, self._handle)
        self._helper.start()
        after_fork_in_child(self._left_behind)
        if onexit is not None:
            atexit.register(self.finish)

    def _left_behind(self) -> None:
        """In the child of a fork: ``onexit`` is the parent's, and the helper thread too; signals have their former effect."""
        if self._ended:
            return
        self._ended = True
        atexit.unregister(self.finish)
        if not self.received:
            self._give_back()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.received = self.received or number
        self._give_back()  # a second Ctrl-C then ends the program at once
        self._alarm.wake()

    def _watch(self) -> None:
        stop = self._runtime.stop
        self._alarm.sleep()
        if not self._ended:
            stop.request(f"stopped by {signal.Signals(self.received).name}")
        self._settled.wake()
        self._begun.sleep()
        if not self._over.sleep(self._limit_s):
            stop.request("onexit took too long")

    def _give_back(self) -> None:
        for number, former in self._former.items():
            signal.signal(number, signal.SIG_DFL if former is None else former)

    def finish(self) -> None:
        """Restores the previous handlers and runs ``onexit``, once, with the stop cleared.

        After ``onexit_limit_s`` the stop is set again, to end an ``onexit`` that waits for ever.
        """
        if self._ended:
            return
        self._ended = True
        self._alarm.wake()
        self._settled.sleep()
        atexit.unregister(self.finish)
        if not self.received:
            self._give_back()
        try:
            if self._onexit is not None:
                self._run_onexit(self._onexit)
        finally:
            self._over.wake()
            self._begun.wake()
            self._helper.join()

    def _run_onexit(self, onexit: Callable[[], Any]) -> None:
        stop = self._runtime.stop
        was_set, reason = stop.is_set(), stop.reason
        stop.clear()
        self._begun.wake()
        try:
            onexit()
        except StopRequested as error:
            self._runtime.error(f"onexit was stopped before its end: {error}", source="onexit")
        finally:
            self._over.wake()
            if was_set:
                stop.request(reason)

    def __enter__(self) -> StopOnSignal:
        """Returns itself; the handlers were installed by the constructor."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        """Runs ``finish``; True (the exception is suppressed) when this stop ended the block."""
        ours = bool(self.received) and isinstance(error, StopRequested)
        self.finish()
        return ours


def install_signal_handlers(
    onexit: Callable[[], Any] | None = None,
    *,
    runtime: Runtime | None = None,
    signals: Iterable[int] = (signal.SIGINT, signal.SIGTERM),
    onexit_limit_s: float = _ONEXIT_LIMIT_S,
) -> StopOnSignal:
    """Makes Ctrl-C and SIGTERM stop a plain script, with time to clean up.

    ::

        with install_signal_handlers(onexit):
            main()

    The first signal sets the runtime's stop: every wait of the strategy ends with StopRequested, which leaves ``main``, and ``onexit`` is
    run with the stop cleared, so that it can cancel orders. A second signal has its default effect. Without ``with``,
    ``onexit`` is run when the interpreter ends.

    Args:
        onexit: Called without arguments, once, however the block ends.
        runtime: The runtime to stop; the current one when None.
        signals: The signals to handle.
        onexit_limit_s: Maximum duration of ``onexit`` in seconds of real time; after it the stop is set again.

    Raises:
        InputError: This is not the main thread, the only one in which Python handles signals.
    """
    if threading.current_thread() is not threading.main_thread():
        name = threading.current_thread().name
        raise InputError(
            f"install_signal_handlers was called in thread {name!r}, expected the main thread, where Python handles signals"
        )
    return StopOnSignal(runtime if runtime is not None else current(), onexit, signals, onexit_limit_s)
