"""One backtest of one strategy: how it ends, what it sees, and that two do not disturb each other."""

import sys
import threading
import time
from datetime import datetime
from pathlib import Path

import pytest

from fmzthreads.backtest.failures import NoData
from fmzthreads.backtest.inputs import settings_and_source
from tests.helpers.backtest_runs import START_MS, generated, run_text

LOOP = "def main():\n    while True:\n        exchange.GetTicker()\n        Sleep(60000)\n"


def texts(run: object) -> list[str]:
    return [row[7] for row in run.log.rows]  # type: ignore[attr-defined]


def test_the_end_of_the_data_ends_main_and_onexit_does_not_run(tmp_path: Path) -> None:
    run, end = run_text(tmp_path, "def onexit():\n    Log('bye')\n" + LOOP)
    assert (end.reason, end.code) == ("end", 0)
    assert texts(run) == []
    assert run.result()["Time"] == START_MS + 240 * 60_000
    assert run.result()["Progress"] == 100


def test_init_main_and_onexit_in_order(tmp_path: Path) -> None:
    text = "def init():\n    Log('init')\ndef main():\n    Log('main')\ndef onexit():\n    Log('onexit', _D())\n"
    run, end = run_text(tmp_path, text)
    assert end.reason == "returned"
    assert texts(run) == ["init", "main", "onexit 2024-01-01 00:00:00"]
    assert run.result()["Snapshots"][-1][0] == START_MS + 240 * 60_000


def test_a_strategy_that_catches_the_end_goes_on_to_onexit(tmp_path: Path) -> None:
    text = f"{LOOP.replace('main', 'work')}def main():\n    try:\n        work()\n    except EOFError:\n        Log('caught')\ndef onexit():\n    Log('bye')\n"
    run, end = run_text(tmp_path, text)
    assert (end.reason, texts(run)) == ("returned", ["caught", "bye"])


def test_an_error_is_shown_with_the_strategys_own_lines(tmp_path: Path) -> None:
    run, end = run_text(tmp_path, "def main():\n    Sleep(1000)\n    _C(lambda: 1 / 0)\n")
    assert (end.reason, end.code) == ("error", 1)
    assert "line 3, in main" in end.traceback
    assert "fmzthreads" not in end.traceback.replace(str(tmp_path), "")
    assert end.traceback.endswith("ZeroDivisionError: division by zero")
    assert run.log.rows[-1][1:3] == [START_MS + 1000, 3]
    assert run.log.rows[-1][7] == end.traceback
    assert run.result()["Finished"] is True


@pytest.mark.parametrize("text", ["exit()", "import sys\n    sys.exit(3)", "quit(1)"])
def test_exit_ends_the_strategy_only(tmp_path: Path, text: str) -> None:
    _, end = run_text(tmp_path, f"def main():\n    {text}\n")
    assert (end.reason, end.code) == ("exit", 0)


def test_ctrl_c_keeps_what_there_is(tmp_path: Path) -> None:
    run, end = run_text(tmp_path, "def main():\n    Sleep(3600000)\n    Log('half')\n    raise KeyboardInterrupt\n")
    assert (end.reason, end.code) == ("interrupted", 130)
    result = run.result()
    assert (result["Finished"], result["BacktestStatus"], result["Progress"]) == (False, 3, 25.0)
    assert result["Time"] == START_MS + 3_600_000
    assert texts(run) == ["half"]


def test_a_symbol_without_bars_is_no_data(tmp_path: Path) -> None:
    _, end = run_text(tmp_path, "def main():\n    exchange.SetCurrency('ETH_USDT')\n    exchange.GetTicker()\n")
    assert (end.reason, end.code) == ("no data", 3)
    assert "ETH_USDT" in end.text


def test_no_source_of_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATASERVER", raising=False)
    with pytest.raises(NoData, match="no bars: give --bars FILE"):
        settings_and_source({}, {})


def test_the_strategy_sees_the_simulated_time_and_the_process_does_not(tmp_path: Path) -> None:
    before = time.time, time.sleep, datetime, threading.Event, sys.modules["time"]
    text = (
        "import time\nfrom datetime import datetime as dt\n"
        "def main():\n    t = time.time()\n    time.sleep(90)\n    Log(time.time() - t, dt.now(), datetime.datetime.utcnow(), time.strftime('%H:%M'))\n"
    )
    run, _ = run_text(tmp_path, text)
    assert texts(run) == ["90.0 2024-01-01 00:01:30 2024-01-01 00:01:30 00:01"]
    assert before == (time.time, time.sleep, datetime, threading.Event, sys.modules["time"])
    assert time.time() > START_MS / 1000 + 86_400


def test_parameters_modules_beside_it_and_api_while_loading(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("import time\ndef stamp():\n    return time.time()\n")
    text = "import helper\nname = exchange.GetName()\ndef main():\n    Log(fast + 1, name, helper.stamp())\n"
    run, _ = run_text(tmp_path, text, fast=4)
    assert texts(run) == [f"5 Binance {START_MS / 1000}"]
    assert run.own_files == [tmp_path / "helper.py"]


def test_a_real_exchange_cannot_be_reached(tmp_path: Path) -> None:
    _, end = run_text(tmp_path, "def main():\n    Exchange('Binance', 'BTC_USDT')\n")
    assert end.reason == "error"
    assert "Exchange(...) in a backtest" in end.text


STEPS = (
    "import random, time\n_G('x', seed)\ndef main():\n    total = 0\n    while True:\n        t = exchange.GetTicker()\n"
    "        total += t.Last * seed\n        if random.random() < 0.1:\n            exchange.Buy(-1, 50)\n"
    "        Log(_G('x'), time.time(), total)\n        LogProfit(total)\n        Sleep(30000)\n"
)


def test_two_backtests_in_two_threads_do_not_disturb_each_other(tmp_path: Path) -> None:
    folders = [tmp_path / str(number) for number in range(4)]
    for folder in folders:
        folder.mkdir()

    def rows(number: int) -> list[object]:
        run, end = run_text(folders[number], STEPS, seed=number)
        assert end.reason == "end"
        return run.log.rows

    alone = [rows(number) for number in range(4)]
    together: dict[int, list[object]] = {}
    threads = [threading.Thread(target=lambda n=number: together.__setitem__(n, rows(n))) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [together[number] for number in range(4)] == alone
    assert alone[1] != alone[2]


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (run_text(tmp_path, STEPS, seed=1)[0].result() for _ in range(2))
    assert first == second
    assert first["Elapsed"] == 0


def test_measured_results_say_what_they_took(tmp_path: Path) -> None:
    run, _ = run_text(tmp_path, LOOP)
    assert run.result(measured=True)["Elapsed"] > 0


def test_return_flags_leave_parts_out(tmp_path: Path) -> None:
    task = {"exchanges": [{"eid": "Binance", "currency": "BTC_USDT"}], "options": {"RetFlags": 1 | 16}}
    result = run_text(tmp_path, LOOP, task=task)[0].result()
    assert "Status" in result
    assert "ProfitLogs" in result
    assert not {"RuntimeLogs", "Chart", "Snapshots", "Symbols", "Indicators"} & result.keys()


def test_print_goes_where_it_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_text(tmp_path, "def main():\n    print('hello', 5, sep='-')\n", bars=generated(5))
    assert capsys.readouterr().out == "hello-5\n"


STUBBORN = {
    "one": """while True:
        try:
            exchange.GetTicker()
            Sleep(60000)
        except:
            pass
""",
    "one with calls in the handler": """while True:
        try:
            Sleep(3600000)
        except Exception:
            try:
                exchange.GetAccount()
            except Exception:
                pass
""",
    "two within each other": """while True:
        try:
            while True:
                try:
                    Sleep(60000)
                except BaseException as error:
                    Log(error)
        except:
            n = 0
""",
}


@pytest.mark.parametrize("name", STUBBORN)
def test_a_strategy_that_catches_everything_ends_all_the_same(tmp_path: Path, name: str) -> None:
    if name == "two within each other" and sys.version_info < (3, 12):
        pytest.skip("Python 3.11 cannot end two such loops within each other")
    text = f"def main():\n    {STUBBORN[name]}"
    tracing = sys.gettrace()
    run, end = run_text(tmp_path, text)
    again, _ = run_text(tmp_path, text)
    assert end.reason == "end"
    assert sys.gettrace() is tracing
    assert texts(run) == texts(again)
    assert len(texts(run)) < 250
