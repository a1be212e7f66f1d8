"""One JavaScript context with FMZ's names in it, and the native function through which they are called."""

from __future__ import annotations

import itertools
import json
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from ...charts.chart import ChartObject
from ...charts.kline_chart import KLineChartObject
from ...errors import StopRequested, UnknownName
from ...indicators.ta import Indicators
from ..program.javascript_source import engine
from .errors import FilePlace, JavaScriptError, shown
from .values import given, plain, result_text

__all__ = ["ENDS", "Context"]

ENDS = (StopRequested, EOFError, KeyboardInterrupt, SystemExit, GeneratorExit)
"""What ends a strategy; it cannot be caught for good in JavaScript."""

# A strategy that goes on after its end was announced so often is not going to end by itself.
_MOST_REFUSALS = 200
_MOST_HANDLES = 4_000
# Each file has so many line numbers of its own, since the engine knows no file names.
_LINES = 100_000

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
_THREADING = {
    "Thread": ["peekMessage", "postMessage", "join", "terminate", "getData", "setData", "id", "name", "eventLoop"],
    "Lock": ["acquire", "release"],
    "Event": ["set", "clear", "wait", "isSet"],
    "Condition": ["acquire", "release", "wait", "notify", "notifyAll"],
    "Dict": ["get", "set"],
}


def _script(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


class Context:
    """A JavaScript context. It is made and used by one thread.

    Args:
        api: FMZ's names as a Python strategy has them, ``exchanges`` and ``TA`` among them.
        threads: Serves FMZ's ``threading`` objects: called with the arguments of ``__threading__``.
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
        self._now_ms = now_ms
        self._numbers = itertools.count(1)
        self._objects: dict[int, Any] = {}
        self._methods: dict[tuple[int, str], Callable[..., Any]] = {}
        self._handles: deque[int] = deque()
        self._places: list[FilePlace] = []
        self._end: BaseException | None = None
        self._refusals = 0
        self.given_up = threading.Event()
        """Set when the script does not end although its end was announced; its thread stands still for ever then."""
        self._engine.add_callable("__fmz_native", self._native)
        self._engine.eval(self._prelude(virtual=virtual, seed=seed))

    def _prelude(self, *, virtual: bool, seed: int) -> str:
        api = self._api
        functions = [name for name, value in api.items() if _is_function(value) and name not in _SKIPPED]
        constants = {
            name: value for name, value in api.items() if name.isupper() and isinstance(value, (int, float, str))
        }
        setup = {
            "functions": functions,
            "constants": constants,
            "missing": [name for name, value in api.items() if type(value).__name__ == "NotBuilt"],
            "indicators": _TA,
            "ta": self._keep(api.get("TA", Indicators())),
            "exchanges": [self._described(exchange, "exchange") for exchange in api.get("exchanges", ())],
            "threading": _THREADING,
            "virtual": virtual,
            "seed": str(seed),
        }
        return f"{_script('underscore.js')}\n{_script('threads.js')}\n({_script('prelude.js').rstrip().rstrip(';')})(__fmz_native, {json.dumps(plain(setup))});undefined;"

    @property
    def end(self) -> BaseException | None:
        """What ended the strategy; None while nothing did."""
        return self._end

    # Running

    def run(self, path: Path, code: str) -> None:
        """Executes a file.

        Raises:
            JavaScriptError: It raised an error.
            BaseException: The strategy is ended (a stop, the end of the data).
        """
        first = (len(self._places) + 1) * _LINES + 1
        self._places.append(FilePlace(path, first))
        self._execute("\n" * (first - 1) + code)

    def run_inside(self, path: Path, before: str, code: str, after: str) -> None:
        """Executes a file within a function of its own, such as a template.

        Args:
            path: The file.
            before: Statements before its first line, on that line.
            code: Its text.
            after: Statements after its last line.
        """
        first = (len(self._places) + 1) * _LINES + 1
        self._places.append(FilePlace(path, first))
        self._execute("\n" * (first - 1) + f"(function(){{{before}{code}\n{after}}})()")

    def has(self, name: str) -> bool:
        """Whether there is a global function of that name."""
        return bool(self._engine.eval(f"typeof {name} === 'function'"))

    def call(self, name: str, *args: str) -> Any:
        """Calls a global function with texts; returns a number, text, boolean or None, or nothing useful for objects.

        Raises:
            JavaScriptError: As ``run``.
        """
        words = ", ".join(json.dumps(arg) for arg in args)
        return self._execute(f"{name}({words})")

    def set(self, values: Mapping[str, Any]) -> None:
        """Sets globals."""
        self._engine.eval(f"Object.assign(globalThis, {json.dumps(plain(values))});undefined;")

    def _execute(self, code: str) -> Any:
        self._end, self._refusals = None, 0
        try:
            result = self._engine.eval(code)
        except (self._quickjs.JSException, SystemError, UnicodeError) as error:
            if self._end is not None:
                raise self._end from None
            raise self._error(error) from None
        if self._end is not None:  # it was caught by the script, which ended all the same
            raise self._end
        return result

    def _error(self, error: BaseException) -> JavaScriptError:
        text = str(error)
        if text.strip() in {"null", ""}:
            text = "InternalError: out of memory"
        return JavaScriptError(shown(text, self._places))

    # What JavaScript calls

    def _native(self, number: int, name: str, *args: Any) -> Any:
        if self._end is not None:
            return self._refused()
        try:
            return self._call(int(number), name, [given(arg) for arg in args])
        except ENDS as error:
            self._end = error
            return "tEOF" if isinstance(error, EOFError) else f"e{error or type(error).__name__}"
        except BaseException as error:  # nothing may pass through the engine: every error becomes one of JavaScript
            return f"e{_one_text(error)}"

    def _refused(self) -> str:
        self._refusals += 1
        if self._refusals > _MOST_REFUSALS:
            self.given_up.set()
            threading.Event().wait()  # for ever: the script would only go on asking
        return "tEOF" if isinstance(self._end, EOFError) else f"e{self._end or type(self._end).__name__}"

    def _call(self, number: int, name: str, args: list[Any]) -> Any:
        method = self._methods.get((number, name))
        if method is None:
            method = self._methods[number, name] = self._method(number, name)
        value = method(*args)
        kind = type(value)
        if kind is float or kind is int or kind is bool or value is None:
            return result_text(value)
        if name == "wait" and kind is not dict and isinstance(value, tuple):
            return result_text(value[0]) if value[1] else "u"
        return self._result(value)

    def _result(self, value: Any) -> Any:
        if isinstance(value, (dict, list, str)):
            return result_text(value)
        if _is_handle(value):
            return self._made(value, "handle", ["wait"])
        if isinstance(value, KLineChartObject):
            return self._made(value, "kline", _KLINE)
        if isinstance(value, ChartObject):
            return self._made(value, "chart", ["add", "update", "reset"])
        if callable(getattr(value, "read", None)) and callable(getattr(value, "write", None)):
            return self._made(value, "connection", ["read", "write", "close"])
        return result_text(value)

    def _made(self, value: Any, kind: str, methods: Sequence[str]) -> str:
        return "o" + json.dumps([self._keep(value), kind, list(methods), {}])

    def _described(self, value: Any, kind: str) -> list[Any]:
        methods = [
            name for name in dir(type(value)) if name[0].isupper() and callable(getattr(value, name)) and name != "Go"
        ]
        return [self._keep(value), kind, methods, {}]

    def _keep(self, value: Any) -> int:
        number = next(self._numbers)
        self._objects[number] = value
        if _is_handle(value):
            self._handles.append(number)
            if len(self._handles) > _MOST_HANDLES:  # the oldest one without a wait
                self._objects.pop(self._handles.popleft(), None)
        return number

    def _method(self, number: int, name: str) -> Callable[..., Any]:
        if number:
            found = self._objects.get(number)
            if found is None:
                raise LookupError(f"routine {number} already finished")
            if _is_handle(found) and name == "wait":
                return self._waits(number, found)
            if name == "__keywords__":
                return lambda method, options, *args: getattr(found, method)(*args, **options)
            if isinstance(found, ChartObject) and name == "add":
                return lambda first, *rest: (
                    found.add(*first) if isinstance(first, list) and not rest else found.add(first, *rest)
                )
            method: Callable[..., Any] = getattr(found, name)
            return method
        own = {
            "__threading__": self._threads, "__now_ms__": self._now_ms, "__print__": _print, "__talib__": self._talib,
        }  # fmt: skip
        method = own.get(name) or self._api[name]
        return method

    def _waits(self, number: int, handle: Any) -> Callable[..., Any]:
        def _wait(*args: Any) -> Any:
            result = handle.wait(*args)
            if result[1]:  # taken: nothing more comes of it
                self._objects.pop(number, None)
                self._methods.pop((number, "wait"), None)
            return result

        return _wait

    def _talib(self, name: str, *args: Any) -> Any:
        function = getattr(self._api["talib"], name)
        numpy = __import__("numpy")
        return function(*(numpy.array(arg, dtype=float) if isinstance(arg, list) else arg for arg in args))


def _is_handle(value: Any) -> bool:
    """Whether it is what ``Go`` returns, of this package's or of a backtest."""
    return callable(getattr(value, "wait", None))


def _print(stream: str, text: str) -> None:
    print(text, file=sys.stderr if stream == "err" else sys.stdout, flush=True)


def _is_function(value: Any) -> bool:
    return callable(value) and not isinstance(value, type) and type(value).__name__ != "NotBuilt"


def _one_text(error: BaseException) -> str:
    if isinstance(error, (UnknownName, AttributeError)):
        return str(error)
    return str(error) or type(error).__name__
