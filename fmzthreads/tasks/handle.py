"""``Handle``: the result of a background call, to wait for.

A handle goes through ``waiting -> running -> done``, or ``waiting -> cancelled``; it never goes back. Its result can be taken once.
The rules of ``wait`` are those of FMZ's ``exchange.Go`` (API reference, "Go"), in the Python form: a tuple ``(value, ok)``.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from ..arguments import real_number
from ..clock import Clock, Signal
from ..errors import ErrorMode, OperationFailed, StopRequested, UnknownName, short_repr
from .gate import SharedGate, gated

__all__ = ["Handle", "WaitResult", "seconds_of"]

T = TypeVar("T")

# The states, in the only order in which they can follow each other.
_WAITING, _RUNNING, _DONE, _CANCELLED = range(4)


class WaitResult(NamedTuple):
    """The result of ``wait``.

    Attributes:
        value: The result of the call; None (False for calls that answer with a bool) when it failed; None when ``ok`` is False.
        ok: Whether the call had ended and its result was handed out by this very wait.
    """

    value: Any  # NamedTuple can be generic only from Python 3.11 on
    ok: bool

    def __repr__(self) -> str:
        """The pair, as FMZ's ``Log(handle.wait())`` writes it."""
        return tuple.__repr__(self)

    def __getattr__(self, name: str) -> Any:
        """Raises for a field of the result, which is read from ``value``.

        Raises:
            UnknownName: Always; says where the result is.
        """
        if name.startswith("_"):
            raise AttributeError(name)
        raise UnknownName(
            f"wait() returns (value, ok), which has no {short_repr(name)}: write value, ok = handle.wait(), then value.{name}"
        )


_NOTHING = WaitResult(None, False)
_MILLISECONDS = "a number of milliseconds, 0 or None to block, -1 to poll"


def seconds_of(timeout_ms: float | None) -> float | None:
    """Converts FMZ's milliseconds to a clock's seconds.

    Args:
        timeout_ms: None or 0 (or infinity) for no limit; negative to poll; otherwise milliseconds.

    Returns:
        Seconds; None for no limit; 0.0 to poll.

    Raises:
        InputError: It is not a number.
    """
    if timeout_ms is None:
        return None
    value = real_number("timeout_ms", timeout_ms, expected=_MILLISECONDS)
    if value in (0, math.inf):
        return None
    return max(0.0, value / 1000)


class Handle(Generic[T]):
    """A call that runs in the background (or is about to, or has ended).

    ``Handle(fn, args, clock=...).run()`` runs a call in this thread and gives a handle that is done: what a backtest needs. Otherwise
    handles are made by ``CallPool.start``.

    Args:
        fn: The call.
        args: Its arguments.
        clock: Tells when the call started and ended, and waits; its stop cuts waits short.
        name: What the call is named in messages, such as ``"GetDepth"``.
        gate: Held with others at this gate before its request is written; see ``tasks/gate.py``.
        failure_value: What ``wait`` gives as the value of a call that raised.
        errors: ``"raise"`` has ``wait`` raise the call's error instead.
        on_take: Called with the handle in the thread that takes the result, before ``wait`` returns (also when the call failed).
        on_misuse: Called with one line of text when the result is asked for a second time.
        on_done: Called with the handle when it is done or cancelled, in the thread that ended it, after the waiters were woken.

    An error that a callback raises is logged. After a stop the call has the permission (to go on) of the thread that made the handle.
    """

    __slots__ = (
        "__weakref__",
        "_args",
        "_clock",
        "_error",
        "_failure_value",
        "_fn",
        "_gate",
        "_lock",
        "_on_done",
        "_on_misuse",
        "_on_settle",
        "_on_take",
        "_permission",
        "_raises",
        "_signal",
        "_state",
        "_taken",
        "_value",
        "finished_at",
        "name",
        "started_at",
    )

    def __init__(
        self,
        fn: Callable[..., T],
        args: tuple[Any, ...] = (),
        *,
        clock: Clock,
        name: str = "",
        gate: SharedGate | None = None,
        failure_value: Any = None,
        errors: ErrorMode = "log",
        on_take: Callable[[Handle[T]], None] | None = None,
        on_misuse: Callable[[str], None] | None = None,
        on_done: Callable[[Handle[T]], None] | None = None,
        _on_settle: Callable[[Handle[T]], None] | None = None,
    ) -> None:
        self.name = name
        self.started_at: float | None = None
        """When the call started, in seconds of ``clock.monotonic()``; None before."""
        self.finished_at: float | None = None
        """When it ended or was cancelled, in seconds of ``clock.monotonic()``; None before."""
        self._clock = clock
        self._permission = clock.stop.permission()
        self._fn: Callable[..., T] | None = fn
        self._args = args
        self._gate = gate
        self._failure_value = failure_value
        self._raises = errors == "raise"
        self._on_take = on_take
        self._on_misuse = on_misuse
        self._on_done = on_done
        self._on_settle = _on_settle
        # Guards the moves of _state, _taken, and the hand-over of _value. Reading _state without it is harmless: it only moves forward,
        # and code that acts on it takes the lock and checks again.
        self._lock = threading.Lock()
        self._signal = Signal()
        self._state = _WAITING
        self._taken = False
        self._value: Any = None
        self._error: BaseException | None = None

    # What the call is doing

    @property
    def done(self) -> bool:
        """Whether it has ended (well or badly) or was cancelled."""
        return self._state >= _DONE

    @property
    def running(self) -> bool:
        """Whether it has started and not ended."""
        return self._state == _RUNNING

    @property
    def cancelled(self) -> bool:
        """Whether it was cancelled before it started."""
        return self._state == _CANCELLED

    @property
    def taken(self) -> bool:
        """Whether its result was handed out by a ``wait``."""
        return self._taken

    @property
    def error(self) -> BaseException | None:
        """What the call raised; None when it returned, has not ended, or was cancelled."""
        return self._error

    @property
    def clock(self) -> Clock:
        """The clock of its times and waits."""
        return self._clock

    @property
    def done_signal(self) -> Signal:
        """Set when the call has ended or was cancelled. Callbacks added to it run in the worker: short, and without raising."""
        return self._signal

    def __repr__(self) -> str:
        """Name and state; never the arguments, which may hold secrets."""
        state = ("waiting", "running", "done", "cancelled")[self._state]
        if self._error is not None:
            state += f", {type(self._error).__name__}"
        return f"<Handle {self.name or 'call'}: {state}{', taken' if self._taken else ''}>"

    # Waiting

    def wait(self, timeout_ms: float | None = None) -> WaitResult:
        """Waits for the call and takes its result, which can be taken once.

        After a time-out, ``wait`` may be called again.

        Args:
            timeout_ms: None or 0 blocks until the call has ended; above 0 waits at most that many milliseconds; negative polls.

        Returns:
            ``(value, True)`` with the result; ``(failure_value, True)`` when the call failed; ``(None, False)`` when it has not ended in
            time, was cancelled, or its result was taken before (the last also writes one error line). Of several threads that wait
            at once exactly one gets the result.

        Raises:
            StopRequested: The strategy is being stopped and the call has not ended, or the stop is what ended the call.
            InputError: ``timeout_ms`` is not a number.
            FmzError: Only with ``errors="raise"``: what the call raised, of whatever class.
        """
        timeout_s = seconds_of(timeout_ms)
        if self._state < _DONE:
            if timeout_s == 0:
                self._clock.stop.check()
                return _NOTHING
            if not self._clock.wait((self._signal,), timeout_s):
                return _NOTHING
        return self._take()

    def _take(self) -> WaitResult:
        with self._lock:
            if self._state == _CANCELLED:
                return _NOTHING
            first = not self._taken
            self._taken = True
            value, self._value = self._value, None  # a kept handle does not keep its result alive
        if not first:
            if self._on_misuse is not None:
                text = f"the result of {self.name or 'this call'} was taken before; wait() returns it only once"
                _shielded("on_misuse", self._on_misuse, text)
            return _NOTHING
        if self._on_take is not None:
            _shielded("on_take", self._on_take, self)
        error = self._error
        if error is None:
            return WaitResult(value, True)
        if not self._raises and not isinstance(error, StopRequested):
            return WaitResult(self._failure_value, True)
        try:
            raise error
        finally:
            del self, error  # the error's traceback holds this frame; without this they would keep each other alive

    def cancel(self) -> bool:
        """Cancels a call that has not started.

        Returns:
            Whether it was cancelled; False for a call that runs, has ended, or was cancelled before.
        """
        with self._lock:
            if self._state != _WAITING:
                return False
            # From here on no other thread can move the state; _settle takes the lock again for the last step.
            self._state = _RUNNING
        self._fn, self._args = None, ()
        gate, self._gate = self._gate, None
        self._settle(_CANCELLED, None, None)
        if gate is not None:
            gate.leave()
        return True

    # Waking others

    def is_ready(self) -> bool:
        """Whether ``wait`` would not block: done or cancelled (even if the result was taken)."""
        return self._state >= _DONE

    def add_ready_callback(self, callback: Callable[[], None]) -> int:
        """Registers a callback for the end or cancellation of the call.

        It is called once; at once when the call has ended already.

        Args:
            callback: Called without arguments in the thread that ended the call; an error that it raises is logged.

        Returns:
            A token for ``remove_ready_callback``.
        """
        return self._signal.add(lambda: _shielded("ready callback", callback))

    def remove_ready_callback(self, token: int) -> None:
        """Removes a callback; an unknown token is ignored."""
        self._signal.remove(token)

    # Running

    def run(self) -> None:
        """Runs the call in this thread, unless it was started or cancelled before."""
        with self._lock:
            if self._state != _WAITING:
                return
            self._state = _RUNNING
        if self._permission is None:
            self._call()
        else:
            with self._permission.held():
                self._call()

    def _call(self) -> None:
        fn, args, gate = self._fn, self._args, self._gate
        self._fn, self._args, self._gate = None, (), None  # what a call was given lives no longer than the call
        assert fn is not None
        value: Any = None
        error: BaseException | None = None
        self.started_at = self._clock.monotonic()
        try:
            if gate is None:
                value = fn(*args)
            else:
                with gated(gate):
                    value = fn(*args)
        except BaseException as caught:  # SystemExit too: otherwise the waiting thread would wait for ever
            # Without this frame in its traceback, the error does not keep the handle (and so itself) alive.
            error = caught.with_traceback(caught.__traceback__.tb_next if caught.__traceback__ else None)
        del fn, args
        self._settle(_DONE, value, error)

    def _run_ungated(self) -> None:
        """Runs the call in this thread without holding it at its gate, which would wait for calls that this thread has yet to start."""
        gate, self._gate = self._gate, None
        if gate is not None:
            gate.leave()
        self.run()

    def left_behind(self) -> None:
        """In the child of a fork: ends a call that runs or waits in the parent; ``wait`` then tells of that at once."""
        self._lock = threading.Lock()  # a thread that does not exist here may hold it for ever
        self._signal = Signal()
        self._fn, self._args, self._gate = None, (), None
        self._on_settle = self._on_done = None
        self._error = OperationFailed(
            f"{self.name or 'this call'} was started before the fork and runs in the parent process; start it again in the child"
        )
        self._state = _DONE
        self._signal.set()

    def _settle(self, state: int, value: Any, error: BaseException | None) -> None:
        """Ends the call: updates the pool's count, marks the handle done, wakes the waiters."""
        finished_at = self._clock.monotonic()
        settle, self._on_settle = self._on_settle, None
        if settle is not None:
            settle(self)
        with self._lock:
            self.finished_at = finished_at
            self._value = value
            self._error = error
            self._state = state
        self._signal.set()
        on_done, self._on_done = self._on_done, None
        if on_done is not None:
            _shielded("on_done", on_done, self)


def _shielded(what: str, callback: Callable[..., None], *args: Any) -> None:
    """Calls a callback and logs its error."""
    try:
        callback(*args)
    except Exception:  # the error of a callback must neither lose a result nor end a worker
        import logging  # a start needs none

        logging.getLogger(__name__).exception("the callback %s of a background call raised", what)
