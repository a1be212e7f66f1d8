"""Strategies over generated bars, run in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.backtest.backtest_run import BacktestRun, RunEnd
from fmzthreads.backtest.data.raw_series import RawSeries
from fmzthreads.backtest.inputs import settings_and_source
from fmzthreads.cli import main
from fmzthreads.strategy.program.reading import read_source

__all__ = ["START_MS", "command", "generated", "run_text", "write_bars"]

START_MS = 1_704_067_200_000
"""2024-01-01 00:00:00 UTC."""


def generated(count: int = 240, *, step_ms: int = 60_000, price: float = 100.0) -> RawSeries:
    """Bars that swing up and down by whole numbers, from START_MS on."""
    series = RawSeries(decimals=(2, 3))
    last = price
    for row in range(count):
        close = round(price + (row * 7 % 23) - 11 + row % 3 * 0.25, 2)
        series.time.append(START_MS + row * step_ms)
        series.open.append(last)
        series.high.append(max(last, close) + 0.5)
        series.low.append(min(last, close) - 0.5)
        series.close.append(close)
        series.volume.append(10 + row % 7)
        last = close
    return series


def write_bars(path: Path, series: RawSeries | None = None, name: str = "") -> Path:
    """Writes bars as CSV; with a column of series when they have a name."""
    series = series if series is not None else generated()
    head = "series," if name else ""
    lead = f"{name}," if name else ""
    lines = [f"{head}time,open,high,low,close,volume"]
    rows = zip(series.time, series.open, series.high, series.low, series.close, series.volume, strict=True)
    lines += [
        lead + ",".join(f"{value:.2f}" if place else str(value) for place, value in enumerate(row)) for row in rows
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def run_text(
    tmp_path: Path, text: str, *, task: dict[str, Any] | None = None, bars: RawSeries | None = None, **args: Any
) -> tuple[BacktestRun, RunEnd]:
    """Runs a strategy given as text over generated bars."""
    path = tmp_path / "strategy.py"
    path.write_text(text)
    series = {"": bars if bars is not None else generated()}
    settings, source = settings_and_source(
        task or {"exchanges": [{"eid": "Binance", "currency": "BTC_USDT", "stocks": 0}]}, series
    )
    run = BacktestRun(settings, source, folder=tmp_path)
    end = run.run(read_source(path), args)
    run.finish(end)
    return run, end


def command(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, Any, str]:
    """Runs ``fmzthreads backtest ... --json``: exit code, the printed object (None without), what went to the standard error."""
    code = main(["backtest", *map(str, words), "--json"])
    printed = capsys.readouterr()
    return code, json.loads(printed.out) if printed.out.strip() else None, printed.err
