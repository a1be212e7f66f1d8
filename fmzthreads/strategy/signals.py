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
from .shutdown import DRAIN_S, ONEXIT_LIMIT_S, Shutdown

__all__ = ["StopOnSignal", "install_signal_handlers"]


class StopOnSignal:
    """Turns SIGINT and SIGTERM into the stop of a runtime.

    Created by ``install_signal_handlers``.

    As a context manager it suppresses the StopRequested of its own stop, runs ``onexit``, and restores the previous handlers.
    """

    def __init__(
        self,
        runtime: Runtime,
        onexit: Callable[[], Any] | None,
        signals: Iterable[int],
        *,
        onexit_limit_s: float,
        drain_s: float,
        on_second: Callable[[int], None] | None,
        on_overtime: Callable[[], None] | None,
    ) -> None:
        self._runtime = runtime
        self._onexit = onexit
        self._on_second = on_second
        self.received = 0
        """The number of the first signal received; 0 before."""
        self._repeated = 0  # the number of the second one
        self._former: dict[int, Any] = {}
        # A handler runs between two steps of the main thread, which may hold any lock just then, the stop's too. So it only wakes a waker
        # (which takes no lock), and the helper thread does the rest.
        self._first, self._second, self._settled = Waker(), Waker(), Waker()
        self._ended = False
        self._shutdown = Shutdown(runtime, onexit, limit_s=onexit_limit_s, drain_s=drain_s, on_overtime=on_overtime)
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
        if self.received and self._on_second is not None:
            self._repeated = number
            self._second.wake()
            return
        self.received = self.received or number
        if self._on_second is None:
            self._give_back()  # a second Ctrl-C then ends the program at once
        self._first.wake()

    def _watch(self) -> None:
        self._first.sleep()
        if not self._ended:
            self._runtime.stop.request(f"stopped by {signal.Signals(self.received).name}")
        self._settled.wake()
        self._second.sleep()
        if self._repeated and self._on_second is not None:
            self._runtime.name_orders_under_way(f"at {signal.Signals(self._repeated).name}, the second signal")
            self._on_second(self._repeated)

    def _give_back(self) -> None:
        for number, former in self._former.items():
            signal.signal(number, signal.SIG_DFL if former is None else former)

    def finish(self) -> None:
        """Stops what is left of the strategy and runs ``onexit`` (see ``Shutdown``), once; then restores the previous handlers.

        Without ``onexit`` and without a stop only the handlers are restored.
        """
        if self._ended:
            return
        self._ended = True
        self._first.wake()
        self._settled.sleep()
        atexit.unregister(self.finish)
        if not self.received and self._on_second is None:
            self._give_back()  # as after a first signal: one ends the program at once
        try:
            if self._onexit is not None or self._runtime.stop.is_set():
                self._shutdown.run()
        finally:
            self._second.wake()
            self._helper.join()
            if self._on_second is not None:
                self._give_back()

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
    onexit_limit_s: float = ONEXIT_LIMIT_S,
    drain_s: float = DRAIN_S,
    on_second: Callable[[int], None] | None = None,
    on_overtime: Callable[[], None] | None = None,
) -> StopOnSignal:
    """Makes Ctrl-C and SIGTERM stop a plain script, with time to clean up.

    ::

        with install_signal_handlers(onexit):
            main()

    The first signal sets the runtime's stop: every wait of the strategy ends with StopRequested, which leaves ``main``. Then, as after any
    other end of the block, background calls that have not started are cancelled, those that run are waited for, and ``onexit`` runs: it
    (with the calls that it makes, also through ``Go``) is all that may still reach an exchange. A second signal has its default effect.
    Without ``with``, all this happens when the interpreter ends.

    Args:
        onexit: Called without arguments, once, however the block ends.
        runtime: The runtime to stop; the current one when None.
        signals: The signals to handle.
        onexit_limit_s: Maximum duration of ``onexit`` in seconds of real time; after it the stop holds for ``onexit`` too.
        drain_s: Maximum wait for the calls and orders that are under way at the stop, in seconds of real time.
        on_second: Called with the number of a second signal, in a thread of its own, instead of the default effect.
        on_overtime: Called when ``onexit`` does not even end then; see ``Shutdown``.

    Raises:
        InputError: This is not the main thread, the only one in which Python handles signals.
    """
    if threading.current_thread() is not threading.main_thread():
        name = threading.current_thread().name
        raise InputError(
            f"install_signal_handlers was called in thread {name!r}, expected the main thread, where Python handles signals"
        )
    return StopOnSignal(
        runtime if runtime is not None else current(),
        onexit,
        signals,
        onexit_limit_s=onexit_limit_s,
        drain_s=drain_s,
        on_second=on_second,
        on_overtime=on_overtime,
    )
