"""Strategies in FMZ's form, and the listings of the tutorial, run unchanged by ``fmzthreads run --simulated``."""

from __future__ import annotations

import re

import pytest

from tests.helpers.runs import fmzthreads
from tests.helpers.shared_data import ROOT

pytest.importorskip("uvicorn", reason="strategies run against the simulator, which needs the extra server")
pytestmark = pytest.mark.example

STRATEGIES = ROOT / "examples" / "strategies"
TUTORIAL = ROOT / "examples" / "tutorial"

# What each must have said, and the options with which it is run.
EXPECTED: dict[str, tuple[list[str], list[str]]] = {
    "01_first_strategy": ([], [r"Binance BTC_USDT last \d+"]),
    "02_market_data": ([], ["24 h high", "of 300.0 seconds", "price step 0.01"]),
    "03_orders": ([], ["pending: True of 0.01", "open orders 1", "open orders now 0", r"sold at \d+.* changed by [1-9]"]),
    "04_side_by_side": ([], ["three calls took", "a second wait gives None False", r"balances \[1000000.0, 1000000.0\]"]),
    "05_events": ([], ["event Exchange_GetTicker of exchange 1", "nothing more: None"]),
    "06_websocket": ([], [r"bid \d+.* ask", "connection closed"]),
    "07_two_streams": ([], [r"Binance \d+.* OKX \d+.* difference"]),
    "08_http": ([], ["public: ", "status 404", r"signed: \['BTC', 'ETH'\]", "raw text of the last reply: {}"]),
    "09_status_and_commands": ([], ["Account", r"\[Click\]", "done"]),
    "10_chart": ([], ["drawn 6 prices"]),
    "11_kept_values": ([], ["this is run 1", r"\['n', 'low'\] rows 1", "'text': 'kept'", "deleted: None"]),
    "12_moving_averages": (["--arg", "fast=2"], [r"fast \d+", r"rsi \d+"]),
    "13_stop": (["--seconds", "6"], ["never swallow it", "cancelled at the stop: True", "open 0"]),
    "14_rate_limit": ([], [r"answered \[True, True, False, False\]", "more than half a second: True"]),
    "15_encode": ([], ["698d54f0494528a7", "a signature of 64 digits"]),
    "16_work_in_threads": ([], ["results 18 all there: True"]),
    "grid": (["--arg", "turns=4", "--arg", "levels=2"], ["with 4 orders", r"\[Pause\]", r"cancelled \d+ orders"]),
    "hedge": (["--arg", "seconds=4", "--arg", "edge=-0.005"], [r"hedge \d+ bought 0.01", r"PROFIT -?\d", r"exposure -?0\.0\n"]),
    "stream_maker": (["--arg", "seconds=4"], [r"messages [1-9]\d* turns [1-9]", "open orders 0"]),
}  # fmt: skip


def test_every_strategy_is_expected_to_say_something() -> None:
    found = {path.stem for folder in (STRATEGIES, TUTORIAL) for path in folder.glob("*.py")}
    assert found - {"trade"} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_strategy(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("home")
    options, patterns = EXPECTED[name]
    path = TUTORIAL / f"{name}.py"
    if not path.exists():
        path = STRATEGIES / f"{name}.py"
        options = [*options, "--template", str(STRATEGIES / "trade.py")]
    done = fmzthreads("run", str(path), "--simulated", *options, home=home)
    assert done.returncode == 0, done.stdout + done.stderr
    for pattern in patterns:
        assert re.search(pattern, done.stdout), f"{pattern!r} is not in:\n{done.stdout}"
    assert done.stderr == ""
