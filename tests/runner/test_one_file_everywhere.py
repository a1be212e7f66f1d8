"""One strategy file, unchanged, in a backtest, on paper, and live (against a simulated exchange)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the simulator needs the extra 'server'")
pytest.importorskip("uvicorn", reason="the simulator needs the extra 'server'")

from fmzthreads.exchange.exchange import Exchange
from fmzthreads.runner.launch import run_strategy
from tests.helpers.backtest_runs import run_text
from tests.helpers.simulators import simulator

STRATEGY = """
def main():
    ticker = exchange.GetTicker()
    before = exchange.GetAccount()
    bought = exchange.Buy(-1, 100, "at market")
    resting = exchange.Sell(_N(ticker.Sell * 1.2, 2), _N(30 / ticker.Last, 4))
    order = exchange.GetOrder(bought)
    frozen = exchange.GetAccount().FrozenStocks
    exchange.CancelOrder(resting)
    after = exchange.GetAccount()
    Log("RESULT", json.dumps({
        "status": order.Status == ORDER_STATE_CLOSED,
        "spent": 90 < before.Balance - after.Balance <= 100.2,
        "bought": after.Stocks > before.Stocks,
        "frozen": frozen > 0 and after.FrozenStocks == 0,
        "open": len(exchange.GetOrders()),
    }))
"""
EXPECTED = 'RESULT {"status": true, "spent": true, "bought": true, "frozen": true, "open": 0}'


@pytest.mark.parametrize("paper", [False, True])
@pytest.mark.parametrize("name", ["Binance", "OKX"])
def test_live_and_on_paper(
    name: str, paper: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FMZTHREADS_HOME", str(tmp_path))
    file = tmp_path / "strategy.py"
    file.write_text(STRATEGY)
    with simulator(name.lower()) as server:
        more: dict[str, Any] = {"paper": {"latency_ms": 0}} if paper else {"access_key": server.key}
        if not paper:
            more |= {"secret_key": server.secret, "passphrase": server.passphrase}
        with Exchange(name, "BTC_USDT", base=server.base_url, **more) as exchange:
            outcome = run_strategy(file, exchanges=[exchange], folder=tmp_path / "run")
    assert outcome.code == 0, outcome.traceback
    assert EXPECTED in capsys.readouterr().out


def test_backtest(tmp_path: Path) -> None:
    run, end = run_text(tmp_path, STRATEGY)
    assert end.code == 0
    assert any(EXPECTED in row for row in run.result()["RuntimeLogs"])
