"""``fmzthreads kill`` and ``release``, and the guards of a run, by the commands that a user types."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="the simulator needs the extra 'server'")
pytest.importorskip("uvicorn", reason="the simulator needs the extra 'server'")

from fmzthreads.cli import main
from fmzthreads.exchange.guards.kill_switch import read_killed
from tests.helpers.runs import fmzthreads, started, wait_for_line

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")

BOT = """
def main():
    price = _N(exchange.GetTicker().Last * 0.7, 2)
    Log("resting", exchange.Buy(price, 0.01))
    EventLoop(-1)
    while EventLoop(0).Event != "Command" or GetCommand() != "end":
        Log("tried", exchange.Buy(price, 0.01), len(exchange.GetOrders()))
"""


def test_a_run_is_killed_and_released(tmp_path: Path) -> None:
    (tmp_path / "bot.py").write_text(BOT)
    run = ("run", "bot.py", "--simulated", "--exchange", "Binance:BTC_USDT")
    with started(*run, "--guard", "max_order_value=200", home=tmp_path) as process:
        line = wait_for_line(process, "resting")
        assert "null" in line or "None" in line
        fmzthreads("stop", "bot", home=tmp_path)
        assert process.wait(60) == 0
    with started(*run, "--guard", "max_order_value=4000", home=tmp_path) as process:
        assert "BTCUSDT," in wait_for_line(process, "resting")
        killed = fmzthreads("kill", "bot", "--reason", "too wild", home=tmp_path)
        assert killed.stdout == (
            "bot: new orders are refused until fmzthreads release bot\nbot: 1 open orders cancelled\n"
        )
        assert killed.returncode == 0
        fmzthreads("command", "bot", "go", home=tmp_path)
        wait_for_line(process, "the kill switch is set (too wild)")
        assert wait_for_line(process, "tried").endswith(" 0\n")
        fmzthreads("stop", "bot", home=tmp_path)
        assert process.wait(60) == 0
    with started(*run, home=tmp_path) as process:
        wait_for_line(process, "the strategy is killed (too wild)")
        wait_for_line(process, "the kill switch is set")
        assert fmzthreads("release", "bot", home=tmp_path).stdout == "bot: released\n"
        fmzthreads("command", "bot", "go", home=tmp_path)
        assert "BTCUSDT," in wait_for_line(process, "tried")
        assert "1 open orders cancelled" in fmzthreads("kill", home=tmp_path).stdout
        fmzthreads("command", "bot", "go", home=tmp_path)
        wait_for_line(process, "fmzthreads release ends this")
        fmzthreads("command", "bot", "end", home=tmp_path)
        assert process.wait(60) == 0


def test_what_does_not_run_is_killed_for_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FMZTHREADS_HOME", str(tmp_path))
    (tmp_path / "runs" / "old").mkdir(parents=True)
    (tmp_path / "script-12345678").mkdir()
    assert main(["kill", "old"]) == 0
    assert main(["kill", "script-12345678", "--protective"]) == 0
    assert "when it places its next order" in capsys.readouterr().out
    killed = read_killed(tmp_path / "script-12345678" / "killed.json")
    assert killed is not None
    assert killed.protective
    assert main(["kill"]) == 0
    assert main(["release", "old"]) == 0
    assert "all strategies are still killed" in capsys.readouterr().out
    assert main(["release"]) == 0
    assert main(["release"]) == 0
    assert capsys.readouterr().out.endswith("all strategies: not killed\n")
    assert main(["kill", "nobody"]) == 2
    assert "no run 'nobody'" in capsys.readouterr().err
    assert main(["kill", "--folder", str(tmp_path / "nowhere")]) == 2
    assert main(["kill", "--folder", str(tmp_path / "runs" / "old")]) == 0
    assert read_killed(tmp_path / "runs" / "old" / "killed.json") is not None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--guard", "max_order_valu=1"), "did you mean 'max_order_value'"),
        (("--guard", "max_order_value"), "expected NAME=NUMBER"),
        (("--guard", "max_order_value=0"), "must be more than 0"),
        (("--guard", "breaker.refusals=0"), "refusals"),
    ],
)
def test_a_guard_that_is_not_valid_starts_nothing(
    words: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bot.py").write_text(BOT)
    assert main(["run", str(tmp_path / "bot.py"), "--exchange", "Binance:BTC_USDT", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_plain_script_has_its_guards_in_its_own_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "script.py").write_text("print(1)\n")
    assert main(["run", str(tmp_path / "script.py"), "--guard", "max_order_value=5"]) == 2
    assert "pass guards= to Exchange" in capsys.readouterr().err


def test_a_run_on_paper_needs_no_keys_and_goes_on_where_it_was(tmp_path: Path) -> None:
    (tmp_path / "bot.py").write_text(
        "def main():\n    Log('account', exchange.GetAccount().Balance, len(exchange.GetOrders()))\n"
        "    Log('id', exchange.Buy(100, 1))\n"
    )
    (tmp_path / "run.toml").write_text("[paper]\nbalances = {USDT = 500}\nlatency_ms = 0\n")
    words = ("run", "bot.py", "--simulated", "--exchange", "OKX:BTC_USDT", "--config", "run.toml", "--json")
    for expected in ("account 500.0 0", "account 400.0 1"):
        shown = fmzthreads(*words, home=tmp_path)
        assert shown.returncode == 0, shown.stderr
        texts = [row.get("text", "") for row in map(json.loads, shown.stdout.splitlines())]
        assert expected in texts
    assert (tmp_path / "runs" / "bot" / "paper-OKX.sqlite3").exists()


def test_a_plain_script_trades_on_paper_unchanged(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        "from fmzthreads import Exchange\nexchange = Exchange('Binance', 'BTC_USDT')\n"
        "print(exchange.venue.account_id().partition(':')[0], exchange.GetAccount().Balance)\n"
    )
    shown = fmzthreads("run", "script.py", "--paper", home=tmp_path)
    assert "paper 10000.0" in shown.stdout
