"""Ends a strategy that catches the end of the backtest and goes on for ever, as ``while True: try: ... except: pass`` does."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from types import CodeType, FrameType
from typing import Any

__all__ = ["Unwinding"]


class Unwinding:
    """Makes every further line of the strategy raise EOFError, wherever it stands: also in its handlers of an earlier one.

    Python 3.11 can raise so only once for each call of the strategy in which the end is raised; two such loops within each other go on there.

    Args:
        files: The files whose lines are the strategy's own.
    """

    def __init__(self, files: Iterable[str]) -> None:
        self._files = frozenset(files)
        self._codes: set[CodeType] = set()
        self._former: Any = None
        self._begun = False

    def begin(self) -> None:
        """Starts it for the frames of the thread that calls."""
        frame: FrameType | None = sys._getframe()
        if sys.version_info < (3, 12):
            self._former = self._former if self._begun else sys.gettrace()
            sys.settrace(lambda frame, event, arg: None)
        self._begun = True
        while frame is not None:
            if frame.f_code.co_filename in self._files:
                self._watch(frame)
            frame = frame.f_back

    def end(self) -> None:
        """Ends it; called when the strategy is left."""
        if not self._begun:
            return
        if sys.version_info >= (3, 12):
            for code in self._codes:
                sys.monitoring.set_local_events(_TOOL, code, 0)
            _running.pop(threading.get_ident(), None)
            if not _running:
                sys.monitoring.register_callback(_TOOL, sys.monitoring.events.LINE, None)
                sys.monitoring.free_tool_id(_TOOL)
        else:
            sys.settrace(self._former)

    def _watch(self, frame: FrameType) -> None:
        if sys.version_info >= (3, 12):
            if sys.monitoring.get_tool(_TOOL) is None:
                sys.monitoring.use_tool_id(_TOOL, "fmzthreads")
                sys.monitoring.register_callback(_TOOL, sys.monitoring.events.LINE, _raise_here)
            if frame.f_code not in self._codes:
                self._codes.add(frame.f_code)
                _running[threading.get_ident()] = self
                sys.monitoring.set_local_events(_TOOL, frame.f_code, sys.monitoring.events.LINE)
        else:
            frame.f_trace = _trace


_TOOL = 4
"""A tool id that neither debuggers, coverage nor profilers use."""

_running: dict[int, Unwinding] = {}
"""What is under way, by thread: two backtests may share the code of a strategy."""


def _raise_here(code: CodeType, line: int) -> Any:
    if threading.get_ident() in _running:
        raise EOFError("EOF")


def _trace(frame: FrameType, event: str, arg: Any) -> Callable[..., Any]:
    if event == "line":
        raise EOFError("EOF")
    return _trace
