"""Runs one backtest of a sweep and returns its figures; made so that a worker process loads the bars once."""

from __future__ import annotations

import multiprocessing
import pickle
import threading
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import attrs

from ...errors import FmzError
from ...strategy.program.reading import read_source
from ...structures.value_objects import evolve
from ..backtest_run import BacktestRun
from ..config.settings import BacktestSettings
from ..config.task import settings_within
from ..data.bars import BarSource
from ..inputs import (
    BacktestInputs,
    BarsFile,
    bound_arguments,
    merged_task,
    read_series,
    settings_and_source,
    source_of,
)
from ..outputs import run_metrics
from .identity import SameFiles
from .job import Job, Score

__all__ = ["BacktestEvaluation", "figures_of"]

_SECTIONS = ("trades", "activity")


@attrs.frozen
class BacktestEvaluation:
    """Runs backtests of one strategy; picklable, for executors in other processes.

    Attributes:
        inputs: What is run; its files must be there on every worker.
        files: What the files held when the sweep began; empty when changes are not looked for.
    """

    inputs: BacktestInputs
    files: SameFiles = attrs.field(factory=SameFiles)

    def __call__(self, job: Job) -> Score:
        """Runs one; whatever goes wrong in it is in its score.

        Raises:
            SweepStopped: A file is not what it was when the sweep began.
            KeyboardInterrupt: Ctrl-C, where backtests run in the process that asks for them.
        """
        self.files.check()
        try:
            score = self._score(job)
        except FmzError as error:
            score = Score(job, error=str(error)[:500])
        self.files.check()  # also those that the backtest itself has read
        return score

    def _score(self, job: Job) -> Score:
        inputs = self.inputs
        strategy = read_source(inputs.file)
        settings, source, task = _prepared(pickle.dumps(inputs), tuple(_stamp(bars) for bars in inputs.bars))
        values, templates = bound_arguments(strategy, task, inputs, job.args)
        settings = evolve(settings, args=values)
        if job.start_ms is not None or job.end_ms is not None:
            start_ms = settings.start_ms if job.start_ms is None else job.start_ms
            end_ms = settings.end_ms if job.end_ms is None else job.end_ms
            settings = settings_within(settings, task, start_ms, end_ms)
        if not inputs.bars:  # a server's bars are asked for by the time of this backtest
            source = source_of({}, settings, inputs.data_server or str(settings.task.get("dataServer") or ""))
        run = BacktestRun(settings, source, folder=strategy.path.parent, output=_Nothing())
        end = run.run(strategy, values, templates)
        run.finish(end)
        if end.reason == "interrupted":
            if _hears_ctrl_c():
                raise KeyboardInterrupt
            return Score(job, error="KeyboardInterrupt: raised by the strategy itself")
        if end.code:
            return Score(job, error=end.text[:500])
        return Score(job, figures_of(run_metrics(run, run.result(), run.final())))


class _Nothing:
    """Where the strategy's ``print`` writes: nowhere."""

    def write(self, text: str) -> int:
        """Takes a text."""
        return len(text)

    def flush(self) -> None:
        """Does nothing."""


def _hears_ctrl_c() -> bool:
    """Whether Ctrl-C is raised here: not in worker processes, which ignore it, nor in threads other than the main one."""
    return multiprocessing.parent_process() is None and threading.current_thread() is threading.main_thread()


def figures_of(metrics: Mapping[str, Any]) -> dict[str, float | None]:
    """The figures of a backtest by short names.

    Those of the equity curve, of trades and of activity keep their own names (``sharpe``, ``win_rate``, ``fees``); those of the profit that the strategy
    logged, and of FMZ's report, stand behind ``log_profit.`` and ``fmz.``.
    """
    found: dict[str, float | None] = {}
    for section, prefix in (
        ("equity", ""),
        *((name, "") for name in _SECTIONS),
        ("log_profit", "log_profit."),
        ("fmz", "fmz."),
    ):
        rows = metrics.get(section)
        if not isinstance(rows, Mapping):
            continue
        for key, row in rows.items():
            value = row.get("value") if isinstance(row, Mapping) else row
            if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
                found[prefix + key] = value
    return found


def _stamp(bars: BarsFile) -> tuple[int, int]:
    """The file's time and size: a file that was changed is read again."""
    facts = bars.path.stat()
    return facts.st_mtime_ns, facts.st_size


@lru_cache(maxsize=4)
def _prepared(inputs: bytes, stamps: tuple[tuple[int, int], ...]) -> tuple[BacktestSettings, BarSource, dict[str, Any]]:
    """The settings, the bars, and the settings by the header's keys, which many backtests share; they are not changed by any."""
    del stamps  # part of the key
    wanted: BacktestInputs = pickle.loads(inputs)  # noqa: S301 (made by this process a moment ago)
    task, where = merged_task(read_source(wanted.file), wanted)
    series = read_series(wanted.bars, wanted.columns, str(task.get("timezone") or "UTC"))
    return *settings_and_source(task, series, wanted.data_server, where=where), task
