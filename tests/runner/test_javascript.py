"""``fmzthreads run strategy.js`` against the simulator."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("quickjs")

STRATEGY = """/*backtest
exchanges: [{"eid":"Binance","currency":"BTC_USDT"}]
args: [["amount", 0.01]]
*/
function main() {
  var ticker = _C(exchange.GetTicker)
  var books = ["GetDepth", "GetDepth"].map(function(name) { return exchange.Go(name) }).map(function(h) { return h.wait() })
  var id = exchange.Buy(_N(ticker.Last * 0.9, 2), amount, "from javascript")
  var order = exchange.GetOrder(id)
  Log(order.Status == ORDER_STATE_PENDING, order.Amount, books.length, exchange.CancelOrder(id))
  LogProfit(1.5)
  LogStatus("`" + JSON.stringify({type: "table", title: "t", cols: ["a"], rows: [[1]]}) + "`")
}
function onexit() { Log("left") }
"""


def test_a_javascript_strategy_runs_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "bot.js"
    file.write_text(STRATEGY)
    done = subprocess.run(
        [sys.executable, "-m", "fmzthreads", "run", str(file), "--simulated", "--folder", str(tmp_path / "run")],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "from javascript" in done.stdout
    assert "true 0.01 2 true" in done.stdout
    assert done.stdout.rstrip().endswith("left")


def test_a_script_that_only_loops_is_ended_by_its_process(tmp_path: Path) -> None:
    file = tmp_path / "bot.js"
    file.write_text("function main() { for (;;); }")
    done = subprocess.run(
        [sys.executable, "-m", "fmzthreads", "run", str(file), "--simulated", "--exchange", "Binance:BTC_USDT",
         "--seconds", "1", "--folder", str(tmp_path / "run")],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "bot.js" in done.stdout + done.stderr
