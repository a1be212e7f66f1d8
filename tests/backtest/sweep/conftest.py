"""A strategy to be swept, and its bars."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

STRATEGY = """'''backtest
start: 2024-01-01 00:00:00
end: 2024-01-03 00:00:00
period: 5m
basePeriod: 5m
exchanges: [{"eid":"Binance","currency":"BTC_USDT","balance":10000,"stocks":0}]
args: [["fast",3],["slow",10]]
'''
def main():
    above = None
    while True:
        r = exchange.GetRecords()
        if len(r) > slow:
            if fast == 4 and slow == 30:
                raise ValueError("no such pair")
            now = TA.MA(r, fast)[-2] > TA.MA(r, slow)[-2]
            if above is not None and now != above:
                account = exchange.GetAccount()
                if now:
                    exchange.Buy(-1, 5000)
                elif account.Stocks > 0.001:
                    exchange.Sell(-1, _N(account.Stocks, 4))
            above = now
        Sleep(300000)
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    strategy, bars = tmp_path / "cross.py", tmp_path / "bars.csv"
    strategy.write_text(STRATEGY)
    rows, price = ["time,open,high,low,close,volume"], 40_000.0
    for n in range(2 * 288 + 288):
        begun = price
        price += 60 * math.sin(n / 9) + 25 * math.sin(n * 1.7)
        high, low = max(begun, price) + 5, min(begun, price) - 5
        rows.append(f"{1_703_980_800_000 + n * 300_000},{begun:.1f},{high:.1f},{low:.1f},{price:.1f},3.5")
    bars.write_text("\n".join(rows))
    return strategy, bars
