"""FMZ's classics, ``examples/backtest_*.py``, by the command line: on generated bars, and on real ones where they are beside the checkout."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.backtest_runs import START_MS, command
from tests.helpers.shared_data import ROOT, shared_data

EXAMPLES = sorted((ROOT / "examples").glob("backtest_*.py"))
DAY_MS = 86_400_000


def bars(path: Path, names: list[str], *, days: int, step_ms: int) -> Path:
    """A price that swings and drifts, a little different on each exchange."""
    noise = random.Random(5)
    lines = ["series,time,open,high,low,close,volume"]
    last = dict.fromkeys(names, 42_000.0)
    for row in range(days * DAY_MS // step_ms):
        time_ms = START_MS + row * step_ms
        swing = math.sin(time_ms / 13_000_000) * 0.03 + math.sin(time_ms / 2_100_000) * 0.008
        for place, name in enumerate(names):
            off = 0.002 * math.sin(time_ms / 1_500_000) * place
            close = 42_000 * (1 + swing + off) + noise.uniform(-15, 15)
            high, low = max(last[name], close) + noise.uniform(0, 10), min(last[name], close) - noise.uniform(0, 10)
            lines.append(
                f"{name},{time_ms},{last[name]:.2f},{high:.2f},{low:.2f},{close:.2f},{noise.uniform(1, 50):.3f}"
            )
            last[name] = close
    # the opens are the closes before, which were printed with two decimals
    path.write_text("\n".join(lines) + "\n")
    return path


def series_of(example: Path) -> list[str]:
    if "futures" in example.stem:
        return ["Futures_Binance/BTC_USDT.swap"]
    if "spread" in example.stem:
        return ["Binance/BTC_BUSD", "Bybit/BTC_USDT"]
    return ["Binance/BTC_USDT", *(["OKX/BTC_USDT"] if "arbitrage" in example.stem else [])]


def check(whole: dict[str, Any]) -> None:
    result = whole["result"]
    trades = [row for row in result["RuntimeLogs"] if row[2] in {0, 1}]
    errors = [row for row in result["RuntimeLogs"] if row[2] == 3]
    assert len(trades) >= 4, "it traded"
    assert errors == []
    assert result["Finished"] is True
    assert whole["metrics"]["currency"] in {"USDT", "BUSD"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_a_classic_runs_on_generated_bars(example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    minutes = "1m" in example.read_text().partition("basePeriod: ")[2][:4]
    file = bars(
        tmp_path / "bars.csv", series_of(example), days=6 if minutes else 9, step_ms=60_000 if minutes else 300_000
    )
    range_of_bars = ["--start", "2024-01-03", "--end", "2024-01-04"] if example.stem.endswith("_day") else []
    code, whole, err = command(capsys, example, "--bars", file, "--out", tmp_path / "out", *range_of_bars)
    assert code == 0, err
    check(whole)
    assert (tmp_path / "out" / "report.html").stat().st_size > 2000
    if "chart" in example.stem:
        rows = whole["result"]["Chart"]["Datas"]
        assert {row[0] for row in rows} == {0, 1, 2, 3, 4}
    else:
        assert len(whole["result"]["ProfitLogs"]) > 50


def test_there_are_six() -> None:
    assert [path.stem.removeprefix("backtest_") for path in EXAMPLES] == [
        "arbitrage",
        "futures_trend",
        "grid",
        "ma_cross",
        "macd_chart",
        "spread_day",
    ]


def test_a_classic_on_a_real_month(capsys: pytest.CaptureFixture[str]) -> None:
    file = shared_data("nautilus/btc-perp-20211231-20220201_1m.csv")
    code, whole, err = command(
        capsys, ROOT / "examples" / "backtest_futures_trend.py", "--bars", f"Futures_Binance/BTC_USDT.swap={file}",
        "--start", "2022-01-05", "--end", "2022-01-30", "--period", "1h", "--base-period", "15m",
    )  # fmt: skip
    assert code == 0, err
    check(whole)


def test_the_spread_on_the_real_day(capsys: pytest.CaptureFixture[str]) -> None:
    binance = shared_data("lean/crypto/binance/minute/btcbusd/20221213_trade.zip")
    bybit = shared_data("lean/crypto/bybit/minute/btcusdt/20221213_trade.zip")
    code, whole, err = command(
        capsys, ROOT / "examples" / "backtest_spread_day.py",
        "--bars", f"Binance/BTC_BUSD={binance}", "--bars", f"Bybit/BTC_USDT={bybit}",
    )  # fmt: skip
    assert code == 0, err
    check(whole)
    assert whole["result"]["Task"]["Options"]["TimeBegin"] == 1_670_889_600
    closes = [
        state["Symbols"][symbol]["Last"]
        for state, symbol in zip(whole["result"]["Snapshots"][-1][1], ("BTC_BUSD", "BTC_USDT"), strict=True)
    ]
    assert closes[1] == 17778.49  # the day's last close in the file
