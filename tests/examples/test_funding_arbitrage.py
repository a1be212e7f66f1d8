"""``examples/funding_arbitrage.py``: it carries while the rate pays, adds the payments up, evens out, and unwinds; live, on paper, in a backtest."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import fmzthreads
from fmzthreads.clock import WallClock
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.simulator import SimulatorServer
from fmzthreads.strategy.runtime import Runtime, use
from tests.helpers.backtest_runs import START_MS, command
from tests.helpers.shared_data import ROOT
from tests.helpers.simulators import contract_simulator

PATH = ROOT / "examples" / "funding_arbitrage.py"
SWAP = "BTC_USDT.swap"
PARAMETERS = {"COINS": 0.02, "PAYMENTS": 15, "KEEP": 0.5, "LEVEL": 3, "EVERY_S": 1, "TURNS": 1}


class Carry:
    """The script's names over two exchange objects, and the simulator behind them."""

    def __init__(self, server: SimulatorServer, exchanges: list[Any]) -> None:
        self.server = server
        self.names: dict[str, Any] = {name: getattr(fmzthreads, name) for name in fmzthreads.__all__}
        self.shown: list[str] = []
        self.profits: list[float] = []
        import json

        self.names.update(
            PARAMETERS, exchanges=exchanges, json=json, LogStatus=self.shown.append, __name__="strategy",
            LogProfit=lambda profit, *_: self.profits.append(profit),
        )  # fmt: skip
        exec(compile(PATH.read_text(), str(PATH), "exec"), self.names)

    def set_rate(self, rate: str) -> None:
        self.server.exchanges["um"].contracts.set_funding(SWAP, Decimal(rate))

    def pay(self) -> None:
        """Has the listed payment made, and the next one listed."""
        contracts = self.server.exchanges["um"].contracts
        now = contracts.prices(SWAP)
        contracts.pay_funding(SWAP)
        contracts.set_funding(SWAP, now.funding_rate, now.next_funding_ms + 28_800_000)

    def turn(self) -> tuple[float, float]:
        """One turn; what is then held."""
        self.names["turn"]()
        held: tuple[float, float] = self.names["held"]()
        return held

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = self.names["carry"]
        return found


@pytest.fixture
def carry(tmp_path: Path) -> Iterator[Carry]:
    pytest.importorskip("uvicorn", reason="needs the simulator, and the extra server")
    with (
        contract_simulator("um") as server,
        use(Runtime(WallClock(), console=False, name="carry", database=tmp_path / "strategy.sqlite3")),
    ):
        exchanges = [
            Exchange(name, "BTC_USDT", access_key=server.key, secret_key=server.secret, base=server.base_url)
            for name in ("Binance", "Futures_Binance")
        ]
        found = Carry(server, exchanges)
        found.set_rate("0")
        found.names["start"]()
        yield found
        for exchange in exchanges:
            exchange.close()


def test_it_carries_while_the_rate_pays_and_unwinds_when_it_does_not(carry: Carry) -> None:
    assert carry.turn() == (0.0, 0.0)
    assert carry.state["status"] == "waiting for a rate that pays"
    carry.set_rate("0.001")
    coins, sold = carry.turn()
    assert carry.state["status"] == "opened"
    assert sold == 0.02
    assert coins == pytest.approx(sold, abs=0.00002)
    for count in (1, 2):
        carry.turn()
        carry.pay()
        assert carry.turn() == (coins, sold)
        assert carry.state["status"] == "carrying"
        assert carry.state["payments"] == count
        # 0.1 % of a position of 0.02 coins; the exchange pays on its mark price.
        assert carry.state["expected"] == pytest.approx(count * 0.02 * 60_000 * 0.001, rel=0.02)
    paid = Decimal(carry.server.state()["contracts"]["um"]["other_payments"]["USDT"])
    assert carry.profits[-1] == pytest.approx(float(paid), abs=1e-6)
    assert f"{float(paid):.6f}" in carry.shown[-1]
    assert "in 2 payments" in carry.shown[-1]
    carry.set_rate("-0.0001")
    assert carry.turn() == (pytest.approx(0.0, abs=0.00002), 0.0)
    assert carry.state["status"] == "unwound"
    state = carry.server.state()
    assert state["reconciled"]
    assert state["contracts"]["um"]["reconciled"]
    assert carry.turn()[1] == 0.0
    assert carry.state["status"] == "waiting for a rate that pays"


def test_a_rate_between_both_limits_neither_opens_nor_closes(carry: Carry) -> None:
    cost = carry.names["costs"]()
    between = f"{cost * 0.75 / PARAMETERS['PAYMENTS']:.8f}"
    carry.set_rate(between)
    assert carry.turn() == (0.0, 0.0)
    carry.set_rate("0.001")
    carry.turn()
    carry.set_rate(between)
    assert carry.turn()[1] == 0.02
    assert carry.state["status"] == "carrying"


@pytest.mark.parametrize("path", ["/api/v3/order", "/fapi/v1/order"])
def test_a_leg_that_is_missing_is_evened_out_by_the_contract(path: str, carry: Carry) -> None:
    carry.set_rate("0.001")
    carry.server.faults.set(path, error_5xx=True)
    carry.turn()
    carry.server.faults.clear()
    assert carry.state["status"] == "opened", carry.shown
    coins, sold = carry.names["held"]()
    assert abs(coins - sold) > 0.001
    carry.turn()
    assert carry.state["status"] == "evening out"
    coins, sold = carry.names["held"]()
    assert abs(coins - sold) < 0.001
    state = carry.server.state()["contracts"]["um"]
    assert state["reconciled"]


def test_it_carries_and_unwinds_on_paper(tmp_path: Path) -> None:
    pytest.importorskip("uvicorn", reason="needs the simulator, and the extra server")
    with (
        contract_simulator("um") as server,
        use(Runtime(WallClock(), console=False, name="paper", database=tmp_path / "strategy.sqlite3")),
    ):
        exchanges = [
            Exchange(name, "BTC_USDT", base=server.base_url, paper={"balances": {"USDT": 10_000}, "latency_ms": 0, "file": str(tmp_path / name)})
            for name in ("Binance", "Futures_Binance")
        ]  # fmt: skip
        carry = Carry(server, exchanges)
        carry.set_rate("0.001")
        carry.names["start"]()
        coins, sold = carry.turn()
        assert carry.state["status"] == "opened"
        assert coins == pytest.approx(sold, abs=0.00002)
        assert sold == 0.02
        carry.set_rate("-0.001")
        assert carry.turn()[1] == 0.0
        assert carry.state["status"] == "unwound"
        for exchange in exchanges:
            exchange.close()


def test_without_a_listed_rate_nothing_is_traded(carry: Carry) -> None:
    carry.names["funding"] = lambda: None
    assert carry.turn() == (0.0, 0.0)
    assert carry.state["status"] == "no funding rate is listed"


def test_it_runs_in_a_backtest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    step_ms, hour_ms = 300_000, 3_600_000
    begin = START_MS + 86_400_000
    lines = ["series,time,open,high,low,close,volume"]
    for name in ("Binance/BTC_USDT", "Futures_Binance/BTC_USDT.swap", "Futures_Binance/BTC_USDT.index"):
        last = 42_000.0
        for row in range(8 * 86_400_000 // step_ms):
            close = 42_000 + 300 * math.sin(row / 50)
            high, low = max(last, close) + 5, min(last, close) - 5
            lines.append(f"{name},{begin + row * step_ms},{last:.2f},{high:.2f},{low:.2f},{close:.2f},10")
            last = round(close, 2)
    for row in range(24):  # the rate pays for three days, then it does not
        rate = 0.0008 if row < 12 else -0.0002
        lines.append(f"Futures_Binance/BTC_USDT.funding,{begin + row * 8 * hour_ms},{rate},{rate},{rate},{rate},1")
    file = tmp_path / "bars.csv"
    file.write_text("\n".join(lines) + "\n")
    code, whole, err = command(capsys, PATH, "--bars", file, "--arg", "EVERY_S=3600")
    assert code == 0, err
    logs = whole["result"]["RuntimeLogs"]
    assert [row for row in logs if row[2] == 3] == []
    told = [str(row) for row in logs]
    assert any("carrying 0.02 coins" in one for one in told), told
    assert any("unwinding" in one for one in told), told
    assert whole["result"]["ProfitLogs"][-1][1] > 0
