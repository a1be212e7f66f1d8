"""Everything that says what a backtest runs: the strategy, its parameters, the settings, the bars; and how it is made ready."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError, UnknownName, nearest
from ..strategy.program.header import backtest_header, header_arguments
from ..strategy.program.parameters import bind
from ..strategy.program.reading import read_source
from ..strategy.program.source import Source
from ..strategy.program.templates import Template, read_templates
from ..structures.value_objects import ValueObject, evolve, field
from .config.beyond import LATENCY_KEYS
from .config.settings import BacktestSettings, ExchangeSettings
from .config.task import header_task, ignored_keys, read_config, settings_of, unknown_keys
from .config.times import zone_of
from .data.bars import BarSource
from .data.files.bars_file import read_bars
from .data.local_bars import GivenSeries, LocalBars, facts_of
from .data.raw_series import RawSeries
from .data.row_spill import rows_left
from .failures import NoData
from .recorded.reading import is_recording, read_recordings
from .recorded.recording import Recording

__all__ = [
    "BacktestInputs",
    "BarsFile",
    "ReadyBacktest",
    "bound_arguments",
    "config_of",
    "data_warnings",
    "merged_task",
    "read_series",
    "settings_and_source",
    "source_of",
    "unknown_key_warnings",
]


class BarsFile(ValueObject):
    """A file of bars.

    Attributes:
        path: The file.
        name: The series in it, ``EID/SYMBOL``; empty when the file names its series, or for the only exchange.
    """

    path: Path
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> BarsFile:
        """Reads ``FILE`` or ``EID/SYMBOL=FILE``.

        Raises:
            InputError: Nothing stands after the equals sign.
        """
        name, equals, path = text.partition("=")
        if not equals or Path(text).exists():
            return cls(Path(text))
        if not path or "/" not in name:
            raise InputError(
                f"--bars {text[:200]!r}: expected FILE, or EID/SYMBOL=FILE such as Binance/BTC_USDT=bars.csv"
            )
        return cls(Path(path), name)


class BacktestInputs(ValueObject, kw_only=True):
    """What a backtest is made of, as the user gave it.

    Attributes:
        file: The strategy.
        templates: Template files, in order.
        args: The strategy's arguments by name, as texts or values.
        template_args: Arguments of templates, by template and name.
        config: A file with the settings as JSON; None for none.
        changes: Settings that go before those of the config file and the header, by the header's keys.
        bars: Files of bars.
        columns: Which column of these files is what, where they do not say it.
        data_server: The URL of a server of FMZ's data protocol; empty for the header's, else the variable DATASERVER.
    """

    file: Path
    templates: tuple[Path, ...] = ()
    args: Mapping[str, Any] = field(factory=dict, repr=False)
    template_args: Mapping[str, Mapping[str, Any]] = field(factory=dict, repr=False)
    config: Path | None = None
    changes: Mapping[str, Any] = field(factory=dict)
    bars: tuple[BarsFile, ...] = ()
    columns: Mapping[str, str] = field(factory=dict)
    data_server: str = ""

    def absolute(self) -> BacktestInputs:
        """The same for processes with another working folder."""
        return evolve(
            self,
            file=self.file.absolute(),
            templates=tuple(path.absolute() for path in self.templates),
            config=None if self.config is None else self.config.absolute(),
            bars=tuple(evolve(bars, path=bars.path.absolute()) for bars in self.bars),
        )


class ReadyBacktest(ValueObject, kw_only=True):
    """A backtest that can run.

    Attributes:
        strategy: The strategy's file.
        settings: The settings.
        values: The values of the strategy's parameters.
        templates: The templates with theirs.
        source: The bars.
        warnings: What the user should know before it runs.
        load_ns: The real time that loading the bars took.
        files: The files that the bars came from.
        columns: Which column of these files is what, where they do not say it.
    """

    strategy: Source
    settings: BacktestSettings
    values: Mapping[str, Any] = field(repr=False)
    templates: tuple[Template, ...]
    source: BarSource
    warnings: tuple[str, ...] = ()
    load_ns: int = 0
    files: tuple[Path, ...] = ()
    columns: Mapping[str, str] = field(factory=dict)

    @classmethod
    def of(cls, inputs: BacktestInputs) -> ReadyBacktest:
        """Reads and checks everything.

        Raises:
            InputError: Something is not valid; says what, and where it came from.
            NoData: There is no source of bars.
        """
        strategy = read_source(inputs.file)
        task, where = merged_task(strategy, inputs)
        values, templates = bound_arguments(strategy, task, inputs)
        began = time.perf_counter_ns()
        series = read_series(inputs.bars, inputs.columns, str(task.get("timezone") or "UTC"))
        settings, source = settings_and_source(
            task, series, inputs.data_server, args=values, where=where, own_bars="SetData(" in strategy.text
        )
        warnings = [f"{key} of the header has no effect; it says how FMZ's page was set" for key in ignored_keys(task)]
        warnings += unknown_key_warnings(_header_text(strategy))
        warnings += data_warnings(series, settings)
        return cls(
            strategy=strategy,
            settings=settings,
            values=values,
            templates=templates,
            source=source,
            warnings=tuple(warnings),
            load_ns=time.perf_counter_ns() - began if series else 0,
            files=tuple(bars.path for bars in inputs.bars),
            columns=inputs.columns,
        )


def bound_arguments(
    strategy: Source, task: Mapping[str, Any], inputs: BacktestInputs, more: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], tuple[Template, ...]]:
    """The values of the strategy's parameters, and the templates with theirs.

    Args:
        strategy: The strategy.
        task: The settings, which may hold arguments.
        inputs: What the user gave; goes before the settings.
        more: Arguments that go before all others, such as those of a sweep.

    Raises:
        InputError: An argument or a template is not valid.
    """
    template_args = _saved_of_templates(task, {file.stem for file in inputs.templates})
    for name, given in inputs.template_args.items():
        template_args[name] = {**template_args.get(name, {}), **given}
    templates = tuple(read_templates(inputs.templates, template_args, strategy))
    return bind(strategy, {**_saved(task), **inputs.args, **(more or {})}), templates


def settings_and_source(
    task: Mapping[str, Any],
    series: Mapping[str, GivenSeries],
    data_server: str = "",
    *,
    args: Mapping[str, Any] | None = None,
    where: str = "the settings",
    own_bars: bool = False,
) -> tuple[BacktestSettings, BarSource]:
    """The checked settings, and where the bars come from.

    Args:
        task: The settings by the header's keys.
        series: The given bars by name.
        data_server: The URL of a data server; empty for the task's ``dataServer``, else the variable DATASERVER.
        args: The values of the strategy's parameters.
        where: Where the task came from, for messages.
        own_bars: Whether the strategy may give its own bars (``exchange.SetData(bars)``), so that none need be known before.

    Raises:
        InputError: A setting is not valid.
        NoData: There is no source of bars.
    """
    settings = settings_of(task, args=args, facts=facts_of(series), where=where)
    try:
        return settings, source_of(series, settings, data_server or str(task.get("dataServer") or ""))
    except NoData:
        if not own_bars:
            raise
        return settings, LocalBars({}, settings.exchanges)


def merged_task(strategy: Source, inputs: BacktestInputs) -> tuple[dict[str, Any], str]:
    """The settings of header, config file and command line, the later ones going before; and where they came from, for messages.

    Raises:
        InputError: One of them is not valid.
    """
    task: dict[str, Any] = {}
    header = backtest_header(strategy)
    where = str(strategy.path)
    if header:
        task.update(header_task(_header_text(strategy), where))
        header_arguments(strategy)  # raises what is wrong with them
    if inputs.config is not None:
        task.update(config_of(inputs))
        where = f"{inputs.config}"
    task.update(inputs.changes)
    return task, where


def unknown_key_warnings(header: str) -> list[str]:
    """Warnings of the header's keys that no setting has, which have no effect."""
    return [f"the header has the unknown key {key}; it has no effect" for key in unknown_keys(header)]


def config_of(inputs: BacktestInputs) -> dict[str, Any]:
    """The settings of the config file; none without one.

    Raises:
        InputError: It cannot be read, or is not valid.
    """
    if inputs.config is None:
        return {}
    try:
        text = inputs.config.read_text("utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read the config file {str(inputs.config)!r}: {error.strerror}") from error
    return read_config(text, str(inputs.config))


def _header_text(strategy: Source) -> str:
    for _, text in strategy.texts():
        first, _, rest = text.lstrip().partition("\n")
        if first.strip() == "backtest":
            return rest
    return ""


def _saved(task: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a config file; those of a header are bound by its own rules."""
    args = task.get("args")
    if isinstance(args, Mapping):
        return dict(args)
    return {str(row[0]): row[1] for row in args or () if isinstance(row, (list, tuple)) and len(row) == 2}


def _saved_of_templates(task: Mapping[str, Any], loaded: set[str]) -> dict[str, dict[str, Any]]:
    """The arguments ``[name, value, template]`` for the templates that are loaded."""
    args = task.get("args")
    found: dict[str, dict[str, Any]] = {}
    for row in args if isinstance(args, (list, tuple)) else ():
        if isinstance(row, (list, tuple)) and len(row) == 3 and row[2] in loaded:
            found.setdefault(str(row[2]), {})[str(row[0])] = row[1]
    return found


def read_series(files: Sequence[BarsFile], columns: Mapping[str, str], timezone: str) -> dict[str, GivenSeries]:
    """Reads files of bars, and of recorded order books.

    Raises:
        InputError: A file is not valid, or two have the same series.
        NoData: A file has no bars.
    """
    zone = zone_of(timezone, "timezone")
    found: dict[str, GivenSeries] = {}
    for file in files:
        there = sum(len(one) for one in found.values() if isinstance(one, RawSeries) and one.stored is None)
        series: Mapping[str, GivenSeries] = (
            read_recordings(file.path)
            if is_recording(file.path)
            else read_bars(file.path, columns=columns, zone=zone, in_memory=rows_left(there))
        )
        if not series:
            raise NoData(f"{file.path} has no bars")
        if file.name:
            if len(series) != 1:
                raise InputError(
                    f"{file.path} holds {len(series)} series ({', '.join(series)}), expected one for {file.name}"
                )
            series = {file.name: next(iter(series.values()))}
        for name, rows in series.items():
            if name in found:
                raise InputError(
                    f"{file.path}: there are two series {name or '(without a name)'!r}; the other is of {found[name].where}"
                )
            found[name] = rows
    return found


def data_warnings(series: Mapping[str, GivenSeries], settings: BacktestSettings) -> list[str]:
    """What the user should know of given bars before they are traded: gaps, and a limit on the age of prices that ordinary bars exceed."""
    found = [text for rows in series.values() for text in gap_warnings(rows, settings)]
    most_ms, apart_ms = _max_price_age_ms(settings), settings.base_period_ms * 29 // 30
    if most_ms is not None and most_ms < apart_ms and not settings.real_ticks:
        found.append(
            f"maxPriceAge is {most_ms / 1000:g} s, and the ticks of a bar of {settings.base_period_ms / 1000:g} s are up to"
            f" {apart_ms / 1000:g} s apart: fills within ordinary bars write error rows, too"
        )
    return found + _latency_warnings(settings)


def _latency_warnings(settings: BacktestSettings) -> list[str]:
    """Names in ``latency`` that no exchange has: a misspelt one would have no effect."""
    given = settings.options.get("latency")
    if not isinstance(given, Mapping) or any(key in LATENCY_KEYS for key in given):
        return []
    names = {
        "*",
        *(exchange.eid for exchange in settings.exchanges),
        *(exchange.label for exchange in settings.exchanges),
    }
    return [
        f"latency has no effect for {name!r}: no exchange is called so{nearest(name, names)}"
        for name in given
        if name not in names
    ]


def _max_price_age_ms(settings: BacktestSettings) -> int | None:
    return min((one.max_price_age_ms for one in settings.exchanges if one.max_price_age_ms is not None), default=None)


def gap_warnings(rows: GivenSeries, settings: BacktestSettings) -> list[str]:
    """Says how much of the backtest's time has no bars, or the longest time without a recorded tick."""
    most_ms = _max_price_age_ms(settings)
    if isinstance(rows, Recording):
        longest_ms, begin_ms = rows.longest_gap
        if longest_ms <= (most_ms or 0):
            return []
        return [f"{rows.where}: no tick for {longest_ms / 1000:g} s from {begin_ms} ms on; prices stand still there"]
    missing = rows.missing(settings.start_ms, settings.end_ms)
    if not missing:
        return []
    period = rows.period_ms()
    count = (settings.end_ms - settings.start_ms) // period
    text = f"{rows.where}: {missing} of {count} bars are missing ({missing / count:.2%}); prices stand still there"
    if most_ms is not None:
        longest_ms, begin_ms = rows.longest_step(settings.start_ms, settings.end_ms)
        if longest_ms > max(period, most_ms):
            text += f", longest for {longest_ms / 1000:g} s after the bar of {begin_ms} ms"
    return [text]


def source_of(series: Mapping[str, GivenSeries], settings: BacktestSettings, data_server: str = "") -> BarSource:
    """The bars of a backtest: the given ones, else those of a data server.

    Args:
        series: The given bars by name.
        settings: The settings.
        data_server: The server's URL; empty for the variable DATASERVER.

    Raises:
        NoData: There is neither.
        UnknownName: A series is for an exchange that the backtest does not have.
    """
    if series:
        _check_names(series, settings.exchanges)
        _check_mode(series, settings)
        return LocalBars(series, settings.exchanges)
    url = data_server or os.environ.get("DATASERVER", "")
    if not url and not any(exchange.feeder.startswith(("http://", "https://")) for exchange in settings.exchanges):
        raise NoData(
            "no bars: give --bars FILE (or VCtx(..., bars=...)), or the URL of a data server (dataServer in the header, or DATASERVER)"
        )
    from .data.server.server_bars import ServerBars  # HTTP is loaded only by those who ask a server

    return ServerBars(url, settings)


def _check_mode(series: Mapping[str, GivenSeries], settings: BacktestSettings) -> None:
    recorded = [rows for rows in series.values() if isinstance(rows, Recording)]
    if settings.real_ticks and not recorded:
        where = next(iter(series.values())).where
        raise InputError(f"mode: 1 needs recorded order books (.jsonl or .json); {where} holds bars (mode: 0)")
    if recorded and not settings.real_ticks:
        raise InputError(
            f"{recorded[0].where} holds recorded order books, which need mode: 1 in the header or the config"
        )


def _check_names(series: Mapping[str, GivenSeries], exchanges: Sequence[ExchangeSettings]) -> None:
    eids = [exchange.eid for exchange in exchanges]
    if all("/" in name and name.partition("/")[0] not in eids for name in series):
        name, rows = next(iter(series.items()))
        raise UnknownName(f"{rows.where}: the backtest has no exchange {name!r}{nearest(name.partition('/')[0], eids)}")
