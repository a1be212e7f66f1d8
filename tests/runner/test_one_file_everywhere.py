"""One strategy file, unchanged, in a backtest, on paper, and live (against a simulated exchange)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the simulator needs the extra 'server'")
pytest.importorskip("uvicorn", reason="the simulator needs the extra 'server'")

from fmzthreads.exchange.exchange import Exchange
from fmzthreads.runner.launch import run_strategy
from fmzthreads.simulator import SimulatorServer
from fmzthreads.simulator.market.maker import MarketSettings
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

CONTRACTS = """
def main():
    exchange.SetContractType("swap")
    exchange.SetMarginLevel(20)
    last = exchange.GetTicker().Last
    exchange.SetDirection("buy")
    opened = exchange.Buy(-1, 1)
    resting = exchange.Buy(_N(last * 0.7, 1), 1)
    changed = exchange.ModifyOrder(resting, "buy", _N(last * 0.8, 1), 1)
    order = exchange.GetOrder(changed)
    stop = {"ConditionType": ORDER_CONDITION_TYPE_SL, "SlTriggerPrice": _N(last * 0.5, 1), "SlOrderPrice": -1}
    placed = exchange.CreateConditionOrder("BTC_USDT.swap", "closebuy", 1, stop)
    stop["SlTriggerPrice"] = _N(last * 0.6, 1)
    moved = exchange.ModifyConditionOrder(placed, "closebuy", 1, stop)
    waiting = exchange.GetConditionOrders("BTC_USDT.swap")
    exchange.CancelConditionOrder(moved)
    exchange.CancelOrder(changed)
    again = exchange.ModifyOrder(changed, "buy", _N(last * 0.75, 1), 1)
    position = exchange.GetPositions()[0]
    Log("RESULT", json.dumps({
        "filled": exchange.GetOrder(opened).Status == ORDER_STATE_CLOSED,
        "changed": order.Price == _N(last * 0.8, 1) and order.Status == ORDER_STATE_PENDING,
        "waiting": [one.Condition.SlTriggerPrice == stop["SlTriggerPrice"] for one in waiting],
        "cancelled": exchange.GetConditionOrder(moved).Status == ORDER_STATE_CANCELED,
        "left": len(exchange.GetConditionOrders("BTC_USDT.swap")) + len(exchange.GetOrders()),
        "again": again,
        "position": [float(position.Amount), position.Type == PD_LONG, float(position.MarginLevel)],
    }))
"""
OF_CONTRACTS = (
    'RESULT {"filled": true, "changed": true, "waiting": [true], "cancelled": true, "left": 0, "again": null, '
    '"position": [1.0, true, 20.0]}'
)


@pytest.mark.parametrize("paper", [False, True])
@pytest.mark.parametrize("name", ["Binance", "OKX"])
def test_live_and_on_paper(
    name: str, paper: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FMZTHREADS_HOME", str(tmp_path))
    file = tmp_path / "strategy.py"
    file.write_text(STRATEGY)
    with (
        simulator(name.lower()) as server,
        Exchange(name, "BTC_USDT", base=server.base_url, **_account(server, paper)) as exchange,
    ):
        outcome = run_strategy(file, exchanges=[exchange], folder=tmp_path / "run")
    assert outcome.code == 0, outcome.traceback
    assert EXPECTED in capsys.readouterr().out


@pytest.mark.parametrize("paper", [False, True])
@pytest.mark.parametrize(("name", "products"), [("Futures_Binance", ("um", "cm")), ("Futures_OKX", ("spot", "swap"))])
def test_contracts_live_and_on_paper(
    name: str,
    products: tuple[str, ...],
    paper: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FMZTHREADS_HOME", str(tmp_path))
    file = tmp_path / "strategy.py"
    file.write_text(CONTRACTS)
    settings = MarketSettings(levels=10, makers=1, take_chance=1)
    venue = name.removeprefix("Futures_").lower()
    with (
        simulator(venue, symbols=["BTC_USDT"], products=products, settings=settings) as server,
        Exchange(name, "BTC_USDT", base=server.base_url, **_account(server, paper)) as exchange,
    ):
        outcome = run_strategy(file, exchanges=[exchange], folder=tmp_path / "run")
    assert outcome.code == 0, outcome.traceback
    assert OF_CONTRACTS in capsys.readouterr().out


def test_contracts_in_a_backtest(tmp_path: Path) -> None:
    task = {"exchanges": [{"eid": "Futures_Binance", "currency": "BTC_USDT", "balance": 100_000}]}
    run, end = run_text(tmp_path, CONTRACTS, task=task)
    assert end.code == 0
    assert any(OF_CONTRACTS in row for row in run.result()["RuntimeLogs"]), run.result()["RuntimeLogs"]


def _account(server: SimulatorServer, paper: bool) -> dict[str, Any]:
    if paper:
        return {"paper": {"latency_ms": 0}}
    return {"access_key": server.key, "secret_key": server.secret, "passphrase": server.passphrase}


def test_backtest(tmp_path: Path) -> None:
    run, end = run_text(tmp_path, STRATEGY)
    assert end.code == 0
    assert any(EXPECTED in row for row in run.result()["RuntimeLogs"])
