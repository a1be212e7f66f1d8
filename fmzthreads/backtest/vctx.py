"""FMZ's ``VCtx``: a backtest inside a script, which gets FMZ's globals and then calls its own ``main``.

Source: FMZ's public Python backtest package.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..errors import InputError, MissingExtra, short_repr
from .data.telling_source import TellingSource
from .failures import NoData

if TYPE_CHECKING:
    from .backtest_run import BacktestRun
    from .inputs import BacktestInputs

__all__ = ["ScriptHost", "VCtx", "script_host"]


class ScriptHost:
    """What the command line gives a script's ``VCtx``: options, and where warnings go.

    Args:
        inputs: The options.
        warn: Takes warnings.
        output: Where ``print`` writes; None for the standard output.
    """

    def __init__(self, inputs: BacktestInputs, warn: Callable[[str], None], output: Any = None) -> None:
        self.inputs = inputs
        self.warn = warn
        self.output = output
        self.contexts: list[VCtx] = []
        """The backtests that the script made."""
        self.modules: dict[str, ModuleType] = {}
        """What ``import NAME`` hands out in the script for some names."""
        self.reads_memory = False
        """Whether the script imported a module that reads a list's memory."""

    def store_lists(self) -> None:
        """Notes that a module that reads a list's memory is there."""
        self.reads_memory = True
        for context in self.contexts:
            context.run.store_lists()

    def progress(self) -> float:
        """How much of its newest backtest is done, 0 to 1."""
        return self.contexts[-1].run.progress if self.contexts else 0.0


script_host: ContextVar[ScriptHost | None] = ContextVar("fmzthreads_script_host", default=None)
"""The host of the script that runs in this thread; None for a script that Python runs by itself."""


class VCtx:
    """A backtest of the script that makes it: puts FMZ's globals into the script.

    Args:
        task: The settings: a header text, an object with the header's keys, or a task of FMZ's engine; None for the docstring of the script.
        autoRun: Whether ``main`` of the script is run at once, and ``Join`` called.
        gApis: The globals that FMZ's names are put into; None for those of the caller.
        bars: The bars: a file, or objects by name (``"Binance/BTC_USDT"``): files, DataFrames, arrays, lists of rows. None asks the data server.
        columns: Which column of the bars is what, where their names do not say it.

    Raises:
        InputError: The settings or the bars are not valid.
        NoData: There is no source of bars.
    """

    def __init__(
        self,
        task: str | Mapping[str, Any] | None = None,
        autoRun: bool = False,
        gApis: dict[str, Any] | None = None,
        *,
        bars: Any = None,
        columns: Mapping[str, str] | None = None,
    ) -> None:
        frame = sys._getframe(1)
        self._namespace = gApis if gApis is not None else frame.f_globals
        if task is None:
            task = self._namespace.get("__doc__") or ""
        self._file = Path(str(self._namespace.get("__file__") or "<script>"))
        self._joined: bytes | None = None
        self._replaced: dict[str, tuple[Any, Any]] = {}
        self._former_builtins = self._namespace.get("__builtins__")
        self._run = self._made(_task(task), bars, columns or {}, task if isinstance(task, str) else "")
        self._inject()
        host = script_host.get()
        if host is not None:
            host.contexts.append(self)
            host.modules.update(self._run.modules)
            if host.reads_memory:
                self._run.store_lists()
        if autoRun:
            self._auto_run()

    def _made(self, task: Mapping[str, Any], bars: Any, columns: Mapping[str, str], header: str) -> BacktestRun:
        from .backtest_run import BacktestRun
        from .inputs import config_of, data_warnings, read_series, settings_and_source, unknown_key_warnings

        host = script_host.get()
        series: dict[str, Any] = {}
        if host is not None:
            task = {**task, **config_of(host.inputs), **host.inputs.changes}
        zone = str(task.get("timezone") or "UTC")
        if bars is not None:
            from .data.tables.given_bars import series_of

            series = series_of(bars, columns, zone)
        if host is not None and host.inputs.bars:
            series = read_series(host.inputs.bars, host.inputs.columns, zone)
        server = host.inputs.data_server if host is not None else ""
        settings, source = settings_and_source(task, series, server, where=str(self._file))
        warnings = unknown_key_warnings(header) + data_warnings(
            series, settings
        )  # before the bars are emptied into the engine
        run = BacktestRun(
            settings,
            _Watched(source, self._see_imports),
            folder=self._file.parent if self._file.is_file() else None,
            output=host.output if host is not None else None,
            warn=host.warn if host is not None else _warn,
        )
        for text in warnings:
            run.warn(text)
        return run

    def _inject(self) -> None:
        self._namespace.update(self._run.names())
        self._namespace["__builtins__"] = self._run.builtins
        self._see_imports()

    def _see_imports(self) -> None:
        """Gives the script the simulated modules for those that it has imported."""
        from .modules.imports import READ_MEMORY, with_simulated

        self._replaced.update(with_simulated(self._namespace, self._run.modules))
        words = {
            str(getattr(value, word, "")).partition(".")[0]
            for value in list(self._namespace.values())
            for word in ("__name__", "__module__")
        }
        if words & READ_MEMORY:
            self._run.store_lists()

    def _restore(self) -> None:
        """Gives the script Python's own modules back."""
        for name, (former, new) in self._replaced.items():
            if self._namespace.get(name) is new:
                self._namespace[name] = former
        self._replaced.clear()
        if self._former_builtins is not None:
            self._namespace["__builtins__"] = self._former_builtins

    def _auto_run(self) -> None:
        main = self._namespace.get("main")
        with contextlib.suppress(EOFError, SystemExit):
            if callable(main):
                main()
        self.Join()

    @property
    def run(self) -> BacktestRun:
        """The backtest."""
        return self._run

    def Join(self, df: bool = False) -> Any:
        """Ends the backtest and returns its result; further calls return the same.

        ``time`` and the like are Python's own again in the script afterwards.

        Args:
            df: Whether the snapshots are returned as a pandas DataFrame instead: profit and use of the first exchange, by time.

        Returns:
            JSON as bytes, in the form of FMZ's engine.

        Raises:
            MissingExtra: ``df`` is set, and pandas is not installed.
        """
        from .backtest_run import RunEnd
        from .result.join import to_json

        if self._joined is None:
            self._run.finish(RunEnd("returned"))
            self._restore()
            self._joined = to_json(self._run.result(measured=True)).encode()
        return _frame(self._run) if df else self._joined

    def Show(self, path: str | Path | None = None) -> Path:
        """Writes the report page, and opens it in the browser where there is one.

        Args:
            path: The file; None for ``backtest-report.html`` in the current folder.

        Returns:
            The file.
        """
        from .outputs import result_object, show_page

        self.Join()
        place = Path(path) if path is not None else Path("backtest-report.html")
        return show_page(result_object(self._run), self._run, place, opened=script_host.get() is None)

    def __repr__(self) -> str:
        """The exchanges and the time."""
        settings = self._run.settings
        return f"<VCtx {', '.join(exchange.eid for exchange in settings.exchanges)} {settings.start_ms} to {settings.end_ms} ms>"


class _Watched(TellingSource):
    """A source of bars that calls back before the first bars are read, which is when ``main`` is under way."""

    def __init__(self, source: Any, callback: Callable[[], None]) -> None:
        self._source = source
        self._callback: Callable[[], None] | None = callback

    def bars(self, *args: Any, **options: Any) -> Any:
        """The bars of the source."""
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()
        return self._source.bars(*args, **options)

    def ticks(self, *args: Any, **options: Any) -> Any:
        """The recorded order books of the source."""
        if not hasattr(self._source, "ticks"):
            raise NoData("mode: 1 needs recorded order books; the source has bars")
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()
        return self._source.ticks(*args, **options)

    def tell_by(self, warn: Callable[[str], None]) -> None:
        """Hands on to the source what is called with warnings."""
        if isinstance(self._source, TellingSource):
            self._source.tell_by(warn)

    def stop_asking(self) -> None:
        """Has the source ask no server from now on."""
        if isinstance(self._source, TellingSource):
            self._source.stop_asking()

    def stop_repeating(self) -> None:
        """Has the source ask no more for what it did not get."""
        if isinstance(self._source, TellingSource):
            self._source.stop_repeating()

    def custom(self, *args: Any, **options: Any) -> Any:
        """The rows of the source."""
        return self._source.custom(*args, **options)


def _warn(text: str) -> None:
    print(f"fmzthreads: warning: {text}", file=sys.stderr)


def _task(task: Any) -> Mapping[str, Any]:
    from .config.task import check_keys, header_task

    if isinstance(task, str):
        return header_task(task)
    if not isinstance(task, Mapping):
        raise InputError(f"VCtx(task): {short_repr(task)}, expected a header text or a dict of settings")
    check_keys(task, "VCtx(task)")
    return task


def _frame(run: BacktestRun) -> Any:
    try:
        pandas: Any = import_module("pandas")
    except ImportError as error:
        raise MissingExtra(
            "Join(True) needs pandas; install it with: python -m pip install 'fmzthreads[pandas]'"
        ) from error
    rows: Sequence[Any] = run.engine.snapshots
    exchange = run.settings.exchanges[0]
    currency = exchange.margin_currency or exchange.quote_currency
    index = pandas.to_datetime([row[0] for row in rows], unit="ms", utc=True).tz_convert("Asia/Shanghai")
    return pandas.DataFrame(
        {
            f"PnL({currency})": [row[1][0].get("PnL", 0.0) for row in rows],
            "Utilization(%)": [row[1][0].get("Utilization", 0.0) * 100 for row in rows],
        },
        index=index,
    )
