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


def test_the_config_file_of_the_command_line_counts_for_a_script(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, config = tmp_path / "script.py", tmp_path / "c.json"
    path.write_text(SCRIPT)
    config.write_text('{"end": "2024-01-01 01:30:00", "period": "15m", "options": {"NetDelay": 0}}')
    words = [path, "--bars", write_bars(tmp_path / "bars.csv"), "--config", config, "--end", "2024-01-01 01:00:00"]
    code, whole, err = command(capsys, *words, "--arg", "x=1")
    assert code == 0, err
    assert whole["result"]["Time"] == START_MS + 3_600_000
    options = whole["result"]["Task"]["Options"]
    assert (options["Period"], options["NetDelay"]) == (900_000, 0)
    assert "--arg and --template have no effect" in err
    config.write_text("{")
    assert command(capsys, *words)[0] == 2


def test_a_script_is_warned_of_gaps_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "9 of 90 bars are missing (10.00%)"
    task = VCtx(HEADER, gApis={}, bars=with_gap())
    assert [text in one for one in task.run.warnings] == [True]
    printed = capsys.readouterr().err
    assert printed.startswith("fmzthreads: warning: ")
    assert text in printed
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    code, _, err = command(capsys, path, "--bars", write_bars(tmp_path / "gaps.csv", with_gap()))
    assert (code, text in err) == (0, True)


def with_gap() -> Any:
    series = generated()
    for column in (series.time, series.open, series.high, series.low, series.close, series.volume):
        del column[60:69]
    return series


def test_a_script_that_is_interrupted_keeps_what_there_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "script.py"
    path.write_text(
        f"""'''{HEADER}'''
from fmz import *
task = VCtx()
Sleep(600000)
Log('before')
raise KeyboardInterrupt
"""
    )
    code, whole, _ = command(capsys, path, "--bars", write_bars(tmp_path / "bars.csv"))
    assert code == 130
    assert whole["result"]["Finished"] is False
    assert whole["result"]["Progress"] < 100
    assert [row[7] for row in whole["result"]["RuntimeLogs"]] == ["before"]


def test_the_progress_of_a_script_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    command(capsys, path, "--bars", write_bars(tmp_path / "bars.csv"), "--progress")
    assert command(capsys, path, "--bars", tmp_path / "bars.csv", "--progress")[2].endswith("100%\n")


def test_a_module_beside_a_script_that_reads_memory_is_noticed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("orjson")
    (tmp_path / "dumping.py").write_text("import orjson\ndef size(x):\n    return orjson.dumps(x).count(b'Time')\n")
    path = tmp_path / "script.py"
    path.write_text(
        f"'''{HEADER}'''\nimport dumping\nfrom fmz import *\ntask = VCtx()\nSleep(600000)\nr = exchange.GetRecords()\nLog(dumping.size(r) == len(r), len(r) > 1)\n"
    )
    code, whole, err = command(capsys, path, "--bars", write_bars(tmp_path / "bars.csv"))
    assert code == 0, err
    assert whole["result"]["RuntimeLogs"][0][7] == "True True"
