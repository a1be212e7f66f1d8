"""The native functions of one JavaScript context: what they raise becomes errors of JavaScript, and an end is final."""

from __future__ import annotations

import functools
import inspect
import itertools
import threading
from collections.abc import Callable
from typing import Any

from ...errors import StopRequested
from .values import given

__all__ = ["ENDS", "NativeCalls", "ThreadEnded"]


class ThreadEnded(SystemExit):
    """The end of one thread of a strategy, by ``terminate`` or the end of ``main``: none of its calls is made any more."""

    def __init__(self) -> None:
        super().__init__("the thread was terminated")


ENDS = (StopRequested, EOFError, KeyboardInterrupt, SystemExit, GeneratorExit)
"""What ends a strategy; it cannot be caught for good in JavaScript."""

# A catch or finally block may still log at the end, as in Python: so many calls are made, although those that wait or trade raise the end again. Then every call raises it,
# and a script that goes on all the same is not going to end by itself.
_MOST_CALLS = 200
_MOST_REFUSALS = 200
_INT32 = 2**31  # what the engine's binding takes of an int
_EXACT = 2**53


class NativeCalls:
    """Python's functions as native functions of a context.

    Args:
        engine: The context.
        result: Makes of a result what the engine takes.

    Attributes:
        end: What ended the strategy; None while nothing did.
        given_up: Set when the script does not end although its end was announced; its thread stands still for ever then.
    """

    def __init__(self, engine: Any, result: Callable[[Any], Any]) -> None:
        self._engine = engine
        self._result = result
        self._names = itertools.count()
        self._after_end = 0
        self.end: BaseException | None = None
        self.given_up = threading.Event()
        self._interrupted: BaseException | None = None

    def begin(self) -> None:
        """Forgets an earlier end, but for an interruption."""
        self.end, self._after_end = self._interrupted, 0

    def interrupt(self, error: BaseException) -> None:
        """Ends the script at its next call, and for good; from any thread."""
        # In this order: begin() may run meanwhile.
        self._interrupted = error
        self.end = error

    def add(self, call: Callable[..., Any], *, as_given: bool = False) -> tuple[str, int]:
        """Adds a native function as a global.

        Args:
            call: What it calls.
            as_given: Whether it takes the engine's arguments, and its result is one of the engine's: nothing is converted.

        Returns:
            Its name, and the most arguments that it takes; -1 if that is more than two, or unknown.
        """
        name = f"__fmz{next(self._names)}"
        self._engine.add_callable(name, self._guarded(call, as_given=as_given))
        return name, _most_arguments(call)

    def _guarded(self, call: Callable[..., Any], *, as_given: bool) -> Callable[..., Any]:
        result = self._result

        def _call(*args: Any) -> Any:
            if self.end is not None and self._is_refused():
                return _ended(self.end)
            try:
                if as_given:
                    return call(*args)
                value = call(*[arg if type(arg) is int else given(arg) for arg in args]) if args else call()
                # What most calls return, without a further call; see EngineValues.
                kind = type(value)
                if value is None or kind is bool or (kind is float and value - value == 0.0):
                    return value
                if kind is int and -_EXACT <= value <= _EXACT:
                    return value if -_INT32 <= value < _INT32 else float(value)
                return f"s{value}" if kind is str and value.isascii() else result(value)
            except ENDS as error:
                self.end = self._interrupted or error
                return _ended(self.end)
            except BaseException as error:  # nothing may pass through the engine: every error becomes one of JavaScript
                return f"e{str(error) or type(error).__name__}"

        return _call

    def _is_refused(self) -> bool:
        """Whether a call after the end is refused; a script that makes too many of them stands still for ever."""
        self._after_end += 1
        if self._after_end > _MOST_CALLS + _MOST_REFUSALS:
            self.given_up.set()
            threading.Event().wait()  # for ever: the script would only go on asking
        return self._after_end > _MOST_CALLS or not isinstance(self.end, (StopRequested, EOFError))


def _ended(error: BaseException) -> str:
    # FMZ's engine throws the end of the data as a text.
    return "tEOF" if isinstance(error, EOFError) else f"e{error or type(error).__name__}"


def _most_arguments(call: Callable[..., Any]) -> int:
    function = getattr(call, "__func__", call)
    # What has no variables of its own is there once for the whole process, and so is its answer.
    counted = _counted if getattr(function, "__closure__", ()) is None else _counted.__wrapped__
    most = counted(function) - (function is not call)
    return most if 0 <= most <= 2 else -1


@functools.lru_cache(maxsize=1024)
def _counted(function: Callable[..., Any]) -> int:
    """How many arguments a function takes by position, ``self`` included; -1 if there is no such number."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return -1
    known = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    return len(parameters) if all(parameter.kind in known for parameter in parameters) else -1
