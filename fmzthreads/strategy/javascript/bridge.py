"""One JavaScript context with FMZ's names in it, and the native function through which they are called."""

from __future__ import annotations

import functools
import itertools
import json
import re
import sys
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from ...charts.chart import ChartObject
from ...charts.kline_chart import KLineChartObject
from ...indicators.ta import Indicators
from ...indicators.talib_calls import call_talib
from ...structures import Structure, Ticker
from ..program.javascript_source import engine
from .calls import NativeCalls
from .errors import FilePlace, JavaScriptError, shown
from .values import UNDEFINED, EngineValues, given, plain

__all__ = ["Context", "SharedHandles"]

_MOST_HANDLES = 4_000
# Each file has so many line numbers of its own, since the engine knows no file names.
_LINES = 100_000

# The places where a script reads what the last match of any regular expression was.
_LAST_MATCH = re.compile(
    r"\bRegExp\s*(?:\.\s*|\[\s*['\"])(?:\$[1-9&_]|lastMatch|lastParen|input|leftContext|rightContext)"
)

_SKIPPED = {"_C", "_CDelay", "TA", "talib", "exchange", "exchanges", "ext"}
_TA = [name for name in dir(Indicators) if name[0].isupper()]
_KLINE = [
    "begin",
    "close",
    "reset",
    "plot",
    "hline",
    "fill",
    "barcolor",
    "bgcolor",
    "plotarrow",
    "plotshape",
    "plotchar",
    "plotcandle",
    "signal",
]
_TICKER = tuple(name for name in Ticker.__annotations__ if name != "Info")
_BAR = ("Open", "High", "Low", "Close", "Volume", "OpenInterest")
_CONNECTION = ["read", "write", "close", "fd", "exec"]
_THREADING = {
    "Thread": ["peekMessage", "postMessage", "join", "terminate", "getData", "setData", "id", "name", "eventLoop"],
    "Lock": ["acquire", "release"],
    "Event": ["set", "clear", "wait", "isSet"],
    "Condition": ["acquire", "release", "wait", "notify", "notifyAll"],
    "Dict": ["get", "set"],
    "Server": ["addr", "close", "stop", "join", "pending"],
    "Request": [
        "proto", "host", "path", "query", "rawQuery", "headers", "header", "method", "body", "setHeader", "setStatus", "remoteAddr", "localAddr",
        "upgrade", "read", "write",
    ],
}  # fmt: skip


@functools.cache
def _script(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


class SharedHandles:
    """Connections of one strategy that its contexts may hand to each other, by number; each lives as long as a context holds it."""

    def __init__(self) -> None:
        self.numbers = itertools.count(1)
        self.connections: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()


class Context:
    """A JavaScript context. It is made and used by one thread.

    Args:
        api: FMZ's names as a Python strategy has them, ``exchanges`` and ``TA`` among them.
        threads: Serves FMZ's ``threading`` objects: called with the arguments of ``__threading__``.
        handles: The connections that it shares with the strategy's other contexts.
        virtual: Whether dates and chance are the strategy's own, as in a backtest.
        seed: Of ``Math.random`` when ``virtual``.
        now_ms: The strategy's time when ``virtual``.
        memory_bytes: The most memory that the script may use; 0 for no limit.

    Raises:
        MissingExtra: The engine is not installed.
    """

    def __init__(
        self,
        api: Mapping[str, Any],
        *,
        threads: Callable[..., Any],
        handles: SharedHandles | None = None,
        virtual: bool = False,
        seed: int = 0,
        now_ms: Callable[[], float] | None = None,
        memory_bytes: int = 0,
    ) -> None:
        self._quickjs = engine()
        self._engine = self._quickjs.Context()
        self._engine.set_max_stack_size(512 * 1024)
        if memory_bytes:
            self._engine.set_memory_limit(memory_bytes)
        self._api = api
        self._threads = threads
        self._values = EngineValues(self._engine)
        self._calls = NativeCalls(self._engine, self._result)
        self._shared = handles if handles is not None else SharedHandles()
        self._objects: dict[int, Any] = {}
        self._handles: deque[int] = deque()
        self._places: list[FilePlace] = []
        self.given_up = self._calls.given_up
        """Set when the script does not end although its end was announced; its thread stands still for ever then."""
        self._engine.eval(self._prelude(virtual=virtual, seed=seed, now_ms=now_ms))

    def _prelude(self, *, virtual: bool, seed: int, now_ms: Callable[[], float] | None) -> str:
        api = self._api
        functions = [name for name, value in api.items() if _is_function(value) and name not in _SKIPPED]
        constants = {
            name: value for name, value in api.items() if name.isupper() and isinstance(value, (int, float, str))
        }
        own: dict[str, Callable[..., Any]] = {
            "object": self._on_object, "threading": self._threads, "print": _print, "now": now_ms or _now_ms,
        }  # fmt: skip
        ta = api.get("TA") or Indicators()
        setup = {
            "own": {name: self._calls.add(call) for name, call in own.items()},
            "talib": self._calls.add(self._talib, as_given=True),
            "functions": {name: self._calls.add(api[name]) for name in functions},
            "constants": constants,
            "missing": [name for name, value in api.items() if type(value).__name__ == "NotBuilt"],
            "indicators": {name: self._calls.add(self._indicator(getattr(ta, name)), as_given=True) for name in _TA},
            "exchanges": [self._methods_of(exchange) for exchange in api.get("exchanges", ())],
            "threading": _THREADING,
            "virtual": virtual,
            "seed": str(seed),
        }
        return f"{_script('underscore.js')}\n{_script('threads.js')}\n({_script('prelude.js').rstrip().rstrip(';')})({json.dumps(plain(setup))});undefined;"

    def interrupt(self, error: BaseException) -> None:
        """Ends what runs in it at its next call, and for good; from any thread."""
        self._calls.interrupt(error)

    @property
    def end(self) -> BaseException | None:
        """What ended the strategy; None while nothing did."""
        return self._calls.end

    # Running

    def run(self, path: Path, code: str) -> None:
        """Executes a file.

        Raises:
            JavaScriptError: It raised an error.
            BaseException: The strategy is ended (a stop, the end of the data).
        """
        self._execute(self._placed(path) + code)

    def run_inside(self, path: Path, before: str, code: str, after: str) -> None:
        """Executes a file within a function of its own, such as a template.

        Args:
            path: The file.
            before: Statements before its first line, on that line.
            code: Its text.
            after: Statements after its last line.
        """
        self._execute(f"{self._placed(path)}(function(){{{before}{code}\n{after}}})()")

    def _placed(self, path: Path) -> str:
        """Gives a file line numbers of its own; returns the lines that stand before it."""
        first = (len(self._places) + 1) * _LINES + 1
        self._places.append(FilePlace(path, first))
        return "\n" * (first - 1)

    def has(self, name: str) -> bool:
        """Whether there is a global function of that name."""
        return bool(self._engine.eval(f"typeof {name} === 'function'"))

    def call(self, name: str, *args: str) -> Any:
        """Calls a global function with texts; returns a number, text, boolean or None, or nothing useful for objects.

        Raises:
            JavaScriptError: As ``run``.
        """
        words = ", ".join(json.dumps(arg) for arg in args)
        result = self._execute(f"{name}({words})")
        if isinstance(result, self._quickjs.Object):
            self._engine.get("__fmz_settle")(result)  # an async function fails in its promise
            self._execute("undefined")
            while self._execute("__fmz_timer()"):
                pass
            self._execute("__fmz_outcome()")
        return result

    def destroy(self) -> list[str]:
        """Calls the templates' ``destroy``, once; returns the texts of their errors."""
        failed = []
        while self._engine.eval("__fmz_destroy.all.length > 0"):
            try:
                self._execute("__fmz_destroy.all.shift()()")
            except JavaScriptError as error:
                failed.append(str(error))
        return failed

    def set(self, values: Mapping[str, Any]) -> None:
        """Sets globals."""
        self._engine.eval(f"Object.assign(globalThis, {json.dumps(plain(values))});undefined;")

    def _execute(self, code: str) -> Any:
        self._calls.begin()
        if "RegExp" in code and _LAST_MATCH.search(code):
            self._engine.eval("__fmz_last_match();undefined;")
        try:
            result = self._engine.eval(code)
            while self._engine.execute_pending_job():
                pass
        except (self._quickjs.JSException, SystemError, UnicodeError) as error:
            if self.end is not None:
                raise self.end from None
            raise self._error(error) from None
        if self.end is not None:  # it was caught by the script, which ended all the same
            raise self.end
        return result

    def _error(self, error: BaseException) -> JavaScriptError:
        text = str(error)
        # Without memory, the engine cannot make the error's text either.
        if text.strip() in {"null", ""} or text.startswith("InternalError: Invalid error message"):
            text = "InternalError: out of memory"
        return JavaScriptError(shown(text, self._places))

    # What JavaScript calls

    def _result(self, value: Any) -> Any:
        """Makes of a result what the engine takes; objects with methods cross as their number and the methods' names."""
        if isinstance(value, Structure):
            return self._values.structure(value)
        if isinstance(value, (dict, list, str, int, float)):
            return self._values.result(value)
        if value is UNDEFINED:
            return "u"
        if _is_handle(value):
            return self._made(value, "handle", ["wait"])
        if isinstance(value, KLineChartObject):
            return self._made(value, "kline", _KLINE)
        if isinstance(value, ChartObject):
            return self._made(value, "chart", ["add", "update", "reset"])
        if callable(getattr(value, "read", None)) and callable(getattr(value, "write", None)):
            return self._made(value, "connection", _CONNECTION)
        return self._values.result(value)

    def _made(self, value: Any, kind: str, methods: Sequence[str]) -> str:
        return "o" + json.dumps([self._keep(value), kind, [name for name in methods if hasattr(value, name)]])

    def _methods_of(self, exchange: Any) -> dict[str, tuple[str, int]]:
        names = [name for name in dir(type(exchange)) if name[0].isupper() and callable(getattr(exchange, name))]
        added = {name: self._calls.add(getattr(exchange, name)) for name in names}
        if hasattr(type(exchange), "ticker_values"):  # a backtest's: no structure of Python on the way
            call = self._values.flat(exchange.ticker_values, _TICKER)
            added["GetTicker"] = self._calls.add(call, as_given=True)[0], added["GetTicker"][1]
        return added

    def _keep(self, value: Any) -> int:
        number = next(self._shared.numbers)
        self._objects[number] = value
        if callable(getattr(value, "read", None)):
            self._shared.connections[number] = value
        elif _is_handle(value):
            self._handles.append(number)
            if len(self._handles) > _MOST_HANDLES:  # the oldest one without a wait
                self._objects.pop(self._handles.popleft(), None)
        return number

    def _on_object(self, number: int, name: str, *args: Any) -> Any:
        """Calls a method of an object that a call returned."""
        found = self._objects.get(number)
        if found is None and number in self._shared.connections:  # another context's
            found = self._objects[number] = self._shared.connections[number]
        if found is None:
            raise LookupError(f"routine {number} already finished")
        if name == "wait" and _is_handle(found):
            return self._waited(number, found, args)
        if name == "__keywords__":
            method, options, *rest = args
            return getattr(found, method)(*rest, **options)
        if isinstance(found, ChartObject) and name == "add" and len(args) == 1 and isinstance(args[0], list):
            return found.add(*args[0])
        return getattr(found, name)(*args)

    def _waited(self, number: int, handle: Any, args: tuple[Any, ...]) -> Any:
        value, done = handle.wait(*args)
        if not done:
            return UNDEFINED
        self._objects.pop(number, None)  # taken: nothing more comes of it
        return value

    def _indicator(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """A function of TA as JavaScript calls it: how many bars, how many fields of each, their values bar by bar, and the parameters."""

        def _call(bars: int | str, fields: int, *args: Any) -> Any:
            if isinstance(bars, str):  # more values than a call may have arguments: as JSON
                numbers = json.loads(bars)
                bars, args = len(numbers) // fields, (*numbers, *args)
            values = bars * fields
            series: Any = list(args[:bars])
            if fields > 1:
                rows = zip(*(args[field:values:fields] for field in range(fields)), strict=True)
                series = [dict(zip(_BAR, row, strict=True)) for row in rows]
            return self._values.series(call(series, *map(given, args[values:])))

        return _call

    def _talib(self, name: str, *args: Any) -> Any:
        """A function of TA-Lib, of arguments as the engine gives them."""
        found = call_talib(getattr(self._api["talib"], name), name, list(map(given, args)))
        rows = found if isinstance(found, list) and found and isinstance(found[0], list) else [found]
        numbers = all(isinstance(row, list) and all(isinstance(one, (int, float)) for one in row) for row in rows)
        return self._values.series(found) if numbers else self._result(found)


def _is_handle(value: Any) -> bool:
    """Whether it is what ``Go`` returns, of this package's or of a backtest."""
    return callable(getattr(value, "wait", None))


def _print(stream: str, text: str) -> None:
    print(text, file=sys.stderr if stream == "err" else sys.stdout, flush=True)


def _now_ms() -> float:
    return time.time() * 1000  # of live runs only; a backtest passes its own


def _is_function(value: Any) -> bool:
    return callable(value) and not isinstance(value, type) and type(value).__name__ != "NotBuilt"
