"""FMZ's ``VCtx`` in a script, run by Python itself and by the command line."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import fmzthreads
from fmzthreads.backtest.vctx import VCtx
from fmzthreads.errors import InputError, MissingExtra
from tests.helpers.backtest_runs import START_MS, command, generated, write_bars

HEADER = "backtest\nstart: 2024-01-01 00:30:00\nend: 2024-01-01 02:00:00\nperiod: 5m\nbasePeriod: 1m\n"
HEADER += 'exchanges: [{"eid":"Binance","currency":"BTC_USDT","stocks":0}]\n'

SCRIPT = f"""'''{HEADER}'''
from fmz import *
task = VCtx(__doc__)
import time
def main():
    Log(_N(1.239, 2), time.time(), exchange.GetTicker().Last)
    while True:
        Sleep(60000)
        LogProfit(exchange.GetAccount().Balance)
try:
    main()
except EOFError:
    pass
import json
Result = json.loads(task.Join())
print(len(Result["ProfitLogs"]))
"""


def context(script: dict[str, Any], **options: Any) -> VCtx:
    return VCtx(gApis=script, bars=generated(), **options)


def test_the_docstring_of_the_caller_and_globals_in_it() -> None:
    script: dict[str, Any] = {"__doc__": HEADER}
    task = context(script)
    assert script["exchange"].GetName() == "Binance"
    exec("import time\nLog('hi', time.time()); Sleep(1000); LogProfit(2.5)", script)
    result = json.loads(task.Join())
    assert result["RuntimeLogs"][0][7] == f"hi {START_MS / 1000 + 1800}"
    assert result["Profit"] == 2.5
    assert result["Snapshots"][-1][0] == START_MS + 7_200_000
    assert task.Join() is task.Join()
    assert task.Join(False) is task.Join()
    assert repr(task).startswith("<VCtx Binance ")


def test_header_text_settings_and_an_engine_task() -> None:
    for task in (HEADER, {"exchanges": [{"eid": "OKX", "currency": "BTC_USDT"}]}):
        script: dict[str, Any] = {}
        context(script, task=task)
        assert script["exchange"].GetCurrency() == "BTC_USDT"
    first = json.loads(context({}, task=HEADER).Join())
    again = json.loads(context({}, task=first["Task"]).Join())
    assert again["Task"] == first["Task"]
    assert len(again["Snapshots"]) == len(first["Snapshots"])
    with pytest.raises(InputError, match=r"VCtx\(task\): 5, expected a header text"):
        context({}, task=5)


def test_auto_run_calls_main_and_join() -> None:
    script: dict[str, Any] = {}
    exec("def main():\n    while True:\n        Log(exchange.GetTicker().Last)\n        Sleep(600000)\n", script)
    task = context(script, task=HEADER, autoRun=True)
    assert len(json.loads(task.Join())["RuntimeLogs"]) == 9


def test_modules_imported_before_and_after_go_by_the_clock_until_join() -> None:
    script: dict[str, Any] = {}
    exec("import time\nfrom time import sleep", script)
    task = context(script, task=HEADER)
    exec("from datetime import datetime\nimport random", script)
    exec("exchange.GetTicker()\nsleep(60)\na = time.time()\nb = datetime.now().minute", script)
    assert script["a"] == START_MS / 1000 + 1860.2
    assert script["b"] == 31
    task.Join()
    assert script["time"] is time
    assert script["sleep"] is time.sleep


def test_join_as_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    task = context({}, task=HEADER)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "pandas", None)
        with pytest.raises(MissingExtra, match=r"pip install 'fmzthreads\[pandas\]'"):
            task.Join(True)
    pytest.importorskip("pandas")
    frame = task.Join(True)
    assert list(frame.columns) == ["PnL(USDT)", "Utilization(%)"]
    assert str(frame.index.tz) == "Asia/Shanghai"
    assert len(frame) == len(json.loads(task.Join())["Snapshots"])


def test_the_root_has_it() -> None:
    assert fmzthreads.VCtx is VCtx
    assert "VCtx" in fmzthreads.__all__


@pytest.mark.parametrize("module", ["fmz", "fmzthreads"])
def test_a_script_runs_by_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], module: str) -> None:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT.replace("from fmz ", f"from {module} "))
    code, whole, err = command(
        capsys, path, "--bars", write_bars(tmp_path / "bars.csv"), "--end", "2024-01-01 01:00:00"
    )
    assert (code, err) == (0, "29\n")
    result = whole["result"]
    assert result["RuntimeLogs"][0][7].startswith(f"1.23 {START_MS / 1000 + 1800} ")
    assert result["Time"] == START_MS + 3_600_000
    assert "fmz" not in sys.modules


def test_a_script_that_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT.replace("    Log(_N", "    1 / 0\n    Log(_N"))
    code, whole, err = command(capsys, path, "--bars", write_bars(tmp_path / "bars.csv"))
    assert code == 1
    assert "ZeroDivisionError" in err
    assert "fmzthreads/backtest" not in err
    path.write_text("x = 5\n")
    code, whole, err = command(capsys, path, "--bars", write_bars(tmp_path / "bars.csv"))
    assert (code, whole) == (2, None)
    assert "makes no VCtx" in err


@pytest.mark.parametrize("module", ["fmz", "fmzthreads"])
def test_a_strategy_that_imports_the_names_gets_those_of_the_backtest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], module: str
) -> None:
    path = tmp_path / "strategy.py"
    path.write_text(
        f"from {module} import *\nfrom fmzthreads.errors import FmzError\ndef main():\n    Log(IsVirtual(), _N(1.239, 2), Unix())\n"
    )
    code, whole, _ = command(capsys, path, "--bars", write_bars(tmp_path / "bars.csv"))
    assert code == 0
    assert whole["result"]["RuntimeLogs"][0][7] == f"True 1.23 {START_MS // 1000}"
