"""``fmzthreads backtest``: options, exit codes, what is printed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fmzthreads.cli import main
from tests.helpers.backtest_runs import START_MS, command, generated, write_bars

STRATEGY = """'''backtest
start: 2024-01-01 00:30:00
end: 2024-01-01 02:00:00
period: 5m
basePeriod: 1m
exchanges: [{"eid":"Binance","currency":"BTC_USDT","stocks":0}]
args: [["size", 50]]
btNetDelay: 200
'''
def main():
    print('printed')
    exchange.Buy(-1, size, 'first')
    while True:
        Log(exchange.GetTicker().Last)
        LogStatus(_D())
        Sleep(600000)
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    strategy = tmp_path / "strategy.py"
    strategy.write_text(STRATEGY)
    return strategy, write_bars(tmp_path / "bars.csv")


def test_the_object_that_json_prints(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    strategy, bars = files
    code, whole, err = command(capsys, strategy, "--bars", bars)
    assert code == 0
    assert set(whole) == {"result", "final", "metrics"}
    assert (
        err == "fmzthreads: warning: btNetDelay of the header has no effect; it says how FMZ's page was set\nprinted\n"
    )
    assert whole["result"]["RuntimeLogs"][0][:7] == [1, START_MS + 1_800_200, 0, 1, 1, 0, 50]
    assert whole["final"][0]["historyOrders"][0]["Status"] == 1
    assert whole["metrics"]["currency"] == "USDT"


def test_what_a_strategy_writes_itself_is_not_in_the_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strategy = tmp_path / "strategy.py"
    strategy.write_text("import sys\ndef main():\n    sys.stdout.write('written')\n    Sleep(1000)\n")
    code, whole, err = command(capsys, strategy, "--bars", write_bars(tmp_path / "bars.csv"), "--check-lookahead", "2")
    assert code == 0
    assert whole["result"]
    assert err.startswith("written")


def test_options_go_before_the_header(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strategy, bars = files
    config = tmp_path / "c.json"
    config.write_text(
        '{"period": "15m", "start": "2024-01-01 00:40:00", "options": {"NetDelay": 0}, "args": {"size": 70}}'
    )
    options = ["--config", config, "--start", "2024-01-01 00:45:00", "--timezone", "+08:00", "--seed", "3"]
    code, whole, _ = command(
        capsys, strategy, "--bars", f"OKX/BTC_USDT={bars}", *options[:-4], "--seed", 3, "--base-period", "5m", "--end", "2024-01-01 01:30:00",
        "--exchange", '{"eid":"OKX","currency":"BTC_USDT","balance":777}', "--arg", "size=80",
    )  # fmt: skip
    assert code == 0
    task = whole["result"]["Task"]
    assert task["Options"]["Period"] == 900_000
    assert (task["Options"]["TimeBegin"], task["Options"]["TimeEnd"]) == (
        START_MS // 1000 + 2700,
        START_MS // 1000 + 5400,
    )
    assert (task["Exchanges"][0]["Id"], task["Exchanges"][0]["BasePeriod"]) == ("OKX", 300_000)
    assert whole["result"]["RuntimeLogs"][0][1:7] == [START_MS + 2_700_000, 0, 1, 1, 0, 80]


def test_times_go_by_the_zone(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    strategy, bars = files
    code, whole, _ = command(
        capsys,
        strategy,
        "--bars",
        bars,
        "--timezone",
        "+08:00",
        "--start",
        "2024-01-01 08:30:00",
        "--end",
        "2024-01-01 08:35:00",
    )
    assert code == 0
    assert whole["result"]["Status"] == "2024-01-01 08:30:23"
    assert whole["result"]["Time"] == START_MS + 35 * 60_000


def test_templates_and_their_arguments(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    template = tmp_path / "lib.py"
    template.write_text("import time\ndef f():\n    return (factor, time.time())\next.f = f\n")
    strategy = tmp_path / "s.py"
    strategy.write_text("def main():\n    Log(ext.f())\n")
    code, whole, _ = command(capsys, strategy, "--bars", files[1], "--template", template, "--arg", "lib.factor=7")
    assert code == 0
    assert whole["result"]["RuntimeLogs"][0][7] == f"(7, {START_MS / 1000})"


def test_a_strategy_that_fails(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    strategy, bars = files
    strategy.write_text(STRATEGY.replace("    print('printed')", "    raise ValueError('no')"))
    code, whole, err = command(capsys, strategy, "--bars", bars)
    assert code == 1
    assert "line 11, in main\n    raise ValueError('no')\nValueError: no\n" in err
    assert "fmzthreads/" not in err
    assert whole["result"]["RuntimeLogs"][-1][2] == 3


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (["--start", "soon"], 2, "start is 'soon', expected a time"),
        (["--exchange", "{"], 2, "--exchange is not JSON"),
        (["--arg", "size"], 2, "expected NAME=VALUE"),
        (["--columns", "time"], 2, "expected ROLE=NAME"),
        (["--config", "no.json"], 2, "cannot read the config file"),
        (["--bars", "no.csv"], 2, "there is no file of bars"),
        (["--bars", "X=no.csv"], 2, "expected FILE, or EID/SYMBOL=FILE"),
        (["--period", "0m"], 2, "period is '0m'"),
        (["--exchange", '{"eid":"Binance","currency":"ETH_USDT"}'], 3, "symbol ETH_USDT not found on Binance"),
        (["--start", "2025-01-01", "--end", "2025-01-02"], 3, "no data: symbol BTC_USDT not found on Binance"),
    ],
)  # fmt: skip
def test_exit_codes(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str], options: list[str], code: int, text: str
) -> None:
    strategy, bars = files
    given = [] if "--bars" in options else ["--bars", f"Binance/BTC_USDT={bars}"]
    found, whole, err = command(capsys, strategy, *given, *options)
    assert (found, whole) == (code, None)
    assert text in err


def test_no_bars_at_all(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATASERVER", raising=False)
    code, _, err = command(capsys, files[0])
    assert code == 3
    assert "no bars: give --bars FILE" in err


def test_gaps_are_told_with_their_share(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    series = generated()
    for column in (series.time, series.open, series.high, series.low, series.close, series.volume):
        del column[60:69]
    bars = write_bars(tmp_path / "gaps.csv", series)
    _, _, err = command(capsys, files[0], "--bars", bars)
    assert f"{bars}: 9 of 90 bars are missing (10.00%)" in err


def test_disordered_bars_are_refused_with_the_line(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    strategy, bars = files
    lines = bars.read_text().splitlines()
    lines[10], lines[11] = lines[11], lines[10]
    bars.write_text("\n".join(lines))
    code, _, err = command(capsys, strategy, "--bars", bars)
    assert code == 2
    assert "line 12: the bar of" in err
    assert "is earlier than the bar before it" in err


def test_the_summary_for_people(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    strategy, bars = files
    assert main(["backtest", str(strategy), "--bars", str(bars), "--progress"]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("printed\nthe end of the backtest; 10 log rows, 0 errors\n\n2024-01-01 01:50:24")
    assert "Binance BTC_USDT: " in printed.out
    assert "100%" in printed.err


@pytest.mark.parametrize("script", [False, True])
def test_ctrl_c_prints_the_partial_report(tmp_path: Path, script: bool) -> None:
    strategy = tmp_path / "strategy.py"
    head = '"""backtest\nperiod: 1m\n"""\nfrom fmz import *\nVCtx()\n' if script else ""
    strategy.write_text(
        f"{head}import os, signal\ndef main():\n    Sleep(600000)\n    Log('before')\n    os.kill(os.getpid(), signal.SIGINT)\n    while True:\n        Sleep(1)\n"
        + ("main()\n" if script else "")
    )
    words = [
        sys.executable,
        "-m",
        "fmzthreads",
        "backtest",
        str(strategy),
        "--bars",
        str(write_bars(tmp_path / "bars.csv")),
        "--json",
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False, env=dict(os.environ))
    assert done.returncode == 128 + signal.SIGINT
    result = json.loads(done.stdout)["result"]
    assert result["Finished"] is False
    assert [row[7] for row in result["RuntimeLogs"]] == ["before"]


def test_a_file_without_bars_is_named(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_text("time,open,high,low,close,volume\n")
    code, whole, err = command(capsys, files[0], "--bars", empty)
    assert (code, whole) == (3, None)
    assert f"no data: {empty} has no bars" in err


def test_a_latency_of_nobody_is_told(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "c.json"
    for text, told in (
        ('{"latency": {"binance": 5}}', True),
        ('{"latency": {"Binance": 5, "*": 1}}', False),
        ('{"latency": 5}', False),
    ):
        config.write_text(text)
        code, _, err = command(capsys, files[0], "--bars", files[1], "--config", config)
        assert code == 0
        assert (
            "latency has no effect for 'binance': no exchange is called so; did you mean 'Binance'?" in err
        ) is told, err


def test_funding_of_a_file_is_paid_without_any_details(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head, hour = "time,open,high,low,close,volume", 3_600_000
    minutes = [f"{START_MS + 60_000 * n},100,101,99,100,5" for n in range(1440)]
    rates = [f"{START_MS + 8 * hour * n},0.001,0.001,0.001,0.001,0" for n in range(3)]
    for name, rows in (("bars.csv", minutes), ("rates.csv", rates)):
        (tmp_path / name).write_text("\n".join([head, *rows, ""]))
    strategy = tmp_path / "strategy.py"
    strategy.write_text(
        "def main():\n    exchange.SetContractType('swap')\n    exchange.SetDirection('buy')\n"
        "    exchange.Buy(-1, 2)\n    Log(len(exchange.GetFundings()))\n    Sleep(20 * 3600 * 1000)\n"
    )
    options = (
        strategy, "--exchange", '{"eid":"Futures_Binance","currency":"BTC_USDT","balance":10000,"fee":[0,0]}', "--period", "1m",
        "--base-period", "1m", "--bars", f"Futures_Binance/BTC_USDT.swap={tmp_path / 'bars.csv'}",
    )  # fmt: skip
    code, without, _ = command(capsys, *options)
    assert code == 0
    code, whole, _ = command(capsys, *options, "--bars", f"Futures_Binance/BTC_USDT.funding={tmp_path / 'rates.csv'}")
    assert code == 0
    assert [rows["result"]["RuntimeLogs"][-1][7] for rows in (without, whole)] == ["0", "1"]
    paid = without["final"][0]["account"]["Balance"] - whole["final"][0]["account"]["Balance"]
    assert paid == pytest.approx(2 * 2 * 100 * (1 + 0.001) * 0.001)  # two payments: amount x price x (1 + rate) x rate
