"""FMZ's ``threading`` for JavaScript: each thread has a context of its own, and copies of what is handed over.

Source: FMZ's syntax guide, "Threads": messages are queued up to 10,240 a thread, the oldest are dropped beyond; time-outs are milliseconds, none or 0 waits for
ever, -1 does not wait.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from ...errors import InputError, UnknownName, nearest
from ..runtime import current
from .bridge import Context
from .calls import ENDS, ThreadEnded
from .script_thread import ScriptThread
from .shared_objects import ScriptCondition, ScriptDict, ScriptEvent, ScriptLock, SharedObject
from .worker import JavaScriptThread

if TYPE_CHECKING:
    from ...serve.caller import Caller

__all__ = ["MakeContext", "ScriptThreads"]

_MOST_THREADS = 2_000
_MADE: dict[str, Callable[[], SharedObject]] = {
    "Lock": ScriptLock, "Event": ScriptEvent, "Condition": ScriptCondition, "Dict": ScriptDict,
}  # fmt: skip


class MakeContext(Protocol):
    """Makes the context of a thread."""

    def __call__(self, threads: Callable[..., Any], own: Mapping[str, Any]) -> Context:
        """Makes it.

        Args:
            threads: What serves the thread's ``threading`` calls.
            own: Functions that take the place of those of the same names.
        """


class ScriptThreads:
    """The threads of one strategy, and what they share.

    Args:
        make_context: Makes a context for a new thread.
        log_error: Of a backtest, which runs one thread after the other and has no servers: takes error lines. None otherwise.
    """

    def __init__(self, make_context: MakeContext, log_error: Callable[[str], Any] | None = None) -> None:
        self._make_context = make_context
        self._log_error = log_error
        self._main = ScriptThread(0, "main", waits=log_error is None)
        if log_error is None:
            current().hub.add_source(self._main, "thread")
        self._lock = threading.Lock()  # guards the fields below
        self._shared: dict[tuple[str, int], Any] = {("Thread", 0): self._main}
        self._numbers = {"Thread": itertools.count(1), "": itertools.count(1)}  # ids of threads have no gaps

    def serve(self, own: ScriptThread | None = None) -> Callable[..., Any]:
        """Returns what serves the ``threading`` calls of one thread.

        Args:
            own: The thread; None for the main one.
        """
        caller = own if own is not None else self._main

        def _serve(kind: str, number: int, name: str, *args: Any) -> Any:
            if kind == "module":
                return self._module(caller, name, args)
            with self._lock:
                shared = self._shared.get((kind, number))
            if shared is None:
                raise UnknownName(f"there is no {kind.lower()} {number} any more")
            if kind == "Request":
                return shared.call(_snake(name), args)
            if name == "terminate" and shared is not self._main:
                self._forget(kind, number)
            result = getattr(shared, _snake(name))(caller, *args)
            if name == "join" and isinstance(shared, ScriptThread) and result is not None:
                self._forget(kind, number)
            return result

        return _serve

    def end(self) -> None:
        """Ends all threads at their next call, and all servers, as when ``main`` returns."""
        with self._lock:
            every = list(self._shared.values())
        for shared in every:
            if shared.kind == "Server":
                shared.server.stop()
            elif isinstance(shared, ScriptThread) and shared is not self._main:
                shared.end()

    # The module

    def _module(self, own: ScriptThread, name: str, args: tuple[Any, ...]) -> Any:
        if name in _MADE:
            return self._add(_MADE[name]())
        if name == "currentThread":
            return _reference("Thread", own.number)
        if name == "mainThread":
            return _reference("Thread", 0)
        if name == "pending":
            with self._lock:
                return sum(isinstance(shared, ScriptThread) and shared.runs for shared in self._shared.values())
        special = {"Thread": self._start, "getThread": self._found, "Serve": self._served}.get(name)
        if special is None:
            raise UnknownName(f"threading has no {name!r}{nearest(name, ('Thread', *_MADE, 'Serve'))}")
        return special(*args)

    def _found(self, number: Any = None) -> Any:
        with self._lock:
            found = self._shared.get(("Thread", number)) if isinstance(number, int) else None
        if not isinstance(found, ScriptThread):
            raise UnknownName(f"there is no thread {number!r}")
        return _reference("Thread", found.number)

    def _add(self, shared: SharedObject) -> dict[str, Any]:
        with self._lock:
            number = next(self._numbers[""])
            self._shared[shared.kind, number] = shared
        return _reference(shared.kind, number)

    def _forget(self, kind: str, number: int) -> None:
        with self._lock:
            self._shared.pop((kind, number), None)

    def _new_thread(self) -> ScriptThread:
        with self._lock:
            if sum(isinstance(one, ScriptThread) for one in self._shared.values()) >= _MOST_THREADS:
                raise InputError(f"too many threads, max is {_MOST_THREADS}")
            number = next(self._numbers["Thread"])
            made = ScriptThread(number, f"Thread-{number}", waits=self._main.waits)
            self._shared["Thread", number] = made
        return made

    # Threads

    def _start(self, *args: Any) -> Any:
        if not args:
            raise InputError("threading.Thread needs a function")
        items = list(args) if isinstance(args[0], list) else [list(args)]
        text = json.dumps(items)
        own = self._new_thread()
        worker = JavaScriptThread(f"fmzthreads script {own.number}")
        begun = time.perf_counter_ns()

        def _run() -> None:
            result: Any = None
            try:
                result = self._executed(own, text)
            except ENDS:
                pass
            except Exception as error:  # a failing thread of a strategy writes an error line
                self._error(str(error), own.name_text)
            own.finished(result, time.perf_counter_ns() - begun)

        if not own.waits:
            _in_order(worker, _run)
        else:
            starter = threading.Thread(
                target=_in_order, args=(worker, _run), daemon=True, name="fmzthreads script start"
            )
            starter.start()
        return _reference("Thread", own.number)

    def _error(self, text: str, source: str) -> None:
        if self._log_error is not None:
            self._log_error(f"{source}: {text}")
        else:
            current().error(text, source=source)

    def _executed(self, own: ScriptThread, text: str) -> Any:
        """Makes the thread's context and runs items in it."""
        context = self._make_context(self.serve(own), {"Sleep": own.sleep})
        own.runs_in(context)
        return json.loads(context.call("__fmz_run", text))

    # Servers

    def _served(self, uri: Any = None, handler: Any = None, *args: Any) -> Any:
        if self._log_error is not None:
            return self._log_error("sandbox not support threading.Serve")
        from .script_server import ServerObject  # the room of servers is loaded only by those who serve

        if not isinstance(handler, dict) or "__fmz_function" not in handler:
            raise InputError("threading.Serve needs a function as its handler")

        def _answer(caller: Caller) -> None:
            self._answer(caller, handler, args)

        server = ServerObject(uri, _answer)
        return self._add(server)

    def _answer(self, caller: Caller, handler: Any, args: tuple[Any, ...]) -> None:
        """Calls the handler in a context of its own, in the thread of the connection."""
        from .script_server import RequestObject

        own = self._new_thread()
        request = self._add(RequestObject(caller))
        caller.on_kill = own.end
        try:
            if not caller.killed:
                self._executed(own, json.dumps([[handler, request, *args]]))
        except ThreadEnded:
            pass
        finally:
            own.end()
            self._forget(*request["__fmz_thread"])
            self._forget("Thread", own.number)


def _in_order(worker: JavaScriptThread, run: Callable[[], None]) -> None:
    worker.do(run)
    worker.end()


def _reference(kind: str, number: int) -> dict[str, Any]:
    return {"__fmz_thread": [kind, number]}


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
