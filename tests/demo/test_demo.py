"""The demo by the command a user would type: it hedges, audits, survives a hanging venue, ends on Ctrl-C, refuses nonsense."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.shared_data import shared_data

pytest.importorskip("uvicorn", reason="the demo runs against the simulator, which needs the extra server")
pytestmark = pytest.mark.example

DEMO = [sys.executable, "-m", "fmzthreads", "demo"]


def demo(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*DEMO, *arguments], capture_output=True, text=True, timeout=110, check=False, cwd=cwd)


def summary_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert len(done.stdout.splitlines()) == 1, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def swinging_bars(path: Path, *, away: float) -> Path:
    """Sixty minutes of bars; ``away`` moves every second ten minutes apart, so that two such files offer spreads to hedge."""
    lines = ["time,open,high,low,close,volume"]
    before = 20_000.0
    for minute in range(60):
        price = 20_000 + 100 * math.sin(minute / 5) + (away if minute // 10 % 2 else -away)
        high, low = max(before, price) + 1, min(before, price) - 1
        lines.append(f"{1_700_000_000_000 + 60_000 * minute},{before:.2f},{high:.2f},{low:.2f},{price:.2f},3.5")
        before = price
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("prices", [[], ["--rest"]], ids=["streams", "rest"])
def test_it_hedges_and_reconciles_to_the_last_unit(prices: list[str], tmp_path: Path) -> None:
    a, b = swinging_bars(tmp_path / "a.csv", away=60), swinging_bars(tmp_path / "b.csv", away=-60)
    done = demo("--json", "--seconds", "60", "--hedges", "3", "--data", str(a), "--data", str(b), *prices, cwd=tmp_path)
    summary = summary_of(done)
    assert done.returncode == 0, summary
    assert summary["hedges"] == 3  # and it ended then, not after a minute
    assert summary["seconds"] < 60
    assert summary["fees"]["Binance"] > 0
    assert abs(summary["exposure"]) <= summary["lot"]
    assert summary["differences"] == {name: {"BTC": "0", "ETH": "0", "USDT": "0"} for name in ("Binance", "OKX")}
    assert summary["pair_over_slower"]["count"] >= 3
    assert summary["pair_over_slower"]["median"] >= 1.0


def test_one_file_drives_both_and_a_zipped_minute_file_will_do(tmp_path: Path) -> None:
    path = tmp_path / "20240102_trade.zip"
    rows = [f"{60_000 * i},{100 + i % 5},{106 + i % 5},{99},{101 + i % 5},{2.5}" for i in range(120)]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("20240102_btcusdt_minute_trade.csv", "\n".join(rows))
    done = demo("--seconds", "3", "--data", str(path), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all books agree" in done.stdout
    assert "s left | Binance: bid" in done.stdout


def test_the_real_day_of_2022_12_13(tmp_path: Path) -> None:
    files = [
        shared_data("lean/crypto/binance/minute/btcbusd/20221213_trade.zip"),
        shared_data("lean/crypto/bybit/minute/btcusdt/20221213_trade.zip"),
    ]
    replay = ("--data", str(files[0]), "--data", str(files[1]))
    done = demo("--json", "--seconds", "80", "--hedges", "1", *replay, cwd=tmp_path)
    summary = summary_of(done)
    assert done.returncode == 0, summary
    assert summary["hedges"] > 0
    assert summary["reconciled"]


@pytest.mark.parametrize("prices", [[], ["--rest"]], ids=["streams", "rest"])
def test_a_venue_that_hangs_for_the_whole_run_leaves_the_bot_hedged_and_saying_so(
    prices: list[str], tmp_path: Path
) -> None:
    # A price that stands still offers no spread to hedge: an order that meets the hang would leave an unknown outcome.
    bars = tmp_path / "still.csv"
    rows = [f"{1_700_000_000_000 + 60_000 * minute},20000,20001,19999,20000,3.5" for minute in range(60)]
    bars.write_text("\n".join(["time,open,high,low,close,volume", *rows]) + "\n")
    done = demo("--seconds", "4", "--data", str(bars), "--fault", "okx:hang=true", *prices, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "OKX did not answer Get" in done.stdout
    assert ": hedged" in done.stdout
    assert "all books agree" in done.stdout


@pytest.mark.parametrize("fault", ["binance:lose_order_reply=0.3", "okx:error_5xx=0.05"])
def test_lost_replies_and_failing_requests_leave_the_books_in_agreement(fault: str, tmp_path: Path) -> None:
    a, b = swinging_bars(tmp_path / "a.csv", away=60), swinging_bars(tmp_path / "b.csv", away=-60)
    done = demo("--json", "--seconds", "12", "--data", str(a), "--data", str(b), "--fault", fault, cwd=tmp_path)
    summary = summary_of(done)
    assert summary["reconciled"], summary
    assert summary["hedged"], summary


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_ctrl_c_ends_it_in_good_order_with_the_same_summary(tmp_path: Path) -> None:
    with subprocess.Popen([*DEMO, "--seconds", "60"], stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stdout is not None
        while "s left" not in (line := process.stdout.readline()):
            assert line, "it ended before it hedged"
        process.send_signal(signal.SIGINT)
        began = time.perf_counter()
        rest = process.stdout.read()
        assert process.wait(30) == 0, rest
    assert "reconciliation      all books agree" in rest
    assert time.perf_counter() - began < 40  # it promises one second; this only tells a hang from an end


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seconds", "0"], "0"),
        (["--seconds", "soon"], "soon"),
        (["--data", "no_such_file.csv"], "no_such_file.csv"),
        (["--fault", "hang"], "hang"),
        (["--fault", "okex:hang=true"], "did you mean 'okx'"),
        (["--fault", "okx:hangs=true"], "did you mean 'hang'"),
        (["--data", "a.csv", "--data", "b.csv", "--data", "c.csv"], "a.csv"),
    ],
)
def test_nonsense_is_named_and_nothing_is_started(arguments: list[str], words: str, tmp_path: Path) -> None:
    done = demo(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
