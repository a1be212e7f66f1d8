"""FMZ's ``threading`` objects for JavaScript: each thread has a context of its own, and copies of what is handed over.

Source: FMZ's syntax guide, "Threads": messages are queued up to 10,240 a thread, the oldest are dropped beyond; time-outs are milliseconds, none or 0 waits for
ever, -1 does not wait.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from ...errors import InputError, NotBuiltYet, UnknownName, nearest
from ..runtime import current
from .bridge import Context
from .calls import ENDS
from .worker import JavaScriptThread

__all__ = ["ScriptThreads"]

_MOST_MESSAGES = 10_240
_MOST_THREADS = 2_000


class _Shared:
    """One thread, lock, event, condition or dict, known to all contexts by its number."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.condition = threading.Condition()  # guards everything below
        self.flag = False
        self.owner: int | None = None
        self.data: dict[str, Any] = {}
        self.messages: deque[Any] = deque()
        self.result: dict[str, Any] | None = None
        self.terminated = False
        self.name = ""


class ScriptThreads:
    """The threads of one strategy, and what they share.

    Args:
        make_context: Makes a context for a new thread, given the function that serves its ``threading`` calls.
    """

    def __init__(self, make_context: Callable[[Callable[..., Any]], Context]) -> None:
        self._make_context = make_context
        self._shared: dict[int, _Shared] = {0: _Shared("Thread")}
        self._shared[0].name = "main"
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()  # guards the two fields above

    def serve(self, own: int) -> Callable[..., Any]:
        """Returns what serves the ``threading`` calls of one thread.

        Args:
            own: The thread's number; 0 for the main one.
        """

        def _serve(kind: str, number: int, name: str, *args: Any) -> Any:
            if kind == "module":
                return self._module(own, name, args)
            with self._lock:
                shared = self._shared.get(number)
            if shared is None:
                raise UnknownName(f"there is no {kind.lower()} {number} any more")
            method = getattr(self, f"_{kind.lower()}_{_snake(name)}")
            return method(own, number, shared, *args)

        return _serve

    def end(self) -> None:
        """Ends all threads at their next call, as when ``main`` returns."""
        with self._lock:
            every = list(self._shared.values())
        for shared in every:
            with shared.condition:
                shared.terminated = True
                shared.condition.notify_all()

    # The module

    def _module(self, own: int, name: str, args: tuple[Any, ...]) -> Any:
        if name == "Thread":
            return self._start(args)
        if name in {"Lock", "Event", "Condition", "Dict"}:
            return _reference(name, self._add(_Shared(name)))
        if name == "currentThread":
            return _reference("Thread", own)
        if name == "mainThread":
            return _reference("Thread", 0)
        if name == "pending":
            with self._lock:
                return sum(shared.kind == "Thread" and shared.result is None for shared in self._shared.values())
        if name == "getThread":
            with self._lock:
                found = self._shared.get(args[0]) if args else None
            if found is None or found.kind != "Thread":
                raise UnknownName(f"there is no thread {args[0] if args else None!r}")
            return _reference("Thread", args[0])
        raise UnknownName(f"threading has no {name!r}{nearest(name, ('Thread', 'Lock', 'Event', 'Condition', 'Dict'))}")

    def _add(self, shared: _Shared) -> int:
        with self._lock:
            if sum(one.kind == "Thread" for one in self._shared.values()) >= _MOST_THREADS:
                raise InputError(f"too many threads, max is {_MOST_THREADS}")
            number = next(self._numbers)
            self._shared[number] = shared
        return number

    def _start(self, args: tuple[Any, ...]) -> Any:
        if not args:
            raise InputError("threading.Thread needs a function")
        items = list(args) if isinstance(args[0], list) else [list(args)]
        shared = _Shared("Thread")
        number = self._add(shared)
        shared.name = f"Thread-{number}"
        text = json.dumps(items)
        worker = JavaScriptThread(f"fmzthreads script {number}")
        begun = time.perf_counter_ns()

        def _run() -> None:
            result: Any = None
            try:
                context = self._make_context(self.serve(number))
                result = json.loads(context.call("__fmz_run", text))
            except ENDS:
                pass
            except Exception as error:  # a failing thread of a strategy writes an error line
                current().error(str(error), source=shared.name)
            with shared.condition:
                shared.result = {
                    "id": number, "terminated": shared.terminated, "elapsed": time.perf_counter_ns() - begun, "ret": result,
                }  # fmt: skip
                shared.condition.notify_all()

        starter = threading.Thread(target=_in_order, args=(worker, _run), daemon=True, name="fmzthreads script start")
        starter.start()
        return _reference("Thread", number)

    # Thread

    def _thread_id(self, own: int, number: int, shared: _Shared) -> int:
        return number

    def _thread_name(self, own: int, number: int, shared: _Shared) -> str:
        return shared.name

    def _thread_post_message(self, own: int, number: int, shared: _Shared, message: Any = None) -> None:
        with shared.condition:
            if len(shared.messages) >= _MOST_MESSAGES:
                shared.messages.popleft()
                current().warning(
                    f"{shared.name}: its queue of {_MOST_MESSAGES} messages is full, the oldest was dropped"
                )
            shared.messages.append(message)
            shared.condition.notify_all()

    def _thread_peek_message(self, own: int, number: int, shared: _Shared, timeout_ms: float | None = None) -> Any:
        with shared.condition:
            _wait(shared, lambda: shared.messages, timeout_ms)
            return shared.messages.popleft() if shared.messages else None

    def _thread_join(self, own: int, number: int, shared: _Shared, timeout_ms: float | None = None) -> Any:
        if number == own:
            raise InputError("a thread cannot join itself")
        with shared.condition:
            _wait(shared, lambda: shared.result is not None or shared.terminated, timeout_ms)
            if shared.result is None:
                return None
        with self._lock:
            self._shared.pop(number, None)
        return shared.result

    def _thread_terminate(self, own: int, number: int, shared: _Shared) -> None:
        with shared.condition:
            shared.terminated = True
            shared.condition.notify_all()
        with self._lock:
            self._shared.pop(number, None)

    def _thread_get_data(self, own: int, number: int, shared: _Shared, key: Any = None) -> Any:
        with shared.condition:
            return dict(shared.data) if key is None else shared.data.get(str(key))

    def _thread_set_data(self, own: int, number: int, shared: _Shared, key: Any, value: Any = None) -> None:
        with shared.condition:
            shared.data[str(key)] = value

    def _thread_event_loop(self, own: int, number: int, shared: _Shared, timeout_ms: float | None = None) -> None:
        raise NotBuiltYet(
            "eventLoop of a thread: FMZ has it; fmzthreads does not have it yet; wait with peekMessage, or EventLoop in main"
        )

    # Lock, Event, Condition, Dict

    def _lock_acquire(self, own: int, number: int, shared: _Shared) -> None:
        with shared.condition:
            _wait(shared, lambda: shared.owner is None, None)
            shared.owner = own

    def _lock_release(self, own: int, number: int, shared: _Shared) -> None:
        with shared.condition:
            if shared.owner is None:
                raise InputError("release of a lock that is not held")
            shared.owner = None
            shared.condition.notify_all()

    def _event_set(self, own: int, number: int, shared: _Shared) -> None:
        with shared.condition:
            shared.flag = True
            shared.condition.notify_all()

    def _event_clear(self, own: int, number: int, shared: _Shared) -> None:
        with shared.condition:
            shared.flag = False

    def _event_is_set(self, own: int, number: int, shared: _Shared) -> bool:
        return shared.flag

    def _event_wait(self, own: int, number: int, shared: _Shared, timeout_ms: float | None = None) -> bool:
        with shared.condition:
            _wait(shared, lambda: shared.flag, timeout_ms)
            return shared.flag

    _condition_acquire = _lock_acquire
    _condition_release = _lock_release

    def _condition_wait(self, own: int, number: int, shared: _Shared) -> None:
        with shared.condition:
            if shared.owner != own:
                raise InputError("wait on a condition whose lock this thread does not hold")
            shared.owner = None
            ticket: list[bool] = []
            shared.messages.append(ticket)
            shared.condition.notify_all()
            _wait(shared, lambda: ticket, None)
            _wait(shared, lambda: shared.owner is None, None)
            shared.owner = own

    def _condition_notify(self, own: int, number: int, shared: _Shared, count: int = 1) -> None:
        with shared.condition:
            for _ in range(min(count, len(shared.messages))):
                shared.messages.popleft().append(True)
            shared.condition.notify_all()

    def _condition_notify_all(self, own: int, number: int, shared: _Shared) -> None:
        self._condition_notify(own, number, shared, len(shared.messages))

    def _dict_get(self, own: int, number: int, shared: _Shared, key: Any) -> Any:
        with shared.condition:
            return shared.data.get(str(key))

    def _dict_set(self, own: int, number: int, shared: _Shared, key: Any, value: Any = None) -> None:
        with shared.condition:
            shared.data[str(key)] = value


def _in_order(worker: JavaScriptThread, run: Callable[[], None]) -> None:
    worker.do(run)
    worker.end()


def _reference(kind: str, number: int) -> dict[str, Any]:
    return {"__fmz_thread": [kind, number]}


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)


def _wait(shared: _Shared, condition: Callable[[], Any], timeout_ms: float | None) -> None:
    """Waits under the shared object's condition; a stop of the strategy ends it."""
    if timeout_ms is not None and timeout_ms < 0:
        return
    stop = current().stop
    wake = shared.condition
    until = None if not timeout_ms else time.monotonic() + timeout_ms / 1000

    def _notify() -> None:
        with wake:
            wake.notify_all()

    # The stop calls this from its own thread, after the lock here is released by the wait.
    token = stop.add(_notify) if not stop.is_set() else None
    try:
        while not condition():
            stop.check()
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                return
            wake.wait(left)
    finally:
        if token is not None:
            stop.remove(token)
