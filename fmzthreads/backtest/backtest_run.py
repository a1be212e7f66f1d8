"""One backtest of one strategy: loads it, runs ``init``, ``main`` and ``onexit`` on the simulated clock, and collects what came of it.

Source: FMZ's user guide, "Strategy", and its public Python backtest package: EOFError from the next call ends ``main`` at the end of the data, and
``onexit`` runs only after ``main`` returned.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ..strategy.program.javascript_source import JavaScriptSource
from ..strategy.program.loader import load
from ..strategy.program.own_lines import last_line, own_traceback
from ..strategy.program.source import Source
from ..strategy.program.templates import Template
from ..structures.growing import GrowingRecords
from ..structures.value_objects import ValueObject, field
from .config.settings import BacktestSettings
from .config.times import zone_of
from .data.bars import BarSeries, BarSource
from .data.telling_source import TellingSource
from .engine.engine import BacktestEngine
from .engine.virtual_time import VirtualTime
from .face.exchange import exchanges_of
from .face.globals import RunGlobals
from .failures import NoData
from .modules.fmz_module import fmz_modules
from .modules.imports import simulated_modules, strategy_builtins
from .modules.own_modules import OwnModules
from .result.join import Measured, joined
from .result.log import RunLog
from .unwinding import Unwinding

if TYPE_CHECKING:
    from ..strategy.run.session import LoadedStrategy
    from .metrics.fills import BacktestFill

__all__ = ["BacktestRun", "EngineFactory", "RunEnd", "SimulationEngine", "make_simulation"]

Reason = Literal["end", "returned", "exit", "error", "interrupted", "no data"]


class SimulationEngine(Protocol):
    """What a run asks of the engine."""

    time: VirtualTime

    @property
    def snapshots(self) -> Sequence[Any]:
        """The snapshots so far: ``[time in ms, [an object for each exchange]]``."""

    @property
    def now_ms(self) -> int:
        """The clock's time in milliseconds since the epoch."""

    def sleep(self, milliseconds: float) -> None:
        """Moves the clock on."""

    def call_later(self, ms: float, work: Callable[[], None]) -> None:
        """Has a function called when so much time has passed."""

    def wait(self, done: Callable[[], bool], ms: float | None = None) -> bool:
        """Moves the clock on until something is true."""

    def finish(self) -> None:
        """Settles what is left until the end, and takes the last snapshots."""

    def final_state(self, *, interrupted: bool = False) -> list[dict[str, Any]]:
        """Accounts, positions and orders of each exchange."""


EngineFactory = Callable[[BacktestSettings, BarSource, RunLog], tuple[SimulationEngine, Sequence[Any]]]
"""Makes an engine, and FMZ's exchange objects over it."""


class RunEnd(ValueObject):
    """How a strategy ended.

    Attributes:
        reason: ``end`` (of the data), ``returned`` (``main``), ``exit`` (``exit()``), ``error``, ``interrupted`` (Ctrl-C), or ``no data``.
        text: The reason in words.
        traceback: The strategy's own lines of the error; empty otherwise.
    """

    reason: Reason
    text: str = ""
    traceback: str = field(default="", repr=False)

    @property
    def code(self) -> int:
        """The exit code of the command line: 0 done, 1 strategy error, 3 no data, 130 interrupted."""
        return {"error": 1, "no data": 3, "interrupted": 130}.get(self.reason, 0)


class _Clock:
    """The engine's clock as the strategy's own modules see it."""

    def __init__(self, engine: SimulationEngine) -> None:
        self._engine = engine
        self.sleep = engine.sleep
        self.call_later = engine.call_later
        self.wait = engine.wait

    @property
    def now_ms(self) -> int:
        """The simulated time, in milliseconds."""
        return self._engine.now_ms


class BacktestRun:
    """One backtest.

    Args:
        settings: Its settings.
        source: The bars.
        make_engine: Makes the engine; None for ours.
        folder: Where the strategy lies: modules beside it are its own.
        output: Where the strategy's ``print`` writes; None for the standard output.
        warn: Takes warnings, such as that a module does not go by the simulated clock; None ignores them.
        load_ns: The real time that the bars took to load, for the result.
        seen: Called with files that the strategy opens, and modules that reach the network; None to ignore them.
        opened: Returns another file to be opened in place of one that the strategy opens, or that one; None for none.
    """

    def __init__(
        self,
        settings: BacktestSettings,
        source: BarSource,
        *,
        make_engine: EngineFactory | None = None,
        folder: Path | None = None,
        output: Any = None,
        warn: Callable[[str], None] | None = None,
        load_ns: int = 0,
        seen: Callable[[str], None] | None = None,
        opened: Callable[[Any], Any] | None = None,
    ) -> None:
        if make_engine is None:
            make_engine = make_simulation
        self.settings = settings
        self.log = RunLog(lambda: self.engine.time.now_ms)
        """The log."""
        self.engine, exchanges = make_engine(settings, source, self.log)
        """The engine."""
        self.warnings: list[str] = []
        """The warnings so far."""
        self._warn = warn
        self._source = source
        if isinstance(source, TellingSource):
            source.tell_by(self.warn)
        self._started = time.perf_counter_ns()
        self._load_ns = load_ns
        self._finished: bool | None = None
        self._failed = False
        clock = _Clock(self.engine)
        zone = zone_of(settings.timezone, "timezone")
        self.modules = simulated_modules(clock, zone, settings.seed)
        """The modules that the strategy gets instead of Python's."""
        self._globals = RunGlobals(clock, self.log, exchanges, zone, settings.seed)
        self._beside = OwnModules(folder)
        importable = {**self.modules, **fmz_modules(self.names())}
        self.builtins = strategy_builtins(
            importable,
            self.warn,
            beside=self._beside,
            output=output,
            seen=seen,
            opened=opened,
            reads_memory=self.store_lists,
        )
        """The builtins of the strategy."""

    def store_lists(self) -> None:
        """Has ``GetRecords`` fill its lists at once from now on: a module that reads a list's memory is there. Those that it gave before are filled now."""
        if isinstance(self.engine, BacktestEngine) and not self.engine.lists_stored:
            self.engine.lists_stored = True
            for one in gc.get_objects():
                if type(one) is GrowingRecords:
                    one.store()

    def warn(self, text: str) -> None:
        """Takes a warning."""
        self.warnings.append(text)
        if self._warn is not None:
            self._warn(text)

    def names(self) -> dict[str, Any]:
        """FMZ's names for the strategy's globals, on this backtest; without the modules and builtins."""
        return self._globals.names()

    # The run

    def run(self, strategy: Source, args: Mapping[str, Any], templates: Iterable[Template] = ()) -> RunEnd:
        """Loads a strategy and runs it to its end; whatever it raises becomes the outcome.

        Args:
            strategy: The strategy's file.
            args: The values of its parameters.
            templates: Its template libraries.
        """
        templates = tuple(templates)
        files = [strategy.path, *(template.source.path for template in templates)]
        api = {
            **self.names(),
            **{name: self.modules[name] for name in ("time", "datetime", "random")},
            "__builtins__": self.builtins,
        }

        def _whole() -> None:
            program = self._program(strategy, args, templates, api)
            program.call("init")
            program.call("main")
            program.call("onexit")

        return self.guarded(_whole, files)

    def _program(
        self, strategy: Source, args: Mapping[str, Any], templates: Sequence[Template], api: Mapping[str, Any]
    ) -> LoadedStrategy:
        if not isinstance(strategy, JavaScriptSource):
            return load(strategy, args, templates, api)
        from ..strategy.javascript.program import load_javascript  # its engine is an extra

        seed, engine = self.settings.seed, self.engine
        return load_javascript(strategy, args, templates, api, virtual=True, seed=seed, now_ms=lambda: engine.now_ms)

    def guarded(self, work: Callable[[], None], files: Sequence[Path]) -> RunEnd:
        """Calls what runs the strategy, and says how it ended.

        Args:
            work: Runs the strategy.
            files: The files whose lines are the strategy's own.
        """
        unwinding = Unwinding(str(file) for file in files)
        self.engine.time.on_stubborn = unwinding.begin
        try:
            work()
            end = RunEnd("returned", "main returned")
        except EOFError:
            end = RunEnd("end", "the end of the backtest")
        except SystemExit:
            end = RunEnd("exit", "ended by exit()")
        except KeyboardInterrupt:
            end = RunEnd("interrupted", "interrupted")
        except NoData as error:
            end = RunEnd("no data", str(error))
        except BaseException as error:  # whatever a strategy ends with becomes the outcome
            own = [*files, *self._beside.files]
            text = own_traceback(error, own)
            self.log.error(0, text)
            end = RunEnd("error", last_line(error, own), text)
        finally:
            self.engine.time.on_stubborn = None
            unwinding.end()
        return end

    @property
    def progress(self) -> float:
        """How much of the backtest's time has passed, 0 to 1."""
        settings = self.settings
        return (self.engine.now_ms - settings.start_ms) / (settings.end_ms - settings.start_ms)

    @property
    def own_files(self) -> list[Path]:
        """The modules beside the strategy that it imported."""
        return self._beside.files

    # What came of it

    def finish(self, end: RunEnd) -> None:
        """Settles what is left until the end; a run that was interrupted stays where it is."""
        if self._finished is None:
            self._finished = end.reason not in {"interrupted", "no data"}
            self._failed = end.reason == "error"
            if self._failed and isinstance(self._source, TellingSource):
                self._source.stop_repeating()  # what failed the strategy: settling and the report must not wait for it again
            if self._finished:
                self.engine.finish()
            elif isinstance(self._source, TellingSource):
                self._source.stop_asking()  # Ctrl-C while a server is silent: the report must not wait for it again

    def result(self, *, measured: bool = False) -> dict[str, Any]:
        """What ``Join`` gives.

        Args:
            measured: Whether the real time and the memory that the run took are in it; they differ from run to run.
        """
        return joined(
            self.settings,
            self.log,
            chart=self._globals.charts.result(),
            indicators=self._globals.indicators,
            snapshots=self.engine.snapshots,
            symbols=_symbols(self.engine.snapshots),
            time_ms=self.engine.now_ms,
            finished=bool(self._finished),
            measured=Measured(
                elapsed_ns=time.perf_counter_ns() - self._started, load_ns=self._load_ns, memory=_memory()
            )
            if measured
            else None,
        )

    def final(self) -> list[dict[str, Any]]:
        """Accounts, positions and orders of each exchange as they stand; of a run that was interrupted or failed, an exchange without bars has no account (None)."""
        return self.engine.final_state(interrupted=self._finished is False or self._failed)

    def fills(self) -> list[BacktestFill] | None:
        """The fills, by time; None when the engine is not ours."""
        from .result.run_fills import engine_fills  # only those who print figures load them

        return engine_fills(self.engine) if isinstance(self.engine, BacktestEngine) else None

    def known_settings(self) -> BacktestSettings:
        """The settings with what the data say of the markets; of a run that was stopped, its end is the time until then."""
        from .result.run_fills import known_settings

        if not isinstance(self.engine, BacktestEngine):
            return self.settings
        return known_settings(self.engine, finished=self._finished is not False)

    def bars(self) -> dict[tuple[int, str], BarSeries] | None:
        """The bars by exchange and symbol, history included; None when the engine is not ours."""
        from .result.run_fills import engine_bars

        return engine_bars(self.engine) if isinstance(self.engine, BacktestEngine) else None


def make_simulation(
    settings: BacktestSettings, source: BarSource, log: RunLog
) -> tuple[SimulationEngine, Sequence[Any]]:
    """Makes our engine, and FMZ's exchange objects over it."""
    engine = BacktestEngine(settings, source, log)
    return engine, exchanges_of(engine)


def _symbols(snapshots: Sequence[Any]) -> dict[str, list[str]]:
    """The symbols of the last snapshot, by exchange."""
    if not snapshots:
        return {}
    return {str(row.get("Id", "")): sorted(row.get("Symbols") or {}) for row in snapshots[-1][1]}


def _memory() -> int:
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
