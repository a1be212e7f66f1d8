"""Ctrl-C and the like for a plain script: the first asks the strategy to stop, and what it left open can still be tidied up."""

from __future__ import annotations

import atexit
import signal
import threading
from collections.abc import Callable, Iterable
from types import FrameType, TracebackType
from typing import Any

from ..clock import Waker
from ..errors import InputError, StopRequested
from .runtime import Runtime, current

__all__ = ["StopOnSignal", "install_signal_handlers"]

# FMZ gives onexit five minutes.
_ONEXIT_LIMIT_S = 300.0


class StopOnSignal:
    """Turns SIGINT and SIGTERM into the stop of a runtime. Made by ``install_signal_handlers``.

    As a context manager it ends quietly when its own stop ended the block, runs ``onexit``, and puts the former handlers back.
    """

    def __init__(
        self, runtime: Runtime, onexit: Callable[[], Any] | None, signals: Iterable[int], onexit_limit_s: float
    ) -> None:
        self._runtime = runtime
        self._onexit = onexit
        self._limit_s = onexit_limit_s
        self.received = 0
        """The number of the signal that came first; 0 before."""
        self._former: dict[int, Any] = {}
        # A handler runs between two steps of the main thread, which may hold any lock just then, the stop's too. So it only rings this
        # alarm (which takes no lock), and a thread of our own sets the stop.
        self._alarm = Waker()
        self._ended = False
        # The same thread later ends an onexit that takes too long: none can be started once the interpreter is ending.
        self._settled, self._begun, self._over = Waker(), Waker(), Waker()
        self._helper = threading.Thread(target=self._watch, name="fmzthreads-stop", daemon=True)
        for number in signals:
            self._former[number] = signal.signal(number, self._handle)
        self._helper.start()
        if onexit is not None:
            atexit.register(self.finish)

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
        """Puts the former handlers back and runs ``onexit``, once; a stop that was set is lifted for it.

        After ``onexit_limit_s`` the stop is set again, so that an ``onexit`` that waits for ever is ended by it.
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
            self._runtime.error(f"onexit was ended: {error}", source="onexit")
        finally:
            self._over.wake()
            if was_set:
                stop.request(reason)

    def __enter__(self) -> StopOnSignal:
        """Itself; the handlers are in place since it was made."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        """Runs ``finish``; True (nothing is raised further) when the block was ended by this stop."""
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
    """Has Ctrl-C and SIGTERM stop the strategy in good order, for a plain script or a demo.

    ::

        with install_signal_handlers(onexit):
            main()

    The first signal sets the runtime's stop: every wait of the strategy ends with StopRequested, which leaves ``main``, and ``onexit`` is
    run with the stop lifted, so that it can cancel orders. A second signal does what it would have done without this. Without ``with``,
    ``onexit`` is run when the interpreter ends.

    Args:
        onexit: Called without arguments, once, however the block ends.
        runtime: Whose stop; the current runtime's when None.
        signals: Which signals.
        onexit_limit_s: After so many seconds of real time in ``onexit`` the stop is set again.

    Raises:
        InputError: This is not the main thread, the only one in which Python handles signals.
    """
    if threading.current_thread() is not threading.main_thread():
        name = threading.current_thread().name
        raise InputError(
            f"install_signal_handlers: call it in the main thread, not in {name!r}; Python handles signals there only"
        )
    return StopOnSignal(runtime if runtime is not None else current(), onexit, signals, onexit_limit_s)
