"""``fmzthreads run`` and its kin by the commands that a user types; what needs no process is in the other files."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
from pathlib import Path

import pytest

from tests.helpers.runs import fmzthreads, started, wait_for_line

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")

EXCHANGE = ("--exchange", "Binance:BTC_USDT")

BOT = """
'''config
[{"name": "amount", "type": "number", "default": 1, "min": 0.5, "label": "Amount", "group": "Orders"},
 {"name": "password", "type": "encrypted"}, {"name": "mode", "type": "selected", "options": ["fast", "slow"], "default": 0}]
'''
def init():
    _G("starts", (_G("starts") or 0) + 1)

def main():
    print("printed")
    LogStatus("`" + json.dumps({"type": "table", "title": "T", "cols": ["a"], "rows": [[{"type": "button", "name": "Go", "cmd": "go"}]]}) + "`")
    LogProfit(1.25)
    Log("ready", amount, mode, _G("starts"))
    EventLoop(-1)
    while True:
        if EventLoop(0).Event == "Command":
            Log("command", GetCommand())

def onexit():
    Log("onexit")
"""


def written(home: Path, text: str, name: str = "bot.py") -> str:
    (home / name).write_text(text, encoding="utf-8")
    return name


def test_a_run_is_seen_commanded_stopped_and_read(tmp_path: Path) -> None:
    bot = written(tmp_path, BOT)
    with started("run", bot, *EXCHANGE, "--arg", "amount=2", "--arg", "password=hunter222", home=tmp_path) as process:
        assert wait_for_line(process, "ready").endswith("ready 2 0 1\n")
        second = fmzthreads("run", bot, *EXCHANGE, home=tmp_path)
        assert second.returncode == 2
        assert f"is alive (process {process.pid}" in second.stderr
        shown = fmzthreads("status", "bot", home=tmp_path).stdout
        assert "bot" in shown
        assert "running" in shown
        assert "1.25" in shown
        assert "[Go]" in shown
        assert shown.endswith("\ncommands: go (Go)\n")
        assert fmzthreads("command", "bot", "go:5", home=tmp_path).returncode == 0
        wait_for_line(process, "command go:5")
        stopped = fmzthreads("stop", "bot", home=tmp_path)
        assert stopped.stdout == "bot: ended, stopped by fmzthreads stop\n"
        assert process.wait(60) == 0
        assert process.stdout is not None
        assert "onexit" in process.stdout.read()
    folder = tmp_path / "runs" / "bot"
    assert (folder / "stdout.log").read_text() == "printed\n"
    assert "hunter" not in (folder / "process.json").read_text()
    with sqlite3.connect(folder / "strategy.sqlite3") as database:
        tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    database.close()
    assert tables >= {"log", "profit", "kvdb"}
    rows = fmzthreads("logs", "bot", "--export", "json", home=tmp_path).stdout.splitlines()
    assert [json.loads(row)["text"] for row in rows][-1] == "onexit"
    assert fmzthreads("command", "bot", "go", home=tmp_path).returncode == 2
    assert "did you mean 'bot'" in fmzthreads("stop", "bott", home=tmp_path).stderr


def test_a_run_that_was_killed_goes_on_with_its_values_and_its_log(tmp_path: Path) -> None:
    bot = written(tmp_path, BOT)
    with started("run", bot, *EXCHANGE, home=tmp_path) as process:
        wait_for_line(process, "ready 1 0 1")
        with started("logs", "bot", "--follow", home=tmp_path) as follower:
            wait_for_line(follower, "ready 1 0 1")  # it is in the database; the last 50 ms before a kill may be lost
        process.kill()
        process.wait(60)
    assert "killed" in fmzthreads("status", home=tmp_path).stdout
    with started("run", bot, *EXCHANGE, home=tmp_path) as process:
        wait_for_line(process, "ready 1 0 2")
        process.terminate()
        assert process.wait(60) == 130
    log = fmzthreads("logs", "bot", home=tmp_path).stdout
    assert log.count("ready") == 2
    assert "was killed" in log
    assert log.endswith("onexit\n")


@pytest.mark.parametrize(
    "body",
    [
        "while True: pass",
        "while True:\n        try:\n            Sleep(1)\n        except:\n            pass",
        "while True:\n        try:\n            time.sleep(600)\n        except BaseException:\n            Log('swallowed')\n            break\n    time.sleep(600)",
    ],
    ids=["computes", "swallows all", "sleeps by time.sleep"],
)
def test_a_strategy_that_does_not_heed_its_stop_ends_all_the_same(body: str, tmp_path: Path) -> None:
    bot = written(tmp_path, f"def main():\n    Log('ready')\n    {body}\n\ndef onexit():\n    Log('onexit')\n")
    with started("run", bot, *EXCHANGE, home=tmp_path) as process:
        wait_for_line(process, "ready")
        process.send_signal(signal.SIGINT)
        process.wait(90)
    assert "onexit" in fmzthreads("logs", "bot", home=tmp_path).stdout
    assert process.returncode == 130


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    bot = written(
        tmp_path,
        "def main():\n    Log('ready')\n    Sleep(600000)\n\ndef onexit():\n    Log('cleaning')\n    Sleep(600000)\n",
    )
    with started("run", bot, *EXCHANGE, home=tmp_path) as process:
        wait_for_line(process, "ready")
        process.send_signal(signal.SIGINT)
        wait_for_line(process, "cleaning")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert "second SIGINT" in fmzthreads("status", "bot", "--json", home=tmp_path).stdout


def test_an_error_shows_the_strategys_own_lines_and_gives_1(tmp_path: Path) -> None:
    bot = written(
        tmp_path, "def main():\n    helper()\n\ndef helper():\n    return 1 / 0\n\ndef onexit():\n    Log('onexit')\n"
    )
    done = fmzthreads("run", bot, *EXCHANGE, home=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "fmzthreads: bot.py failed: ZeroDivisionError: division by zero (bot.py, line 5)\n"
    assert done.stdout.count("File ") == 2
    assert "onexit" not in done.stdout  # as on FMZ: not after an uncaught exception


def test_json_lines_for_programs(tmp_path: Path) -> None:
    bot = written(
        tmp_path,
        "def main():\n    print('out')\n    Log('a', '#ff0000')\n    LogProfit(2, '&')\n    LogStatus('s')\n    exit(3)\n",
    )
    done = fmzthreads("run", bot, *EXCHANGE, "--json", home=tmp_path)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 3
    assert {event["type"] for event in events} == {"stdout", "log", "profit", "status", "end"}
    assert events[-1] == {"type": "end", "code": 3, "reason": "ended by exit(3)"}
    assert next(event for event in events if event["type"] == "log")["color"] == "#ff0000"
    assert done.stderr == ""


def test_threads_of_a_strategy_end_with_it(tmp_path: Path) -> None:
    bot = written(
        tmp_path,
        "import threading\ndef main():\n    threading.Thread(target=lambda: time.sleep(600)).start()\n    Log('done')\n",
    )
    done = fmzthreads("run", bot, *EXCHANGE, home=tmp_path, timeout_s=60)
    assert (done.returncode, "done" in done.stdout) == (0, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "needs an exchange"),
        (("--exchange", "Binanse:BTC_USDT"), "did you mean 'Binance'"),
        ((*EXCHANGE, "--arg", "amuont=1"), "did you mean 'amount'"),
        ((*EXCHANGE, "--arg", "amount=0.1"), "at least 0.5"),
        ((*EXCHANGE, "--template", "no.py"), "no strategy file 'no.py'"),
        ((*EXCHANGE, "--template", "broken.py"), "broken.py, line 1"),
        ((*EXCHANGE, "--config", "bad.toml"), "unknown key 'nmae'"),
        ((*EXCHANGE, "--name", "a/b"), "cannot be called"),
        ((*EXCHANGE, "--seconds", "0"), "not a number of seconds"),
        (("--exchange", "Bybit:BTC_USDT", "--simulated"), "no simulator for the exchange 'Bybit'"),
        ((*EXCHANGE, "--", "x"), "no arguments after --"),
    ],
)
def test_what_is_not_valid_is_named_before_anything_starts(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    bot = written(tmp_path, BOT.replace("def init", "Log('loaded')\ndef init"))
    written(tmp_path, "def f(:\n", "broken.py")
    written(tmp_path, "nmae = 1\n", "bad.toml")
    done = fmzthreads("run", bot, *words, home=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_help_with_a_file_lists_its_parameters(tmp_path: Path) -> None:
    done = fmzthreads("run", "--help", written(tmp_path, BOT), home=tmp_path)
    assert done.returncode == 0
    assert "Orders:\n  --arg amount=...   a number, at least 0.5; default 1\n      Amount\n" in done.stdout
    assert "--arg password=...   a text; a secret" in done.stdout
    assert "one of 0 (fast), 1 (slow)" in done.stdout
    assert "--simulated" in fmzthreads("run", "--help", home=tmp_path).stdout


def test_a_strategy_trades_on_simulated_exchanges_with_a_template(tmp_path: Path) -> None:
    pytest.importorskip("uvicorn", reason="needs the extra server")
    strategy = (
        '\'\'\'backtest\nexchanges: [{"eid":"OKX","currency":"SOL_USDT"}]\n\'\'\'\n'
        "def main():\n    Log(exchange.GetName(), exchange.GetCurrency(), len(exchanges), IsVirtual())\n"
        "    id = ext.buy(n)\n    Log('order', exchange.GetOrder(id).Amount)\n    exchange.GetAccount()\n"
    )
    written(
        tmp_path,
        "def buy(n):\n    return exchange.Buy(_C(exchange.GetTicker).Buy * factor, n)\next.buy = buy\n",
        "lib.py",
    )
    bot = written(tmp_path, strategy)
    words = ("--simulated", "--template", "lib.py", "--arg", "n=0.5", "--arg", "lib.factor=0.9", "--folder", "kept")
    done = fmzthreads("run", bot, *words, home=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "OKX SOL_USDT 1 False" in done.stdout
    assert "order 0.5" in done.stdout
    with sqlite3.connect(tmp_path / "kept" / "strategy.sqlite3") as connection:
        samples = [json.loads(row[0]) for row in connection.execute("SELECT data FROM holding")]
    connection.close()
    assert len(samples) == 1, "what was read is kept at the end of the run too"
    held = {row[2]: row for row in samples[0]["money"]}
    assert held["USDT"][0].startswith("OKX:")
    assert held["USDT"][3] > 0
    assert held["SOL"][4:6] == ["USDT", pytest.approx(held["SOL"][5])]
    assert held["SOL"][5] > 0, "the bid that the strategy saw"


def test_simulators_for_exchanges_over_ccxt_one_for_each_venue(tmp_path: Path) -> None:
    pytest.importorskip("uvicorn", reason="needs the extra server")
    pytest.importorskip("ccxt", reason="needs the extra ccxt")
    strategy = """
def main():
    for e in exchanges:
        id = e.Buy(_N(_C(e.GetTicker).Last * 0.8, 1), 0.01)
        Log(e.GetName(), e.GetBase().startswith("http://127.0.0.1"), e.GetOrder(id).Amount)
    Log("at one venue", len(exchanges[0].GetOrders()))
"""
    names = [part for name in ("ccxt:binance", "ccxt:okx", "Binance") for part in ("--exchange", f"{name}:BTC_USDT")]
    done = fmzthreads("run", written(tmp_path, strategy), "--simulated", *names, home=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ccxt:binance True 0.01" in done.stdout
    assert "ccxt:okx True 0.01" in done.stdout
    assert "Binance True 0.01" in done.stdout
    assert "at one venue 2" in done.stdout


def test_an_exchange_without_a_simulator_is_named_with_those_that_have_one(tmp_path: Path) -> None:
    done = fmzthreads(
        "run",
        written(tmp_path, "def main(): pass"),
        "--simulated",
        "--exchange",
        "ccxt:bynance:BTC_USDT",
        home=tmp_path,
    )
    assert done.returncode == 2
    assert "ccxt:bynance" in done.stderr


def test_names_that_nothing_defines_are_named_once_at_the_start(tmp_path: Path) -> None:
    strategy = "def main():\n    Log('runs')\n    if len(exchanges) > 5:\n        GetTickre(LIMIT)\n"
    done = fmzthreads("run", written(tmp_path, strategy), "--exchange", "Binance:BTC_USDT", home=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("reads names that nothing defines: GetTickre (line 4), LIMIT (line 4)") == 1
    assert "runs" in done.stdout


def test_stop_cancel_cancels_the_strategy_s_orders_and_no_others(tmp_path: Path) -> None:
    pytest.importorskip("uvicorn", reason="needs the extra server")
    strategy = """
def main():
    price = _N(_C(exchange.GetTicker).Last * 0.8, 1)
    exchange.Buy(price, 0.01)
    query = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.02&price=" + str(price)
    Log("by hand", exchange.IO("api", "POST", "/api/v3/order", query) is not None)
    Sleep(600000)

def onexit():
    Log("left", [order.Amount for order in exchange.GetOrders()])
"""
    bot = written(tmp_path, strategy)
    with started("run", bot, "--simulated", *EXCHANGE, home=tmp_path) as process:
        wait_for_line(process, "by hand True")
        assert fmzthreads("stop", "bot", "--cancel", home=tmp_path).returncode == 0
        assert wait_for_line(process, "left").endswith("left [0.02]\n")
        assert process.wait(60) == 0
    assert "1 open orders on Binance are not this strategy's" in fmzthreads("logs", "bot", home=tmp_path).stdout


def test_two_files_of_one_name_do_not_share_their_state_unless_told(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    first = written(tmp_path, "def main():\n    _G('x', 1)\n")
    other = written(tmp_path, "def main():\n    Log('x', _G('x'))\n", "a/bot.py")
    assert fmzthreads("run", first, *EXCHANGE, home=tmp_path).returncode == 0
    refused = fmzthreads("run", other, *EXCHANGE, home=tmp_path)
    assert refused.returncode == 2
    assert "give this one another --name" in refused.stderr
    assert "x 1" in fmzthreads("run", other, *EXCHANGE, "--name", "bot", home=tmp_path).stdout


# Plain scripts


def test_a_plain_script_runs_as_by_python_with_its_arguments(tmp_path: Path) -> None:
    script = written(
        tmp_path,
        "import sys\nfrom fmzthreads import *\nLog(sys.argv[1:], __name__, sys.path[0])\nsys.exit(7)\n",
        "s.py",
    )
    done = fmzthreads("run", script, "--", "a", "--seconds", home=tmp_path)
    assert done.returncode == 7
    assert f"['a', '--seconds'] __main__ {tmp_path}" in done.stdout
    assert done.stderr == ""


def test_the_traceback_of_a_script_begins_in_the_script(tmp_path: Path) -> None:
    script = written(tmp_path, "print(__name__, __file__)\n1 / 0\n", "fails.py")
    done = fmzthreads("run", script, home=tmp_path)
    assert done.returncode == 1
    assert done.stdout.startswith(f"__main__ {tmp_path / 'fails.py'}\n")
    assert done.stdout.count("File ") == 1
    assert done.stderr == "fmzthreads: fails.py failed: ZeroDivisionError: division by zero (fails.py, line 2)\n"


def test_ctrl_c_prints_one_line_and_gives_130(tmp_path: Path) -> None:
    script = written(tmp_path, "from fmzthreads import *\nprint('ready', flush=True)\nSleep(600_000)\n", "waits.py")
    with started("run", script, home=tmp_path) as process:
        wait_for_line(process, "ready")
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert (out + err).splitlines() == ["interrupted"]


def test_a_plain_script_takes_no_parameters(tmp_path: Path) -> None:
    script = written(tmp_path, "print(1)\n", "s.py")
    for words in (("--arg", "a=1"), ("--template", "s.py"), EXCHANGE):
        done = fmzthreads("run", script, *words, home=tmp_path)
        assert done.returncode == 2
        assert "plain script" in done.stderr


def test_a_following_log_ends_with_the_run(tmp_path: Path) -> None:
    bot = written(tmp_path, BOT)
    with started("run", bot, *EXCHANGE, home=tmp_path) as process:
        wait_for_line(process, "ready")
        with started("logs", "bot", "--follow", "--type", "log", home=tmp_path) as follower:
            wait_for_line(follower, "ready")
            assert fmzthreads("command", "bot", "later", home=tmp_path).returncode == 0
            wait_for_line(follower, "command later")
            assert fmzthreads("stop", "bot", home=tmp_path).returncode == 0
            wait_for_line(follower, "onexit")
            assert follower.wait(60) == 0
