"""What ``Join`` gives: one JSON object with everything that came of a backtest, in the form of FMZ's engine.

Source: the published engine, github.com/fmzquant/backtest_javascript (result version 2.2).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...structures.value_objects import ValueObject
from ..config.settings import BacktestSettings
from .log import RunLog
from .spilled_rows import SpilledRows

__all__ = ["Measured", "PrintedRows", "as_printed", "joined", "json_parts", "to_json"]

_VERSION = "2.2"
_FINISHED, _STOPPED = 2, 3
_STATUS, _SYMBOLS, _INDICATORS, _CHART, _PROFITS, _ROWS, _SNAPSHOTS = 1, 2, 4, 8, 16, 32, 256
_LARGEST_EXACT = 2**53


class Measured(ValueObject, kw_only=True):
    """What depends on the machine, not on the backtest; all zero where results are to be compared byte by byte.

    Attributes:
        elapsed_ns: The real time that the run took.
        load_ns: The real time that loading the bars took.
        memory: The largest memory of the process, in bytes.
    """

    elapsed_ns: int = 0
    load_ns: int = 0
    memory: int = 0


def joined(
    settings: BacktestSettings,
    log: RunLog,
    *,
    chart: Mapping[str, Any],
    indicators: Mapping[str, Any],
    snapshots: Sequence[Any],
    symbols: Mapping[str, Sequence[str]],
    time_ms: int,
    finished: bool,
    measured: Measured | None = None,
) -> dict[str, Any]:
    """The result; the option ``RetFlags`` says which of the long parts are in it.

    Args:
        settings: The settings of the run.
        log: Its log.
        chart: ``Cfg`` and ``Datas`` of the strategy's charts.
        indicators: The arguments that TA functions were called with, by name.
        snapshots: The rows ``[time in ms, [an object for each exchange]]``.
        symbols: The symbols that were used, by exchange.
        time_ms: The clock's time at the end.
        finished: Whether the run came to its end; False when it was interrupted.
        measured: The times and memory of this machine; None for zeros.
    """
    measured = measured if measured is not None else Measured()
    span = settings.end_ms - settings.start_ms
    flags = int(settings.options.get("RetFlags") or 0xFFFF)
    result: dict[str, Any] = {
        "BacktestStatus": _FINISHED if finished else _STOPPED,
        "TaskStatus": 1,
        "Finished": finished,
        "Progress": 100 if finished else round((time_ms - settings.start_ms) / span * 100, 2),
        "Time": time_ms,
        "Elapsed": measured.elapsed_ns,
        "LoadElapsed": measured.load_ns,
        "LoadBytes": 0,
        "LogsCount": log.count,
        "Memory": measured.memory,
        "Task": settings.task,
        "Version": _VERSION,
    }
    if log.last_profit is not None:
        result["Profit"] = log.last_profit
    parts: tuple[tuple[int, str, Any], ...] = (
        (_PROFITS, "ProfitLogs", _listed(log.profits)),
        (_ROWS, "RuntimeLogs", _listed(log.rows)),
        (_CHART, "Chart", chart),
        (_INDICATORS, "Indicators", indicators),
        (_STATUS, "Status", log.status_text),
        (_SNAPSHOTS, "Snapshots", _listed(snapshots)),
        (_SYMBOLS, "Symbols", symbols),
    )
    result.update((name, value) for flag, name, value in parts if flags & flag)
    return result


def _listed(rows: Sequence[Any]) -> Sequence[Any]:
    """Rows as a list, unless some of them are on disk."""
    return rows if isinstance(rows, SpilledRows) and rows.spilled else list(rows)


def to_json(value: Any) -> str:
    """A result as JSON on one line; whole numbers without a fraction, as FMZ's engine prints them, and null for NaN and infinities."""
    return "".join(json_parts(value))


def json_parts(value: Any) -> Iterator[str]:
    """The text of ``to_json`` in parts, so that rows that are on disk are not in memory all at once."""
    if isinstance(value, (SpilledRows, PrintedRows)):
        begun = "["
        for part in value.parts():
            if part:
                yield begun + _dumped(part)[1:-1]
                begun = ","
        yield "[]" if begun == "[" else "]"
    elif isinstance(value, Mapping) and _holds_rows(value):
        begun = "{"
        for key, one in value.items():
            yield f"{begun}{_dumped(str(key))}:"
            yield from json_parts(one)
            begun = ","
        yield "}"
    else:
        yield _dumped(value)


def _dumped(value: Any) -> str:
    return json.dumps(_printed(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _holds_rows(value: Any) -> bool:
    if isinstance(value, (SpilledRows, PrintedRows)):
        return True
    return isinstance(value, Mapping) and any(map(_holds_rows, value.values()))


class PrintedRows(Sequence[Any]):
    """Rows on disk as JSON would give them back: whole numbers without a fraction, null for infinite or undefined numbers.

    Args:
        rows: The rows.
    """

    def __init__(self, rows: SpilledRows) -> None:
        self._rows = rows

    def __len__(self) -> int:
        """How many there are."""
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        """One row, or a list of some."""
        return _printed(self._rows[index])

    def __iter__(self) -> Iterator[Any]:
        """The rows, oldest first."""
        return map(_printed, self._rows)

    def parts(self) -> Iterator[list[Any]]:
        """The rows as lists, one after the other."""
        return self._rows.parts()


def as_printed(value: Mapping[str, Any]) -> dict[str, Any]:
    """A result as JSON would give it back; rows that are on disk stay there."""
    result = value["result"]
    spilled = {name: PrintedRows(rows) for name, rows in result.items() if isinstance(rows, SpilledRows)}
    whole: dict[str, Any] = _printed({**value, "result": {**result, **{name: [] for name in spilled}}})
    whole["result"].update(spilled)
    return whole


def _printed(value: Any) -> Any:
    """A value in the types that reading its JSON gives: plain dicts, lists, texts and numbers."""
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if kind is float:
        if value.is_integer() and abs(value) < _LARGEST_EXACT:
            return int(value)
        return value if math.isfinite(value) else None
    if isinstance(value, dict) or isinstance(value, Mapping):  # noqa: SIM101 (Mapping asks its ABC, which takes ten times as long)
        return {str.__str__(str(key)): _printed(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, SpilledRows)):
        return [_printed(one) for one in value]
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    number = getattr(value, "item", None)
    return _printed(number()) if callable(number) else str(value)
