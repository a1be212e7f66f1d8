"""The settings of a backtest, from a header text, a JSON object, or a task of FMZ's engine.

Source: FMZ's user guide, "Backtest" (the header's keys), and the published engine, github.com/fmzquant/backtest_javascript (the task object with
``Exchanges`` and ``Options``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...errors import InputError, UnknownName, nearest, short_repr
from ...strategy.program.header import json_setting, settings_lines
from ...structures.value_objects import ValueObject, evolve
from .beyond import with_beyond
from .details import number
from .exchange_rows import engine_row, exchange_of
from .settings import BacktestSettings, ExchangeSettings
from .times import default_base_period_ms, default_snapshot_ms, moment_ms, period_ms, zone_of

__all__ = ["DataFacts", "check_keys", "header_task", "ignored_keys", "read_config", "settings_of", "unknown_keys"]

_HEADER_KEYS = frozenset({
    "start", "end", "period", "basePeriod", "mode", "exchanges", "args", "dataServer", "pnl", "options", "compat", "go", "timezone", "seed",
    "participation", "queue", "latency", "maxPriceAge", "snapshotPeriod", "yearDays", "maxCapital",
})  # fmt: skip
_BEYOND = ("participation", "queue", "latency", "maxPriceAge", "yearDays")
_OPTIONS = frozenset({
    "TimeBegin", "TimeEnd", "Period", "SnapshotPeriod", "NetDelay", "UpdatePeriod", "RetFlags", "DataServer", "PnL", "Mode", "BasePeriod",
    "MaxRuntimeLogs", "MaxProfitLogs", "MaxChartLogs", *_BEYOND,
})  # fmt: skip
_JSON_KEYS = frozenset({"exchanges", "args", "options", "latency"})
_DEFAULT_START, _DEFAULT_END = "2019-02-01 00:00:00", "2019-02-10 00:00:00"


class DataFacts(ValueObject, kw_only=True):
    """What the given bars say, for settings that leave it open; None where no bars are given.

    Attributes:
        period_ms: The shortest period of the series.
        first_ms: The start of the first bar.
        end_ms: The end of the last bar.
    """

    period_ms: int | None = None
    first_ms: int | None = None
    end_ms: int | None = None


def header_task(text: str, where: str = "the header") -> dict[str, Any]:
    """The task that a header describes: its keys, with the JSON values decoded; empty when the text is no header.

    Args:
        text: A docstring that begins with ``backtest``, or the lines after that word. A JSON value may go on over several lines.
        where: Where it came from, for messages.

    Raises:
        InputError: A value that is to be JSON is not.
    """
    first, _, rest = text.lstrip().partition("\n")
    lines = rest if first.strip() == "backtest" else text
    found: dict[str, Any] = dict(settings_lines(lines))
    for key in _JSON_KEYS & found.keys():
        found[key] = _json(key, found[key], lines, where)
    return {key: value for key, value in found.items() if key in _HEADER_KEYS or key.startswith("bt")}


def _json(key: str, value: str, lines: str, where: str) -> Any:
    """Decodes a value; one that is not complete at the end of its line goes on in the next ones."""
    try:
        if key == "latency" and not value.startswith(("{", "[")):
            return value
        return json_setting(lines, key, value)
    except ValueError as error:
        raise InputError(f"{where}: {key} is not JSON ({error}): {short_repr(value)}") from None


def ignored_keys(task: Mapping[str, Any]) -> list[str]:
    """The keys of a header that say how FMZ's web page was set, and have no effect here."""
    return sorted(key for key in task if key.startswith("bt") or key == "maxCapital")


def unknown_keys(text: str) -> list[str]:
    """The keys of a header's lines that no setting has; lines of JSON and sentences are none."""
    return [
        f"{key!r}{nearest(key, _HEADER_KEYS)}"
        for key in settings_lines(text)
        if key.isidentifier() and key not in _HEADER_KEYS and not key.startswith("bt")
    ]


def read_config(text: str, where: str) -> dict[str, Any]:
    """A config file's JSON object: the header's keys and ``options``, or a task of FMZ's engine.

    Raises:
        InputError: It is not JSON, or not an object.
        UnknownName: It has a key that is not known.
    """
    try:
        task = json.loads(text)
    except ValueError as error:
        raise InputError(f"{where} is not JSON: {error}") from None
    if not isinstance(task, dict):
        raise InputError(f"{where} is {short_repr(task)}, expected a JSON object")
    check_keys(task, where)
    return task


def check_keys(task: Mapping[str, Any], where: str) -> None:
    """Checks that settings given as an object have known keys.

    Raises:
        UnknownName: One is not known.
    """
    for key in task:
        if key not in _HEADER_KEYS and key not in {"Exchanges", "Options"} and not str(key).startswith("bt"):
            raise UnknownName(f"{where} has the unknown key {key!r}{nearest(str(key), _HEADER_KEYS)}")


def settings_of(
    task: Mapping[str, Any],
    *,
    args: Mapping[str, Any] | None = None,
    facts: DataFacts | None = None,
    where: str = "the settings",
) -> BacktestSettings:
    """The settings that a task describes, checked, with FMZ's defaults for what it leaves out.

    Args:
        task: The header's keys and ``options``, or ``Exchanges`` and ``Options`` of FMZ's engine.
        args: The values of the strategy's parameters.
        facts: What the given bars say: their time and period stand in for ``start``, ``end`` and ``basePeriod`` where the task has none.
        where: Where the task came from, for messages.

    Raises:
        InputError: A value is not valid; says which, and what was expected.
    """
    facts = facts if facts is not None else DataFacts()
    options = {**_object(task, "options", where), **_object(task, "Options", where)}
    for key in options:
        if key not in _OPTIONS:
            raise UnknownName(f"{where}: options has the unknown key {key!r}{nearest(key, _OPTIONS)}")
    zone_name = str(task.get("timezone") or "UTC")
    zone = zone_of(zone_name, f"{where}: timezone")
    start = _moment(task, options, "start", "TimeBegin", facts.first_ms, _DEFAULT_START, zone, where)
    end = _moment(task, options, "end", "TimeEnd", facts.end_ms, _DEFAULT_END, zone, where)
    if end <= start:
        raise InputError(f"{where}: the end {task.get('end')!r} is not after the start {task.get('start')!r}")
    rows = _exchange_rows(task, where)
    real_ticks = _is_recorded(task.get("mode", options.get("Mode")), where)
    period = _milliseconds(options, "Period", where) or period_ms(task.get("period") or "1h", f"{where}: period")
    base = _base_period(task, options, rows, period, facts, real_ticks=real_ticks, where=where)
    snapshot = _milliseconds(options, "SnapshotPeriod", where)
    if task.get("snapshotPeriod") not in (None, ""):
        snapshot = period_ms(task["snapshotPeriod"], f"{where}: snapshotPeriod")
    snapshot = snapshot or default_snapshot_ms(end - start)
    for row in rows:
        row.setdefault("BasePeriod", base)
    net_delay = int(number(options, "NetDelay", 200, where, least=0))
    beyond = {**options, **{key: task[key] for key in _BEYOND if key in task}}
    run_as: dict[str, Any] = {
        "Options": {
            "NetDelay": net_delay, **options,
            "TimeBegin": start // 1000, "TimeEnd": end // 1000, "Period": period, "SnapshotPeriod": snapshot,
        },
        "Exchanges": rows,
    }  # fmt: skip
    return BacktestSettings(
        start_ms=start,
        end_ms=end,
        period_ms=period,
        base_period_ms=base,
        snapshot_ms=snapshot,
        net_delay_ms=net_delay,
        exchanges=tuple(
            with_beyond(exchange, beyond, where, recorded=real_ticks) for exchange in _exchanges(rows, where)
        ),
        args=dict(args or {}),
        real_ticks=real_ticks,
        compat_fmz=_choice(task, "compat", ("fmz",), where),
        concurrent_go=_choice(task, "go", ("concurrent",), where),
        seed=int(number(task, "seed", 0, where, least=0)),
        year_days=_year_days(beyond, where),
        timezone=zone_name,
        options={**options, **{key: task[key] for key in (*_BEYOND, "dataServer") if key in task}},
        task=run_as,
    )


def settings_within(
    settings: BacktestSettings, task: Mapping[str, Any], start_ms: int, end_ms: int
) -> BacktestSettings:
    """The settings of another stretch of time, as ``settings_of`` makes them of a task with these times.

    Args:
        settings: The settings of the whole time.
        task: The task that they were made of.
        start_ms: Where it starts, in milliseconds since the epoch.
        end_ms: Where it ends.
    """
    given = task.get("snapshotPeriod") not in (None, "") or any(
        (task.get(name) or {}).get("SnapshotPeriod") for name in ("options", "Options")
    )
    # FMZ's choice hangs on the length, and what a snapshot sees of the ticks hangs on it: fills can differ by some seconds.
    snapshot_ms = settings.snapshot_ms if given else default_snapshot_ms(end_ms - start_ms)
    return evolve(settings, start_ms=start_ms, end_ms=end_ms, snapshot_ms=snapshot_ms)


def _year_days(options: Mapping[str, Any], where: str) -> float:
    days = number(options, "yearDays", 365, where)
    if days <= 0:
        raise InputError(f"{where}: yearDays is {days:g}, expected more than 0 days")
    return days


def _object(task: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    value = task.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InputError(f"{where}: {key} is {short_repr(value)}, expected an object")
    return value


def _is_recorded(mode: Any, where: str) -> bool:
    """Whether ``mode`` asks for recorded order books (1) in place of bars (0, or nothing)."""
    text = "0" if mode is None else str(mode).strip() or "0"
    if text not in ("0", "1"):
        raise InputError(f"{where}: mode is {short_repr(mode)}, expected 0 (bars) or 1 (recorded order books)")
    return text == "1"


def _moment(
    task: Mapping[str, Any], options: Mapping[str, Any], key: str, engine_key: str, fact: int | None, default: str, zone: Any, where: str
) -> int:  # fmt: skip
    if engine_key in options:
        return int(number(options, engine_key, 0, where) * 1000)
    if task.get(key) not in (None, ""):
        return moment_ms(task[key], zone, f"{where}: {key}")
    return fact if fact is not None else moment_ms(default, zone, key)


def _milliseconds(options: Mapping[str, Any], key: str, where: str) -> int:
    return int(number(options, key, 0, f"{where}: options", least=0))


def _base_period(
    task: Mapping[str, Any], options: Mapping[str, Any], rows: list[dict[str, Any]], period: int, facts: DataFacts,
    *, real_ticks: bool, where: str,
) -> int:  # fmt: skip
    if real_ticks:
        return 1000
    said = {int(number(row, "BasePeriod", 0, where, least=1)) for row in rows if row.get("BasePeriod") is not None}
    if len(said) > 1:
        raise InputError(f"{where}: the exchanges have the base periods {sorted(said)} (ms), expected one for all")
    if task.get("basePeriod") not in (None, ""):
        return period_ms(task["basePeriod"], f"{where}: basePeriod")
    return (
        said.pop() if said
        else _milliseconds(options, "BasePeriod", where) or facts.period_ms or default_base_period_ms(period)
    )  # fmt: skip


def _exchange_rows(task: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    rows = task.get("Exchanges") or task.get("exchanges") or [{"eid": "Binance", "currency": "BTC_USDT"}]
    if not isinstance(rows, (list, tuple)):
        raise InputError(f"{where}: exchanges is {short_repr(rows)}, expected a list of objects with eid and currency")
    return [engine_row(row, f"{where}: exchanges[{index}]") for index, row in enumerate(rows)]


def _exchanges(rows: list[dict[str, Any]], where: str) -> tuple[ExchangeSettings, ...]:
    found = tuple(exchange_of(row, index, f"{where}: exchanges[{index}]") for index, row in enumerate(rows))
    known: dict[tuple[str, str], Any] = {}
    for exchange in found:
        for symbol, detail in exchange.details.items():
            if known.setdefault((exchange.eid, symbol), detail) != detail:
                raise InputError(
                    f"{where}: exchanges[{exchange.index}]: other details of {symbol} than an exchange {exchange.eid} before it;"
                    " expected the same, as both trade one market (SetMarginLevel sets the leverage of each)"
                )
    return found


def _choice(task: Mapping[str, Any], key: str, valid: tuple[str, ...], where: str) -> bool:
    value = task.get(key)
    if value in (None, "", False):
        return False
    if value not in valid:
        raise InputError(f"{where}: {key} is {short_repr(value)}, expected {' or '.join(valid)}")
    return True
