"""Finds strategies that see the future: runs them again over bars that are cut, and over bars that are altered, from some instants on.

What a strategy did before such an instant must not depend on what comes after it. Every call on an exchange with its arguments, and every log row (orders
among them), that ended before the instant must be the same as in the plain run.
"""

from __future__ import annotations

import io
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs

from ..backtest_run import BacktestRun, SimulationEngine, make_simulation
from ..config.settings import BacktestSettings, MarketDetail
from ..config.times import zone_of
from ..data.aggregate import cut_out
from ..data.bars import BarSeries, BarSource, TickSource
from ..data.column_parts import parts_of
from ..data.row_spill import RowSpill
from ..failures import NoData
from ..inputs import ReadyBacktest
from ..recorded.changed import changed_recording
from ..recorded.recording import Recording
from ..result.log import RunLog
from .cut_files import CutFiles

__all__ = ["LookaheadReport", "check_lookahead"]

_BEGINNING, _END = -(2**62), 2**62
_PRICES = ("open", "high", "low", "close")


@attrs.frozen
class LookaheadReport:
    """What was found.

    Attributes:
        instants: The instants, in milliseconds since the epoch.
        findings: One text for each run that differs before its instant.
        unseen: What the strategy used that the check cannot alter: files, modules that reach the network.
        compared: How many calls and rows were compared, over all runs.
        unsteady: Whether two runs over the same bars differ, so that the findings may be no look-ahead.
    """

    instants: tuple[int, ...]
    findings: tuple[str, ...]
    unseen: tuple[str, ...]
    compared: int
    unsteady: bool = False

    def text(self) -> str:
        """The report for people."""
        count = len(self.instants)
        head = (
            f"look-ahead: {len(self.findings)} of {2 * count} runs differ before the instant at which their bars were cut or altered"
            if self.findings
            else f"look-ahead: none found at {count} instants, bars cut and bars altered ({self.compared} calls and log rows compared)"
        )
        lines = [head, *(f"  {finding}" for finding in self.findings)]
        if self.unsteady:
            lines.append(
                "  two runs over the same bars differ, too: it goes by something of its own, such as the machine's clock or chance without a seed;"
                " look-ahead can only be told when that is left out"
            )
        if self.unseen:
            lines.append(f"  not altered, so not checked: {', '.join(self.unseen)}")
        return "\n".join(lines)


class _ChangedBars:
    """Bars that end, or are others, from an instant on."""

    def __init__(self, source: BarSource, instant_ms: int, *, altered: bool) -> None:
        self._source = source
        self._instant_ms = instant_ms
        self._altered = altered

    def bars(self, eid: str, symbol: str, period_ms: int, from_ms: int, to_ms: int, *, fill: bool = False) -> BarSeries:
        """The bars of the source, changed."""
        series = self._source.bars(eid, symbol, period_ms, from_ms, to_ms, fill=fill)
        before = cut_out(series, _BEGINNING, self._instant_ms)
        if not self._altered or len(before) == len(series):
            return before if len(before) else series
        return _altered(series, len(before))

    def ticks(self, eid: str, symbol: str, from_ms: int, to_ms: int) -> tuple[Recording, MarketDetail]:
        """The recorded order books of the source, changed."""
        if not isinstance(self._source, TickSource):
            raise NoData(f"symbol {symbol} not found on {eid}: mode: 1 needs recorded order books")
        recording, detail = self._source.ticks(eid, symbol, from_ms, to_ms)
        return changed_recording(recording, self._instant_ms, altered=self._altered), detail

    def custom(self, eid: str, name: str, from_ms: int, to_ms: int) -> list[tuple[int, object]] | None:
        """The rows of the source before the instant."""
        rows = self._source.custom(eid, name, from_ms, to_ms)
        return None if rows is None else [row for row in rows if row[0] < self._instant_ms]


def _altered(series: BarSeries, first: int) -> BarSeries:
    """The bars with other prices and volumes from a row on; each bar stays a bar."""
    result = BarSeries(detail=series.detail, period_ms=series.period_ms)
    names = [field for field in ("time", *_PRICES, "volume", "position") if getattr(series, field)]
    with RowSpill() as spill:
        for begin, parts in parts_of(*(getattr(series, name) for name in names)):
            rows = range(begin, begin + len(parts[0]))
            for name, part in zip(names, parts, strict=True):
                getattr(result, name).extend(_changed(name, part, rows, first))
            spill.take({"": result})
        spill.finish({"": result})
    return result


def _changed(name: str, values: Any, rows: range, first: int) -> Any:
    """A part of a column with other values from a row on."""
    if rows.stop <= first or name not in (*_PRICES, "volume"):
        return array("q", values)
    if name == "volume":
        return array("q", [value if row < first else value * 2 + 1 for row, value in zip(rows, values, strict=True)])
    return array(
        "q",
        [value if row < first else value * (107 + row % 5) // 100 for row, value in zip(rows, values, strict=True)],
    )


class _RecordedExchange:
    """An exchange object whose calls are noted with the time at which they ended."""

    def __init__(self, exchange: Any, note: Callable[[str], None]) -> None:
        self._exchange = exchange
        self._note = note

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._exchange, name)
        if not callable(found) or name.startswith("_"):
            return found
        note = self._note

        def _call(*args: Any, **options: Any) -> Any:
            try:
                return found(*args, **options)
            finally:
                # What SetData is given may reach into the future, of which GetData shows what is over.
                note(
                    f"{name}({args[0]!r}, ...)"
                    if name == "SetData" and len(args) > 1
                    else f"{name}{args!r}{options or ''}"
                )

        return _call


class _Recorded:
    """One run, with everything that it did by time."""

    def __init__(self, ready: ReadyBacktest, source: BarSource, opened: Callable[[Any], Any] | None = None) -> None:
        self.entries: list[tuple[int, str]] = []
        self.unseen: dict[str, None] = {}
        run = BacktestRun(
            ready.settings,
            source,
            make_engine=self._make,
            folder=ready.strategy.path.parent,
            output=io.StringIO(),
            seen=self._see,
            opened=opened,
        )
        run.log.listeners.append(lambda row: self.entries.append((row[1], f"log row {row[2:]}")))
        self.end = run.run(ready.strategy, ready.values, ready.templates)

    def _see(self, what: str) -> None:
        self.unseen[what] = None

    def _make(
        self, settings: BacktestSettings, source: BarSource, log: RunLog
    ) -> tuple[SimulationEngine, Sequence[Any]]:
        engine, exchanges = make_simulation(settings, source, log)

        def _note(text: str) -> None:
            self.entries.append((engine.now_ms, text))
            if text.startswith("SetData("):
                self._see("what SetData is given")

        return engine, [_RecordedExchange(one, _note) for one in exchanges]

    def before(self, instant_ms: int) -> list[tuple[int, str]]:
        """What had ended before an instant."""
        return [entry for entry in self.entries if entry[0] < instant_ms]


def check_lookahead(ready: ReadyBacktest, count: int = 3) -> LookaheadReport:
    """Runs a strategy ``1 + 2 * count`` times and compares; once more when it found something.

    Args:
        ready: The backtest.
        count: At how many instants, spread evenly over its time.
    """
    settings = ready.settings
    span, base = settings.end_ms - settings.start_ms, settings.base_period_ms
    instants = tuple(
        sorted({(settings.start_ms + span * number // (count + 1)) // base * base for number in range(1, count + 1)})
    )
    plain = _run_again(ready, _END)
    findings: list[str] = []
    unseen = dict(plain.unseen)
    compared = 0
    for instant in instants:
        expected = plain.before(instant)
        for altered in (False, True):
            other = _run_again(ready, instant, altered=altered)
            unseen.update(other.unseen)
            found = other.before(instant)
            compared += len(expected)
            if found != expected:
                findings.append(_difference(expected, found, instant, "altered" if altered else "cut"))
    unsteady = bool(findings) and _run_again(ready, _END).entries != plain.entries
    return LookaheadReport(instants, tuple(findings), tuple(unseen), compared, unsteady)


def _run_again(ready: ReadyBacktest, instant_ms: int, *, altered: bool = False) -> _Recorded:
    """A run whose bars are cut or altered from an instant on; files of bars that the strategy opens itself end there."""
    zone = zone_of(ready.settings.timezone, "timezone")
    with TemporaryDirectory(prefix="fmzthreads-") as folder:
        files = CutFiles(ready.files, ready.columns, zone, instant_ms, Path(folder))
        changed = instant_ms < _END
        source = _ChangedBars(ready.source, instant_ms, altered=altered) if changed else ready.source
        return _Recorded(ready, source, files)


def _difference(expected: Sequence[tuple[int, str]], found: Sequence[tuple[int, str]], instant: int, how: str) -> str:
    place = next(
        (n for n, (a, b) in enumerate(zip(expected, found, strict=False)) if a != b), min(len(expected), len(found))
    )

    def _shown(entries: Sequence[tuple[int, str]]) -> str:
        return f"{entries[place][1][:120]} at {entries[place][0]} ms" if place < len(entries) else "nothing"

    return f"bars {how} from {instant} ms on: expected {_shown(expected)}, found {_shown(found)}"
