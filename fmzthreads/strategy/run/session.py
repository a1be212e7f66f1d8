"""Runs a loaded strategy from ``init`` to ``onexit``, or a plain script, and tells how it ended.

Source: FMZ's user guide, "Strategy": ``onexit`` runs after a normal return of ``main`` and after a stop, for five minutes at most; after an
uncaught exception it does not run.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Protocol

import attrs

from ...errors import StopRequested
from ..program.own_lines import last_line, own_traceback
from ..program.source import Source
from ..runtime import Runtime
from ..shutdown import ONEXIT_LIMIT_S, Shutdown
from ..signals import install_signal_handlers
from .enforcer import Enforcer

__all__ = ["ENDED", "FAILED", "INTERRUPTED", "REFUSED", "LoadedStrategy", "RunOutcome", "Session", "as_script"]

ENDED, FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130
"""Exit codes: the strategy ended, failed, was refused before it began, or was interrupted by a signal."""


class LoadedStrategy(Protocol):
    """A strategy whose files were executed, in any language."""

    def call(self, name: str) -> None:
        """Calls ``init``, ``main`` or ``onexit``, if the strategy has it."""


@attrs.frozen
class RunOutcome:
    """How a run ended.

    Attributes:
        code: The exit code.
        reason: Why, on one line.
        traceback: The strategy's own lines of the error that ended it; empty otherwise.
    """

    code: int
    reason: str
    traceback: str = attrs.field(default="", repr=False)


class Session:
    """One run of one strategy, in the thread that calls ``run``.

    Args:
        runtime: The strategy's runtime, which is the current one.
        exit: Ends the process when a strategy does not heed its stop; None where the process is not ours to end, and the strategy is
            waited for.
        before_onexit: Called after ``main`` and before ``onexit``, with leave to go on after the stop.
        onexit_limit_s: The longest that ``onexit`` may take.
        patience: How long a strategy that does not heed its stop is left alone, in seconds: before its own code is interrupted, before any
            code is, before it is given up.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        exit: Callable[[RunOutcome], None] | None = None,
        before_onexit: Callable[[], None] | None = None,
        onexit_limit_s: float = ONEXIT_LIMIT_S,
        patience: tuple[float, float, float] = (0.5, 5.0, 15.0),
    ) -> None:
        self._runtime = runtime
        self._exit = exit
        self._before_onexit = before_onexit
        self._limit_s = onexit_limit_s
        self._patience = patience
        self._program: LoadedStrategy | None = None
        self._entered = False

    def run(self, load: Callable[[], LoadedStrategy | None], files: Iterable[Path], *, signals: bool) -> RunOutcome:
        """Loads the strategy, calls ``init`` and ``main``, then ``onexit``.

        Args:
            load: Executes the strategy's files; returns None for a plain script, which has then run.
            files: The files whose lines are the strategy's own.
            signals: Whether SIGINT, SIGTERM and SIGHUP stop the strategy, a second one at once; only in the main thread.
        """
        files = tuple(files)
        if not signals:
            return self._run(load, files)
        with install_signal_handlers(
            None, runtime=self._runtime, signals=_signals(), on_second=self._at_once
        ) as received:
            outcome = self._run(load, files)
        return RunOutcome(INTERRUPTED, outcome.reason) if received.received and outcome.code == ENDED else outcome

    def _run(self, load: Callable[[], LoadedStrategy | None], files: tuple[Path, ...]) -> RunOutcome:
        soft_s, hard_s, limit_s = self._patience
        enforcer = Enforcer(
            self._runtime.stop, lambda: self._give_up(files), soft_s=soft_s, hard_s=hard_s, limit_s=limit_s
        )
        try:
            with enforcer.watching():
                self._program = load()
                if self._program is not None:
                    self._program.call("init")
                    self._entered = True
                    self._program.call("main")
            outcome = RunOutcome(ENDED, "ended")
        except BaseException as error:  # whatever a strategy ends with, also SystemExit and Ctrl-C, becomes an outcome
            outcome = self._outcome(error, files)
        return self._finish(outcome, files)

    def _outcome(self, error: BaseException, files: tuple[Path, ...]) -> RunOutcome:
        if isinstance(error, KeyboardInterrupt):
            return RunOutcome(INTERRUPTED, "interrupted")
        if isinstance(error, SystemExit):
            return _exited(error)
        if isinstance(error, StopRequested) and self._runtime.stop.requested:
            return RunOutcome(ENDED, self._runtime.stop.reason or str(error))
        text = own_traceback(error, files)
        self._runtime.error(text, source="main")
        return RunOutcome(FAILED, last_line(error, files), text)

    def _finish(self, outcome: RunOutcome, files: tuple[Path, ...]) -> RunOutcome:
        """Stops what is left of the strategy, and calls ``onexit`` unless the strategy failed or had not begun."""
        clean_up = self._clean_up if not outcome.traceback else None
        shutdown = Shutdown(self._runtime, clean_up, limit_s=self._limit_s, on_overtime=lambda: self._overtime(outcome))
        try:
            shutdown.run()
        except SystemExit:
            pass  # an exit() within onexit ends onexit
        except KeyboardInterrupt:
            return RunOutcome(INTERRUPTED, "interrupted")
        except BaseException as error:  # an onexit that fails must not hide how main ended
            text = own_traceback(error, files)
            self._runtime.error(text, source="onexit")
            if outcome.code == ENDED:
                return RunOutcome(FAILED, f"onexit: {last_line(error, files)}", text)
        return outcome

    def _clean_up(self) -> None:
        if self._before_onexit is not None:
            self._before_onexit()
        if self._program is not None and self._entered:
            self._program.call("onexit")

    # What no stop ends

    def _give_up(self, files: tuple[Path, ...]) -> None:
        """Called in a helper's thread: ``main`` is still there, and its thread can do nothing any more but compute."""
        if self._exit is None:
            return
        self._runtime.error(
            "the strategy did not heed its stop and is ended by force; orders under way stay in the order log",
            source="main",
        )
        outcome = RunOutcome(FAILED, f"{self._runtime.stop.reason or 'stopped'}; the strategy was ended by force")
        self._exit(self._finish(outcome, files))

    def _overtime(self, outcome: RunOutcome) -> None:
        if self._exit is not None:
            self._runtime.error("onexit did not end and is ended by force", source="onexit")
            self._exit(attrs.evolve(outcome, code=FAILED, reason=f"{outcome.reason}; onexit was ended by force"))

    def _at_once(self, number: int) -> None:
        """A second signal."""
        if self._exit is not None:
            self._exit(RunOutcome(INTERRUPTED, f"ended at once by a second {signal.Signals(number).name}"))


def _signals() -> list[int]:
    """Ctrl-C, SIGTERM, and the end of the terminal unless it is ignored (``nohup``)."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    hang_up = getattr(signal, "SIGHUP", None)
    if hang_up is not None and signal.getsignal(hang_up) is not signal.SIG_IGN:
        numbers.append(hang_up)
    return [int(number) for number in numbers]


def _exited(error: SystemExit) -> RunOutcome:
    """What ``exit(code)`` means, as for Python itself: no code is 0, a text is printed and is 1."""
    if error.code is None:
        return RunOutcome(ENDED, "ended by exit()")
    if isinstance(error.code, int):
        return RunOutcome(error.code & 0xFF, f"ended by exit({error.code})")
    print(error.code, file=sys.stderr)
    return RunOutcome(FAILED, f"ended by exit: {str(error.code)[:200]}")


def as_script(source: Source, arguments: list[str]) -> None:
    """Executes a plain script as ``python SCRIPT ARGUMENTS`` does, in a new ``__main__`` module.

    Raises:
        InputError: It is not Python 3.
        Exception: Whatever the script raises.
    """
    code = source.code
    module = ModuleType("__main__")
    module.__file__ = str(source.path)
    sys.argv = [str(source.path), *arguments]
    sys.modules["__main__"] = module
    exec(code, module.__dict__)  # noqa: S102 (the script that the user named)
