"""The end of a strategy: the stop, the wait for what is under way, and ``onexit``."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ..clock import Permission, Waker
from ..errors import StopRequested
from ..fork import after_fork_in_child
from .runtime import Runtime

__all__ = ["DRAIN_S", "ONEXIT_LIMIT_S", "Shutdown"]

ONEXIT_LIMIT_S = 300.0
"""FMZ gives ``onexit`` five minutes."""

DRAIN_S = 5.0
"""How long calls and orders that are under way at the stop are waited for; a placement waits for its reply for 0.8 s (``stop_grace_ms``)."""

# Between the moment at which onexit's waits are ended and the one at which the process is ended.
_FORCE_AFTER_S = 5.0


class Shutdown:
    """Ends a strategy, once.

    1. The stop is set. Every thread of the strategy gets StopRequested, at its next call and in each of its waits, again and again.
    2. Background calls that have not started are cancelled. Those that run, and orders that are being sent by any thread, are waited for.
    3. ``onexit`` runs in the calling thread, which alone holds a permission to go on (see ``clock.Permission``). Calls that it hands to
       ``Go``, ``gather``, a task queue or a stream go on too.
    4. ``limit_s`` later the permission is withdrawn: the waits and calls of ``onexit`` end with StopRequested as well.

    Args:
        runtime: The strategy's runtime.
        onexit: Called without arguments; None for nothing.
        limit_s: The longest that ``onexit`` may take, in seconds of real time.
        drain_s: The longest of step 2, in seconds of real time.
        on_overtime: Called (in a thread of its own) when ``onexit`` has not ended 5 s after its permission was withdrawn, because it
            waits for something that no stop ends; a host may end the process there.
    """

    def __init__(
        self,
        runtime: Runtime,
        onexit: Callable[[], Any] | None = None,
        *,
        limit_s: float = ONEXIT_LIMIT_S,
        drain_s: float = DRAIN_S,
        on_overtime: Callable[[], None] | None = None,
    ) -> None:
        self._runtime = runtime
        self._onexit = onexit
        self._limit_s, self._drain_s = limit_s, drain_s
        self._on_overtime = on_overtime
        self._lock = threading.Lock()  # guards _begun
        self._begun = False
        self._permission: Permission | None = None
        # Started now, because no thread can be started once the interpreter is ending.
        self._starts, self._over = Waker(), Waker()
        self._watchdog: threading.Thread | None = None
        if onexit is not None:
            self._watchdog = threading.Thread(target=self._watch, name="fmzthreads-onexit-limit", daemon=True)
            self._watchdog.start()
        after_fork_in_child(self._left_behind)

    def _left_behind(self) -> None:
        """In the child of a fork: ``onexit`` is the parent's, and so is the watchdog."""
        self._lock = threading.Lock()
        self._begun = True
        self._watchdog = None

    @property
    def begun(self) -> bool:
        """Whether ``run`` was called."""
        return self._begun

    def run(self, reason: str = "the strategy has ended") -> None:
        """Ends the strategy; a second call does nothing.

        If the strategy ended by itself, the calling thread may go on afterwards (until a stop is requested); its other threads stay stopped.

        Args:
            reason: Why it ends, for the threads that are stopped; the reason of a stop that was requested before is kept.

        Raises:
            Exception: What ``onexit`` raised, other than the StopRequested of its time limit.
        """
        with self._lock:
            if self._begun:
                return
            self._begun = True
        try:
            self._run(reason)
        except KeyboardInterrupt:  # a second Ctrl-C: nothing is waited for any more
            for exchange in self._runtime.exchanges:
                exchange.close(0.0)
            raise
        finally:
            self._over.wake()
            self._starts.wake()
            if self._watchdog is not None:
                self._watchdog.join()

    def _run(self, reason: str) -> None:
        stop = self._runtime.stop
        was_stopped = stop.is_set()
        if not was_stopped:
            stop.request(reason)
        if not self._runtime.drain(self._drain_s):
            self._runtime.name_orders_under_way(f"{self._drain_s:g} s after the stop")
        self._permission = permission = stop.grant()
        try:
            if self._onexit is not None:
                with permission.held():
                    self._starts.wake()
                    self._call(self._onexit)
        finally:
            if was_stopped:
                permission.withdraw(reason)
            elif permission.valid:
                permission.heeds_requests = True
                permission.hold()

    def _call(self, onexit: Callable[[], Any]) -> None:
        try:
            onexit()
        except StopRequested as error:
            self._runtime.error(f"onexit was stopped before its end: {error}", source="onexit")

    def _watch(self) -> None:
        self._starts.sleep()
        if self._over.sleep(self._limit_s):
            return
        if self._permission is not None:
            self._permission.withdraw(f"onexit took too long (more than {self._limit_s:g} s)")
        if not self._over.sleep(_FORCE_AFTER_S) and self._on_overtime is not None:
            self._on_overtime()
