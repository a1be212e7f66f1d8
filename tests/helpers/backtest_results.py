"""Results of backtests for tests of figures and reports: what FMZ's engine computed, and results made here."""

from __future__ import annotations

import json
import math
import os
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.backtest.config.settings import BacktestSettings, ExchangeSettings, MarketDetail
from fmzthreads.backtest.nano import nano
from tests.helpers.shared_data import ROOT

__all__ = [
    "DAY",
    "GOLDEN",
    "account",
    "golden_folder",
    "golden_result",
    "made_result",
    "settings_of",
    "snapshot_row",
    "spot_settings",
]

DAY = 86_400_000
GOLDEN = (
    "cancel_modify",
    "clock_and_ticks",
    "condition_orders",
    "logs_chart_kv",
    "multi_period_records",
    "spot_insufficient_errors",
    "spot_limit_grid",
    "spot_ma_cross",
    "spot_market_quote",
    "two_exchange_arbitrage",
    "usdt_futures_trend",
)


def golden_folder(case: str) -> Path:
    """The folder of a golden case; skips the calling test where the cases are absent."""
    folder = Path(os.environ.get("FMZTHREADS_SHARED", ROOT.parent / "shared")) / "oracle-cases" / case
    if not folder.exists():
        pytest.skip(f"the golden case {case} is not beside this checkout, nor under FMZTHREADS_SHARED")
    return folder


def golden_result(case: str) -> tuple[dict[str, Any], BacktestSettings]:
    """What FMZ's engine computed for a golden case, and the case's settings; skips where the cases are absent."""
    folder = golden_folder(case)
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    result = {
        "Snapshots": expected["snapshots"],
        "ProfitLogs": expected["profitLogs"],
        "RuntimeLogs": expected["runtimeLogs"],
        "Chart": expected["chart"],
        "Status": expected["status"],
        "final": expected["final"]["exchanges"],
    }
    return result, settings_of(json.loads((folder / "config.json").read_text("utf-8")))


def settings_of(config: dict[str, Any]) -> BacktestSettings:
    """The settings of a golden case's ``config.json``."""

    def ms(text: str) -> int:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)

    exchanges = [
        ExchangeSettings(
            index=number,
            eid=one["eid"],
            currency=one["currency"],
            balance=nano(one["balance"]),
            stocks=nano(one["stocks"]),
            details={symbol: _detail(detail) for symbol, detail in one["details"].items()},
        )
        for number, one in enumerate(config["exchanges"])
    ]
    return BacktestSettings(
        start_ms=ms(config["start"]),
        end_ms=ms(config["end"]),
        period_ms=3_600_000,
        base_period_ms=60_000,
        snapshot_ms=config["options"].get("SnapshotPeriod", 3_600_000),
        exchanges=tuple(exchanges),
    )


def _detail(detail: dict[str, Any]) -> MarketDetail:
    return MarketDetail(
        symbol=detail["symbol"],
        base_currency=detail["baseCurrency"],
        quote_currency=detail["quoteCurrency"],
        margin_currency=detail.get("marginCurrency", ""),
        base_precision=detail["basePrecision"],
        quote_precision=detail["quotePrecision"],
        volume_multiple=nano(detail.get("volumeMultiple", 1)),
        contract_type=detail.get("contractType", ""),
    )


def spot_settings(days: float = 30, *, stocks: int = 0, exchanges: int = 1, **more: Any) -> BacktestSettings:
    """The settings of a backtest of BTC_USDT that begins with 10,000 USDT on each exchange at 2024-01-01."""
    start = 1_704_067_200_000
    end = start + round(days * DAY)
    known = {"snapshot_ms": DAY, "period_ms": 3_600_000, "base_period_ms": 60_000} | more
    each = tuple(
        ExchangeSettings(index=number, eid="Binance", currency="BTC_USDT", stocks=nano(stocks))
        for number in range(exchanges)
    )
    return BacktestSettings(start_ms=start, end_ms=end, exchanges=each, **known)


def account(
    money: float, coins: float = 0.0, price: float = 100.0, *, initial_coins: float = 0.0, **more: Any
) -> dict[str, Any]:
    """The snapshot of a spot account of BTC_USDT that began with 10,000 USDT."""
    assets = [
        {"Currency": "BTC", "Amount": coins, "FrozenAmount": 0, "Initial": initial_coins, "Commission": 0},
        {
            "Currency": "USDT",
            "Amount": money,
            "FrozenAmount": 0,
            "Initial": 10_000,
            "Commission": more.pop("fees", 0.0),
        },
    ]
    status = {"BuyOrderCount": 2, "SellOrderCount": 1, "BuyDealAmount": 1, "SellDealAmount": 1}
    return {
        "Id": "Binance",
        "BaseCurrency": "BTC",
        "QuoteCurrency": "USDT",
        "MarginCurrency": "USDT",
        "Assets": assets,
        "PnL": money - 10_000 + (coins - initial_coins) * price,
        "Utilization": abs(coins - initial_coins) * price / 10_000,
        "Symbols": {"BTC_USDT": {"Last": price, "TradeStatus": status}} if price else {},
    } | more


def snapshot_row(time_ms: int, *accounts: dict[str, Any]) -> list[Any]:
    """One row of ``Snapshots``."""
    return [time_ms, list(accounts)]


def made_result(days: int = 120, seed: int = 1, *, profits: bool = True) -> tuple[dict[str, Any], BacktestSettings]:
    """A result of a spot strategy that trades at random: it holds a coin or none, and pays 0.1 % of each trade."""
    rng = random.Random(seed)
    settings = spot_settings(days)
    money, coins, fees, price = 10_000.0, 0.0, 0.0, 100.0
    snapshots, orders, rows, profit_rows = [], [], [], []
    for day in range(days + 1):
        now = settings.start_ms + day * DAY
        if day and rng.random() < 0.4:
            buys = not coins
            amount = math.floor(money * 0.9 / price) if buys else coins
            fee = amount * price * 0.001
            money -= (amount if buys else -amount) * price + fee
            coins, fees = (amount if buys else 0.0), fees + fee
            number = len(orders) + 1
            orders.append(_order(number, now, price, amount, int(not buys)))
            rows.append([number, now, int(not buys), 1, number, price, amount, "turn", "BTC_USDT", ""])
            profit_rows.append([now, money + coins * price - 10_000])
        snapshots.append(snapshot_row(now, account(money, coins, price, fees=fees)))
        price *= math.exp(rng.gauss(0.001, 0.02))
    result = {
        "Snapshots": snapshots,
        "ProfitLogs": profit_rows if profits else [],
        "RuntimeLogs": rows,
        "Chart": {"Cfg": "", "Datas": []},
        "Status": "",
        "final": [{"historyOrders": orders, "openOrders": []}],
    }
    return result, settings


def _order(number: int, now: int, price: float, amount: float, kind: int) -> dict[str, Any]:
    return {
        "Id": number,
        "Time": now,
        "Price": price,
        "Amount": amount,
        "DealAmount": amount,
        "AvgPrice": price,
        "Type": kind,
        "Offset": kind,
        "Status": 1,
        "Symbol": "BTC_USDT",
    }
